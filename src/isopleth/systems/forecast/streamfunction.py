"""Streamfunction on a model's grid, from winds, geopotential or streamfunction on any globe."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.harmonics import area_weights
from isopleth.core.sphere import legendre

__all__ = ["REGULARISATION", "ROTATION", "StreamfunctionFit"]

Floats = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complex128]

ROTATION = 7.292e-5
"""Angular velocity of the Earth, s^-1."""

REGULARISATION = 0.05
"""Weight of the wind against that of the geostrophic balance, as a share of `2 Omega`."""

_UNRELATED = 1e-8
"""Rows whose harmonics are dependent to this share of the largest singular value."""

_POLE = 89.99
"""Rows nearer to a pole have no direction for a wind, and are left out for winds."""


class StreamfunctionFit:
    """Fits harmonics to the rows of a global grid and evaluates psi on a Gaussian one.

    Fields are `g = Re sum_m (2 - [m = 0]) e^{i m lambda} sum_l c_lm P_lm(phi)` up to a degree that
    the rows support; what is above the model's truncation is then left out. Weighted least squares
    by zonal wave, so latitudes may be anything, the poles too; exact for fields of the fitted
    degree.

        winds          u = -psi_phi / a + chi_lambda / (a cos phi)
                       v = psi_lambda / (a cos phi) + chi_phi / a         psi and chi together
        geopotential   div(f grad psi) = lap Phi,   f = 2 Omega sin phi

    The last is the linear balance equation, which says nothing where f is small. Of all psi it
    takes the one with the least

        <|grad(Phi - B psi)|^2> + (r 2 Omega)^2 <|grad psi|^2>,   B psi = lap^-1 div(f grad psi)

    so that winds near the equator are too weak: within `|sin phi| < r` they are not to be trusted.
    References: Swarztrauber (1993), Mon. Wea. Rev. 121, 3415, for wind by vector harmonics; Daley
    (1983), Tellus A 35, 17, for the balance.

    Args:
        latitude: Degrees north, north to south, shape (nlat,).
        longitude: Degrees east, evenly round the whole circle, shape (nlon,).
        grid: Where psi is wanted.
        truncation: Largest degree of psi there, at most `nlat - 2` and below `nlon / 2`.
        radius: Of the Earth, m.
        regularisation: `r`.

    >>> grid = GaussianGrid(nlat=32, nlon=64)
    >>> rows, columns = np.linspace(90.0, -90.0, 37), np.arange(72) * 5.0
    >>> fit = StreamfunctionFit(rows, columns, grid, truncation=21)
    >>> u = 20.0 * np.cos(np.radians(rows))[:, None] * np.ones(72)      # solid rotation
    >>> psi = fit.from_winds(u, 0.0 * u)
    >>> bool(np.allclose(psi, -20.0 * 6.371e6 * grid.sine[:, None]))
    True
    """

    def __init__(
        self,
        latitude: Floats,
        longitude: Floats,
        grid: GaussianGrid,
        truncation: int,
        *,
        radius: float = 6.371e6,
        regularisation: float = REGULARISATION,
    ) -> None:
        self.grid, self.truncation, self.degree = (
            grid,
            truncation,
            fitted_degree(len(latitude), len(longitude), truncation),
        )
        self._radius, self._regularisation = radius, regularisation
        self._rows = np.asarray(latitude, np.float64)
        self._turn = np.exp(-1j * np.radians(longitude[0]) * np.arange(self.degree + 1))
        self._weights = area_weights(self._rows)
        self._target = legendre(truncation, grid.sine)[0]

    def from_streamfunction(self, psi: Floats) -> Floats:
        """Psi on the Gaussian grid, mean 0: m2 s-1, `(..., nlat, nlon)` to that of the grid."""
        return self._on_grid(self._scalar(psi))

    def from_winds(self, u: Floats, v: Floats) -> Floats:
        """Psi of winds in m s-1, each `(..., nlat, nlon)`."""
        inside = np.abs(self._rows) < _POLE
        waves = [self._waves(x)[..., inside, :] for x in (u, v)]
        root = np.sqrt(self._weights[inside])
        values, slopes = legendre(self.degree, np.sin(np.radians(self._rows[inside])))
        cosine = np.cos(np.radians(self._rows[inside]))[:, None]

        def fit(m: int) -> Complexes:
            P, slope = values[m:, m].T * (m / cosine), slopes[m:, m].T
            matrix = np.block([[-slope, -P], [P, slope]]) / self._radius
            both = np.concatenate([waves[0][..., m], -1j * waves[1][..., m]], axis=-1)
            found = _least_squares(matrix, both, np.concatenate([root, root]))
            return found[..., : slope.shape[1]]

        return self._on_grid(self._orders(fit, u.shape[:-2]))

    def from_geopotential(self, Phi: Floats) -> Floats:
        """Psi in linear balance with a geopotential in m2 s-2, `(..., nlat, nlon)`."""
        c = self._scalar(Phi)

        def solve(m: int) -> Complexes:
            inverse = _balance_inverse(self.degree, m, self._regularisation)
            found = np.zeros((*c.shape[:-2], self.degree + 1 - m), complex)
            first = max(1 - m, 0)
            found[..., first:] = c[..., m, m + first :] @ inverse.T / (2.0 * ROTATION)
            return found

        return self._on_grid(self._orders(solve, Phi.shape[:-2]))

    def _waves(self, g: Floats) -> Complexes:
        """Zonal waves of rows: (..., nlat, m)."""
        spectrum = np.fft.rfft(g, axis=-1)[..., : self.degree + 1] / g.shape[-1]
        return np.asarray(spectrum * self._turn)

    def _scalar(self, g: Floats) -> Complexes:
        """Coefficients by order, then degree: (..., m, l)."""
        waves, root = self._waves(g), np.sqrt(self._weights)
        with np.errstate(invalid="ignore", divide="ignore"):  # slopes, unused, at the poles
            values = legendre(self.degree, np.sin(np.radians(self._rows)))[0]
        return self._orders(
            lambda m: _least_squares(values[m:, m].T, waves[..., m], root), g.shape[:-2]
        )

    def _orders(self, one: Callable[[int], Complexes], lead: tuple[int, ...]) -> Complexes:
        whole = np.zeros((*lead, self.degree + 1, self.degree + 1), complex)
        for m in range(self.degree + 1):
            whole[..., m, m:] = one(m)
        return whole

    def _on_grid(self, c: Complexes) -> Floats:
        size = self.truncation + 1
        kept = c[..., :size, :size].copy()
        kept[..., 0, 0] = 0.0
        waves = np.einsum("...ml,lmj->...jm", kept, self._target)
        return np.asarray(np.fft.irfft(waves, self.grid.nlon, axis=-1) * self.grid.nlon)


def fitted_degree(nlat: int, nlon: int, truncation: int) -> int:
    """Degree to fit: twice the truncation, if two thirds of the rows and columns support it.

    >>> fitted_degree(32, 64, 21), fitted_degree(721, 1440, 21), fitted_degree(37, 72, 21)
    (21, 42, 24)
    """
    return min(2 * truncation, max(truncation, min(2 * nlat, nlon) // 3))


def _least_squares(matrix: Floats, values: Complexes, root: Floats) -> Complexes:
    """Coefficients `(..., n)` of values `(..., rows)`, rows weighted by the squares of `root`."""
    inverse = np.linalg.pinv(root[:, None] * matrix, rcond=_UNRELATED) * root
    return np.asarray(values @ inverse.T)


def _balance_inverse(truncation: int, m: int, r: float) -> Floats:
    """From coefficients of `Phi / 2 Omega` to psi, degrees max(1, m) to T, regularised.

    `Phi_l / 2 Omega = (l - 1) / l e_l psi_{l-1} + (l + 2) / (l + 1) e_{l+1} psi_{l+1}`
    """
    degree = np.arange(max(1, m), truncation + 1, dtype=np.float64)
    e = np.sqrt((degree**2 - m**2) / (4.0 * degree**2 - 1.0))
    below = ((degree - 1.0) / degree * e)[1:]
    above = ((degree[:-1] + 2.0) / (degree[:-1] + 1.0)) * e[1:]
    B = np.diag(below, -1) + np.diag(above, 1)
    slope = degree * (degree + 1.0)
    normal = (B.T * slope) @ B + r**2 * np.diag(slope)
    return np.asarray(np.linalg.solve(normal, B.T * slope))
