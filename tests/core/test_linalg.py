"""The compiled Cholesky kernels against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isopleth.core.linalg import PIVOT_FLOOR, cholesky, cholesky_solve


def definite(size: int, seed: int) -> np.ndarray:
    root = np.random.default_rng(seed).standard_normal((size, size + 3))
    return root @ root.T + 0.1 * np.eye(size)


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 40), spare=st.integers(0, 5), seed=st.integers(0, 10_000))
def test_factor_and_solution_are_numpys(size: int, spare: int, seed: int) -> None:
    matrix, rhs = definite(size, seed), np.random.default_rng(seed).standard_normal(size)
    work = np.full((size + spare, size + spare), np.nan)
    work[:size, :size][np.tril_indices(size)] = matrix[np.tril_indices(size)]
    room = np.concatenate([rhs, np.full(spare, 7.0)])
    cholesky(work, size)
    cholesky_solve(work, room, size)
    np.testing.assert_allclose(np.tril(work[:size, :size]), np.linalg.cholesky(matrix), rtol=1e-9)
    np.testing.assert_allclose(room[:size], np.linalg.solve(matrix, rhs), rtol=1e-6, atol=1e-9)
    assert (room[size:] == 7.0).all(), "beyond the size nothing is touched"


def test_only_the_lower_triangle_is_read() -> None:
    matrix = definite(6, 1)
    lower = np.tril(matrix)
    cholesky(matrix, 6)
    cholesky(lower, 6)
    np.testing.assert_array_equal(np.tril(matrix), lower)


def test_empty_system_is_no_error() -> None:
    work, rhs = np.full((2, 2), 5.0), np.full(2, 5.0)
    cholesky(work, 0)
    cholesky_solve(work, rhs, 0)
    assert (work == 5.0).all()
    assert (rhs == 5.0).all()


@pytest.mark.parametrize("size", [2, 5, 30])
def test_coincident_samples_leave_the_solution_finite_and_right(size: int) -> None:
    """Two rows are one and the same: the solution still reproduces a right-hand side it spans."""
    matrix = definite(size, 2)
    matrix[-1], matrix[:, -1] = matrix[0], matrix[:, 0]
    matrix[-1, -1] = matrix[0, 0]
    rhs = matrix[:, 0].copy()
    work, x = matrix.copy(), rhs.copy()
    cholesky(work, size)
    cholesky_solve(work, x, size)
    assert work.diagonal().min() >= np.sqrt(PIVOT_FLOOR)
    np.testing.assert_allclose(matrix @ x, rhs, atol=1e-4)
