"""EnsembleSeen and MixedSeen: a localised ensemble covariance, and its mixture with another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.inference.screening import Readable
from isopleth.systems.assimilation.covariance import Kernels, columns_of, nodes_near, unit_vectors
from isopleth.systems.assimilation.exact import kernel_matrix, reading_matrix
from isopleth.systems.assimilation.solving import Pointwise

__all__ = ["EnsembleSeen", "MixedSeen", "localisation"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_GAUSSIAN_SHARE = 0.5 * 0.3**0.5
"""Length of the Gaussian that has the curvature of Gaspari and Cohn's polynomial at its top, over
the radius where the polynomial ends (Lorenc 2003, Q. J. R. Meteorol. Soc. 129, 3183, sec. 4)."""


def localisation(grid: Grid, radius_km: float) -> csr_matrix:
    """`K` with `rho = K K'`, a Gaussian that is all but zero at the radius, (columns, nodes)."""
    length = _GAUSSIAN_SHARE * radius_km
    cells = columns_of(grid)
    return kernel_matrix(Kernels.between(cells, nodes_near(cells, length), length))


class EnsembleSeen:
    """`rho o P` as the observations see it; rho is horizontal, a column shares it.

        H (rho o P) H' = sum_i A_i K K' A_i' / (N - 1),   A_i = H diag(x_i')

    `A_i`, with a column's channels added up, has a few numbers an observation: a product costs N
    passes of the kernels over the columns that are read, and no matrix of observations is built.
    The same covariance as `inference.kalman.EnsembleCovariance`. What is pointwise (`among`,
    `cross`) takes rho at the places of the observations, not between the cells that they read.
    Reference: Lorenc (2003), Q. J. R. Meteorol. Soc. 129, 3183, sec. 4.

    Args:
        members: Shape (N, channel, lat, lon), float64.
        grid: Of the members.
        radius_km: Where rho is all but zero, see `localisation`.
        read: `H`.
    """

    def __init__(self, members: Tensor, grid: Grid, radius_km: float, read: Readable) -> None:
        K = localisation(grid, radius_km)
        self._length = _GAUSSIAN_SHARE * radius_km / (EARTH_RADIUS / 1000.0)
        self._places = unit_vectors(read.reports.latitude, read.reports.longitude)
        self._cells = columns_of(grid)
        x = (members - members.mean(0)).numpy().reshape(len(members), members.shape[1], -1)
        self._deviations = x / np.sqrt(len(members) - 1.0)
        self._K, self._shape = K, tuple(members.shape[1:])
        H = reading_matrix(read).tocoo()
        columns = self._deviations.shape[-1]
        channel, column = np.divmod(H.col, columns)
        used, at = np.unique(column, return_inverse=True)
        self._used = K[used]
        self._read = [
            csr_matrix((H.data * each[channel, column], (H.row, at)), (H.shape[0], used.size))
            for each in self._deviations
        ]
        self._H, self._columns = H.tocsr(), columns
        self._predicted = np.stack([np.asarray(A.sum(1)).ravel() for A in self._read])

    @cached_property
    def deviation(self) -> Floats:
        """`sqrt(diag H B H')`, shape (n,)."""
        total = np.zeros(self._H.shape[0])
        for A in self._read:
            G = A @ self._used
            total += np.asarray(G.multiply(G).sum(1)).ravel()
        return np.sqrt(total)

    def product(self, u: Floats) -> Floats:
        """`H B H' u`, shape (n,)."""
        pulled = np.stack([A.T @ u for A in self._read], 1)
        spread = self._used @ (self._used.T @ pulled)
        return np.asarray(sum(A @ spread[:, i] for i, A in enumerate(self._read)))

    def increment(self, w: Floats) -> Tensor:
        """`B H' w`, shape of a state."""
        v = np.asarray(self._H.T @ w).reshape(-1, self._columns)
        pulled = np.einsum("ncj,cj->jn", self._deviations, v)
        spread = self._K @ (self._K.T @ pulled)
        found = np.einsum("ncj,jn->cj", self._deviations, spread)
        return torch.from_numpy(found.reshape(self._shape))

    def among(self, near: Ints) -> Floats:
        """`H B H'` among each row of `near`, from (m, k) to (m, k, k)."""
        Y, place = self._predicted[:, near], self._places[near]
        Y = Y.transpose(1, 2, 0)
        return (Y @ Y.swapaxes(1, 2)) * self._taper(place, place)

    def cross(self, columns: slice, near: Ints) -> Floats:
        """`H B` of the observations near each of these columns, shape (m, k, channel)."""
        Y, x = self._predicted[:, near], self._deviations[..., columns]
        rho = self._taper(self._places[near], self._cells[columns][:, None])
        return (Y.transpose(1, 2, 0) @ x.transpose(2, 0, 1)) * rho

    def _taper(self, one: Floats, other: Floats) -> Floats:
        """Taper between places, from (m, i, 3) and (m, j, 3) to (m, i, j)."""
        return np.asarray(np.exp((one @ other.swapaxes(1, 2) - 1.0) / self._length**2))


@dataclass(frozen=True, eq=False)
class MixedSeen:
    """`sum_k s_k B_k`, as the observations see it.

    Args:
        parts: `s_k`, not negative, and `B_k`.
    """

    parts: Sequence[tuple[float, Pointwise]]

    @property
    def deviation(self) -> Floats:
        """`sqrt(diag H B H')`, shape (n,)."""
        return np.sqrt(sum(share * part.deviation**2 for share, part in self.parts))

    def product(self, u: Floats) -> Floats:
        """`H B H' u`, shape (n,)."""
        return np.asarray(sum(share * part.product(u) for share, part in self.parts))

    def increment(self, w: Floats) -> Tensor:
        """`B H' w`, shape of a state."""
        first, *rest = [share * part.increment(w) for share, part in self.parts]
        return sum(rest, first)

    def among(self, near: Ints) -> Floats:
        """`H B H'` among each row of `near`, from (m, k) to (m, k, k)."""
        return np.asarray(sum(share * part.among(near) for share, part in self.parts))

    def cross(self, columns: slice, near: Ints) -> Floats:
        """`H B` of the observations near each of these columns, shape (m, k, channel)."""
        return np.asarray(sum(share * part.cross(columns, near) for share, part in self.parts))
