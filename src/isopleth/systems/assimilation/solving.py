"""Solving: the analysis in the space of the observations, whatever the covariance.

    w = (H B H' + R)^-1 (y - H x_b),   x_a = x_b + B H' w
    A = B - B H' (H B H' + R)^-1 H B

The minimum of the cost of 3D-Var, of hybrid EnVar and of OI is the same; a covariance takes part
as the observations see it. Reference: Courtier (1997), Q. J. R. Meteorol. Soc. 123, 2449, the dual
form; Da Silva et al. (1995), PSAS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.inference.screening import Readable
from isopleth.systems.assimilation.covariance import columns_of, unit_vectors

__all__ = ["Pointwise", "Seen", "Solved", "analysis_deviation", "solve"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_COLUMNS = 400
"""Whose covariances with the observations are in memory at once."""


class Seen(Protocol):
    """`B` as the observations see it."""

    @property
    def deviation(self) -> Floats:
        """`sqrt(diag H B H')`, shape (n,)."""
        ...

    def product(self, u: Floats) -> Floats:
        """`H B H' u`, shape (n,)."""
        ...

    def increment(self, w: Floats) -> Tensor:
        """`B H' w`, shape of a state."""
        ...


class Pointwise(Seen, Protocol):
    """One whose numbers can be had for a few observations and cells."""

    def among(self, near: Ints) -> Floats:
        """`H B H'` among each row of `near`, from (m, k) to (m, k, k)."""
        ...

    def cross(self, columns: slice, near: Ints) -> Floats:
        """`H B` of the observations near each of these columns, shape (m, k, channel)."""
        ...


@dataclass(frozen=True, eq=False)
class Solved:
    """What the observations say.

    Args:
        increment: `B H' w`, shape of a state.
        chi_square: `d' w / p`.
        iterations: Made.
        remarks: A sentence if the search did not end as it should.
    """

    increment: Tensor
    chi_square: float
    iterations: int
    remarks: tuple[str, ...] = ()


def solve(
    seen: Seen, read: Readable, background: Tensor, *, iterations: int, tolerance: float
) -> Solved:
    """The increment, by conjugate gradients on `w` scaled with `R^1/2`.

    Of the iterates the one with the lowest cost J is given: on the way to the minimum of the dual
    the cost itself goes up and down. So a search that diverges (a product that is not finite, or a
    direction in which the cost does not bend upwards) falls back to the best before, at worst the
    background, and says so.
    Reference: Gratton and Tshimanga (2009), Q. J. R. Meteorol. Soc. 135, 1573, for the trap.

    Args:
        seen: `B`.
        read: `H`, `y` and `R`.
        background: `x_b`, shape of a state.
        iterations: Most steps.
        tolerance: Fall of the residual's norm.
    """
    root = read.reports.error
    innovation = read.reports.value - read.of(background)
    b = innovation / root
    # u = R^1/2 w, and what the observations would see of its increment, in their errors.
    u, image, residual, step = np.zeros_like(b), np.zeros_like(b), b.copy(), b.copy()
    norm = first = float(b @ b)
    best, lowest, made, sound = u, first, 0, True
    while norm > tolerance**2 * first and made < iterations:
        seen_of_step = seen.product(step / root) / root
        bend = float(step @ (step + seen_of_step))
        sound = bool(np.isfinite(bend) and bend > 0.0)
        if not sound:
            break
        length = norm / bend
        u, image = u + length * step, image + length * seen_of_step
        residual = residual - length * (step + seen_of_step)
        norm, previous = float(residual @ residual), norm
        step = residual + norm / previous * step
        cost = float(u @ image + (b - image) @ (b - image))
        made += 1
        if cost < lowest:
            best, lowest = u, cost
    done = norm <= tolerance**2 * first
    w = best / root
    return Solved(
        seen.increment(w),
        float(innovation @ w) / max(len(w), 1),
        made,
        _remarks(sound, done, made, lowest / first if first else 1.0),
    )


def analysis_deviation(
    seen: Pointwise, read: Readable, grid: Grid, variance: Tensor, nearest: int
) -> Tensor:
    """`sqrt(diag A)`, shape of a state, from the nearest observations of every column.

    Observations left out could only make it smaller.

    Args:
        seen: `B`.
        read: Places and `R`.
        grid: Of the columns.
        variance: Diagonal of `B`, shape (channel, lat, lon).
        nearest: Most observations a column.
    """
    at, R = read.reports, read.reports.error**2
    tree = cKDTree(unit_vectors(at.latitude, at.longitude))
    columns = columns_of(grid)
    result = variance.double().numpy().reshape(len(variance), -1).copy()
    few = min(nearest, len(R))
    for start in range(0, len(columns), _COLUMNS):
        here = slice(start, start + _COLUMNS)
        near = tree.query(columns[here], k=few)[1].reshape(-1, few)
        S = seen.among(near)
        S[:, np.arange(few), np.arange(few)] += R[near]
        root = torch.linalg.cholesky(torch.from_numpy(S))
        cross = torch.from_numpy(seen.cross(here, near))
        gain = torch.linalg.solve_triangular(root, cross, upper=False)
        result[:, here] -= gain.square().sum(1).T.numpy()
    return torch.from_numpy(np.sqrt(np.maximum(result, 0.0))).reshape(variance.shape)


def _remarks(sound: bool, done: bool, made: int, cost: float) -> tuple[str, ...]:
    if done:
        return ()
    kept = f"the analysis is the iterate with the lowest cost, {cost:.0%} of the background's"
    if sound:
        return (f"the minimisation had not converged after {made} iterations: {kept}; allow more",)
    advice = "look for extreme values or statistics"
    return (f"the minimisation diverged after {made} iterations: {kept}; {advice}",)
