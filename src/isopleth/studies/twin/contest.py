"""The contest: every method gets as many trials on the validation, then one run on the test."""

from __future__ import annotations

import hashlib
import inspect
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.rollout import rollout
from isopleth.studies.provenance import code_digest
from isopleth.studies.results import replacing
from isopleth.studies.tuning import search
from isopleth.studies.twin.background import batched
from isopleth.studies.twin.climate import square_error
from isopleth.studies.twin.cycling import (
    CYCLED,
    TRAINING_TIMES,
    Cycling,
    Run,
    own_covariance,
)
from isopleth.studies.twin.emulated import EMULATED
from isopleth.studies.twin.network import Network
from isopleth.studies.twin.oneshot import ONE_SHOT
from isopleth.studies.twin.recipe import NetworkRecipe, TwinRecipe
from isopleth.studies.twin.statistics import Seen, Statistics
from isopleth.studies.twin.window import WINDOW
from isopleth.studies.twin.world import Cases, TwinWorld

__all__ = ["TASKS", "Contest", "Outcome"]

TASKS = ("one-shot", "window", "cycling")

_WINDOW_SHARE = 4
"""Windows are tuned on every fourth validation case: an analysis of one costs seconds."""

_MADE_BY = ("contest.py", "statistics.py", "oneshot.py")
"""Besides the file of the method itself: a change of these makes an outcome anew."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A method's score on the test.

    Attributes:
        task: One of `TASKS`.
        network: Name of what was observed.
        method: Name.
        settings: That the validation chose.
        validation: Its root-mean-square error there.
        trials: That were made.
        tuning_seconds: Of one core, for all trials.
        test_seconds: Of one core.
        square_error: Of every test case at every time, shape (cases, times).
        trajectory: Of every case, shape (cases,).
    """

    task: str
    network: str
    method: str
    settings: dict[str, Any]
    validation: float
    trials: int
    tuning_seconds: float
    test_seconds: float
    square_error: np.ndarray
    trajectory: np.ndarray

    def write(self, path: Path) -> None:
        """As JSON, whole."""
        told = asdict(self)
        for name in ("square_error", "trajectory"):
            told[name] = told[name].tolist()
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(told))

    @classmethod
    def read(cls, path: Path) -> Outcome:
        """As it was written."""
        told = json.loads(path.read_text())
        for name in ("square_error", "trajectory"):
            told[name] = np.array(told[name], dtype=np.float64)
        return cls(**told)


class Contest:
    """All methods on one frozen world; what was done is kept and not done again.

    Args:
        stats: Of the frozen world.
        folder: Where outcomes and logs of trials lie.
        say: Gets a line for every outcome.
    """

    def __init__(self, stats: Statistics, folder: Path, say: Say = print) -> None:
        self._stats, self._folder, self._say = stats, folder, say
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def _world(self) -> TwinWorld:
        return self._stats.quasigeostrophic

    @property
    def recipe(self) -> TwinRecipe:
        """Every number."""
        return self._world.recipe

    @staticmethod
    def check(recipe: TwinRecipe, tasks: tuple[str, ...], networks: tuple[str, ...]) -> str:
        """What is to be done, in a line; no network = all.

        Raises:
            InputError: If a task or network is not one of the recipe's.
        """
        known = [network.name for network in recipe.networks]
        unknown = [name for name in tasks if name not in TASKS]
        unknown += [name for name in networks if name not in known]
        if unknown:
            raise InputError(
                f"{unknown[0]!r} is neither a task ({', '.join(TASKS)}) nor a network "
                f"({', '.join(known)}) of this recipe."
            )
        return (
            f"{', '.join(tasks)} with {', '.join(networks or known)}: {recipe.cases} test cases, "
            f"{recipe.trials} trials a method"
        )

    def outcomes(
        self, tasks: tuple[str, ...] = TASKS, networks: tuple[str, ...] | None = None
    ) -> Iterator[Outcome]:
        """One outcome a task, network and method, made or read.

        Raises:
            InputError: If a task or network is not one of the recipe's.
        """
        self.check(self.recipe, tasks, networks or ())
        known = {network.name: network for network in self.recipe.networks}
        for task in tasks:
            for name in networks or tuple(known):
                yield from self._task(task, known[name])

    def _task(self, task: str, recipe: NetworkRecipe) -> Iterator[Outcome]:
        network = self._world.network(recipe)
        if task == "cycling":
            yield from self._cycling(network)
            return
        window = task == "window"
        validation = self._world.cases("validation")
        whole = _finite(validation.truth)
        validation = validation.chosen(whole[:: _WINDOW_SHARE if window else 1])
        test = self._world.cases("test")
        pair = [
            (
                cases,
                self._observed(network, cases, window),
                cases.truth[:, : None if window else 1],
            )
            for cases in (validation, test)
        ]
        first = recipe == self.recipe.networks[0]
        kinds = (*WINDOW, *(EMULATED if first else ())) if window else ONE_SHOT
        for kind in kinds:

            def errors(method: Any, which: int, pair: list[Any] = pair) -> Tensor:
                cases, seen, truth = pair[which]
                found = method(self._stats, cases, seen)
                return square_error(self._world.climate, found, truth)

            yield self._played(task, network, kind, errors, test.trajectory)

    def _cycling(self, network: Network) -> Iterator[Outcome]:
        first = network.recipe == self.recipe.networks[0]
        kinds = [kind for kind in CYCLED if first or kind.name in self.recipe.cycled]
        if all(self._path("cycling", network, kind).is_file() for kind in kinds):
            yield from (Outcome.read(self._path("cycling", network, kind)) for kind in kinds)
            return
        end = self._world.last("train")
        times = self._truths(end.truth, TRAINING_TIMES)
        own = own_covariance(self._stats, network, times, end.background)
        model = self._world.climate.dynamics(self.recipe.cycling_hours)
        cycling = Cycling(self._stats, network, model, own)
        runs = [self._run("validation"), self._run("test")]
        discarded = [runs[0].times // 2, self._analyses(self.recipe.cycling_discarded)]

        def errors(method: Any, which: int) -> Tensor:
            found: Tensor = method(cycling, runs[which])[:, discarded[which] :]
            return found

        trajectory = torch.arange(len(runs[1].background))
        for kind in kinds:
            yield self._played("cycling", network, kind, errors, trajectory)

    def _run(self, kind: str) -> Run:
        recipe, test = self.recipe, kind == "test"
        end = self._world.last(kind)
        rows = torch.tensor(_finite(end.truth)[: recipe.tuning_trajectories])
        if test:  # so many of each seed
            rows = torch.arange(len(end.truth)).view(len(recipe.seeds), -1)[
                :, : recipe.cycling_test
            ]
            rows = rows.flatten()
        times = self._analyses(recipe.cycling_days if test else recipe.tuning_days)
        truth = torch.stack(list(self._truths(end.truth[rows], times)), 1)
        names = tuple(f"{kind} {row}" for row in rows.tolist())
        return Run(truth, end.background[rows], names)

    def _truths(self, z: Tensor, times: int) -> Iterator[Tensor]:
        """Anomalies at so many analyses, the start first."""
        climate = self._world.climate
        model = climate.dynamics(self.recipe.cycling_hours)
        yield climate.anomalies(z)
        x = climate.anomalies(z)
        yield from rollout(lambda y: batched(model.step, y), x, times)

    def _analyses(self, days: float) -> int:
        return round(24.0 * days / self.recipe.cycling_hours)

    def _observed(self, network: Network, cases: Cases, window: bool) -> Seen:
        times = len(self.recipe.window_hours) if window else 1
        return {
            step: [
                [network(truth[step], name, step)]
                for truth, name in zip(cases.truth, cases.names, strict=True)
            ]
            for step in range(times)
        }

    def _played(
        self,
        task: str,
        network: Network,
        kind: type[Any],
        errors: Callable[[Any, int], Tensor],
        trajectory: Tensor,
    ) -> Outcome:
        path = self._path(task, network, kind)
        if not path.is_file():
            outcome = self._play(task, network, kind, errors)
            replace(outcome, trajectory=trajectory.numpy().astype(np.float64)).write(path)
        outcome = Outcome.read(path)
        rmse = float(np.sqrt(np.nanmean(outcome.square_error)))
        self._say(
            f"{task:9s} {network.recipe.name:12s} {kind.name:24s} {rmse:.4f} "
            f"({outcome.settings}, {outcome.trials} trials, "
            f"{outcome.tuning_seconds + outcome.test_seconds:.0f} s)"
        )
        return outcome

    def _play(
        self,
        task: str,
        network: Network,
        kind: type[Any],
        errors: Callable[[Any, int], Tensor],
    ) -> Outcome:
        start = time.process_time()

        def objective(method: Any) -> float:
            return float(errors(method, 0).nanmean().sqrt())

        trials = search(
            objective,
            kind(),
            kind.space,
            trials=self.recipe.trials if kind.space else 1,
            seed=0,
            log=self._path(task, network, kind).with_suffix(".trials"),
        )
        tuned = time.process_time()
        found = errors(trials.best.recipe, 1)
        return Outcome(
            task=task,
            network=network.recipe.name,
            method=kind.name,
            settings=asdict(trials.best.recipe),
            validation=trials.best.score,
            trials=len(trials),
            tuning_seconds=tuned - start,
            test_seconds=time.process_time() - tuned,
            square_error=found.double().numpy(),
            trajectory=np.zeros(len(found)),
        )

    def _path(self, task: str, network: Network, kind: type[Any]) -> Path:
        told = [self._world.sha256, task, asdict(network.recipe), kind.name]
        told += [asdict(self.recipe)]
        files = [Path(__file__).with_name(name) for name in _MADE_BY]
        told.append(code_digest(*files, Path(inspect.getfile(kind))))
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        slug = "".join(
            c if c.isalnum() else "-" for c in f"{task}-{network.recipe.name}-{kind.name}"
        )
        return self._folder / f"{slug}-{digest.hexdigest()[:8]}.json"


def _finite(x: Tensor) -> list[int]:
    """Rows without gaps: a trajectory whose start was too rough for the step is left out."""
    return torch.nonzero(torch.isfinite(x).flatten(1).all(1)).flatten().tolist()
