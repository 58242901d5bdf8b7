"""Which method meets which cases, with which settings, and the store of what was scored.

Every (method, test, block of cases) is kept in a file named after its settings, so that the
benchmark goes on where it stopped, and two processes may share the work by methods.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from isopleth.studies.results import read_cases, write_cases
from isopleth.studies.tuning import Trial, search
from simulated_cases import VALIDATION_SEED, Cells, Network, Profiles, Test
from simulated_learned import Learned
from simulated_scores import Scores, asked_cells, deviation, score, widened

VALIDATION_MODEL = "G"
JUDGED = {"profiles": 2, "cells": 1}  # validation oceans behind every trial
SEED = 0
HEADLINE = Test("unbiased ocean", "unbiased", Profiles(7.5))
SLOW = {"MMPS": 12}
"""Methods that are asked for the headline's first cases only."""
BLOCK = 3

Plan = tuple[tuple[Test, int], ...]
PLAN: Plan = (
    (HEADLINE, 66),
    (Test("unbiased ocean", "unbiased", Profiles(3.0)), 6),
    (Test("unbiased ocean", "unbiased", Profiles(1.0)), 6),
    (Test("unbiased ocean", "unbiased", Cells(7.5)), 6),
    (Test("unbiased ocean", "unbiased", Cells(2.5)), 6),
    (Test("unbiased ocean", "unbiased", Cells(1.0)), 6),
    (Test("held-out model", "F", Profiles(7.5)), 12),
    (Test("held-out model", "F", Cells(7.5)), 6),
    (Test("real months", None, Profiles(7.5)), 12),
    (Test("real months", None, Cells(7.5)), 6),
)
SMOKE: Plan = tuple((test, 1) for test, _ in PLAN)
CONSOLE = Console()


@dataclass(frozen=True, eq=False)
class Protocol:
    """Tuning and scoring with everything kept in a folder.

    Args:
        learned: What the methods share.
        folder: Of the trials and the scores.
        world: Names the training states: part of every key.
        trials: Of every method that has something to set, on profiles; half of them on cells.
    """

    learned: Learned
    folder: Path
    world: str
    trials: int
    _factors: dict[str, float] = field(default_factory=dict)
    _tuned: dict[tuple[str, str], Trial[Any]] = field(default_factory=dict)

    def tuned(self, name: str, start: Any, space: dict[str, Any], network: Network) -> Any:
        """The settings with the least error on validation oceans seen by such networks.

        Settings for cells are searched from those for profiles, with half of the trials.
        """
        if not space:
            return start
        if (name, network.name) not in self._tuned:
            trials = self.trials
            if isinstance(network, Cells):
                start, trials = self.tuned(name, start, space, HEADLINE.network), trials // 2
            found = self._search(name, start, space, network, trials)
            self._tuned[name, network.name] = found
            CONSOLE.print(f"{name}, {network.name}: {found.score:.4f} K with {found.recipe}")
        return self._tuned[name, network.name].recipe

    def _search(
        self, name: str, start: Any, space: dict[str, Any], network: Network, trials: int
    ) -> Trial[Any]:
        cases = list(self.learned.world.cases(_validation(network), judged_by(network)))

        def rmse(recipe: Any) -> float:
            total = np.zeros(2)
            for case in cases:
                asked = asked_cells(self.learned.world, case)
                found = score(self.learned.world, case, recipe(self.learned, case, asked), asked)
                total += found["hidden_square"].sum(), found["hidden_weight"].sum()
            return float(np.sqrt(total[0] / total[1]))

        key = self._digest(start, space, network, trials)
        log = self.folder / "tuning" / f"{_slug(name)}_{_slug(network.name)}_{key}.jsonl"
        log.parent.mkdir(parents=True, exist_ok=True)
        return search(rmse, start, space, trials=trials, seed=SEED, log=log).best

    def validated(self, name: str, network: Network) -> float:
        """RMSE of a tuned method on the validation oceans, K."""
        return self._tuned[name, network.name].score

    def factor(self, recipe: Any, network: Network) -> float:
        """What makes the predicted variance right on validation oceans; 1 without a variance."""
        key = self._digest(recipe, network)
        if key not in self._factors:
            ratios = []
            for case in self.learned.world.cases(_validation(network), judged_by(network)):
                asked = asked_cells(self.learned.world, case)
                answer = recipe(self.learned, case, asked)
                ratios.append(deviation(answer, case.truth, asked))
            mean = float(np.mean(ratios))
            self._factors[key] = mean**0.5 if np.isfinite(mean) else 1.0
        return self._factors[key]

    def scores(self, name: str, recipe: Any, test: Test, count: int) -> Scores:
        """Scores of the first cases of a test, stacked on axis 0; read where they are kept."""
        return _stacked(self._blocks(name, recipe, test, count), count)

    def _blocks(self, name: str, recipe: Any, test: Test, count: int) -> Iterator[Scores]:
        cases = self.learned.world.cases(test, -(-count // BLOCK) * BLOCK)
        stem = f"{_slug(name)}/{_slug(test.name)}_{self._digest(recipe, test, BLOCK)}"
        for block in range(-(-count // BLOCK)):
            path = self.folder / "scores" / f"{stem}_{block}.npz"
            here = islice(cases, BLOCK)
            if path.exists():
                yield read_cases(path)
                list(here)
                continue
            factor = self.factor(recipe, judged_with(test.network))
            found = []
            for case in here:
                asked = asked_cells(self.learned.world, case)
                answer = widened(recipe(self.learned, case, asked), asked, factor)
                found.append(score(self.learned.world, case, answer, asked))
            both = {key: np.stack([one[key] for one in found]) for key in found[0]}
            write_cases(path, {**both, "factor": np.full(len(found), factor)})
            yield read_cases(path)

    def _digest(self, recipe: Any, *parts: Any) -> str:
        """Name of the training states, the weights behind a recipe, and its settings."""
        version = self.learned.versions.get(getattr(recipe, "prior", type(recipe).__name__), "")
        text = repr((self.world, version, recipe, *parts))
        return hashlib.sha256(text.encode()).hexdigest()[:10]


def judged_with(network: Network) -> Network:
    """The network of the validation oceans: one for profiles, one for cells."""
    return Profiles(7.5) if isinstance(network, Profiles) else Cells(2.5)


def judged_by(network: Network) -> int:
    """Number of validation oceans seen by such a network."""
    return JUDGED["profiles" if isinstance(network, Profiles) else "cells"]


def _validation(network: Network) -> Test:
    return Test("validation", VALIDATION_MODEL, network, VALIDATION_SEED)


def _stacked(blocks: Iterator[Scores], count: int) -> Scores:
    parts = list(blocks)
    return {key: np.concatenate([part[key] for part in parts])[:count] for key in parts[0]}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "_", text.lower()).strip("_")
