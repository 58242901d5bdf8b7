"""Sphere: spherical harmonic transforms as a few products with dense real matrices.

A field is `g(lambda, phi) = sum_k z_k Y_k(lambda, phi)` with real harmonics

    Y = P_l0,   sqrt(2) P_lm cos(m lambda),   sqrt(2) P_lm sin(m lambda)      (1 <= m <= l <= T)

where P is normalised so that the area mean of `Y_j Y_k` is 1 if j = k, else 0: the mean square of
a field is the sum of its squared coefficients. There are (T + 1)^2 of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.core.gaussian_grid import GaussianGrid

__all__ = ["Sphere", "legendre"]

Floats = npt.NDArray[np.float64]


class Sphere(nn.Module):
    """Analysis, synthesis and derivatives at a triangular truncation T on a Gaussian grid.

    Coefficients z have shape (..., (T + 1)^2) and real values. Their order is a packing: `degree`,
    `order` and `is_sine` say what each one is. A block of T + 1 consecutive coefficients holds two
    waves: of orders m and T + 1 - m (both cosines or both sines), cosine m = 0 alone, and for odd
    T the cosine and the sine of order (T + 1) / 2. Every block is full, so a Legendre transform is
    one batched product without padding; the Fourier transform is one product with a matrix of
    cosines and sines. Both are exact on the grid for fields of degree T, and so is the analysis
    of a product of two such fields if `nlon > 3 T` and `2 nlat > 3 T`.
    All derivatives are those of the unit sphere: divide by its radius (the Laplacian by its
    square). Differentiable; buffers follow `.to(device)`.

        `values`, `slopes`: P and dP/dphi, shape (T + 1 blocks, 2 waves x nlat, T + 1)
        `waves`: cosines and sines, shape (nlon, 2 (T + 1)); the first is empty, T + 1 cosines and
        T sines follow
        `laplacian`, `inverse_laplacian`: `-l (l + 1)` and its inverse, 0 at l = 0, (T + 1)^2

    Reference: Bourke (1972), Mon. Wea. Rev. 100, 683, for the method; the recursions of P are
    those of Belousov (1962), Tables of Normalized Associated Legendre Polynomials.

    Args:
        truncation: Largest degree `T`, at least 1.
        grid: Where fields live; 32x64 for T21 and 64x128 for T42 leave no aliasing.
        dtype: Of the matrices; they are computed in double precision.

    Raises:
        InputError: If the grid is too coarse for T: it takes `nlat > T` and `nlon > 2 T`.

    >>> sphere = Sphere(21, GaussianGrid(nlat=32, nlon=64), dtype=torch.float64)
    >>> z = torch.zeros(484, dtype=torch.float64)
    >>> z[sphere.index(degree=1, order=0)] = 1.0
    >>> g = sphere.synthesis(z)                              # sqrt(3) sin(latitude)
    >>> g.shape, round(float(g[0, 0]), 6)
    (torch.Size([32, 64]), 1.727312)
    >>> bool(torch.allclose(sphere.analysis(g), z))
    True
    """

    degree: Tensor
    order: Tensor
    is_sine: Tensor
    laplacian: Tensor
    inverse_laplacian: Tensor
    weights: Tensor
    cosine: Tensor
    values: Tensor
    slopes: Tensor
    waves: Tensor
    _partner: Tensor
    _turn: Tensor

    def __init__(
        self, truncation: int, grid: GaussianGrid, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        if truncation < 1 or grid.nlat <= truncation or grid.nlon <= 2 * truncation:
            raise InputError(
                f"truncation {truncation} does not go with a grid of {grid.nlat} rows and "
                f"{grid.nlon} columns: take T >= 1, nlat > T and nlon > 2 T."
            )
        self.truncation, self.grid = truncation, grid
        table = _tables(truncation, grid)
        for name in ("degree", "order", "is_sine"):
            self.register_buffer(name, torch.from_numpy(getattr(table, name)))
        eigenvalues = -self.degree.double() * (self.degree + 1)
        inverse = torch.where(self.degree > 0, eigenvalues.reciprocal(), 0.0)
        cosine = np.sqrt(1.0 - grid.sine**2)
        floats = {
            "laplacian": eigenvalues,
            "inverse_laplacian": inverse,
            "weights": torch.from_numpy(grid.weights),
            "cosine": torch.from_numpy(cosine),
            "values": torch.from_numpy(table.values),
            "slopes": torch.from_numpy(table.slopes),
            "waves": torch.from_numpy(_fourier(truncation, np.radians(grid.longitude))[0]),
            "_turn": torch.from_numpy(table.turn),
        }
        for name, number in floats.items():
            self.register_buffer(name, number.to(dtype))
        self.register_buffer("_partner", torch.from_numpy(table.partner))

    @property
    def size(self) -> int:
        """Number of coefficients, `(T + 1)^2`."""
        return (self.truncation + 1) ** 2

    def index(self, degree: int, order: int, *, sine: bool = False) -> int:
        """Where the coefficient of one harmonic stands.

        Raises:
            InputError: If there is no such harmonic.
        """
        found = (self.degree == degree) & (self.order == order) & (self.is_sine == sine)
        if not bool(found.any()):
            raise InputError(
                f"degree {degree}, order {order}, sine {sine} is no harmonic of truncation "
                f"{self.truncation}: take 0 <= order <= degree <= T, and no sine of order 0."
            )
        return int(found.nonzero())

    def synthesis(self, z: Tensor) -> Tensor:
        """Values on the grid: `(..., (T + 1)^2)` to `(..., nlat, nlon)`."""
        return self._to_grid(z, self.values)

    def analysis(self, g: Tensor) -> Tensor:
        """Coefficients of the projection on degree T: `(..., nlat, nlon)` to `(..., (T + 1)^2)`.

        `z_k = sum_ij weights_i g_ij Y_k(i, j) / nlon`.

        Raises:
            InputError: If the last two axes are not those of the grid.
        """
        if g.shape[-2:] != self.grid.shape:
            raise InputError(
                f"a field of shape {tuple(g.shape)} is not on the grid {self.grid.shape}: "
                "interpolate it first."
            )
        n, (nlat, nlon) = self.truncation + 1, self.grid.shape
        weighted = g * (self.weights[:, None] / nlon)
        columns = weighted.reshape(-1, nlat, nlon).permute(2, 1, 0).reshape(nlon, -1)
        rows = (self.waves.T @ columns).view(n, 2 * nlat, -1)
        z = torch.bmm(self.values.mT, rows)
        return z.permute(2, 0, 1).reshape(*g.shape[:-2], self.size)

    def d_lambda(self, z: Tensor) -> Tensor:
        """Coefficients of the derivative with respect to longitude (radians), shape of z."""
        return z[..., self._partner] * self._turn

    def d_phi(self, z: Tensor) -> Tensor:
        """Derivative with respect to latitude (radians) on the grid, (..., nlat, nlon)."""
        return self._to_grid(z, self.slopes)

    def gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """`1 / cos(phi) dg/dlambda` and `dg/dphi` on the grid, each (..., nlat, nlon)."""
        return self.synthesis(self.d_lambda(z)) / self.cosine[:, None], self.d_phi(z)

    def fourier(self, longitude: Floats) -> tuple[Tensor, Tensor]:
        """`waves` and their derivatives at any longitudes, radians, each (n, 2 (T + 1))."""
        waves, slopes = _fourier(self.truncation, longitude)
        return torch.from_numpy(waves).to(self.waves), torch.from_numpy(slopes).to(self.waves)

    def power(self, z: Tensor) -> Tensor:
        """Share of the mean square at each degree: (..., (T + 1)^2) to (..., T + 1)."""
        zero = z.new_zeros(*z.shape[:-1], self.truncation + 1)
        return zero.index_add(-1, self.degree, z.square())

    def _to_grid(self, z: Tensor, table: Tensor) -> Tensor:
        if z.shape[-1] != self.size:
            raise InputError(
                f"coefficients of shape {tuple(z.shape)} are not those of truncation "
                f"{self.truncation}: the last axis must have {self.size}."
            )
        n, (nlat, nlon) = self.truncation + 1, self.grid.shape
        rows = torch.bmm(table, z.reshape(-1, n, n).permute(1, 2, 0))
        columns = self.waves @ rows.view(2 * n, -1)
        return columns.view(nlon, nlat, -1).permute(2, 1, 0).reshape(*z.shape[:-1], nlat, nlon)


def legendre(truncation: int, sine: Floats) -> tuple[Floats, Floats]:
    """Normalised associated Legendre functions and their derivatives with respect to latitude.

        P_mm = sqrt((2m + 1) / (2m)) cos(phi) P_{m-1,m-1},   P_00 = 1
        P_lm = (sin(phi) P_{l-1,m} - e_{l-1,m} P_{l-2,m}) / e_lm
        cos(phi) dP_lm/dphi = (l + 1) e_lm P_{l-1,m} - l e_{l+1,m} P_{l+1,m}
        e_lm = sqrt((l^2 - m^2) / (4 l^2 - 1))

    so that half the integral of P^2 over sin(phi) is 1.

    Args:
        truncation: Largest degree `T`.
        sine: Sine of latitude, inside (-1, 1), shape (nlat,).

    Returns:
        P and dP/dphi, each of shape (T + 1, T + 1, nlat) by degree, then order; 0 where l < m.
    """
    T, cosine = truncation, np.sqrt(1.0 - sine**2)
    P = np.zeros((T + 2, T + 2, sine.size))
    e = _recursion(T + 2)
    P[0, 0] = 1.0
    for m in range(1, T + 1):
        P[m, m] = np.sqrt((2 * m + 1) / (2 * m)) * cosine * P[m - 1, m - 1]
    for n in range(1, T + 2):
        for m in range(min(n, T + 1)):
            P[n, m] = (sine * P[n - 1, m] - e[n - 1, m] * P[n - 2, m]) / e[n, m]
    degree = np.arange(T + 1)[:, None, None]
    lower = np.concatenate([np.zeros((1, T + 2, sine.size)), P[:T]])
    slope = (degree + 1) * e[: T + 1, :, None] * lower
    slope = slope - degree * e[1 : T + 2, :, None] * P[1 : T + 2]
    return P[: T + 1, : T + 1], (slope / cosine)[:, : T + 1]


def _recursion(size: int) -> Floats:
    """`e_lm` by degree, then order, 0 where l <= m."""
    n, m = np.arange(size)[:, None], np.arange(size)[None, :]
    return np.sqrt(np.clip(n**2 - m**2, 0, None) / np.abs(4.0 * n**2 - 1.0))


@dataclass(frozen=True, kw_only=True)
class _Tables:
    """Matrices of the packing; n = T + 1 blocks of n coefficients and of two waves."""

    degree: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    is_sine: npt.NDArray[np.bool_]
    partner: npt.NDArray[np.int64]
    turn: Floats
    values: Floats
    slopes: Floats


def _blocks(truncation: int) -> list[tuple[tuple[int, bool] | None, tuple[int, bool]]]:
    """Two waves (order, is sine) a block: cosines come first, then sines; one slot is empty."""
    n = truncation + 1
    pairs = [(m, n - m) for m in range(1, (n + 1) // 2)]
    middle = [((n // 2, False), (n // 2, True))] if n % 2 == 0 else []
    cosines = [((m, False), (k, False)) for m, k in pairs]
    sines = [((m, True), (k, True)) for m, k in pairs]
    return [(None, (0, False)), *cosines, *middle, *sines]


def _tables(truncation: int, grid: GaussianGrid) -> _Tables:
    size = truncation + 1
    P, dP = legendre(truncation, grid.sine)
    values, slopes = np.zeros((2, size, 2, grid.nlat, size))
    harmonics: list[tuple[int, int, bool]] = []
    for block, pair in enumerate(_blocks(truncation)):
        slot = 0
        for side, wave in enumerate(pair):
            if wave is None:
                continue
            m, sine = wave
            slots = slice(slot, slot + size - m)
            values[block, side, :, slots] = P[m:, m].T
            slopes[block, side, :, slots] = dP[m:, m].T
            harmonics += [(degree, m, sine) for degree in range(m, size)]
            slot = slots.stop
    where = {harmonic: k for k, harmonic in enumerate(harmonics)}
    degree, order, is_sine = (np.array(column) for column in zip(*harmonics, strict=True))
    return _Tables(
        degree=degree,
        order=order,
        is_sine=is_sine,
        partner=np.array([where.get((n, m, not sine), 0) for n, m, sine in harmonics]),
        turn=np.where(is_sine, -order, order).astype(np.float64),
        values=values.reshape(size, 2 * grid.nlat, size),
        slopes=slopes.reshape(size, 2 * grid.nlat, size),
    )


def _fourier(truncation: int, angle: Floats) -> tuple[Floats, Floats]:
    """Cosines and sines of the packing and their derivatives, each (n, 2 (T + 1))."""
    waves, slopes = np.zeros((2, angle.size, 2 * (truncation + 1)))
    for k, wave in enumerate(wave for pair in _blocks(truncation) for wave in pair):
        if wave is None:
            continue
        m, sine = wave
        root = np.sqrt(2.0 if m else 1.0)
        even, odd = root * np.cos(m * angle), root * np.sin(m * angle)
        waves[:, k] = odd if sine else even
        slopes[:, k] = m * even if sine else -m * odd
    return waves, slopes
