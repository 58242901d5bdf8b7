"""GriddedWorld: the quasi-geostrophic world as a dynamics of standardised fields on its grid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.dynamics.quasigeostrophic import QuasiGeostrophic
from isopleth.dynamics.rollout import Dynamics, Repeated

__all__ = ["GriddedWorld"]


class GriddedWorld(nn.Module):
    """A step of anomalies `x = (psi - mean) / sd`, shape (..., 3, nlat, nlon), sd one a level.

    What assimilation works on: cells near one another are neighbours, all levels are of order
    one, and an observation of a wind is linear in x.

    Args:
        world: What happens between two times.
        mean: Of the streamfunction, m2 s-1, shape (3, nlat, nlon).
        sd: Its standard deviation by level, m2 s-1, shape (3,), positive.
        seconds: Length of a step, a multiple of the world's.
        dynamics: What steps the potential vorticity in the world's place, an emulator say.

    Raises:
        InputError: If the shapes do not fit, a standard deviation is not positive, or the step is
            no multiple.
    """

    mean: Tensor
    sd: Tensor

    def __init__(
        self,
        world: QuasiGeostrophic,
        mean: Tensor,
        sd: Tensor,
        *,
        seconds: float = 21_600.0,
        dynamics: Dynamics | None = None,
    ) -> None:
        super().__init__()
        shape = (3, *world.sphere.grid.shape)
        if tuple(mean.shape) != shape or tuple(sd.shape) != (3,) or not bool((sd > 0).all()):
            raise InputError(
                f"a mean of shape {tuple(mean.shape)} and standard deviations {sd.tolist()} do "
                f"not describe the fields {shape}: give one positive number a level."
            )
        self.world = world
        self._dynamics = Repeated(dynamics or world, seconds=seconds)
        self.register_buffer("mean", mean)
        self.register_buffer("sd", sd[:, None, None])

    @property
    def step_seconds(self) -> float:
        """Time that one step takes, s."""
        return self._dynamics.step_seconds

    def step(self, x: Tensor) -> Tensor:
        """The anomaly one step later, shape of x."""
        return self.from_state(self._dynamics.step(self.to_state(x)))

    def to_state(self, x: Tensor) -> Tensor:
        """The world's state, (..., 3, (T + 1)^2)."""
        return self.world.from_streamfunction(self.mean + self.sd * x)

    def from_state(self, z: Tensor) -> Tensor:
        """The anomaly of a state of the world, (..., 3, nlat, nlon)."""
        return (self.world.streamfunction(z) - self.mean) / self.sd

    def wind_anomalies(self, x: Tensor) -> Tensor:
        """Winds minus those of the mean, m s-1: u of three levels, then v; (..., 6, nlat, nlon).

        Linear in x: `u = -sd dx/dphi / a`, `v = sd dx/dlambda / (a cos(phi))`.
        """
        sphere, radius = self.world.sphere, self.world.recipe.radius
        east, north = sphere.gradient(sphere.analysis(self.sd * x) / radius)
        return torch.cat([-north, east], -3)

    def winds(self, x: Tensor) -> Tensor:
        """Winds, m s-1, channels as in `wind_anomalies`."""
        return self.wind_anomalies(x + self.mean / self.sd)
