"""Networks of the twin experiments: the same draws for every method, whatever runs first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.core.protocols import Operator
from isopleth.dynamics.qg3_surface import load_surface
from isopleth.inference.kalman import Located
from isopleth.observe.composed import ComposedOperator
from isopleth.observe.networks import Columns, Percent, RandomCells, RandomPoints, Singles
from isopleth.observe.nonlinear import Derived, wind_speed
from isopleth.observe.point import PointOperator
from isopleth.observe.positions import Positions
from isopleth.observe.simulated import observed
from isopleth.observe.stations import LandStations
from isopleth.studies.twin.climate import Climate
from isopleth.studies.twin.recipe import NetworkRecipe, Quantity

__all__ = ["Network", "stream"]

_LEVELS = 3
_SOUTHERNMOST = -60.0
"""Degrees north of the southernmost towns."""


def stream(*key: object) -> torch.Generator:
    """A generator that depends on the words of its key alone."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


@dataclass(frozen=True, eq=False)
class Network:
    """Observations of truths, with known errors.

    Args:
        recipe: How many and what.
        climate: Brings the grid and the size of the errors.
        wind_sd: Standard deviation of wind anomalies, m s-1, shape (6,): u of three levels, v.
        speed_sd: Of wind speeds, m s-1, shape (3,).
    """

    recipe: NetworkRecipe
    climate: Climate
    wind_sd: Tensor
    speed_sd: Tensor

    def __call__(self, truth: Tensor, *key: object) -> Located:
        """One truth's observations, drawn for this key; `truth` is (3, nlat, nlon)."""
        draws = stream(self.recipe.name, *key)
        at = self._places(draws)
        operator, sd = _READERS[self.recipe.quantity](self, at)
        seen = observed(operator, truth, (self.recipe.error * sd).square(), draws)
        turns = len(sd) // len(at) if sd.ndim else 1
        return Located.on_sphere(seen, np.tile(at.latitude, turns), np.tile(at.longitude, turns))

    def _places(self, draws: torch.Generator) -> Positions:
        grid, percent = self.climate.grid, Percent(self.recipe.percent)
        reads = Columns() if self.recipe.columns else Singles()
        if not self.recipe.stations:
            kind = RandomCells if self.recipe.cells else RandomPoints
            return kind(percent, reads)(grid, draws)
        groups, columns = reads.groups(grid), grid.shape[1] * grid.shape[2]
        count = percent.of(columns * len(groups))
        return LandStations(count=count, land=_inhabited(self.climate), reads=reads)(grid, draws)

    def _streamfunction(self, at: Positions) -> tuple[Operator, Tensor]:
        return at.operator(self.climate.grid), torch.tensor(1.0)

    def _wind(self, at: Positions) -> tuple[Operator, Tensor]:
        twice = np.tile(at.latitude, 2), np.tile(at.longitude, 2)
        channel = np.concatenate([at.channel, at.channel + _LEVELS])
        points = PointOperator(_six(self.climate.grid), *twice, level=channel)
        winds = self.climate.dynamics(6.0).wind_anomalies
        operator = ComposedOperator(winds, points, self.climate.grid.shape)
        return operator, self.wind_sd[torch.from_numpy(channel)]

    def _speed(self, at: Positions) -> tuple[Operator, Tensor]:
        six = _six(self.climate.grid)
        u, v = (
            PointOperator(six, at.latitude, at.longitude, level=at.channel + shift)
            for shift in (0, _LEVELS)
        )
        winds = self.climate.dynamics(6.0).winds
        return Derived(winds, wind_speed(u, v)), self.speed_sd[at.channel.tolist()]


_READERS: Mapping[Quantity, Callable[[Network, Positions], tuple[Operator, Tensor]]] = {
    "streamfunction": Network._streamfunction,
    "wind": Network._wind,
    "speed": Network._speed,
}


def _inhabited(climate: Climate) -> np.ndarray:
    """Share of land, none south of 60 degrees."""
    grid = climate.world.sphere.grid
    return np.where(grid.latitude[:, None] > _SOUTHERNMOST, load_surface(grid).land, 0.0)


def _six(grid: Grid) -> Grid:
    """The grid with six channels in place of three."""
    mask = np.concatenate([grid.mask, grid.mask])
    return Grid(grid.latitude, grid.longitude, np.arange(2.0 * _LEVELS), mask)
