"""Methods of the residual diffusion's benchmark: from a table of hidden profiles to scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from argo_boxes import LEVELS, Scored, student
from argo_residual_table import Table
from isopleth.systems.reconmost.residual_correction import StudentT, Training
from isopleth.systems.reconmost.residual_diffusion import Prediction, ResidualDiffusion

Job = Callable[[Table], Scored]
Pattern = tuple[bool, ...]
ALL: Pattern = (True,) * len(LEVELS)
ONE: tuple[Pattern, ...] = tuple(
    tuple((np.arange(len(LEVELS)) == k).tolist()) for k in range(len(LEVELS))
)


@dataclass
class Diffused:
    """A method at the hidden levels of every profile; draws are made once for all its rows."""

    method: ResidualDiffusion
    kept: dict[tuple[int, Pattern], Prediction] = field(default_factory=dict)

    def __call__(self, table: Table, pattern: Pattern, *, calibrated: bool = True) -> Scored:
        """Predict and score."""
        shown = np.where(pattern, np.nan, table.value)
        key = (id(table), pattern)
        if key not in self.kept:
            self.kept[key] = self.method.drawn(table.described, table.kriged, table.levels, shown)
        found = self.kept[key]
        if calibrated:
            found = self.method.calibrated(found, table.kriged, table.levels, shown)
        return scored(found, table)

    def of_networks(self, table: Table, pattern: Pattern, folds: NDArray[np.int64]) -> Scored:
        """The same by the networks that left out the part in `folds` (partitions, n)."""
        shown = np.where(pattern, np.nan, table.value)
        found = self.method.drawn(table.described, table.kriged, table.levels, shown, folds=folds)
        return scored(self.method.calibrated(found, table.kriged, table.levels, shown), table)


def scored(found: Prediction, table: Table) -> Scored:
    """Error, CRPS and PIT of a prediction."""
    value = table.value
    return Scored(found.expected() - value, found.crps(value), found.chance(value))


def parts_of(table: Table, training: Training, parts: int, partitions: int) -> NDArray[np.int64]:
    """The part in which a network did not see the block of each profile, (partitions, n).

    A block without any profile in the training month was seen by none: any part will do.
    """
    found = np.zeros((partitions, len(table.block)), np.int64)
    for number in range(partitions):
        fold = training.folds(parts, seed=number)
        part = dict(zip(training.blocks.tolist(), fold.tolist(), strict=True))
        found[number] = [part.get(block, 0) for block in table.block.tolist()]
    return found


def given(folder: Path, month: str, tables: list[Table]) -> dict[str, Scored]:
    """Methods run elsewhere: ``given_NAME_MONTH.npz`` with `mean`, `scale` and `degrees`.

    Anomalies in K from the shipped climatology, (partitions, n, L), of the profiles of the month
    in their order, each predicted without its fold, as are scale and degrees; of the first
    partitions. Underscores in NAME are spaces.
    """
    found = {}
    for path in sorted(folder.glob(f"given_*_{month}.npz")):
        name = path.stem.removeprefix("given_").removesuffix(f"_{month}").replace("_", " ")
        with np.load(path, allow_pickle=False) as kept:
            value = np.stack([table.value for table in tables[: len(kept["mean"])]])
            found[name] = student(kept["mean"], kept["scale"], kept["degrees"], value)
    return found


def each_level(predict: Callable[[int], Scored]) -> Scored:
    """The score of every level, each predicted with the others seen."""
    ones = [predict(level) for level in range(len(LEVELS))]
    columns = (
        np.stack([getattr(one, name)[:, k] for k, one in enumerate(ones)], axis=1)
        for name in ("error", "crps", "pit")
    )
    return Scored(*columns)


def parametric(choose: Callable[[Table], StudentT]) -> Job:
    """A method whose answer is a Student-t."""

    def run(table: Table) -> Scored:
        found = choose(table)
        return student(found.location, found.scale, found.degrees, table.value)

    return run
