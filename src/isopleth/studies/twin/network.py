"""Networks of the twin experiments: the same draws for every method, whatever runs first."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.inference.kalman import Located
from isopleth.observe.composed import ComposedOperator
from isopleth.observe.networks import Percent, RandomPoints, Singles
from isopleth.observe.observation import Observation
from isopleth.observe.point import PointOperator
from isopleth.observe.simulated import observed
from isopleth.studies.twin.climate import Climate
from isopleth.studies.twin.recipe import NetworkRecipe

__all__ = ["Network", "stream"]

_LEVELS = 3


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
    """

    recipe: NetworkRecipe
    climate: Climate
    wind_sd: Tensor

    def __call__(self, truth: Tensor, *key: object) -> Located:
        """One truth's observations, drawn for this key; `truth` is (3, nlat, nlon)."""
        draws = stream(self.recipe.name, *key)
        grid = self.climate.grid
        at = RandomPoints(Percent(self.recipe.percent), Singles())(grid, draws)
        if not self.recipe.winds:
            operator = at.operator(grid)
            seen = observed(operator, truth, self.recipe.error**2, draws)
            return Located.on_sphere(seen, at.latitude, at.longitude)
        return self._winds(truth, (at.latitude, at.longitude, at.channel), draws)

    def _winds(
        self,
        truth: Tensor,
        at: tuple[np.ndarray, np.ndarray, np.ndarray],
        draws: torch.Generator,
    ) -> Located:
        latitude, longitude, level = at
        twice = np.concatenate([latitude, latitude]), np.concatenate([longitude, longitude])
        channel = np.concatenate([level, level + _LEVELS])
        points = PointOperator(_six(self.climate.grid), *twice, level=channel)
        operator = ComposedOperator(self._winds_of, points, self.climate.grid.shape)
        R = (self.recipe.error * self.wind_sd[torch.from_numpy(channel)]).square()
        seen: Observation = observed(operator, truth, R, draws)
        return Located.on_sphere(seen, *twice)

    @property
    def _winds_of(self) -> Callable[[Tensor], Tensor]:
        return self.climate.dynamics(6.0).wind_anomalies


def _six(grid: Grid) -> Grid:
    """The grid with six channels in place of three."""
    mask = np.concatenate([grid.mask, grid.mask])
    return Grid(grid.latitude, grid.longitude, np.arange(2.0 * _LEVELS), mask)
