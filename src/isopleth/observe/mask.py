"""MaskOperator: some cells of the grid are seen, the others are not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe.sparse import SparseOperator

__all__ = ["MaskOperator"]


class MaskOperator(SparseOperator):
    """The seen cells, in the grid's order: `(..., nlev, nlat, nlon)` to `(..., n)`.

    Args:
        grid: Where x lives.
        seen: True = observed, shape (nlev, nlat, nlon), or (nlat, nlon) for every level.

    Raises:
        InputError: If the shape does not fit or a seen cell is land.

    >>> import torch
    >>> grid = Grid.regular(90.0, levels=[0.0])
    >>> seen = MaskOperator(grid, [[0, 1, 0, 0], [0, 0, 0, 1]])
    >>> seen(torch.arange(8.0).reshape(1, 2, 4)).tolist()
    [1.0, 7.0]
    """

    def __init__(self, grid: Grid, seen: npt.ArrayLike) -> None:
        flags = np.asarray(seen, dtype=bool)
        if flags.shape not in (grid.shape, grid.shape[1:]):
            raise InputError(
                f"the observed cells have shape {flags.shape}, but the grid has {grid.shape}: "
                "give one flag for every cell."
            )
        whole = np.broadcast_to(flags, grid.shape)
        on_land = int((whole & ~grid.mask).sum())
        if on_land:
            raise InputError(
                f"{on_land} observed cells are land: combine them with the grid's mask first."
            )
        index = np.flatnonzero(whole)[:, None]
        super().__init__(index, np.ones(index.shape), grid.shape, (index.shape[0],))
