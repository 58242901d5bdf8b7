"""Smooth Gaussian random fields on a latitude-longitude grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid

__all__ = ["SmoothField"]

Floats = npt.NDArray[np.float64]
_LEAST_COSINE = 0.05
"""Rows closer to a pole than 3 degrees are treated like the one there: a circle of no length has
no wave number."""


@dataclass(frozen=True, eq=False)
class SmoothField:
    """A field of zero mean and unit variance with `cov(d) = exp(-d^2 / (2 L^2))` along each axis.

    White noise is filtered along every circle of latitude by a Gaussian whose length follows the
    latitude, then across the circles; each row is brought back to unit variance. Land is ignored.

    Args:
        grid: Global; its levels are not looked at.
        zonal_km: `L` along the circle of latitude, one number or shape (nlat,), km.
        meridional_km: `L` across it, likewise.

    Raises:
        InputError: If the grid is not global or a length is not positive.

    >>> field = SmoothField(Grid.regular(10.0, levels=[0.0]), 2000.0, 1000.0)
    >>> field.draw(torch.Generator().manual_seed(0)).shape
    torch.Size([18, 36])
    """

    grid: Grid
    zonal_km: Floats | float
    meridional_km: Floats | float

    def __post_init__(self) -> None:
        """Give every row its lengths."""
        if not self.grid.periodic:
            raise InputError("the grid is regional: random fields are drawn on a global grid.")
        for name in ("zonal_km", "meridional_km"):
            length = np.broadcast_to(getattr(self, name), self.grid.latitude.shape)
            if not (length > 0).all():
                raise InputError(f"{name} is {length.min():g}: give a positive length in km.")
            object.__setattr__(self, name, length)

    def draw(self, generator: torch.Generator) -> Tensor:
        """One field, float32, shape (nlat, nlon)."""
        white = torch.randn(self.grid.shape[1:], generator=generator)
        zonal = torch.fft.irfft(torch.fft.rfft(white) * self._zonal, n=white.shape[-1])
        return self._meridional @ zonal

    @cached_property
    def _zonal(self) -> Tensor:
        """Filter of every row by zonal wave number, shape (nlat, nlon // 2 + 1)."""
        count = self.grid.longitude.size
        cosine = np.maximum(np.cos(np.radians(self.grid.latitude)), _LEAST_COSINE)
        wave = np.arange(count // 2 + 1) / (EARTH_RADIUS * 1e-3 * cosine[:, None])
        kernel = np.exp(-((wave * np.asarray(self.zonal_km)[:, None] / 2.0) ** 2))
        twice = np.full(count // 2 + 1, 2.0)
        twice[0] = 1.0
        if count % 2 == 0:
            twice[-1] = 1.0
        power = (kernel**2 * twice).sum(axis=1, keepdims=True) / count
        return torch.from_numpy((kernel / np.sqrt(power)).astype(np.float32))

    @cached_property
    def _meridional(self) -> Tensor:
        """Weights of all rows in each, shape (nlat, nlat), rows of unit norm."""
        north = np.radians(self.grid.latitude) * EARTH_RADIUS * 1e-3
        apart = np.subtract.outer(north, north) / np.asarray(self.meridional_km)[:, None]
        kernel = np.exp(-(apart**2))
        kernel /= np.linalg.norm(kernel, axis=1, keepdims=True)
        return torch.from_numpy(kernel.astype(np.float32))
