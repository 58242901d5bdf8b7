"""Innovations: a kernel covariance as the observations see it; the analysis and its error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree
from torch import Tensor

from isopleth.systems.assimilation.covariance import (
    KernelCovariance,
    Kernels,
    columns_of,
    unit_vectors,
)
from isopleth.systems.assimilation.screening import Readable

__all__ = ["Innovations", "Solved"]

Floats = npt.NDArray[np.float64]

_CELLS = 400
"""Columns whose covariances with the observations are in memory at once."""


@dataclass(frozen=True, eq=False)
class Solved:
    """What the observations say.

    Args:
        increment: `B H' w`, shape of a state.
        chi_square: `d' w / p`.
        converged: Whether the residual fell to the tolerance.
    """

    increment: Tensor
    chi_square: float
    converged: bool


class Innovations:
    """`H U` as a sparse matrix, and what follows from it.

        w = (H B H' + R)^-1 (y - H x_b),   x_a = x_b + B H' w
        A = B - B H' (H B H' + R)^-1 H B

    This is the minimum of the cost of 3D-Var, found in the space of the observations: the dual
    form. Reference: Courtier (1997), Q. J. R. Meteorol. Soc. 123, 2449; Da Silva et al. (1995),
    PSAS.

    Args:
        covariance: `B = U U'`.
        seen: `H`, `y` and `R`.
    """

    def __init__(self, covariance: KernelCovariance, seen: Readable) -> None:
        self._B, self._seen = covariance, seen
        self._variance = seen.reports.error**2
        H = seen.operator.matrix()
        place, terms = H.indices().numpy(), H.values().numpy()
        rows = csr_matrix((terms, (place[0], place[1])), shape=tuple(H.shape))
        count = len(covariance.kernels)
        self._deviation = covariance.deviation.double().numpy().reshape(count, -1)
        self._smooth = [_matrix(kernels) for kernels in covariance.kernels]
        each = np.split(np.arange(rows.shape[1]), count)
        self._read = [
            rows[:, cells].multiply(self._deviation[c]).tocsr() @ self._smooth[c]
            for c, cells in enumerate(each)
        ]
        """By channel `H_c D_c K_c`, (n, nodes)."""
        self._correlation = covariance.correlation.double().numpy()

    @cached_property
    def deviation(self) -> Floats:
        """`sqrt(diag H B H')`, shape (n,)."""
        total = np.zeros(len(self._variance))
        for c, one in enumerate(self._read):
            for o, other in enumerate(self._read):
                total += self._correlation[c, o] * np.asarray(one.multiply(other).sum(1)).ravel()
        return np.sqrt(np.maximum(total, 0.0))

    def solve(self, background: Tensor, *, iterations: int, tolerance: float) -> Solved:
        """The increment, by conjugate gradients on `w` scaled with `R^1/2`.

        Args:
            background: `x_b`, shape of a state.
            iterations: Most steps.
            tolerance: Fall of the residual's norm.
        """
        root = np.sqrt(self._variance)
        innovation = self._seen.reports.value - self._seen.of(background)
        b = innovation / root
        u, residual, step = np.zeros_like(b), b.copy(), b.copy()
        norm = first = float(b @ b)
        for _ in range(iterations):
            if norm <= tolerance**2 * first:
                break
            image = step + self._product(step / root) / root
            length = norm / float(step @ image)
            u, residual = u + length * step, residual - length * image
            norm, previous = float(residual @ residual), norm
            step = residual + norm / previous * step
        w = u / root
        control = self._B.root.numpy().T @ np.stack([part.T @ w for part in self._read])
        return Solved(
            self._B.sqrt(torch.from_numpy(control)),
            float(innovation @ w) / max(len(w), 1),
            norm <= tolerance**2 * first,
        )

    def analysis_deviation(self, nearest: int) -> Floats:
        """`sqrt(diag A)`, shape of a state, from the nearest observations of every column.

        Observations left out could only make it smaller.

        Args:
            nearest: Most observations a column.
        """
        S = self._matrix + np.diag(self._variance)
        at = self._seen.reports
        tree = cKDTree(unit_vectors(at.latitude, at.longitude))
        columns = columns_of(self._B.grid)
        result = self._deviation**2
        for start in range(0, len(columns), _CELLS):
            here = slice(start, start + _CELLS)
            near = tree.query(columns[here], k=min(nearest, len(S)))[1].reshape(
                len(columns[here]), -1
            )
            root = torch.linalg.cholesky(torch.from_numpy(S[near[:, :, None], near[:, None, :]]))
            cross = self._cross(here, near)
            gain = torch.linalg.solve_triangular(root, cross, upper=False)
            result[:, here] -= gain.square().sum(1).T.numpy()
        return np.sqrt(np.maximum(result, 0.0)).reshape(self._B.state_shape)

    def _product(self, u: Floats) -> Floats:
        """`H B H' u`, shape (n,)."""
        nodes = self._correlation @ np.stack([part.T @ u for part in self._read])
        return np.asarray(sum(part @ nodes[c] for c, part in enumerate(self._read)))

    @cached_property
    def _matrix(self) -> Floats:
        """`H B H'`, shape (n, n)."""
        total = np.zeros((len(self._variance),) * 2)
        for c, one in enumerate(self._read):
            for o, other in enumerate(self._read[: c + 1]):
                block = self._correlation[c, o] * (one @ other.T).tocoo()
                total[block.row, block.col] += block.data
                if o < c:
                    total[block.col, block.row] += block.data
        return total

    def _cross(self, cells: slice, near: npt.NDArray[np.int64]) -> Tensor:
        """`H B` at these columns and their observations, (columns, k, channel)."""
        C = self._correlation
        found = []
        for c, smooth in enumerate(self._smooth):
            partner = sum(C[c, o] * part for o, part in enumerate(self._read))
            whole = (smooth[cells] @ partner.T).toarray() * self._deviation[c, cells, None]
            found.append(np.take_along_axis(whole, near, 1))
        return torch.from_numpy(np.stack(found, -1))


def _matrix(kernels: Kernels) -> csr_matrix:
    """`K`, (cells, nodes)."""
    index, weight = kernels.index.numpy(), kernels.weight.numpy()
    kept = weight > 0.0
    starts = np.concatenate([[0], np.cumsum(kept.sum(1))])
    return csr_matrix((weight[kept], index[kept], starts), (len(index), kernels.nodes))
