"""KernelSeen: a kernel covariance as the observations see it, as sparse matrices."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from isopleth.inference.screening import Readable
from isopleth.systems.assimilation.covariance import KernelCovariance, Kernels

__all__ = ["KernelSeen", "kernel_matrix", "reading_matrix"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class KernelSeen:
    """`H U` as a sparse matrix, and what follows from it; see `solving.Pointwise`.

    Args:
        covariance: `B = U U'`.
        read: `H`.
    """

    def __init__(self, covariance: KernelCovariance, read: Readable) -> None:
        self._B = covariance
        rows = reading_matrix(read)
        count = len(covariance.kernels)
        self._deviation = covariance.deviation.double().numpy().reshape(count, -1)
        self._smooth = [kernel_matrix(kernels) for kernels in covariance.kernels]
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
        total = np.zeros(self._read[0].shape[0])
        for c, one in enumerate(self._read):
            for o, other in enumerate(self._read):
                total += self._correlation[c, o] * np.asarray(one.multiply(other).sum(1)).ravel()
        return np.sqrt(np.maximum(total, 0.0))

    def product(self, u: Floats) -> Floats:
        """`H B H' u`, shape (n,)."""
        nodes = self._correlation @ np.stack([part.T @ u for part in self._read])
        return np.asarray(sum(part @ nodes[c] for c, part in enumerate(self._read)))

    def increment(self, w: Floats) -> Tensor:
        """`B H' w`, shape of a state."""
        control = self._B.root.numpy().T @ np.stack([part.T @ w for part in self._read])
        return self._B.sqrt(torch.from_numpy(control))

    def among(self, near: Ints) -> Floats:
        """`H B H'` among each row of `near`, from (m, k) to (m, k, k)."""
        return np.asarray(self._matrix[near[:, :, None], near[:, None, :]])

    def cross(self, columns: slice, near: Ints) -> Floats:
        """`H B` of the observations near each of these columns, shape (m, k, channel)."""
        C = self._correlation
        found = []
        for c, smooth in enumerate(self._smooth):
            partner = sum(C[c, o] * part for o, part in enumerate(self._read))
            whole = (smooth[columns] @ partner.T).toarray() * self._deviation[c, columns, None]
            found.append(np.take_along_axis(whole, near, 1))
        return np.stack(found, -1)

    @cached_property
    def _matrix(self) -> Floats:
        """`H B H'`, shape (n, n)."""
        total = np.zeros((self._read[0].shape[0],) * 2)
        for c, one in enumerate(self._read):
            for o, other in enumerate(self._read[: c + 1]):
                block = self._correlation[c, o] * (one @ other.T).tocoo()
                total[block.row, block.col] += block.data
                if o < c:
                    total[block.col, block.row] += block.data
        return total


def kernel_matrix(kernels: Kernels) -> csr_matrix:
    """`K`, (cells, nodes)."""
    index, weight = kernels.index.numpy(), kernels.weight.numpy()
    kept = weight > 0.0
    starts = np.concatenate([[0], np.cumsum(kept.sum(1))])
    return csr_matrix((weight[kept], index[kept], starts), (len(index), kernels.nodes))


def reading_matrix(read: Readable) -> csr_matrix:
    """`H`, (n, channel lat lon)."""
    H = read.operator.matrix()
    place, terms = H.indices().numpy(), H.values().numpy()
    return csr_matrix((terms, (place[0], place[1])), shape=tuple(H.shape))
