"""The posterior of a low-rank Gaussian given sparse observations, exact, mean and variance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed
from isopleth.observe.matrix import MatrixOperator

__all__ = ["LowRank", "posterior"]

Array = NDArray[np.float64]

_COLUMNS = 512
"""Cells whose error variance is computed at once."""


@dataclass(frozen=True, eq=False)
class LowRank:
    """`x ~ N(0, U U' + diag(trailing))` on the ocean cells of a grid.

    Args:
        U: Scaled modes, shape (n, k).
        trailing: > 0, shape (n,).
        mask: True = ocean, n in all, shape (level, lat, lon).
    """

    U: NDArray[np.floating]
    trailing: NDArray[np.floating]
    mask: NDArray[np.bool_]


def posterior(prior: LowRank, observations: Sequence[Observed]) -> Array:
    """Mean and variance of x given `y = A x + e`, `e ~ N(0, R)`, shape (2, n).

        x = U a + t,   t ~ N(0, T),   N = A T A' + R,   M = I + (A U)' N^-1 (A U)
        E = U - T A' N^-1 A U,   a = M^-1 (A U)' N^-1 y
        mean = E a + T A' N^-1 y,   variance = T - T^2 diag(A' N^-1 A) + diag(E M^-1 E')

    `N` is sparse, diagonal where no two observations share a cell; nothing of the size cells x
    observations is made. Missing values and observations the grid cannot predict are left out.

    Raises:
        InputError: If an operator has no sparse matrix.
    """
    A, y, R = _stacked(prior.mask, observations)
    U, T = prior.U.astype(np.float64), prior.trailing.astype(np.float64)
    if not y.size:
        return np.stack([np.zeros_like(T), np.square(U).sum(1) + T])
    solve = splu((A @ sparse.diags(T) @ A.T + sparse.diags(R)).tocsc()).solve
    H = A @ U
    NH, Ny = solve(H), solve(y)
    C = np.linalg.inv(np.eye(U.shape[1]) + H.T @ NH)
    E = U - T[:, None] * (A.T @ NH)
    mean = E @ (C @ (NH.T @ y)) + T * (A.T @ Ny)
    left = T - np.square(T) * _seen(A, solve)
    return np.stack([mean, left + ((E @ C) * E).sum(1)])


def _seen(A: Any, solve: Callable[[Array], Array]) -> Array:
    """`diag(A' N^-1 A)`, shape (n,)."""
    found, columns = np.zeros(A.shape[1]), A.tocsc()
    cells = np.flatnonzero(np.diff(columns.indptr))
    for start in range(0, cells.size, _COLUMNS):
        block = cells[start : start + _COLUMNS]
        a = columns[:, block].toarray()
        found[block] = (a * solve(a)).sum(0)
    return found


def _stacked(
    mask: NDArray[np.bool_], observations: Sequence[Observed]
) -> tuple[Any, Array, Array]:
    """A on the ocean cells as one sparse matrix (m, n), y (m,) and R (m,)."""
    rows, values, variances = [sparse.csr_matrix((0, int(mask.sum())))], [], []
    for seen in observations:
        if not isinstance(seen.operator, MatrixOperator):
            raise InputError(
                f"{type(seen.operator).__name__} has no sparse matrix: use one of the operators "
                "of isopleth.observe, or sample the posterior instead."
            )
        coo = seen.operator.matrix()
        place = coo.indices().numpy()
        matrix = sparse.csr_matrix((coo.values().numpy(), place), shape=tuple(coo.shape))
        y = seen.values.cpu().numpy().astype(np.float64).ravel()
        kept = np.isfinite(y) & seen.operator.valid.cpu().numpy().ravel()
        rows.append(matrix[kept][:, mask.ravel()])
        values.append(y[kept])
        variances.append(seen.variance.cpu().numpy().astype(np.float64).ravel()[kept])
    none = np.empty(0)
    return sparse.vstack(rows), np.concatenate([none, *values]), np.concatenate([none, *variances])
