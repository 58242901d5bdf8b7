"""ProfileOperator: a float or a cast that reads the water column at several depths."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe.bilinear import corners
from isopleth.observe.depths import column_terms
from isopleth.observe.sparse import SparseOperator

__all__ = ["ProfileOperator"]


class ProfileOperator(SparseOperator):
    """Bilinear in the horizontal, linear in depth: `(..., nlev, nlat, nlon)` to `(..., n, L)`.

    A depth below the last level, above the first (unless that is within 10 m of the surface), NaN,
    or between levels of which one has no ocean at that place, is not `valid`; nothing is
    extrapolated.

    Args:
        grid: Where x lives.
        latitude: Degrees north, shape (n,).
        longitude: Degrees east, any convention, shape (n,).
        depth: Depth in m, positive down, shape (L,) for all or (n, L), NaN = not measured.

    Raises:
        InputError: If a position is NaN or off the Earth, or the shapes do not fit.

    >>> import torch
    >>> grid = Grid.regular(90.0, levels=[0.0, 100.0])
    >>> x = torch.tensor([20.0, 10.0])[:, None, None].expand(grid.shape)
    >>> ProfileOperator(grid, [10.0], [200.0], [0.0, 25.0, 100.0])(x).numpy().round(3).tolist()
    [[20.0, 17.5, 10.0]]
    """

    def __init__(
        self,
        grid: Grid,
        latitude: npt.ArrayLike,
        longitude: npt.ArrayLike,
        depth: npt.ArrayLike,
    ) -> None:
        around = corners(grid, latitude, longitude)
        count = around.row.shape[0]
        metres = np.atleast_1d(np.asarray(depth, dtype=np.float64))
        if metres.ndim > 2 or (metres.ndim == 2 and metres.shape[0] != count):
            raise InputError(
                f"depth has shape {metres.shape} for {count} profiles: "
                "give one list for all, or one row a profile."
            )
        metres = np.broadcast_to(metres, (count, metres.shape[-1]))
        index, weight = column_terms(grid, around.repeat(metres.shape[1]), metres.ravel())
        super().__init__(index, weight, grid.shape, metres.shape)
