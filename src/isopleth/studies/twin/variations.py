"""Variations: every method is tuned on one network and then meets others, one change at a time."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.studies.results import replacing
from isopleth.studies.tuning import Trials, search
from isopleth.studies.twin.climate import square_error
from isopleth.studies.twin.frozen import Cases, Observing
from isopleth.studies.twin.recipe import NetworkRecipe
from isopleth.studies.twin.scores import Ensemble, Truths, scores
from isopleth.studies.twin.statistics import Contender, Statistics

__all__ = ["Met", "Variations"]

Floats = NDArray[np.float64]
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Met:
    """How a method with its settings did on a network.

    Attributes:
        network: Name.
        method: Name.
        settings: Chosen on the reference network.
        validation: Root-mean-square error there.
        trials: That were made.
        tuning_seconds: Of one core, for all trials.
        seconds: Of one core, for the analyses of this network.
        trajectory: Of every case, shape (n,).
        scores: By name, the first axis is the case; see `scores`.
    """

    network: str
    method: str
    settings: dict[str, Any]
    validation: float
    trials: int
    tuning_seconds: float
    seconds: float
    trajectory: Floats
    scores: dict[str, Floats]


class Variations:
    """One analysis of every case with every network; what was done is kept and not done again.

    Args:
        stats: Of the frozen world.
        fingerprint: Of all that decides an outcome besides the settings: world, weights, code.
        folder: Where outcomes and logs of trials lie.
        trials: Of every method, on the validation cases.
        networks: The first is the one that all methods are tuned on.
        days: Of forecasts from the analyses.
        say: Gets a line for every outcome.

    Raises:
        InputError: If there is no network.
    """

    def __init__(
        self,
        stats: Statistics,
        fingerprint: str,
        folder: Path,
        *,
        trials: int,
        networks: Sequence[NetworkRecipe],
        days: Sequence[int] = (2, 3, 4, 5),
        say: Say = print,
    ) -> None:
        if not networks:
            raise InputError("there is no network to tune the methods on: give one or more.")
        self._stats, self._fingerprint, self._folder = stats, fingerprint, folder
        self._trials, self._networks, self._days, self._say = trials, tuple(networks), days, say
        self._truths: dict[str, Truths] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, methods: Sequence[Contender]) -> Iterator[Met]:
        """One outcome a method and network; a method begins its search where it stands."""
        for method in methods:
            yield from self._method(method)

    def _method(self, method: Contender) -> Iterator[Met]:
        start = time.process_time()
        chosen = self._tuned(method)
        tuning = time.process_time() - start
        for recipe in self._networks:
            path = self._path(method, recipe.name).with_suffix(".npz")
            if not path.is_file():
                met = self._met(chosen, recipe, tuning)
                with replacing(path) as temporary, temporary.open("wb") as file:
                    facts = {k: v for k, v in asdict(met).items() if k != "scores"}
                    facts["trajectory"] = met.trajectory.tolist()
                    arrays: dict[str, Any] = {"facts": json.dumps(facts), **met.scores}
                    np.savez_compressed(file, **arrays)
            found = _read(path)
            rmse = float(np.sqrt(found.scores["square_error"].mean()))
            self._say(f"{recipe.name:24s} {method.name:36s} {rmse:.4f} {found.settings}")
            yield found

    def _tuned(self, method: Contender) -> Trials[Any]:
        cases = self._stats.world.cases("validation")
        whole = torch.nonzero(torch.isfinite(cases.truth).flatten(1).all(1)).flatten().tolist()
        cases, first = cases.chosen(whole), self._networks[0]
        seen = {0: _seen(self._stats.world.network(first), cases)}

        def objective(asked: Any) -> float:
            found = asked(self._stats, cases, seen)[:, 0]
            errors = square_error(self._stats.world.climate, found, cases.truth[:, 0])
            return float(errors.mean().sqrt())

        count = self._trials if method.space else 1
        log = self._path(method, first.name).with_suffix(".trials")
        return search(objective, method, method.space, trials=count, seed=0, log=log)

    def _met(self, chosen: Trials[Any], recipe: NetworkRecipe, tuning: float) -> Met:
        method, cases = chosen.best.recipe, self._stats.world.cases("test")
        truths = self._against(recipe, cases)
        start = time.process_time()
        seen, members = {0: truths.seen}, None
        with torch.no_grad():
            if isinstance(method, Ensemble):
                members = method.ensemble(self._stats, cases, seen)
                mean = members.mean(0)
            else:
                mean = method(self._stats, cases, seen)[:, 0]
        seconds = time.process_time() - start
        return Met(
            network=recipe.name,
            method=method.name,
            settings={k: v for k, v in vars(method).items() if k in method.space},
            validation=chosen.best.score,
            trials=len(chosen),
            tuning_seconds=tuning,
            seconds=seconds,
            trajectory=cases.trajectory.double().numpy(),
            scores=scores(truths, mean, self._forecast(mean), members),
        )

    def _against(self, recipe: NetworkRecipe, cases: Cases) -> Truths:
        if recipe.name not in self._truths:
            world, truth = self._stats.world, cases.truth[:, 0]
            later = world.later(cases, self._days)
            self._truths[recipe.name] = Truths(
                climate=world.climate,
                truth=truth,
                seen=_seen(world.network(recipe), cases),
                withheld=_seen(world.network(world.withheld), cases),
                later=self._forecast(truth) if later is None else later,
            )
        return self._truths[recipe.name]

    def _forecast(self, x: Tensor) -> Tensor:
        hours = self._stats.model.step_seconds / 3600.0
        steps = [round(24 * day / hours) for day in self._days]
        return self._stats.trajectory(x, max(steps) + 1)[:, steps]

    def _path(self, method: Contender, network: str) -> Path:
        told = [self._fingerprint, method.name, network, self._trials, asdict(self._networks[0])]
        told += [asdict(recipe) for recipe in self._networks if recipe.name == network]
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]
        slug = "".join(c if c.isalnum() else "-" for c in f"{network}-{method.name}")
        return self._folder / f"{slug}-{digest}"


def _seen(network: Observing, cases: Cases) -> list[list[Any]]:
    pairs = zip(cases.truth[:, 0], cases.names, strict=True)
    return [[network(truth, name, 0)] for truth, name in pairs]


def _read(path: Path) -> Met:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    facts = json.loads(str(arrays.pop("facts")))
    facts["trajectory"] = np.array(facts["trajectory"], dtype=np.float64)
    return Met(**facts, scores=arrays)
