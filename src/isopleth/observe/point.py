"""PointOperator: a thermometer at one position and one level or depth."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe.bilinear import corners, ocean_weights
from isopleth.observe.depths import column_terms
from isopleth.observe.sparse import SparseOperator

__all__ = ["PointOperator"]


class PointOperator(SparseOperator):
    """Bilinear interpolation from `(..., nlev, nlat, nlon)` to n points, `(..., n)`.

    Weights are those of the ocean corners alone, renormalised; a point without an ocean corner, or
    outside the cells of the grid, is not `valid`. The circle of longitudes is closed, and on a
    global grid the pole is crossed.

    Args:
        grid: Where x lives.
        latitude: Degrees north, shape (n,).
        longitude: Degrees east, any convention, shape (n,).
        level: Level index, one or (n,); may be left out when the grid has a single
            level.
        depth: Depth in m, one or (n,), in place of `level`: linear between two levels.

    Raises:
        InputError: If a position is NaN or off the Earth, if a level does not exist, or if it is
            not clear which level is meant.

    >>> import torch
    >>> grid = Grid.regular(90.0, levels=[0.0])
    >>> at = PointOperator(grid, [0.0], [-90.0])
    >>> at(torch.tensor([[[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 5.0, 8.0]]])).tolist()
    [5.0]
    """

    def __init__(
        self,
        grid: Grid,
        latitude: npt.ArrayLike,
        longitude: npt.ArrayLike,
        *,
        level: npt.ArrayLike | None = None,
        depth: npt.ArrayLike | None = None,
    ) -> None:
        around = corners(grid, latitude, longitude)
        count = around.row.shape[0]
        if depth is not None and level is None:
            metres = _each("depth", depth, count)
            index, weight = column_terms(grid, around, metres)
        else:
            which = _levels(grid, level, depth, count)
            weight = ocean_weights(grid, around, which)
            index = np.ravel_multi_index((which[:, None], around.row, around.column), grid.shape)
        super().__init__(index, weight, grid.shape, (count,))


def _levels(
    grid: Grid, level: npt.ArrayLike | None, depth: npt.ArrayLike | None, count: int
) -> npt.NDArray[np.int64]:
    """Level index of every point."""
    if level is not None and depth is not None:
        raise InputError(f"level {level} and depth {depth} were both given: give one of them.")
    if level is None and grid.levels.size > 1:
        raise InputError(
            f"the grid has {grid.levels.size} levels: say which with `level` or `depth`."
        )
    which = _each("level", 0 if level is None else level, count)
    bad = which[(which < 0) | (which >= grid.levels.size) | (which != np.floor(which))]
    if bad.size:
        raise InputError(
            f"level {bad[0]:g} does not exist: the grid's levels are 0 to {grid.levels.size - 1}."
        )
    return which.astype(np.int64)


def _each(name: str, values: npt.ArrayLike, count: int) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.shape not in ((), (1,), (count,)):
        raise InputError(
            f"{name} has shape {array.shape} for {count} points: give one value, or one a point."
        )
    return np.broadcast_to(array, (count,))
