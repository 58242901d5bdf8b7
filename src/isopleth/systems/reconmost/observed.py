"""Casts as a prior on a grid is shown them: at their positions, or as means of its cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.core.normalise import Standardise
from isopleth.data import Climatology, Profiles
from isopleth.data.boxes import boxes, days
from isopleth.data.departures import departures
from isopleth.inference.interpolation import Points
from isopleth.observe import Observation, ProfileOperator
from isopleth.observe.scaled import standardised

__all__ = ["Casts", "Ocean", "cell_means", "nearby", "observation", "read_at"]

Floats = NDArray[np.float64]

_BLOCK = 20_000
"""Positions read at a time: bounds the memory of their weights."""
_SURE = 1e-3
"""Least error of a cast, K: below the accuracy of any profiling instrument."""


class Numbers(Protocol):
    """The settings that are needed here, see `Sampling`."""

    @property
    def representativeness(self) -> float:
        """Share of a cell's deviation that no cell can show."""
        ...

    @property
    def memory_days(self) -> float:
        """Memory of an anomaly."""
        ...

    @property
    def box_deg(self) -> float:
        """Side of a box."""
        ...

    @property
    def fewest_values(self) -> int:
        """Values that a level needs."""
        ...


@dataclass(frozen=True, eq=False)
class Ocean:
    """Where the prior lives.

    Args:
        grid: Cells, levels and ocean.
        spread: Standard deviation of the anomalies of every cell, K, (level, lat, lon), positive.
    """

    grid: Grid
    spread: Tensor

    def at(self, latitude: Floats, longitude: Floats) -> Floats:
        """The spread at n positions on all levels, `(n, level)`; NaN where there is no ocean."""
        return read_at(self.grid, self.spread[None], latitude, longitude)[0]


@dataclass(frozen=True, eq=False)
class Casts:
    """Anomalies of n casts on the levels of a prior, and how far each may be from the field.

    With c = exp(-|t - t0| / memory) the anomaly of another day is `c x + e`, so that

        y / c = x + e,   var e = {r^2 + m^2 s^2 + (1 - c^2) s^2} / c^2

    with the instrument's error r, the spread s and the representativeness m.

    Args:
        ocean: Where the prior lives.
        points: Positions, days and boxes.
        value: Anomalies y, K, NaN = not measured, `(n, level)`.
        kept: c, `(n, 1)`.
        noise: `r^2 + m^2 s^2 + (1 - c^2) s^2`, K^2, `(n, level)`; NaN where there is no ocean.
    """

    ocean: Ocean
    points: Points
    value: Floats
    kept: Floats
    noise: Floats

    @classmethod
    def of(
        cls,
        profiles: Profiles,
        climatology: Climatology,
        ocean: Ocean,
        time: np.datetime64,
        numbers: Numbers,
    ) -> Casts:
        """Take the climatology away and bring the rest to the prior's levels.

        Raises:
            InputError: If the climatology is of something else, or no level of the prior has
                enough values.
        """
        shared = np.isin(profiles.depth, ocean.grid.levels)
        if not shared.any():
            raise InputError(
                f"the profiles are at {_listed(profiles.depth)} m and the prior knows "
                f"{_listed(ocean.grid.levels)} m: put them on levels of the prior."
            )
        ours = replace(
            profiles,
            depth=profiles.depth[shared],
            value=profiles.value[:, shared],
            error=profiles.error[:, shared],
        )
        left = departures(ours, climatology, fewest=numbers.fewest_values)
        points = Points(
            left.latitude, left.longitude, days(left.time), boxes(left, numbers.box_deg)
        )
        value, error = np.full((2, len(left), len(ocean.grid.levels)), np.nan)
        at = np.searchsorted(ocean.grid.levels, left.depth)
        value[:, at], error[:, at] = left.value, left.error
        kept, noise = error_of(points, error, ocean, time, numbers)
        return cls(ocean, points, value, kept, noise)

    def __len__(self) -> int:
        """Number of casts."""
        return len(self.points)

    def select(self, index: NDArray[np.bool_] | NDArray[np.integer]) -> Casts:
        """The casts at an index or boolean array."""
        return replace(
            self,
            points=self.points.select(index),
            value=self.value[index],
            kept=self.kept[index],
            noise=self.noise[index],
        )

    @property
    def depth(self) -> Floats:
        """Levels of the prior that any cast measured, m."""
        return self.ocean.grid.levels[np.isfinite(self.value).any(axis=0)]


def error_of(
    points: Points, error: Floats, ocean: Ocean, time: np.datetime64, numbers: Numbers
) -> tuple[Floats, Floats]:
    """`c`, `(n, 1)`, and the noise of casts, `(n, level)`, see `Casts`.

    Args:
        points: Where and when.
        error: The instrument's standard deviation, NaN = unknown, K, broadcast to `(n, level)`.
        ocean: Where the prior lives.
        time: When the field is wanted.
        numbers: Representativeness and memory.
    """
    apart = np.abs(points.day - float(days(time)))[:, None]
    kept = np.exp(-apart / numbers.memory_days)
    spread = ocean.at(points.latitude, points.longitude)
    unseen = numbers.representativeness**2 + 1.0 - kept**2
    known = np.where(np.isfinite(error), error, 0.0)
    return kept, np.maximum(known**2 + unseen * spread**2, _SURE**2)


def observation(casts: Casts) -> Observation:
    """The casts at their positions, of standardised anomalies."""
    grid = casts.ocean.grid
    where = casts.points.latitude, casts.points.longitude
    operator = ProfileOperator(grid, *where, grid.levels)
    value = torch.from_numpy(casts.value / casts.kept).float()
    variance = np.nan_to_num(casts.noise / casts.kept**2, nan=1.0)
    seen = Observation(value, operator, torch.from_numpy(variance).float())
    spread = casts.ocean.spread.float()
    return standardised(seen, Standardise(torch.zeros_like(spread), spread))


def cell_means(casts: Casts) -> tuple[Tensor, Tensor]:
    """Standardised means of the casts in each cell, and which cells have any; (level, lat, lon).

    Casts count by their precision, so one of the day outweighs one of another week.
    """
    grid = casts.ocean.grid
    row, column, inside = _cells(grid, casts.points.latitude, casts.points.longitude)
    weight = np.where(np.isfinite(casts.value) & inside[:, None], 1.0 / casts.noise, 0.0)
    weight = np.nan_to_num(weight)
    total, sums = np.zeros((2, *grid.shape[1:], len(grid.levels)))
    np.add.at(total, (row, column), weight)
    np.add.at(sums, (row, column), weight * np.nan_to_num(casts.value))
    total, sums = np.moveaxis(total, -1, 0), np.moveaxis(sums, -1, 0)
    seen = (total > 0.0) & grid.mask
    mean = np.divide(sums, total, out=np.zeros_like(sums), where=seen)
    standard = torch.from_numpy(mean).float() / casts.ocean.spread.float()
    return standard, torch.from_numpy(seen)


def read_at(grid: Grid, fields: Tensor, latitude: Floats, longitude: Floats) -> Floats:
    """Fields (M, level, lat, lon) at n positions, `(M, n, level)`; NaN where there is no ocean."""
    result = np.full((len(fields), len(latitude), len(grid.levels)), np.nan)
    for start in range(0, len(latitude), _BLOCK):
        part = slice(start, start + _BLOCK)
        operator = ProfileOperator(grid, latitude[part], longitude[part], grid.levels)
        valid = operator.valid.numpy()
        for row, one in zip(result, fields, strict=True):
            row[part] = np.where(valid, operator(one).double().numpy(), np.nan)
    return result


def nearby(casts: Casts, points: Points, reach_km: float) -> Floats:
    """Sum of `c exp(-d / reach)` over the casts within reach, by level, `(n, level)`.

    Args:
        casts: What was seen; c says how much of it lasts until the time of the field.
        points: Where.
        reach_km: Distance at which correlation falls to 1/e.
    """
    chord = 2.0 * np.sin(min(1e3 * reach_km / EARTH_RADIUS / 2.0, np.pi / 2.0))
    there = cKDTree(casts.points.unit_vectors)
    counts = np.isfinite(casts.value) * casts.kept
    result = np.zeros((len(points), counts.shape[1]))
    for start in range(0, len(points), _BLOCK):
        here = cKDTree(points.unit_vectors[start : start + _BLOCK])
        near = here.sparse_distance_matrix(there, chord, output_type="coo_matrix").tocsr()
        near.data = np.exp(-near.data * EARTH_RADIUS / 1e3 / reach_km)
        result[start : start + _BLOCK] = near @ counts
    return result


def _cells(
    grid: Grid, latitude: Floats, longitude: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Row and column of the cell of each position, and whether it lies on the grid."""
    edges, west = grid.latitude_edges, grid.longitude_edges[0]
    row = np.searchsorted(-edges, -latitude, side="right") - 1
    unwrapped = west + (longitude - west) % 360.0
    column = np.searchsorted(grid.longitude_edges, unwrapped, side="right") - 1
    rows, columns = grid.shape[1:]
    inside = (row >= 0) & (row < rows) & (column < columns)
    return np.clip(row, 0, rows - 1), np.clip(column, 0, columns - 1), inside


def _listed(levels: Floats) -> str:
    return ", ".join(f"{level:g}" for level in levels)
