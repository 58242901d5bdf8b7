"""GaussianGrid: rows at the zeros of a Legendre polynomial, so that quadrature is exact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError

__all__ = ["GaussianGrid"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GaussianGrid:
    """Latitudes whose sines are the Gauss-Legendre nodes, longitudes evenly spaced from 0.

    The mean over the sphere of a field g, `sum_ij weights_i g_ij / nlon`, is exact for spherical
    harmonics of degree up to `2 nlat - 1` and order below nlon.
    Reference: Krylov (1962), Approximate Calculation of Integrals, ch. 7.

    Args:
        nlat: Number of rows, north to south.
        nlon: Number of columns, even.

    Raises:
        InputError: If there are fewer than 2 rows or 4 columns, or an odd number of columns.

    >>> grid = GaussianGrid(nlat=32, nlon=64)
    >>> grid.latitude[0].round(2).item(), grid.longitude[1].item(), grid.weights.sum().round(12)
    (85.76, 5.625, np.float64(1.0))
    """

    nlat: int
    nlon: int

    def __post_init__(self) -> None:
        """Check the numbers of rows and columns."""
        if self.nlat < 2 or self.nlon < 4 or self.nlon % 2:
            raise InputError(
                f"a Gaussian grid of {self.nlat} rows and {self.nlon} columns cannot be made: "
                "take at least 2 rows and an even number of at least 4 columns."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(nlat, nlon)."""
        return self.nlat, self.nlon

    @property
    def latitude(self) -> Floats:
        """Degrees north, north to south, shape (nlat,)."""
        return np.asarray(np.degrees(np.arcsin(self.sine)), dtype=np.float64)

    @property
    def longitude(self) -> Floats:
        """Degrees east in [0, 360), shape (nlon,)."""
        return np.arange(self.nlon, dtype=np.float64) * (360.0 / self.nlon)

    @property
    def sine(self) -> Floats:
        """Sine of latitude, shape (nlat,)."""
        return self._rule[0]

    @property
    def weights(self) -> Floats:
        """Share of the sphere's area that each row stands for, sums to 1, shape (nlat,)."""
        return self._rule[1]

    @cached_property
    def _rule(self) -> tuple[Floats, Floats]:
        nodes, weights = np.polynomial.legendre.leggauss(self.nlat)
        return -nodes, 0.5 * weights
