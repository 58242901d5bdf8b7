"""Small dense linear algebra compiled for use inside parallel blocks (no GIL, no BLAS threads).

A local analysis solves one system of a few dozen unknowns for every point of a grid. Called
hundreds of thousands of times from several threads, LAPACK's dispatch and thread pools cost more
than the arithmetic, so the two kernels below are compiled with the loop that calls them.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

PIVOT_FLOOR = 1e-10  # relative to unit signal variance: two samples at one place and time


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp", "nsz"})
def cholesky(matrix: NDArray[np.float64], size: int) -> None:
    """Replace the lower triangle of ``matrix[:size, :size]`` by its Cholesky factor ``C``.

    ``matrix = C C^T``; only the lower triangle is read. Pivots are floored at ``PIVOT_FLOOR`` so
    that coincident noise-free samples do not stop a whole grid.

    >>> a = np.array([[4.0, 0.0], [2.0, 5.0]])
    >>> cholesky(a, 2)
    >>> a
    array([[2., 0.],
           [1., 2.]])
    """
    for i in range(size):
        for j in range(i):
            total = matrix[i, j]
            for p in range(j):
                total -= matrix[i, p] * matrix[j, p]
            matrix[i, j] = total / matrix[j, j]
        total = matrix[i, i]
        for p in range(i):
            total -= matrix[i, p] * matrix[i, p]
        matrix[i, i] = math.sqrt(max(total, PIVOT_FLOOR))


@numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "arcp", "nsz"})
def cholesky_solve(factor: NDArray[np.float64], rhs: NDArray[np.float64], size: int) -> None:
    """Replace ``rhs[:size]`` by the solution of ``C C^T x = rhs``, ``C`` from :func:`cholesky`.

    >>> x = np.array([8.0, 9.0])
    >>> cholesky_solve(np.array([[2.0, 0.0], [1.0, 2.0]]), x, 2)
    >>> x
    array([1.375, 1.25 ])
    """
    for i in range(size):
        total = rhs[i]
        for p in range(i):
            total -= factor[i, p] * rhs[p]
        rhs[i] = total / factor[i, i]
    for i in range(size - 1, -1, -1):
        value = rhs[i] / factor[i, i]
        rhs[i] = value
        for p in range(i):
            rhs[p] -= factor[i, p] * value
