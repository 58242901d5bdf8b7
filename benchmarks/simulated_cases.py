"""The oceans, observation networks and cases of the simulated benchmark.

Methods work on standardised anomalies z = (T - background) / spread, 0 on land. The background is
the climatology of the month; for the real months it is the mean of the month before and the month
after, so that the month itself is withheld. Months of the tests are those that no method trained
on; validation uses another model's ocean in the months of training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import zarr
from numpy.typing import NDArray
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.data import Climatology
from isopleth.systems.reconmost.recipe import Ocean
from isopleth.systems.reconmost.states import SCALE, ocean_grid, world

VALIDATION_SEED, TEST_SEED = 1, 2  # the training states have 0
SEEDS = 3
Bools = NDArray[np.bool_]


class Network(Protocol):
    """Which cells are seen."""

    @property
    def name(self) -> str:
        """As in the rows of the result."""

    def __call__(self, grid: Grid, rng: np.random.Generator) -> Bools:
        """Shape of the grid; False on land."""


@dataclass(frozen=True)
class Cells:
    """The same percentage of the ocean cells of every level, each level on its own (the paper)."""

    percent: float

    @property
    def name(self) -> str:
        """As in the rows of the result."""
        return f"{self.percent:g} % cells"

    def __call__(self, grid: Grid, rng: np.random.Generator) -> Bools:
        """Shape of the grid; False on land."""
        seen = np.zeros(grid.shape, bool)
        for level, ocean in enumerate(grid.mask):
            cells = np.flatnonzero(ocean)
            count = round(self.percent / 100.0 * cells.size)
            seen[level].flat[rng.choice(cells, count, replace=False)] = True
        return seen


@dataclass(frozen=True)
class Profiles:
    """A percentage of the ocean's columns, from the surface to the bottom or the last level."""

    percent: float

    @property
    def name(self) -> str:
        """As in the rows of the result."""
        return f"{self.percent:g} % profiles"

    def __call__(self, grid: Grid, rng: np.random.Generator) -> Bools:
        """Shape of the grid; False on land."""
        columns = np.flatnonzero(grid.mask.any(axis=0))
        column = np.zeros(grid.shape[1:], bool)
        count = round(self.percent / 100.0 * columns.size)
        column.flat[rng.choice(columns, count, replace=False)] = True
        return grid.mask & column


@dataclass(frozen=True)
class Test:
    """A set of cases: whose ocean (None = the real months), seen how, from which seed."""

    ocean: str
    model: str | None
    network: Network
    seed: int = TEST_SEED

    @property
    def name(self) -> str:
        """The setting of its rows."""
        return f"{self.ocean}, {self.network.name}"


@dataclass(frozen=True, eq=False)
class Case:
    """One ocean, what is seen of it, and the truth.

    Attributes:
        name: Of the set, the network and the number.
        month: 1 to 12.
        background: degC, shape (level, lat, lon).
        truth: z, shape (level, lat, lon).
        seen: True where z is given to a method, same shape.
        seed: Of methods that sample.
    """

    name: str
    month: int
    background: Tensor
    truth: Tensor
    seen: Tensor
    seed: int

    @property
    def values(self) -> Tensor:
        """The truth where seen, 0 elsewhere."""
        return torch.where(self.seen, self.truth, 0.0)


@dataclass(frozen=True, eq=False)
class World:
    """Everything that cases are made from.

    Args:
        climatology: Real, monthly.
        recipe: Of the training ocean.
        store: Its prepared states.
    """

    climatology: Climatology
    recipe: Ocean
    store: Path

    @cached_property
    def grid(self) -> Grid:
        """Of the states."""
        return ocean_grid(self.climatology, self.recipe.levels)

    @cached_property
    def mask(self) -> Tensor:
        """True = ocean, shape of the grid."""
        return torch.as_tensor(self.grid.mask.copy())

    @cached_property
    def spread(self) -> Tensor:
        """Standard deviation of the training states, K, shape of the grid."""
        return torch.from_numpy(np.asarray(self._states["spread"][:]))

    @cached_property
    def months(self) -> Tensor:
        """The climatology on the grid's levels, degC, (12, level, lat, lon); 0 on land."""
        index = np.searchsorted(self.climatology.grid.levels, self.grid.levels)
        return torch.nan_to_num(torch.from_numpy(self.climatology.values[:, index].copy()))

    @cached_property
    def unseen_months(self) -> tuple[int, ...]:
        """Calendar months without training states."""
        return tuple(month for month in range(1, 13) if month not in self.recipe.months)

    def states(self, start: int, stop: int) -> Tensor:
        """Training states z in their order, models and months in turn, (n, level, lat, lon)."""
        read = torch.from_numpy(self._states["anomaly"][start:stop].astype(np.float32))
        return read.mul_(SCALE).div_(self.spread)

    def cases(self, test: Test, count: int) -> Iterator[Case]:
        """The first cases of a test; a case does not depend on how many there are."""
        ocean = None if test.model is None else world(self.climatology, self.grid, test.model)
        months = self.recipe.months if test.seed == VALIDATION_SEED else self.unseen_months
        for number in range(count):
            month = months[number % len(months)]
            if ocean is None:
                state, background = self.months[month - 1], self.neighbours(month)
            else:
                state = ocean.state(month, test.seed, number)
                background = self.months[month - 1]
            truth = torch.where(self.mask, (state - background) / self.spread, 0.0)
            label = f"{test.name}, {number}"
            key = hashlib.sha256(f"{label}, seed {number % SEEDS}".encode()).digest()
            seen = test.network(self.grid, np.random.default_rng(list(key[:8])))
            yield Case(label, month, background, truth, torch.as_tensor(seen), number % SEEDS)

    def neighbours(self, month: int) -> Tensor:
        """Mean of the month before and the month after, degC."""
        return 0.5 * (self.months[(month - 2) % 12] + self.months[month % 12])

    @cached_property
    def key(self) -> str:
        """Names the training states and the statistics of their perturbations."""
        return hashlib.sha256(str(self._states.attrs["ocean"]).encode()).hexdigest()[:10]

    @cached_property
    def _states(self) -> zarr.Group:
        return zarr.open_group(self.store, mode="r")
