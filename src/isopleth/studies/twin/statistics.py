"""What the methods of a contest share, computed when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from isopleth.core.protocols import Observed
from isopleth.dynamics.gridded import GriddedWorld
from isopleth.dynamics.rollout import rollout
from isopleth.inference.kalman import Sphere
from isopleth.inference.variational import SampleCovariance, SpectralFit, SpectralStatistics
from isopleth.studies.tuning import Dimension
from isopleth.studies.twin.background import batched
from isopleth.studies.twin.world import Cases, TwinWorld

__all__ = ["Contender", "Seen", "Statistics"]

Seen = Mapping[int, Sequence[Sequence[Observed]]]
"""By index of the window's time: for every case its observations."""

_TRUNCATION = 20
"""Of the spectral statistics: a degree less than the world's, so that rows resolve it."""


class Contender(Protocol):
    """A method with its settings; a frozen dataclass of plain numbers.

    Attributes:
        name: In tables.
        space: What is tuned; empty = nothing to tune.
    """

    name: ClassVar[str]
    space: ClassVar[Mapping[str, Dimension]]

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """Estimates at the times of the window, shape (n, time, 3, nlat, nlon)."""
        ...


@dataclass(frozen=True, eq=False)
class Statistics:
    """Covariances and models of a frozen world.

    Args:
        world: Where they come from.
    """

    world: TwinWorld
    _regressions: dict[float, tuple[Callable[[Tensor], Tensor], SampleCovariance]] = field(
        default_factory=dict, repr=False
    )

    @cached_property
    def climatological(self) -> SampleCovariance:
        """Of states about the climate."""
        return self.world.climatological

    @cached_property
    def errors(self) -> SampleCovariance:
        """Of background errors."""
        return self.world.errors

    @cached_property
    def lagged(self) -> SampleCovariance:
        """Of forecast errors at all times of a window together."""
        return self.world.lagged

    @cached_property
    def spectral(self) -> SpectralStatistics:
        """Vertical EOFs, horizontal spectra and a deviation by row and level."""
        grid = self.world.climate.grid
        fit = SpectralFit(groups=((0, 1, 2),), truncation=_TRUNCATION)
        return fit(self.world.sample, grid.latitude, grid.longitude)

    @cached_property
    def globe(self) -> Sphere:
        """Distances on the grid."""
        return Sphere.of(self.world.climate.grid)

    @cached_property
    def model(self) -> GriddedWorld:
        """The perfect model from one time of the window to the next."""
        hours = self.world.recipe.window_hours
        return self.world.climate.dynamics(float(hours[1] - hours[0]))

    @property
    def steps(self) -> tuple[int, ...]:
        """Of the model, from the window's start to each of its times."""
        return tuple(range(len(self.world.recipe.window_hours)))

    def regression(self, ridge: float) -> tuple[Callable[[Tensor], Tensor], SampleCovariance]:
        """The linear estimate from a background, and its error's covariance."""
        if ridge not in self._regressions:
            self._regressions[ridge] = self.world.regression(ridge)
        return self._regressions[ridge]

    def trajectory(self, x: Tensor, times: int) -> Tensor:
        """Forecasts of (n, *state) at so many times of the window, (n, times, *state)."""
        path = rollout(lambda y: batched(self.model.step, y), x, times - 1)
        return torch.stack([x, *path], 1)

    def chords(self, position: np.ndarray) -> tuple[Tensor, Tensor]:
        """Straight distances in km of the grid's columns (nlat nlon, p) and of one another (p, p).

        Args:
            position: Degrees north and east, (p, 2).
        """
        lat, lon = np.radians(position[:, 0]), np.radians(position[:, 1])
        unit = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 1)
        place = torch.from_numpy(self.globe.chordal_radius * unit)
        grid = torch.from_numpy(self.globe.places)
        mode = "donot_use_mm_for_euclid_dist"
        both = (torch.cdist(part, place, compute_mode=mode) for part in (grid, place))
        first, second = both
        return first, second
