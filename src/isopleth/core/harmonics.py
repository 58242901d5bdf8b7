"""Harmonics: spherical harmonics on the rows and columns of any global latitude-longitude grid."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.sphere import legendre

__all__ = ["Harmonics"]

Floats = npt.NDArray[np.float64]

_UNRELATED = 1e-8
"""Rows whose harmonics are dependent to this share of the largest singular value."""


class Harmonics:
    """Synthesis, its adjoint, and analysis by weighted least squares at a triangular truncation.

        g(lambda, phi) = sum_k z_k Y_k(lambda, phi)
        Y = P_l0,   sqrt(2) P_lm cos(m lambda),   sqrt(2) P_lm sin(m lambda)     (m <= l <= T)

    normalised as in `core.sphere`: the area mean of `Y_j Y_k` is 1 if j = k, else 0. Unlike
    there, latitudes may be anything, the poles too; only synthesis is then exact by construction.
    `analysis` finds for every zonal wave the coefficients that fit the rows best, weighted by
    area; exact for fields of degree T. Coefficients are ordered by order, cosine before sine, then
    degree; `degree` and `order` say which is which. Tables are float64, used in the precision of
    what is transformed.
    Reference: Swarztrauber and Spotz (2000), J. Comput. Phys. 159, 213, for projections on
    grids without a quadrature.

    Args:
        latitude: Degrees north, north to south, shape (nlat,).
        longitude: Degrees east, evenly spaced round the whole circle, shape (nlon,).
        truncation: Largest degree `T`, at least 1.

    Raises:
        InputError: If the grid is no whole globe or too coarse: it takes `nlat > T` and
            `nlon > 2 T`.

    >>> grid = np.linspace(90.0, -90.0, 19), np.arange(36) * 10.0
    >>> harmonics = Harmonics(*grid, truncation=8)
    >>> z = torch.randn(81, generator=torch.Generator().manual_seed(0))
    >>> bool(torch.allclose(harmonics.analysis(harmonics.synthesis(z)), z, atol=1e-5))
    True
    """

    def __init__(self, latitude: npt.ArrayLike, longitude: npt.ArrayLike, truncation: int) -> None:
        rows, columns = np.asarray(latitude, np.float64), np.asarray(longitude, np.float64)
        _check(rows, columns, truncation)
        self.truncation, self.shape = truncation, (len(rows), len(columns))
        waves = [(0, False), *((m, s) for m in range(1, truncation + 1) for s in (False, True))]
        table = [(w, m, n) for w, (m, _) in enumerate(waves) for n in range(m, truncation + 1)]
        wave, order, degree = (np.array(column) for column in zip(*table, strict=True))
        self.degree, self.order = torch.from_numpy(degree), torch.from_numpy(order)
        self._place = torch.from_numpy(wave * (truncation + 1) + degree)
        angle = np.radians(columns)
        turning = [np.sin(m * angle) if sine else np.cos(m * angle) for m, sine in waves]
        root = np.array([math.sqrt(2.0) if m else 1.0 for m, _ in waves])
        self._waves = torch.from_numpy(np.stack(turning, 1) * root)
        with np.errstate(invalid="ignore", divide="ignore"):  # slopes, unused, at the poles
            values = legendre(truncation, np.sin(np.radians(rows)))[0]
        each = np.array([m for m, _ in waves])
        self._values = torch.from_numpy(np.ascontiguousarray(values[:, each].transpose(1, 2, 0)))
        weights = area_weights(rows)
        fits = [_least_squares(values[m:, m].T, weights) for m in range(truncation + 1)]
        inverse = np.zeros((len(waves), truncation + 1, len(rows)))
        for w, (m, _) in enumerate(waves):
            inverse[w, m:] = fits[m]
        self._inverse = torch.from_numpy(inverse)

    @property
    def size(self) -> int:
        """Number of coefficients, `(T + 1)^2`."""
        return len(self.degree)

    def synthesis(self, z: Tensor) -> Tensor:
        """Values on the grid: `(..., (T + 1)^2)` to `(..., nlat, nlon)`."""
        waves, n = len(self._values), self.truncation + 1
        whole = z.new_zeros(*z.shape[:-1], waves * n)
        whole = whole.index_copy(-1, self._place.to(z.device), z)
        blocks = whole.unflatten(-1, (waves, n))
        rows = torch.einsum("wjl,...wl->...jw", self._values.to(z), blocks)
        return rows @ self._waves.to(z).mT

    def adjoint(self, g: Tensor) -> Tensor:
        """Transpose of `synthesis`, with no weights: `(..., nlat, nlon)` to `(..., (T + 1)^2)`."""
        blocks = torch.einsum("wjl,...jw->...wl", self._values.to(g), g @ self._waves.to(g))
        return blocks.flatten(-2)[..., self._place.to(g.device)]

    def analysis(self, g: Tensor) -> Tensor:
        """Coefficients of the nearest field of degree T: `(..., nlat, nlon)` to `(..., size)`."""
        waves = g @ self._waves.to(g) / self.shape[1]
        blocks = torch.einsum("wlj,...jw->...wl", self._inverse.to(g), waves)
        return blocks.flatten(-2)[..., self._place.to(g.device)]

    def power(self, z: Tensor) -> Tensor:
        """Share of the mean square at each degree: `(..., (T + 1)^2)` to `(..., T + 1)`."""
        zero = z.new_zeros(*z.shape[:-1], self.truncation + 1)
        return zero.index_add(-1, self.degree.to(z.device), z.square())


def area_weights(latitude: Floats) -> Floats:
    """Share of the sphere between the midpoints of the rows, sums to 1, shape (nlat,).

    Args:
        latitude: Degrees north, north to south, shape (nlat,).
    """
    middle = 0.5 * (latitude[1:] + latitude[:-1])
    edges = np.concatenate([[90.0], middle, [-90.0]])
    return np.asarray(-0.5 * np.diff(np.sin(np.radians(edges))))


def _least_squares(P: Floats, weights: Floats) -> Floats:
    """`(P' W P)^-1 P' W`, shape (degrees, nlat)."""
    root = np.sqrt(weights)
    return np.asarray(np.linalg.pinv(root[:, None] * P, rcond=_UNRELATED) * root)


def _check(latitude: Floats, longitude: Floats, truncation: int) -> None:
    if truncation < 1 or len(latitude) <= truncation or len(longitude) <= 2 * truncation:
        raise InputError(
            f"truncation {truncation} does not go with {len(latitude)} rows and {len(longitude)} "
            "columns: take T >= 1, nlat > T and nlon > 2 T."
        )
    if not (np.diff(latitude) < 0.0).all() or np.abs(latitude).max() > 90.0:
        raise InputError(
            f"latitudes from {latitude[0]:g} to {latitude[-1]:g} are not ordered north to south "
            "on the Earth: sort them."
        )
    gaps = np.diff(longitude, append=longitude[0] + 360.0)
    if not np.allclose(gaps, 360.0 / len(longitude), atol=1e-3):
        raise InputError(
            f"longitudes from {longitude[0]:g} to {longitude[-1]:g} do not go evenly round the "
            "globe: a region has no spherical harmonics, use a covariance given as a matrix."
        )
    widest = -np.diff(latitude, prepend=90.0, append=-90.0)
    if widest.max() > 2.0 * np.median(widest[1:-1]):
        raise InputError(
            f"latitudes from {latitude[0]:g} to {latitude[-1]:g} do not reach from pole to pole: "
            "a belt has no spherical harmonics, use a covariance given as a matrix."
        )
