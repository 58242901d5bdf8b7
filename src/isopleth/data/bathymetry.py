"""Sea floor: its depth at a point, and which cells of a grid are ocean at which depth."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from isopleth.core.grid import Grid
from isopleth.data.bilinear import Corners, positions
from isopleth.data.cards import open_grid

__all__ = ["is_ocean", "ocean_mask", "sea_floor_depth"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_SEAS = {
    "world ocean": (0.0, 200.0),
    "Black Sea and Sea of Azov": (43.0, 34.0),
    "Strait of Georgia": (49.0, 236.5),
}
"""A point (latitude, longitude) in every body of water that is sea. What lies below sea level and
is connected to none of them is land: the Caspian Sea, lakes, the Dead Sea, dry depressions. The
straits that join the later seas to the ocean are narrower than a cell of the bathymetry."""

_TOUCHING = np.ones((3, 3), dtype=bool)
"""Cells that share a corner are one water: this keeps the Red Sea open at 1/3 degree."""


_ROUNDING = 1e-9
"""A share of a cell's area closer to another than this is equal to it."""


def sea_floor_depth(latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> Floats:
    """Depth of the sea floor, m positive down and negative on land, bilinear, shape (n,).

    Args:
        latitude: Degrees north, shape (n,).
        longitude: Degrees east in any convention, shape (n,).

    Raises:
        InputError: If a position is missing or impossible.

    >>> sea_floor_depth([11.35, 27.99], [142.2, 86.93]).round(-3).tolist()
    [8000.0, -5000.0]
    """
    lat, lon = positions(latitude, longitude)
    grid, depth, _ = _floor()
    corners = Corners.of(grid, lat, lon)
    return corners.apply(depth.reshape(-1, 1), np.zeros(lat.size, dtype=np.int64))[:, 0]


def is_ocean(latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> Bools:
    """Whether points lie in the ocean or a sea joined to it, by 1/3-degree cells, shape (n,).

    Args:
        latitude: Degrees north, shape (n,).
        longitude: Degrees east in any convention, shape (n,).

    Raises:
        InputError: If a position is missing or impossible.

    >>> is_ocean([43.0, 42.0, 47.0], [34.0, 51.0, 8.0]).tolist()  # Black Sea, Caspian Sea, Alps
    [True, False, False]
    """
    lat, lon = positions(latitude, longitude)
    _, _, ocean = _floor()
    rows, columns = _cell(lat, lon, ocean.shape)
    return ocean[rows, columns]


def ocean_mask(
    latitude: npt.ArrayLike, longitude: npt.ArrayLike, levels: npt.ArrayLike
) -> npt.NDArray[np.bool_]:
    """Ocean cells of a grid at each level, shape (nlev, nlat, nlon).

    A cell is ocean at a level if more than half of its area is ocean and the mean depth of that
    part is greater than the level.

    Args:
        latitude: Cell centres, degrees north, north to south, shape (nlat,).
        longitude: Cell centres, degrees east, increasing from [0, 360), shape (nlon,).
        levels: Depths in m, positive down, increasing, shape (nlev,).

    Raises:
        InputError: If the coordinates do not make a grid.

    >>> grid = Grid.regular(5.0, levels=[0.0, 4000.0])
    >>> mask = ocean_mask(grid.latitude, grid.longitude, grid.levels)
    >>> grid.with_mask(mask).mask.sum(axis=(1, 2)).tolist()
    [1726, 741]
    """
    rows, columns, depths = (np.asarray(v, np.float64) for v in (latitude, longitude, levels))
    everywhere = np.ones((depths.size, rows.size, columns.size), dtype=bool)
    grid = Grid(rows, columns, depths, everywhere)
    share, floor = _cell_floor(grid)
    return (share > 0.5 + _ROUNDING) & (floor > grid.levels[:, None, None])


@functools.cache
def _floor() -> tuple[Grid, Floats, Bools]:
    """Cells of the shipped bathymetry, depth of their floor (m) and whether they are ocean."""
    dataset = open_grid("bathymetry")
    depth = -dataset["height"].values.astype(np.float64)
    latitude, longitude = dataset["lat"].values, dataset["lon"].values
    grid = Grid(latitude, longitude, np.zeros(1), np.ones((1, *depth.shape), dtype=bool))
    return grid, depth, _connected(depth > 0.0)


def _connected(wet: Bools) -> Bools:
    """The wet cells that are joined to one of `_SEAS`, longitude being a circle."""
    label, n = ndimage.label(wet, structure=_TOUCHING)
    west, east = label[:, 0], label[:, -1]
    pairs = np.concatenate(
        [np.stack([west, east]), np.stack([west[1:], east[:-1]]), np.stack([west[:-1], east[1:]])],
        axis=1,
    )
    pairs = pairs[:, (pairs > 0).all(axis=0)]
    joined = sparse.coo_array((np.ones(pairs.shape[1]), (pairs[0], pairs[1])), (n + 1, n + 1))
    body = csgraph.connected_components(joined, directed=False)[1][label]
    latitude, longitude = np.array(list(_SEAS.values())).T
    rows, columns = _cell(latitude, longitude, wet.shape)
    return wet & np.isin(body, body[rows, columns])


def _cell(
    latitude: Floats, longitude: Floats, shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row and column of the cells of a regular global grid that hold the points."""
    row = np.floor((90.0 - latitude) * shape[0] / 180.0).astype(np.int64)
    column = np.floor((longitude % 360.0) * shape[1] / 360.0).astype(np.int64)
    return np.clip(row, 0, shape[0] - 1), column % shape[1]


def _cell_floor(grid: Grid) -> tuple[Floats, Floats]:
    """Share of ocean in every cell and the mean depth of that ocean, m, both (nlat, nlon).

    Means over the exact area that each cell of the bathymetry has in common with a cell.
    """
    fine, depth, ocean = _floor()
    heights = [np.sin(np.radians(g.latitude_edges[::-1])) for g in (grid, fine)]
    rows = _overlap(*heights)[::-1, ::-1]
    columns = np.zeros((grid.longitude.size, fine.longitude.size))
    for turn in (-360.0, 0.0, 360.0):
        columns += _overlap(grid.longitude_edges, fine.longitude_edges + turn)
    rows, columns = (w / w.sum(axis=1, keepdims=True) for w in (rows, columns))
    share = rows @ ocean.astype(np.float64) @ columns.T
    water = rows @ np.where(ocean, depth, 0.0) @ columns.T
    return share, np.divide(water, share, out=np.zeros_like(water), where=share > _ROUNDING)


def _overlap(edges: Floats, fine: Floats) -> Floats:
    """Length in common of intervals, shape (n, m), between edges (n + 1) and (m + 1)."""
    upper = np.minimum(edges[1:, None], fine[None, 1:])
    lower = np.maximum(edges[:-1, None], fine[None, :-1])
    return np.maximum(upper - lower, 0.0)
