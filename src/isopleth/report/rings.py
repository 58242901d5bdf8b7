"""Closed rings of land from the loose pieces of coastline that a map data set holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["Ring", "dense", "rings", "without_cuts"]

Floats = npt.NDArray[np.float64]
Ring = tuple[Floats, Floats]
"""Longitude, continuous, and latitude of a line, degrees, each of shape (n,)."""

_DECIMALS = 4
"""Ends that agree to so many decimals of a degree (10 m) are one point."""

_LONGEST = 2.0
"""Longest side of a coastline drawn straight on the map, degrees."""


def rings(lines: Iterable[tuple[npt.ArrayLike, npt.ArrayLike]]) -> list[Ring]:
    """Join pieces end to start, modulo 360 degrees, until they close or nothing fits.

    Pieces along 180 degrees, where files cut the land, are left out. A ring round a pole is closed
    through that pole. A line that does not close stays as it is.

    Args:
        lines: Longitude and latitude of each piece, in the direction of its ring.

    >>> east, west = ([170.0, 180.0], [0.0, 5.0]), ([-180.0, -170.0, 170.0], [5.0, 0.0, 0.0])
    >>> [lon.tolist() for lon, lat in rings([east, west])]
    [[170.0, 180.0, 190.0, 170.0]]
    """
    pieces = [_continuous(*line) for line in lines]
    pieces = [piece for piece in pieces if not _along_cut(*piece).all()]
    starts: dict[tuple[float, float], list[int]] = {}
    for i, (lon, lat) in enumerate(pieces):
        starts.setdefault(_point(lon[0], lat[0]), []).append(i)
    used: set[int] = set()
    joined = []
    for i in range(len(pieces)):
        if i not in used:
            joined.append(_through_pole(*_follow(i, pieces, starts, used)))
    return joined


def dense(lon: Floats, lat: Floats) -> Ring:
    """Put points on sides longer than two degrees, so that they bend with the projection."""
    parts = (np.hypot(np.diff(lon), np.diff(lat)) // _LONGEST).astype(int) + 1
    at = np.concatenate([i + np.arange(n) / n for i, n in enumerate(parts)] + [[lon.size - 1.0]])
    index = np.arange(lon.size)
    return np.interp(at, index, lon), np.interp(at, index, lat)


def without_cuts(lon: Floats, lat: Floats) -> Iterator[Ring]:
    """The pieces of a line between its stretches along 180 degrees or to a pole."""
    at_pole = np.abs(lat) > 89.99
    breaks = np.flatnonzero(_along_cut(lon, lat) | at_pole[:-1] | at_pole[1:]) + 1
    for piece in np.split(np.arange(lon.size), breaks):
        if piece.size > 1:
            yield lon[piece], lat[piece]


def _continuous(longitude: npt.ArrayLike, latitude: npt.ArrayLike) -> Ring:
    lon = np.unwrap(np.asarray(longitude, dtype=np.float64), period=360.0)
    return lon, np.asarray(latitude, dtype=np.float64)


def _along_cut(lon: Floats, lat: Floats) -> npt.NDArray[np.bool_]:
    """Which sides of a line lie on the meridian of 180 degrees."""
    on = np.abs(lon % 360.0 - 180.0) < 1e-6
    return on[:-1] & on[1:]


def _point(lon: float, lat: float) -> tuple[float, float]:
    return round(float(lon) % 360.0, _DECIMALS) % 360.0, round(float(lat), _DECIMALS)


def _follow(
    first: int,
    pieces: list[Ring],
    starts: dict[tuple[float, float], list[int]],
    used: set[int],
) -> Ring:
    """One ring: the first piece and those that continue it."""
    lon, lat = pieces[first]
    used.add(first)
    while _point(lon[0], lat[0]) != _point(lon[-1], lat[-1]):
        following = [i for i in starts.get(_point(lon[-1], lat[-1]), []) if i not in used]
        if not following:
            return _along_cut_home(lon, lat)
        used.add(following[0])
        more, north = pieces[following[0]]
        turn = 360.0 * np.round((lon[-1] - more[0]) / 360.0)
        lon, lat = np.concatenate([lon, more[1:] + turn]), np.concatenate([lat, north[1:]])
    return lon, lat


def _along_cut_home(lon: Floats, lat: Floats) -> Ring:
    """Close a line whose ends both lie on 180 degrees: the piece along the cut was left out."""
    if _along_cut(lon[[0, -1]], lat[[0, -1]]).all() and lon[0] == lon[-1]:
        return np.append(lon, lon[0]), np.append(lat, lat[0])
    return lon, lat


def _through_pole(lon: Floats, lat: Floats) -> Ring:
    if abs(lon[-1] - lon[0]) < 359.0:
        return lon, lat
    pole = -90.0 if lat.mean() < 0 else 90.0
    corners = np.array([pole, pole, lat[0]])
    return np.append(lon, [lon[-1], lon[0], lon[0]]), np.append(lat, corners)
