"""Great circles: how far two points are apart, and where a walk over the sphere ends."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from isopleth.core.grid import EARTH_RADIUS

__all__ = ["destination", "distance"]

Floats = npt.NDArray[np.float64]


def distance(
    latitude: npt.ArrayLike,
    longitude: npt.ArrayLike,
    other_latitude: npt.ArrayLike,
    other_longitude: npt.ArrayLike,
) -> Floats:
    """Great-circle distance, m, of points that broadcast: `2 R asin(sqrt(hav))`.

    The haversine keeps its digits for near points (Sinnott 1984, Sky and Telescope 68, 159).

    Args:
        latitude: Degrees north.
        longitude: Degrees east, any convention.
        other_latitude: Degrees north.
        other_longitude: Degrees east, any convention.

    >>> round(float(distance(0.0, 0.0, 0.0, 180.0)) / EARTH_RADIUS, 9)
    3.141592654
    """
    phi, other = np.radians(latitude), np.radians(other_latitude)
    turn = np.radians(np.asarray(other_longitude) - np.asarray(longitude))
    haversine = np.sin(0.5 * (other - phi)) ** 2
    haversine = haversine + np.cos(phi) * np.cos(other) * np.sin(0.5 * turn) ** 2
    return np.asarray(2.0 * EARTH_RADIUS * np.arcsin(np.sqrt(np.clip(haversine, 0.0, 1.0))))


def destination(
    latitude: npt.ArrayLike, longitude: npt.ArrayLike, bearing: npt.ArrayLike, away: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """Where a great circle that starts with a bearing is after a distance; arguments broadcast.

    Args:
        latitude: Of the start, degrees north.
        longitude: Of the start, degrees east.
        bearing: Degrees clockwise from north.
        away: Distance, m.

    Returns:
        Latitude, degrees north, and longitude, degrees east in [0, 360).

    >>> [round(float(degrees), 9) for degrees in destination(0.0, 350.0, 90.0, EARTH_RADIUS)]
    [0.0, 47.295779513]
    """
    phi, course = np.radians(latitude), np.radians(bearing)
    angle = np.asarray(away, dtype=np.float64) / EARTH_RADIUS
    sine = np.sin(phi) * np.cos(angle) + np.cos(phi) * np.sin(angle) * np.cos(course)
    # Both without the common factor cos(phi), which is lost to rounding at the poles.
    east = np.sin(course) * np.sin(angle)
    north = np.cos(phi) * np.cos(angle) - np.sin(phi) * np.sin(angle) * np.cos(course)
    end = np.degrees(np.arcsin(np.clip(sine, -1.0, 1.0)))
    return end, (np.asarray(longitude) + np.degrees(np.arctan2(east, north))) % 360.0
