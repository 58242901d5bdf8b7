"""ColumnOperator: several channels of the field at every position, as one column each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe.bilinear import corners, ocean_weights
from isopleth.observe.sparse import SparseOperator

__all__ = ["ColumnOperator", "chosen_channels"]


class ColumnOperator(SparseOperator):
    """Bilinear reading of chosen channels: `(..., nlev, nlat, nlon)` to `(..., n, channels)`.

    Every channel is read as `PointOperator` reads it; one that is masked there is not `valid`.

    Args:
        grid: Where x lives.
        latitude: Degrees north, shape (n,).
        longitude: Degrees east, any convention, shape (n,).
        channels: Indices into the level axis, in the order wanted; all when None.

    Raises:
        InputError: If a position is NaN or off the Earth, or a channel does not exist.

    >>> import torch
    >>> grid = Grid.regular(90.0, levels=[0.0, 1.0, 2.0])
    >>> x = torch.tensor([3.0, 5.0, 7.0])[:, None, None].expand(grid.shape)
    >>> ColumnOperator(grid, [10.0], [20.0], [2, 0])(x).tolist()
    [[7.0, 3.0]]
    """

    def __init__(
        self,
        grid: Grid,
        latitude: npt.ArrayLike,
        longitude: npt.ArrayLike,
        channels: Sequence[int] | None = None,
    ) -> None:
        which = chosen_channels(grid, channels)
        around = corners(grid, latitude, longitude)
        count = around.row.shape[0]
        each = around.repeat(which.size)
        level = np.tile(which, count)
        weight = ocean_weights(grid, each, level)
        index = np.ravel_multi_index((level[:, None], each.row, each.column), grid.shape)
        super().__init__(index, weight, grid.shape, (count, which.size))


def chosen_channels(grid: Grid, channels: Sequence[int] | None) -> npt.NDArray[np.int64]:
    """The channels as an array, or all of the grid's.

    Args:
        grid: Brings the number of channels, that of its levels.
        channels: Indices into the level axis, each once, or None.

    Raises:
        InputError: If a channel is not one of the grid's, or none or one twice is chosen.

    >>> chosen_channels(Grid.regular(90.0, levels=[0.0, 1.0]), None).tolist()
    [0, 1]
    """
    have = grid.levels.size
    if channels is None:
        return np.arange(have)
    if not channels or len(set(channels)) < len(channels):
        raise InputError(f"the channels are {channels}: name at least one, and each once.")
    bad = [channel for channel in channels if not 0 <= channel < have]
    if bad:
        raise InputError(
            f"channel {bad[0]} does not exist: the grid's channels are 0 to {have - 1}."
        )
    return np.asarray(channels, dtype=np.int64)
