"""Bilinear weights on the sphere: the four cells around a position, across seam and pole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid

__all__ = ["Corners", "corners", "ocean_weights"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_NO_WEIGHT = 1e-6
"""Ocean corners that together weigh less than this do not make an observation valid."""


@dataclass(frozen=True)
class Corners:
    """The cells around n positions.

    Args:
        row: Row of every corner, shape (n, 4).
        column: Its column, shape (n, 4).
        weight: Its bilinear weight, summing to 1 over the corners; 0 outside the grid's cells.
    """

    row: Ints
    column: Ints
    weight: Floats

    def repeat(self, times: int) -> Corners:
        """Every position `times` times in a row."""
        return Corners(
            row=np.repeat(self.row, times, axis=0),
            column=np.repeat(self.column, times, axis=0),
            weight=np.repeat(self.weight, times, axis=0),
        )


def corners(grid: Grid, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> Corners:
    """The four cells around every position, before any mask.

    Between the last cell centre and the edge of the grid the last cell is taken; on a grid that
    goes round the Earth and reaches the pole, the other side of the pole is the next row.

    Args:
        grid: Where the cells are.
        latitude: Degrees north, shape (n,).
        longitude: Degrees east in any convention, shape (n,).

    Raises:
        InputError: If a position is NaN or a latitude leaves [-90, 90].
    """
    lat, lon = _positions(latitude, longitude)
    upper, lower, t = _bracket(-grid.latitude, -lat)
    beyond = _beyond_pole(grid, lat)
    over = beyond > 0.0
    last = np.where(t < 0.5, upper, lower)
    upper, lower = np.where(over, last, upper), np.where(over, last, lower)
    t = np.where(over, beyond, t)
    near_columns, near_weights = _columns(grid, lon)
    far_columns, far_weights = _columns(grid, np.where(over, lon + 180.0, lon))
    edges = grid.latitude_edges
    inside = (lat <= edges[0]) & (lat >= edges[-1])
    row = np.stack([upper, upper, lower, lower], axis=1)
    column = np.concatenate([near_columns, far_columns], axis=1)
    weight = np.concatenate([near_weights * (1.0 - t)[:, None], far_weights * t[:, None]], axis=1)
    return Corners(row, column, weight * inside[:, None])


def ocean_weights(grid: Grid, around: Corners, level: Ints) -> Floats:
    """Weights on the ocean corners of a level, renormalised to sum to 1; all 0 without any.

    Args:
        grid: Brings the mask.
        around: Corners of n positions.
        level: Level index of every position, shape (n,).

    Returns:
        Shape (n, 4).
    """
    ocean = grid.mask[level[:, None], around.row, around.column]
    weight = around.weight * ocean
    total = weight.sum(axis=1, keepdims=True)
    return np.divide(weight, total, out=np.zeros_like(weight), where=total > _NO_WEIGHT)


def _positions(latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> tuple[Floats, Floats]:
    lat = np.atleast_1d(np.asarray(latitude, dtype=np.float64))
    lon = np.atleast_1d(np.asarray(longitude, dtype=np.float64))
    if lat.ndim != 1 or lat.shape != lon.shape:
        raise InputError(
            f"latitude has shape {lat.shape} and longitude {lon.shape}: "
            "give two lists of the same length."
        )
    bad = np.flatnonzero(~(np.isfinite(lat) & np.isfinite(lon) & (np.abs(lat) <= 90.0)))
    if bad.size:
        raise InputError(
            f"position {bad[0]} is latitude {lat[bad[0]]:g}, longitude {lon[bad[0]]:g}: "
            "drop observations without a position on the Earth."
        )
    return lat, lon


def _bracket(centres: Floats, x: Floats) -> tuple[Ints, Ints, Floats]:
    """Neighbours in increasing `centres`, and the share of the way from one to the other."""
    above = np.clip(np.searchsorted(centres, x, side="right"), 1, centres.size - 1)
    below = above - 1
    t = (x - centres[below]) / (centres[above] - centres[below])
    return below, above, np.clip(t, 0.0, 1.0)


def _columns(grid: Grid, longitude: Floats) -> tuple[Ints, Floats]:
    """West and east column and their weights, shape (n, 2); weights 0 off the grid."""
    edges = grid.longitude_edges
    lon = edges[0] + (longitude - edges[0]) % 360.0
    centres = grid.longitude
    if grid.periodic:
        centres = np.concatenate([[centres[-1] - 360.0], centres, [centres[0] + 360.0]])
    west, east, t = _bracket(centres, lon)
    inside = lon <= edges[-1]
    weights = np.stack([1.0 - t, t], axis=1) * inside[:, None]
    pair = np.stack([west, east], axis=1)
    return ((pair - 1) % grid.longitude.size if grid.periodic else pair), weights


def _beyond_pole(grid: Grid, latitude: Floats) -> Floats:
    """Share of the way from the last row over the pole to its other side, else 0."""
    share = np.zeros_like(latitude)
    if not grid.periodic:
        return share
    for last, edge, pole in (
        (grid.latitude[0], grid.latitude_edges[0], 90.0),
        (grid.latitude[-1], grid.latitude_edges[-1], -90.0),
    ):
        past = (latitude - last) * np.sign(pole)
        over = (past > 0.0) & (edge == pole)
        share[over] = past[over] / (2.0 * abs(pole - last))
    return share
