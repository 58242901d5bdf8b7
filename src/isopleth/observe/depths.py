"""Linear weights in depth: the two levels around a depth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from isopleth.core.grid import Grid
from isopleth.observe.bilinear import Corners, ocean_weights

__all__ = ["SURFACE_LAYER", "column_terms"]

SURFACE_LAYER = 10.0
"""A first level at most this deep, m, also stands for the water above it (it is mixed)."""


def column_terms(
    grid: Grid, around: Corners, depth: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Flat cells and weights of `n` observations, linear in depth, bilinear on each of two levels.

    On each level the weights are renormalised over its ocean corners. When a level that is needed
    has no ocean corner, or the depth is outside the levels, all weights are 0.

    Args:
        grid: Levels and mask.
        around: Corners of n positions.
        depth: Depth of each, m, shape (n,); NaN is outside.

    Returns:
        Index and weight, shape (n, 8).
    """
    upper, lower, t, inside = _levels_around(grid.levels, depth)
    above = ocean_weights(grid, around, upper)
    below = ocean_weights(grid, around, lower)
    found = ((above.sum(axis=1) > 0.0) | (t == 1.0)) & ((below.sum(axis=1) > 0.0) | (t == 0.0))
    weight = np.concatenate([above * (1.0 - t)[:, None], below * t[:, None]], axis=1)
    level = np.repeat(np.stack([upper, lower], axis=1), 4, axis=1)
    row, column = np.tile(around.row, 2), np.tile(around.column, 2)
    index = np.ravel_multi_index((level, row, column), grid.shape)
    return index, weight * (found & inside)[:, None]


def _levels_around(
    levels: npt.NDArray[np.float64], depth: npt.NDArray[np.float64]
) -> tuple[
    npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.bool_]
]:
    """Level above and below, how far from one to the other, and whether the depth is covered."""
    top = 0.0 if levels[0] <= SURFACE_LAYER else levels[0]
    inside = (depth >= top) & (depth <= levels[-1])
    x = np.where(inside, np.maximum(depth, levels[0]), levels[0])
    upper = np.searchsorted(levels, x, side="right") - 1
    lower = np.minimum(upper + 1, levels.size - 1)
    gap = np.where(lower > upper, levels[lower] - levels[upper], 1.0)
    return upper, lower, (x - levels[upper]) / gap, inside
