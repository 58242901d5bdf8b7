"""Coastlines of the world for maps: Natural Earth at 1:110 million."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from isopleth.data.cards import open_asset

__all__ = ["coastlines"]

Floats = npt.NDArray[np.float64]


def coastlines(west: float = 0.0) -> list[tuple[Floats, Floats]]:
    """Lines of longitude and latitude, cut where they leave the map's western or eastern edge.

    Args:
        west: Longitude of the map's western edge, degrees east; lines lie in [west, west + 360].

    Returns:
        Pairs (longitude, latitude), each of shape (n,) with n >= 2, degrees.

    >>> lines = coastlines(west=-180.0)
    >>> max(float(lon.max()) for lon, lat in lines)
    180.0
    """
    pieces = []
    for longitude, latitude in _lines():
        pieces += _cut(np.unwrap(longitude, period=360.0), latitude, west)
    return pieces


@functools.cache
def _lines() -> tuple[tuple[Floats, Floats], ...]:
    """Whole lines as shipped: longitude in [-180, 180] jumps where a line crosses the dateline."""
    with np.load(open_asset("coastline_110m"), allow_pickle=False) as arrays:
        longitude = arrays["longitude"].astype(np.float64)
        latitude = arrays["latitude"].astype(np.float64)
        bounds = arrays["start"][1:-1]
    return tuple(zip(np.split(longitude, bounds), np.split(latitude, bounds), strict=True))


def _cut(longitude: Floats, latitude: Floats, west: float) -> list[tuple[Floats, Floats]]:
    """Pieces of a continuous line between the meridians `west + 360 k`, brought to k = 0."""
    turn = np.floor((longitude - west) / 360.0)
    jumps = np.flatnonzero(np.diff(turn))
    # The crossing belongs to both pieces, so that each reaches the edge of the map.
    seam = west + 360.0 * np.maximum(turn[jumps], turn[jumps + 1])
    share = (seam - longitude[jumps]) / (longitude[jumps + 1] - longitude[jumps])
    height = latitude[jumps] + share * (latitude[jumps + 1] - latitude[jumps])
    at = np.repeat(jumps + 1, 2)
    longitude = np.insert(longitude, at, np.repeat(seam, 2))
    latitude = np.insert(latitude, at, np.repeat(height, 2))
    bounds = jumps + 2 + 2 * np.arange(jumps.size)
    lines = zip(np.split(longitude, bounds), np.split(latitude, bounds), strict=True)
    return [
        (lon - 360.0 * _turn(lon, west), lat) for lon, lat in lines if np.ptp(lon) + np.ptp(lat)
    ]


def _turn(longitude: Floats, west: float) -> float:
    """Whole turns from [west, west + 360] to a piece, told by its middle: edges lie in two."""
    return float(np.floor((0.5 * (longitude.min() + longitude.max()) - west) / 360.0))
