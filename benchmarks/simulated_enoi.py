"""Exact ensemble optimal interpolation of a whole ocean, solved in the space of observations.

    x = (rho o B H') w,    (rho o H B H' + R) w = y,    B = X X' / (n - 1)

One Cholesky factor a case. `rho` depends on the columns alone, so the first product is
`sum_j X_gj sum_p rho(g, p) Z_pj` with `Z_pj = sum_level (HX)_pj w_p`: no matrix of all cells times
all observations is ever formed. `isopleth.inference.interpolation.enoi` solves the same equations
with the nearest profiles only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.inference.interpolation.shapes import GaspariCohn


def unit_vectors(grid: Grid) -> Tensor:
    """Columns of the grid on the unit sphere, (lat * lon, 3)."""
    lat = torch.deg2rad(torch.as_tensor(grid.latitude.copy()))[:, None]
    lon = torch.deg2rad(torch.as_tensor(grid.longitude.copy()))[None]
    parts = (lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin() + 0.0 * lon)
    return torch.stack([part.flatten() for part in parts], 1)


@dataclass(frozen=True, eq=False)
class Posterior:
    """Mean (level, lat, lon), and variance (k,) at the cells asked for."""

    mean: Tensor
    variance: Tensor


@dataclass(frozen=True, eq=False)
class GlobalEnOI:
    """The module's text.

    Args:
        grid: Of the members.
        members: Anomalies (n, level, lat, lon), float32, 0 on land; their mean is removed.
        radius_km: Where the taper of Gaspari and Cohn reaches zero; infinite for no taper.
        observation_variance: `R`, unit of the members squared.
        inflation: Factor on `B`.
    """

    grid: Grid
    members: Tensor
    radius_km: float = 3000.0
    observation_variance: float = 0.01
    inflation: float = 1.0

    def __call__(self, values: Tensor, seen: Tensor, asked: Tensor | None = None) -> Posterior:
        """Analysis of `values` where `seen`, and error variance at the flat cells `asked`."""
        X = self.members.flatten(1)
        cell = seen.flatten().nonzero()[:, 0]
        size = seen[0].numel()
        used, column = torch.unique(cell % size, return_inverse=True)
        HX = self._centred(X, cell)
        G = HX @ HX.T
        place = unit_vectors(self.grid)
        G *= self._taper(place[used], place[used])[column][:, column]
        G.diagonal().add_(self.observation_variance)
        factor = torch.linalg.cholesky(G)  # float32: the mean is right to 1e-4 of its spread
        y = values.flatten()[cell]
        w = torch.cholesky_solve(y[:, None], factor)[:, 0]
        Z = HX.new_zeros(used.numel(), HX.shape[1]).index_add_(0, column, HX * w[:, None])
        mean = self._spread_out(Z, place, used, seen.shape)
        variance = values.new_empty(0)
        if asked is not None:
            A = self._centred(X, asked)
            C = HX @ A.T * self._taper(place[used], place[asked % size])[column]
            half = torch.linalg.solve_triangular(factor, C, upper=False)
            variance = (A.square().sum(1) - half.square().sum(0)).clamp(min=1e-8)
        return Posterior(mean, variance)

    def _centred(self, X: Tensor, cells: Tensor) -> Tensor:
        """Members at cells with `B = X X'`, (cells, n)."""
        read = X[:, cells].T
        scale = (self.inflation / (len(X) - 1)) ** 0.5
        return scale * (read - read.mean(1, keepdim=True))

    def _taper(self, a: Tensor, b: Tensor) -> Tensor:
        """`rho` between columns, (a, b), float32."""
        chord = torch.cdist(a.float(), b.float()).numpy() * np.float32(EARTH_RADIUS / 1000.0)
        return torch.from_numpy(GaspariCohn()(chord / self.radius_km).astype(np.float32))

    def _spread_out(self, Z: Tensor, place: Tensor, used: Tensor, shape: torch.Size) -> Tensor:
        """`sum_j X_gj sum_p rho(g, p) Z_pj` at every ocean cell."""
        X, mask = self.members.flatten(2), torch.as_tensor(self.grid.mask.copy()).flatten(1)
        weight = Z.T @ self._taper(place[used], place)
        mean = X.new_zeros(X.shape[1:])
        for member, factor in zip(X, weight, strict=True):
            mean.addcmul_(member, factor)
        mean -= X.mean(0) * weight.sum(0)
        mean *= (self.inflation / (len(X) - 1)) ** 0.5
        return torch.where(mask, mean, 0.0).reshape(shape)
