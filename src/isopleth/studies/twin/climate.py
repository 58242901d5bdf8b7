"""Climate: mean, size and covariance of the world's states, from its own long runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.core.sphere import Sphere
from isopleth.dynamics.gridded import GriddedWorld
from isopleth.dynamics.quasigeostrophic import QuasiGeostrophic
from isopleth.inference.variational import SampleCovariance
from isopleth.studies.twin.frozen import Space

__all__ = ["Climate", "area", "square_error"]

_NULL = 1e-8
"""Share of the largest variance below which a mode is rounding."""


@dataclass(frozen=True, eq=False)
class Climate:
    """The anomalies `x = (psi - mean) / sd` of a world, and covariances in them.

    Args:
        world: Whose climate it is.
        mean: Of the streamfunction, m2 s-1, shape (3, nlat, nlon).
        sd: By level, m2 s-1, shape (3,): square root of the area mean of the variance in time.
    """

    world: QuasiGeostrophic
    mean: Tensor
    sd: Tensor

    @classmethod
    def of(cls, world: QuasiGeostrophic, z: Tensor) -> Climate:
        """Of states (n, 3, (T + 1)^2)."""
        psi = world.invert(z)
        mean = psi.mean(0)
        power = (psi - mean).square().mean(0).sum(-1)  # the harmonics are orthonormal
        return cls(world, world.sphere.synthesis(mean), power.sqrt())

    @property
    def grid(self) -> Grid:
        """Where anomalies live; its levels are the three channels."""
        grid = self.world.sphere.grid
        open_ = np.ones((3, *grid.shape), dtype=np.bool_)
        return Grid(grid.latitude, grid.longitude, np.arange(3.0), open_)

    @property
    def sphere(self) -> Sphere:
        """Harmonics and areas of the grid."""
        return self.world.sphere

    @property
    def channels(self) -> int:
        """The three levels."""
        return 3

    def dynamics(self, hours: float) -> GriddedWorld:
        """The perfect model, with a step of so many hours."""
        return GriddedWorld(self.world, self.mean, self.sd, seconds=3600.0 * hours)

    def coefficients(self, x: Tensor) -> Tensor:
        """Spectral coefficients of anomalies, (..., 3 (T + 1)^2)."""
        return self.world.sphere.analysis(x).flatten(-2)

    def fields(self, c: Tensor) -> Tensor:
        """Anomalies with these coefficients, (..., 3, nlat, nlon)."""
        return self.world.sphere.synthesis(c.unflatten(-1, (3, -1)))

    def anomalies(self, z: Tensor) -> Tensor:
        """Of states of the world."""
        return self.dynamics(6.0).from_state(z)

    def covariance(self, C: Tensor) -> SampleCovariance:
        """On the grid, from that of the coefficients, shape (m, m): rows are its EOFs."""
        return SampleCovariance(self.fields(root_of(C)))


def root_of(C: Tensor) -> Tensor:
    """Rows X with `X' X = C`, the largest first, shape (k, m)."""
    values, V = torch.linalg.eigh(C.double())
    kept = values > _NULL * values[-1]
    return (V[:, kept] * values[kept].sqrt()).T.flip(0).float()


def area(climate: Space) -> Tensor:
    """Share of the sphere of every row, over the number of columns and channels, (nlat, 1)."""
    weights = climate.sphere.weights[:, None]
    return weights / weights.sum() / (climate.channels * climate.sphere.grid.nlon)


def square_error(climate: Space, x: Tensor, truth: Tensor) -> Tensor:
    """Area mean over all channels of `(x - truth)^2`, shape of the leading axes; 1 = climate."""
    return ((x - truth).square() * area(climate)).sum((-3, -2, -1))
