"""Fields: from xarray to tensor and back, the only place where the axes of a field move.

Outside, a field is an `xarray.DataArray` in whatever order its file has, NaN = no value. Inside,
it is a tensor with axes `(member, batch, time, ..., level, lat, lon)` in the order of its `Grid`,
and a mask.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor

from isopleth.core.coordinates import LATITUDE, LEVEL, LONGITUDE, AxisKind, match, read_axis
from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.variables import VARIABLES

__all__ = ["to_tensor", "to_xarray"]

_LEADING = ("realization", "member", "ensemble", "number", "batch", "time")
"""Dimensions before the level axis, in this order; others follow as they come."""


def to_tensor(
    field: xr.DataArray, grid: Grid, *, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """The field on its grid, and where it has a value.

    Latitudes are turned north to south, longitudes rolled to the grid's, levels made metres; a
    field that covers more than the grid is cut.

    Args:
        field: Has latitude, longitude and, unless the grid has one level, a level axis.
        grid: Grid whose cells are wanted.
        dtype: Of the values.

    Returns:
        Values of shape `(*leading, nlev, nlat, nlon)`, 0 where there is none, and a boolean tensor
        of the same shape, True where the field is finite and the grid has ocean.

    Raises:
        InputError: If a cell of the grid is not in the field.

    >>> grid = Grid.regular(90.0, levels=[0.0])
    >>> lon = [-135.0, -45.0, 45.0, 135.0]
    >>> sst = xr.DataArray([[1.0, 2, 3, 4], [5, 6, 7, np.nan]], {"lat": [-45.0, 45], "lon": lon})
    >>> values, mask = to_tensor(sst, grid)
    >>> values[0].tolist()
    [[7.0, 0.0, 5.0, 6.0], [3.0, 4.0, 1.0, 2.0]]
    >>> mask[0, 0].tolist()
    [True, False, True, True]
    """
    cut, spatial = field, []
    wanted: tuple[tuple[AxisKind, npt.NDArray[np.float64]], ...] = (
        (LEVEL, grid.levels),
        (LATITUDE, grid.latitude),
        (LONGITUDE, grid.longitude),
    )
    for kind, values in wanted:
        axis = read_axis(field, kind)
        if axis.dim is None:
            _check_one_level(field, grid)
            cut, dim = cut.expand_dims("_level"), "_level"
        else:
            cut, dim = cut.isel({axis.dim: axis.index[match(axis.values, values, kind)]}), axis.dim
        spatial.append(dim)
    array = cut.transpose(*_leading(cut, spatial), *spatial).values.astype(np.float64)
    mask = np.isfinite(array) & grid.mask
    tensor = torch.from_numpy(np.where(mask, array, 0.0)).to(dtype)
    return tensor, torch.from_numpy(mask)


def to_xarray(
    tensor: Tensor | npt.ArrayLike,
    grid: Grid,
    name: str,
    *,
    leading: Mapping[str, npt.ArrayLike] | None = None,
    attrs: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """A tensor with its coordinates and CF attributes, NaN where the grid has no ocean.

    Args:
        tensor: Shape `(*leading, nlev, nlat, nlon)`.
        grid: Grid of the last three axes.
        name: Name of the field; one of `VARIABLES` brings its attributes.
        leading: Name and coordinate of every axis before the level, in order.
        attrs: Attributes to set beside or instead of the variable's own.

    Raises:
        InputError: If the shape is not that of the leading coordinates and the grid.

    >>> grid = Grid.regular(90.0, levels=[0.0])
    >>> months = {"month": [1, 2, 3]}
    >>> field = to_xarray(torch.ones(3, *grid.shape), grid, "temperature", leading=months)
    >>> field.dims, field.units
    (('month', 'depth', 'lat', 'lon'), 'degC')
    """
    values = torch.as_tensor(tensor).detach().cpu()
    array = values.double().numpy() if values.dtype == torch.float64 else values.float().numpy()
    extra = {key: np.atleast_1d(coordinate) for key, coordinate in (leading or {}).items()}
    shape = (*(coordinate.size for coordinate in extra.values()), *grid.shape)
    if array.shape != shape:
        raise InputError(
            f"the tensor of {name!r} has shape {array.shape}, but its coordinates have {shape}: "
            "name every axis before the level in `leading`."
        )
    known = VARIABLES[name].attrs if name in VARIABLES else {}
    return xr.DataArray(
        np.where(grid.mask, array, array.dtype.type(np.nan)),
        coords={**{key: (key, value) for key, value in extra.items()}, **grid.to_coords()},
        dims=(*extra, "depth", "lat", "lon"),
        name=name,
        attrs={**known, **(attrs or {})},
    )


def _check_one_level(field: xr.DataArray, grid: Grid) -> None:
    if grid.levels.size > 1:
        raise InputError(
            f"the field {field.name!r} has no level axis, but the grid has {grid.levels.size} "
            "levels: give a field with depth, or a grid with one level."
        )


def _leading(field: xr.DataArray, spatial: list[str]) -> list[str]:
    """Dimensions before the level, in the house order."""
    rest = [str(dim) for dim in field.dims if dim not in spatial]
    return sorted(rest, key=lambda d: _LEADING.index(d) if d in _LEADING else len(_LEADING))
