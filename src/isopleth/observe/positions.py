"""Positions: where a network measures, and how points are scattered over the cells of a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe.point import PointOperator

__all__ = ["Positions", "cell_of", "draw_cells", "scatter_within", "uniform"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SMALLEST = 2.0**-54
"""Takes the place of a uniform number of exactly 0, whose logarithm is infinite."""


@dataclass(frozen=True, eq=False)
class Positions:
    """Where every value of a network is measured, one row a value.

    Args:
        latitude: Degrees north, shape (n,).
        longitude: Degrees east, any convention, kept in [0, 360), shape (n,).
        channel: Index into the level axis of the field, shape (n,).

    Raises:
        InputError: If there is no position, the lengths differ, a number is not finite, a
            latitude leaves [-90, 90] or a channel is no index.

    >>> at = Positions([45.0, -45.0], [-90.0, 10.0], [0, 1])
    >>> len(at), at.longitude.tolist()
    (2, [270.0, 10.0])
    >>> at.operator(Grid.regular(90.0, levels=[0.0, 1.0]))(torch.ones(2, 2, 4)).tolist()
    [1.0, 1.0]
    """

    latitude: Floats
    longitude: Floats
    channel: Ints

    def __post_init__(self) -> None:
        """Check the numbers and freeze them."""
        lat, lon, channel = (
            np.array(getattr(self, name), dtype=np.float64)
            for name in ("latitude", "longitude", "channel")
        )
        if lat.ndim != 1 or not lat.shape == lon.shape == channel.shape:
            raise InputError(
                f"latitude has shape {lat.shape}, longitude {lon.shape} and channel "
                f"{channel.shape}: give three lists of the same length."
            )
        if lat.size == 0:
            raise InputError("there are 0 positions: a network needs at least one.")
        bad = np.flatnonzero(~(np.isfinite(lat) & np.isfinite(lon) & (np.abs(lat) <= 90.0)))
        if bad.size:
            raise InputError(
                f"position {bad[0]} is latitude {lat[bad[0]]:g}, longitude {lon[bad[0]]:g}: "
                "drop what has no position on the Earth."
            )
        odd = channel[(channel < 0) | (channel != np.floor(channel))]
        if odd.size:
            raise InputError(f"channel {odd[0]:g} is no index: count the channels from 0.")
        frozen = {"latitude": lat, "longitude": lon % 360.0, "channel": channel.astype(np.int64)}
        for name, array in frozen.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return self.latitude.size

    def operator(self, grid: Grid) -> PointOperator:
        """A thermometer at every position: `(..., level, lat, lon)` to `(..., n)`.

        Raises:
            InputError: If a channel is not one of the grid's.
        """
        return PointOperator(grid, self.latitude, self.longitude, level=self.channel)


def cell_of(grid: Grid, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> Ints:
    """Flat index into (nlat, nlon) of the cell around every point; -1 outside the grid.

    Args:
        grid: Global or regional.
        latitude: Degrees north, shape (n,).
        longitude: Degrees east, any convention, shape (n,).

    >>> cell_of(Grid.regular(90.0, levels=[0.0]), [10.0, -10.0], [-1.0, 1.0]).tolist()
    [3, 4]
    """
    lat = np.asarray(latitude, dtype=np.float64)
    edges, west = grid.latitude_edges, grid.longitude_edges[0]
    lon = west + (np.asarray(longitude, dtype=np.float64) - west) % 360.0
    inside = (lat <= edges[0]) & (lat >= edges[-1]) & (lon <= grid.longitude_edges[-1])
    row = np.clip(np.searchsorted(-edges, -lat, side="right") - 1, 0, edges.size - 2)
    column = np.searchsorted(grid.longitude_edges, lon, side="right") - 1
    column = np.clip(column, 0, grid.longitude.size - 1)
    return np.where(inside, row * grid.longitude.size + column, -1)


def draw_cells(
    weight: npt.ArrayLike, count: int, generator: torch.Generator, *, distinct: bool = False
) -> Ints:
    """Cells drawn with a chance proportional to their weight.

    Distinct cells are the first `count` of a race of exponential clocks, which is drawing one
    after the other without putting back (Efraimidis and Spirakis 2006,
    doi 10.1016/j.ipl.2005.11.003).

    Args:
        weight: Not negative, any shape; flat indices are returned.
        count: How many.
        generator: Source of randomness.
        distinct: Whether a cell is drawn at most once.

    Returns:
        Flat index, shape (count,).

    Raises:
        InputError: If there is nothing to draw from, or not enough distinct cells.

    >>> draw_cells([0.0, 2.0, 0.0], 3, torch.Generator().manual_seed(0)).tolist()
    [1, 1, 1]
    """
    mass = np.asarray(weight, dtype=np.float64).ravel()
    places = int((mass > 0.0).sum())
    if count < 1 or places < (count if distinct else 1):
        raise InputError(
            f"{count} points cannot be drawn from {places} open cells: "
            "ask for at least one, and for no more than there are."
        )
    if not distinct:
        sums = np.cumsum(mass)
        last = np.flatnonzero(mass)[-1]
        which = np.searchsorted(sums, uniform(count, generator) * sums[-1], side="right")
        return np.minimum(which, last)
    wait = np.full(mass.size, np.inf)
    clock = -np.log(np.maximum(uniform(mass.size, generator), _SMALLEST))
    np.divide(clock, mass, out=wait, where=mass > 0.0)
    return np.argsort(wait, kind="stable")[:count].astype(np.int64)


def scatter_within(grid: Grid, cell: Ints, generator: torch.Generator) -> tuple[Floats, Floats]:
    """One point in every given cell, uniform by area: latitude and longitude, shape (n,).

    Uniform by area is uniform in longitude and in the sine of latitude.

    Args:
        grid: Brings the edges of the cells.
        cell: Flat index into (nlat, nlon), shape (n,).
        generator: Source of randomness.
    """
    row, column = np.divmod(cell, grid.longitude.size)
    sines = np.sin(np.radians(grid.latitude_edges))
    up, along = uniform(cell.size, generator), uniform(cell.size, generator)
    sine = sines[row + 1] + up * (sines[row] - sines[row + 1])
    west = grid.longitude_edges[column]
    longitude = west + along * (grid.longitude_edges[column + 1] - west)
    return np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0))), longitude % 360.0


def uniform(count: int, generator: torch.Generator) -> Floats:
    """Numbers uniform in [0, 1), from the generator's own device, shape (count,).

    >>> uniform(2, torch.Generator().manual_seed(0)).shape
    (2,)
    """
    device = generator.device
    draw = torch.rand(count, generator=generator, device=device, dtype=torch.float64)
    return np.asarray(draw.cpu().numpy())
