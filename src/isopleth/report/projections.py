"""Two map projections, and the part of the map that one picture shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["EqualEarth", "Frame", "PlateCarree", "Projection", "frame_of"]

Floats = npt.NDArray[np.float64]

_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796
"""Coefficients of Equal Earth, Savric, Patterson & Jenny (2018), equation 3."""

_M = np.sqrt(3.0) / 2.0
_FULL_CIRCLE = 359.0
"""A domain this wide in degrees is drawn as the whole globe."""


class Projection(Protocol):
    """A map of the unit sphere on the plane, linear in longitude along a parallel."""

    def project(self, longitude: npt.ArrayLike, latitude: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Plane coordinates of positions in degrees; longitude is not wrapped."""
        ...


@dataclass(frozen=True)
class EqualEarth:
    """The Equal Earth projection: areas are true, the poles are lines.

    With `sin(theta) = sqrt(3)/2 sin(phi)`:
    `x = 2 sqrt(3) lambda cos(theta) / (3 (9 A4 theta^8 + 7 A3 theta^6 + 3 A2 theta^2 + A1))`,
    `y = A4 theta^9 + A3 theta^7 + A2 theta^3 + A1 theta`.

    Args:
        centre: Longitude of the middle of the map, degrees east.

    Source: Savric, B., Patterson, T. & Jenny, B. (2018), The Equal Earth map projection,
    Int. J. Geogr. Inf. Sci. 33, 454-465.

    >>> x, y = EqualEarth(centre=0.0).project([180.0, 0.0], [0.0, 90.0])
    >>> round(float(x[0]), 4), round(float(y[1]), 4)
    (2.7066, 1.3174)
    """

    centre: float

    def project(self, longitude: npt.ArrayLike, latitude: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Plane coordinates on the unit sphere, radians."""
        turn = np.radians(np.asarray(longitude, dtype=np.float64) - self.centre)
        phi = np.radians(np.asarray(latitude, dtype=np.float64))
        theta = np.arcsin(_M * np.sin(phi))
        t2 = theta * theta
        t6 = t2 * t2 * t2
        slope = 9.0 * _A4 * t6 * t2 + 7.0 * _A3 * t6 + 3.0 * _A2 * t2 + _A1
        x = turn * np.cos(theta) / (_M * slope)
        return x, theta * (_A4 * t6 * t2 + _A3 * t6 + _A2 * t2 + _A1)


@dataclass(frozen=True)
class PlateCarree:
    """The equirectangular projection, true to shape along one parallel.

    Args:
        centre: Longitude of the middle of the map, degrees east.
        parallel: Latitude along which both directions have the same scale, degrees.
    """

    centre: float
    parallel: float

    def project(self, longitude: npt.ArrayLike, latitude: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Plane coordinates on the unit sphere, radians."""
        turn = np.radians(np.asarray(longitude, dtype=np.float64) - self.centre)
        y = np.radians(np.asarray(latitude, dtype=np.float64))
        return turn * np.cos(np.radians(self.parallel)) + 0.0 * y, y + 0.0 * turn


@dataclass(frozen=True)
class Frame:
    """What a map shows: a projection and a box of longitude and latitude.

    Args:
        projection: How positions fall on the plane.
        west: Left edge, degrees east.
        east: Right edge, degrees east, `west < east <= west + 360`.
        south: Lower edge, degrees north.
        north: Upper edge, degrees north.
        whole: True if the box closes the circle of longitude.
    """

    projection: Projection
    west: float
    east: float
    south: float
    north: float
    whole: bool

    def wrap(self, longitude: npt.ArrayLike) -> Floats:
        """Longitudes brought into [west, west + 360)."""
        lon = np.asarray(longitude, dtype=np.float64)
        return self.west + (lon - self.west) % 360.0

    def outline(self) -> Floats:
        """The edge of the map as a closed curve in the plane, shape (n, 2)."""
        up = np.linspace(self.south, self.north, 181)
        across = np.linspace(self.west, self.east, 181)
        lon = np.concatenate([np.full(181, self.west), across, np.full(181, self.east)])
        lat = np.concatenate([up, np.full(181, self.north), up[::-1]])
        lon = np.concatenate([lon, across[::-1]])
        lat = np.concatenate([lat, np.full(181, self.south)])
        return np.column_stack(self.projection.project(lon, lat))

    @property
    def aspect(self) -> float:
        """Width over height of the map on paper."""
        width, height = np.ptp(self.outline(), axis=0)
        return float(width / height)


def frame_of(latitude_edges: Floats, longitude_edges: Floats, centre: float) -> Frame:
    """The frame that shows a grid: Equal Earth for the whole circle, else plate carree.

    Args:
        latitude_edges: Cell edges, degrees north, shape (nlat + 1,).
        longitude_edges: Cell edges, increasing, degrees east, shape (nlon + 1,).
        centre: Middle of a global map, degrees east; a regional map is centred on itself.
    """
    south, north = float(latitude_edges.min()), float(latitude_edges.max())
    west, east = float(longitude_edges[0]), float(longitude_edges[-1])
    if east - west >= _FULL_CIRCLE:
        return Frame(EqualEarth(centre), centre - 180.0, centre + 180.0, south, north, True)
    flat = PlateCarree((west + east) / 2.0, (south + north) / 2.0)
    return Frame(flat, west, east, south, north, False)
