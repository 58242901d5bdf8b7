"""Bilinear interpolation from a latitude-longitude grid to points, over the corners that exist."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid

__all__ = ["Corners", "fill_near", "positions"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Corners:
    """The four cells around each of n points and their bilinear weights.

    A point up to one cell outside a regional grid, or beyond the last row before a pole, takes the
    edge's value; farther out all four weights are zero.

    Args:
        index: Flat index into (nlat, nlon), shape (4, n).
        weight: Non-negative, summing to one or zero, shape (4, n).
    """

    index: npt.NDArray[np.int64]
    weight: Floats

    @classmethod
    def of(cls, grid: Grid, latitude: Floats, longitude: Floats) -> Corners:
        """Corners of points (n,) in degrees; longitudes in any convention."""
        row, in_rows = _fraction(-latitude, -grid.latitude)
        column, in_columns = _column(longitude, grid)
        top, left = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
        south, east = row - top, column - left
        below = np.minimum(top + 1, grid.latitude.size - 1)
        # The column after the last one is the first on a circle; off a circle its weight is zero.
        right, left = (left + 1) % grid.longitude.size, left % grid.longitude.size
        rows, columns = np.stack([top, top, below, below]), np.stack([left, right, left, right])
        weight = np.stack(
            [(1 - south) * (1 - east), (1 - south) * east, south * (1 - east), south * east]
        )
        return cls(rows * grid.longitude.size + columns, weight * (in_rows & in_columns))

    def apply(self, table: npt.NDArray[np.floating], offset: npt.NDArray[np.int64]) -> Floats:
        """Interpolate: `sum w x / sum w` over the corners that have a value.

        Args:
            table: Values of the cells, shape (m * nlat * nlon, L), NaN = no value.
            offset: First row of `table` to use for each point, shape (n,).

        Returns:
            Shape (n, L), NaN where no corner with a weight has a value.
        """
        total = np.zeros((self.index.shape[1], table.shape[1]))
        weights = np.zeros_like(total)
        for index, weight in zip(self.index, self.weight, strict=True):
            values = table[offset + index]
            present = np.isfinite(values)
            total += weight[:, None] * np.where(present, values, 0.0)
            weights += weight[:, None] * present
        return np.divide(total, weights, out=np.full_like(total, np.nan), where=weights > 0.0)


def positions(latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Latitude and longitude of points as flat float64 arrays of one length (n,).

    Raises:
        InputError: If the lengths differ, a position is NaN or a latitude leaves [-90, 90].
    """
    lat, lon = np.atleast_1d(
        np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
    )
    if lat.shape != lon.shape or lat.ndim != 1:
        raise InputError(
            f"latitude has shape {lat.shape}, longitude {lon.shape}: give one of each per point."
        )
    missing = ~(np.isfinite(lat) & np.isfinite(lon))
    if missing.any():
        raise InputError(
            f"{np.count_nonzero(missing)} of {lat.size} positions are NaN: drop those points."
        )
    outside = lat[np.abs(lat) > 90.0]
    if outside.size:
        raise InputError(
            f"latitude {outside[0]:g} is outside [-90, 90]: "
            "check that latitude and longitude are not exchanged."
        )
    return lat, lon


def fill_near(
    fields: npt.NDArray[np.float32], reach: float, *, periodic: bool
) -> npt.NDArray[np.float32]:
    """Fields whose cells without a value take that of the nearest cell that has one.

    Args:
        fields: Shape (..., nlat, nlon), NaN = no value.
        reach: Farthest cell to take a value from, in cells.
        periodic: Whether the last column is a neighbour of the first.

    >>> row = np.array([[1.0, np.nan, np.nan, np.nan, np.nan]], dtype=np.float32)
    >>> fill_near(row, 1.0, periodic=True).tolist()
    [[1.0, 1.0, nan, nan, 1.0]]
    """
    filled = fields.copy()
    missing: npt.NDArray[np.bool_] | None = None
    for field, result in zip(_flat(fields), _flat(filled), strict=True):
        if missing is None or (np.isnan(field) != missing).any():
            missing = np.isnan(field)
            source = _nearest(missing, reach, periodic=periodic)
        result[...] = field.ravel()[source]
    return filled


def _flat(fields: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return fields.reshape(-1, *fields.shape[-2:])


def _nearest(
    missing: npt.NDArray[np.bool_], reach: float, *, periodic: bool
) -> npt.NDArray[np.int64]:
    """Flat index of the nearest cell with a value, or of the cell itself beyond `reach`."""
    own = np.arange(missing.size).reshape(missing.shape)
    if missing.all():
        return own
    pad = min(int(reach) + 1, missing.shape[1]) if periodic else 0
    around = np.pad(missing, ((0, 0), (pad, pad)), mode="wrap")
    distance, (rows, columns) = ndimage.distance_transform_edt(around, return_indices=True)
    inner = slice(pad, pad + missing.shape[1])
    index = rows * missing.shape[1] + (columns - pad) % missing.shape[1]
    return np.where(distance[:, inner] <= reach, index[:, inner], own)


def _fraction(points: Floats, axis: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Fractional index of points in an increasing axis, and whether they are a cell from it."""
    below = points >= 2.0 * axis[0] - axis[1]
    above = points <= 2.0 * axis[-1] - axis[-2]
    return np.interp(points, axis, np.arange(axis.size)), below & above


def _column(longitude: Floats, grid: Grid) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Fractional column of longitudes, and whether they are within a cell of the grid."""
    axis = grid.longitude
    if grid.periodic:
        closed = np.append(axis, axis[0] + 360.0)
        return _fraction(axis[0] + (longitude - axis[0]) % 360.0, closed)
    middle = 0.5 * (axis[0] + axis[-1])
    return _fraction(middle - 180.0 + (longitude - middle + 180.0) % 360.0, axis)
