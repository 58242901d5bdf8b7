"""What the methods of a contest share, computed when first asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed
from isopleth.dynamics.rollout import Dynamics, rollout
from isopleth.inference.kalman import Sphere
from isopleth.inference.variational import RootedCovariance, SampleCovariance
from isopleth.studies.tuning import Dimension
from isopleth.studies.twin.background import batched
from isopleth.studies.twin.frozen import Cases, FrozenWorld, Linear
from isopleth.studies.twin.world import TwinWorld

__all__ = ["Contender", "Seen", "Statistics"]

Seen = Mapping[int, Sequence[Sequence[Observed]]]
"""By index of the window's time: for every case its observations."""


class Contender(Protocol):
    """A method with its settings; a frozen dataclass of plain numbers.

    Attributes:
        name: In tables.
        space: What is tuned; empty = nothing to tune.
    """

    name: ClassVar[str]
    space: ClassVar[Mapping[str, Dimension]]

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """Estimates at the times of the window, shape (n, time, channel, nlat, nlon)."""
        ...


@dataclass(frozen=True, eq=False)
class Statistics:
    """Covariances and models of a frozen world.

    Args:
        world: Where they come from.
    """

    world: FrozenWorld
    _regressions: dict[float, Linear] = field(default_factory=dict, repr=False)

    @property
    def quasigeostrophic(self) -> TwinWorld:
        """The world, for tasks that only that one has: windows and cycling.

        Raises:
            InputError: If it is another.
        """
        if not isinstance(self.world, TwinWorld):
            raise InputError(
                f"windows and cycling need a perfect model, and {type(self.world).__name__} has "
                "none: take the quasi-geostrophic world."
            )
        return self.world

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
        return self.quasigeostrophic.lagged

    def modelled(self, amplitude: float, length: float) -> RootedCovariance:
        """Of background errors, as a control-variable transform with these two factors."""
        return self.world.modelled(amplitude, length)

    @cached_property
    def globe(self) -> Sphere:
        """Distances on the grid."""
        return Sphere.of(self.world.climate.grid)

    @cached_property
    def model(self) -> Dynamics:
        """Of forecasts, from one time of the window to the next."""
        hours = self.world.recipe.window_hours
        return self.world.climate.dynamics(float(hours[1] - hours[0]))

    @property
    def steps(self) -> tuple[int, ...]:
        """Of the model, from the window's start to each of its times."""
        return tuple(range(len(self.world.recipe.window_hours)))

    def regression(self, ridge: float) -> Linear:
        """The linear estimate from a background, and its error's covariance."""
        if ridge not in self._regressions:
            self._regressions[ridge] = self.world.regression(ridge)
        return self._regressions[ridge]

    def known(self, cases: Cases) -> Tensor:
        """What the linear estimate of the truth of every case is made from."""
        return cases.background

    def trajectory(self, x: Tensor, times: int) -> Tensor:
        """Forecasts of (n, *state) at so many times of the window, (n, times, *state)."""
        path = rollout(lambda y: batched(self.model.step, y), x, times - 1)
        return torch.stack([x, *path], 1)
