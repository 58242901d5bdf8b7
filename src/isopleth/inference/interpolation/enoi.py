"""Ensemble optimal interpolation: the covariance of a stored ensemble, tapered with distance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.inference.interpolation.blocks import Progress, in_blocks
from isopleth.inference.interpolation.levels import in_order, part
from isopleth.inference.interpolation.scattered import Array, Estimate, Points, Samples
from isopleth.inference.interpolation.shapes import GaspariCohn, Shape
from isopleth.inference.interpolation.tree import Neighbourhoods, positions_km, separation
from isopleth.observe.profile import ProfileOperator

__all__ = ["EnOI", "eof_posterior"]

_BLOCK_NUMBERS = 1 << 21
"""Numbers in one stack of matrices, 16 MiB; about four such stacks are in memory."""

_BLOCK_PROFILES = 1 << 14
"""Profiles whose cells are looked up at once."""

_FAR = 1e6
"""Radii; stands for the infinite distance of a neighbour that does not exist."""


@dataclass(frozen=True, eq=False, kw_only=True)
class EnOI:
    """Local analysis at every point from its nearest profiles, all of their levels jointly.

        x = C' (G + R)^-1 y,   variance = diag(P - C' (G + R)^-1 C)
        G = rho o (H B H'),  C = rho o (H B),  B = alpha / (m - 1) sum_j x_j x_j'

    `H` reads the members at the profiles and at the point (bilinear, ocean corners alone); `rho`
    depends on the horizontal distance only and `o` is the product element by element. The
    variance is in data unit squared. A profile where the grid has no ocean is ignored; at such a
    point the mean is 0 and the variance NaN.
    Reference: Evensen (2003), Ocean Dyn. 53, 343; Oke, Brassington, Griffin and Schiller (2010),
    Aust. Meteorol. Oceanogr. J. 59, 67.

    Args:
        grid: Where the members live; its levels are those of the samples.
        members: `x_j`, anomalies, shape `(m, nlev, nlat, nlon)`; their mean is removed.
        observation_variance: `R`, data unit squared: one number, or one a level. The noise of
            the samples comes on top, in units of the ensemble's variance at that place.
        radius_km: Distance at which the taper reaches zero.
        neighbours: The most profiles used.
        alpha: Scaling of the ensemble's variance to that of the errors of the prior.
        taper: `rho` of distance over radius, Gaspari and Cohn's polynomial by default.

    Raises:
        InputError: If shapes do not fit, a member is not finite in the ocean or a setting is out
            of range.
    """

    grid: Grid
    members: Array
    observation_variance: float | Array
    radius_km: float = 1500.0
    neighbours: int = 20
    alpha: float = 1.0
    taper: Shape = field(default_factory=GaspariCohn)

    def __post_init__(self) -> None:
        """Check everything."""
        _check_members(np.asarray(self.members), self.grid)
        variance = np.asarray(self.observation_variance, np.float64)
        if variance.shape not in ((), self.grid.levels.shape) or not (variance > 0.0).all():
            raise InputError(
                f"observation_variance is {variance}: give one positive number, or one a level."
            )
        for name in ("radius_km", "neighbours", "alpha"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}: give a positive number.")

    def __call__(
        self, samples: Samples, points: Points, *, progress: Progress | None = None
    ) -> Estimate:
        """Estimate every level at every point; `progress` gets the fraction done.

        Raises:
            InputError: If the samples have other levels than the grid.
        """
        levels = self.grid.levels.size
        if samples.value.shape[1] != levels:
            raise InputError(
                f"the samples have {samples.value.shape[1]} levels and the ensemble {levels}: "
                "bring both to the same levels."
            )
        samples = self._within_reach(in_order(samples))
        search = Neighbourhoods(
            positions_km(samples.points), samples.points.group, self.neighbours
        )
        size = max(1, _BLOCK_NUMBERS // max(1, search.k * levels, len(self.members)) ** 2)
        shared = (self, samples, search, points)
        parts = in_blocks(_analysed, len(points), *shared, size=size, progress=progress)
        mean, variance = np.concatenate([np.empty((2, 0, levels)), *parts], axis=1)
        return Estimate(mean, variance)

    def _within_reach(self, samples: Samples) -> Samples:
        """Only profiles with a value where the grid has ocean; other values become NaN."""
        shared = (self.grid, samples.points)
        parts = in_blocks(_ocean, len(samples), *shared, size=_BLOCK_PROFILES)
        valid = np.concatenate([np.empty((0, samples.value.shape[1]), bool), *parts])
        value = np.where(valid, samples.value, np.nan)
        kept = np.flatnonzero(np.isfinite(value).any(axis=1))
        return Samples(samples.points, value, samples.noise).select(kept)

    def analyse(self, samples: Samples, search: Neighbourhoods, points: Points) -> Array:
        """Mean and variance at a block of `p` points, shape `(2, p, L)`."""
        item, distance = search(positions_km(points), points.group)
        p, k, levels = *item.shape, self.grid.levels.size
        y = np.where(item[:, :, None] >= 0, samples.value[item], np.nan).reshape(p, k * levels)
        seen = np.isfinite(y)
        HX = self._neighbours(samples.points, item) * seen[..., None]
        R = np.square(HX).sum(axis=2) * samples.noise[item].reshape(seen.shape)
        R += np.tile(np.broadcast_to(self.observation_variance, levels), k)
        G = HX @ HX.transpose(0, 2, 1)
        taper = self._taper(separation(search.place[item]))
        G *= taper.repeat(levels, axis=1).repeat(levels, axis=2)
        diagonal = np.arange(k * levels)
        G[:, diagonal, diagonal] += R
        X, valid = self._read(points)
        C = HX @ X.transpose(0, 2, 1)
        C *= self._taper(distance).repeat(levels, axis=1)[..., None]
        W = np.linalg.solve(G, C)
        variance = np.square(X).sum(axis=2) - (C * W).sum(axis=1)
        mean = np.einsum("pol,po->pl", W, np.where(seen, y, 0.0))
        return np.stack([mean, np.where(valid, np.maximum(variance, 0.0), np.nan)])

    def _neighbours(self, places: Points, item: NDArray[np.int64]) -> Array:
        """`X` at the neighbours of each point, shape `(p, k L, m)`."""
        used, where = np.unique(item, return_inverse=True)
        X = self._read(places.select(used))[0][where.reshape(item.shape)]
        return X.reshape(len(item), item.shape[1] * X.shape[2], X.shape[3])

    def _read(self, points: Points) -> tuple[Array, NDArray[np.bool_]]:
        """`X` at `n` places with `B = X X'`, `(n, L, m)`, 0 on land, and where there is ocean."""
        H = _operator(self.grid, points)
        read = H(torch.as_tensor(self.members)).permute(1, 2, 0).double().numpy()
        scale = np.sqrt(self.alpha / (len(self.members) - 1))
        return scale * (read - read.mean(axis=2, keepdims=True)), H.valid.numpy()

    def _taper(self, distance: Array) -> Array:
        return self.taper(np.minimum(distance / self.radius_km, _FAR))


def _operator(grid: Grid, points: Points) -> ProfileOperator:
    """Reads all levels of the grid at `n` places."""
    return ProfileOperator(grid, points.latitude, points.longitude, grid.levels)


def _ocean(rows: slice, grid: Grid, points: Points) -> NDArray[np.bool_]:
    return _operator(grid, part(points, rows)).valid.numpy()


def _analysed(
    rows: slice, method: EnOI, samples: Samples, search: Neighbourhoods, points: Points
) -> Array:
    return method.analyse(samples, search, part(points, rows))


def _check_members(members: Array, grid: Grid) -> None:
    """Floating-point members on the grid, finite in the ocean."""
    if members.ndim != 4 or len(members) < 2 or members.shape[1:] != grid.shape:
        raise InputError(
            f"the members have shape {members.shape} on a grid of {grid.shape}: "
            "give two or more members, then levels, rows and columns."
        )
    if members.dtype.kind != "f" or not np.isfinite(members[:, grid.mask]).all():
        raise InputError(
            f"the members ({members.dtype}) are not all finite in the ocean: "
            "fill the cells or take them out of the grid's mask."
        )


def eof_posterior(H: Array, lam: Array, y: Array, R: Array) -> tuple[Array, Array]:
    """Amplitudes of EOFs given observations: the global Gaussian analysis, `O(m k^2 + k^3)`.

        x = V a + e,  a ~ N(0, diag(lam)),  e white with variance tau2,  H = V at the observations
        C = (diag(1 / lam) + H' R^-1 H)^-1,   a_mean = C H' R^-1 y

    The field is then `V a_mean`, its error variance `diag(V C V') + tau2`; it equals ensemble
    optimal interpolation without a taper where `V`, `lam` and `tau2` describe the ensemble.
    Reference: Hoteit, Pham and Blum (2002), J. Mar. Syst. 36, 101 (SEEK with a fixed basis).

    Args:
        H: Modes at the observations, shape `(m, k)`.
        lam: Their variances, positive, shape `(k,)`.
        y: Observations, NaN = missing, shape `(m,)`.
        R: Their error variances, `tau2` included, shape `(m,)`.

    Returns:
        Mean `(k,)` and covariance `(k, k)` of the amplitudes.

    >>> mean, C = eof_posterior(np.ones((1, 1)), np.array([4.0]), np.ones(1), np.ones(1))
    >>> mean.tolist(), C.tolist()
    ([0.8], [[0.8]])
    """
    seen = np.isfinite(y)
    HR = H[seen] / R[seen, None]
    C = np.asarray(np.linalg.inv(np.diag(1.0 / lam) + HR.T @ H[seen]), np.float64)
    return C @ (HR.T @ y[seen]), C
