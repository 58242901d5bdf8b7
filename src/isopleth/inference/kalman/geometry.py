"""Geometries: how far the observations lie from the points of a state.

A periodic line is a circle and a globe a sphere; both lie in a space of straight lines, where a
tree finds the neighbours, and an arc follows from its chord.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid

__all__ = ["Geometry", "Neighbourhoods", "PeriodicLine", "Sphere"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ROUNDING = 1e-9
"""Of a chord: points at exactly the reach are out of it, and half a circumference reaches all."""


class Neighbourhoods(Protocol):
    """Which observations are within reach of each of m points."""

    @property
    def counts(self) -> Ints:
        """How many, shape (m,)."""
        ...

    def __call__(self, points: Ints) -> tuple[Ints, Floats]:
        """Observations of these k points and their distances, both of shape (k, most).

        Where a point has fewer, the observation is -1 and its distance infinite.
        """
        ...


class Geometry(Protocol):
    """Where the points of a state are: its last axes, and what lies near."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The last axes of the state that are horizontal; all others share their weights."""
        ...

    def search(self, position: Floats, reach: float) -> Neighbourhoods:
        """What is nearer than `reach` (may be infinite) to every point; `position` is (p, d)."""
        ...


@dataclass(frozen=True)
class PeriodicLine:
    """Points at equal distances on a line whose ends meet: point i at `i length / count`.

    Args:
        count: Number of points; the last axis of the state.
        length: Of the whole line; None = `count`, so that neighbours are 1 apart.

    Raises:
        InputError: If there is no point or no length.

    >>> line = PeriodicLine(40)
    >>> at, distance = line.search(np.array([[38.5], [20.0]]), 5.0)(np.array([0]))
    >>> at.tolist(), distance.round(6).tolist()
    ([[0]], [[1.5]])
    """

    count: int
    length: float | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.count < 1 or not 0 < self._length < math.inf:
            raise InputError(
                f"a line of {self.count} points and length {self.length} is none: "
                "give at least one point and a positive length."
            )

    @property
    def shape(self) -> tuple[int]:
        """(count,)."""
        return (self.count,)

    @property
    def chordal_radius(self) -> float:
        """Radius of the circle, unit of the length."""
        return self._length / (2.0 * math.pi)

    @property
    def places(self) -> Floats:
        """The points in the plane, shape (count, 2)."""
        return self._embed(np.arange(self.count) * self._length / self.count)

    def search(self, position: Floats, reach: float) -> Neighbourhoods:
        """What is nearer than `reach`, unit of the length; `position` is (p,) or (p, 1)."""
        place = np.asarray(position, np.float64)
        if place.shape not in ((len(place),), (len(place), 1)) or not np.isfinite(place).all():
            raise InputError(
                f"positions of shape {place.shape} are not one finite coordinate each: "
                "give (p,) or (p, 1)."
            )
        return _Arcs(self.places, self._embed(place.reshape(-1)), self.chordal_radius, reach)

    @property
    def _length(self) -> float:
        return float(self.count if self.length is None else self.length)

    def _embed(self, along: Floats) -> Floats:
        angle = along / self.chordal_radius
        return self.chordal_radius * np.stack([np.cos(angle), np.sin(angle)], 1)


@dataclass(frozen=True, eq=False)
class Sphere:
    """Columns of a latitude-longitude grid; distances are great-circle, in km.

    Args:
        latitude: Degrees north, shape (nlat,).
        longitude: Degrees east, shape (nlon,).

    Raises:
        InputError: If a latitude is not within -90 and 90, or a coordinate is not finite.

    >>> globe = Sphere(np.array([45.0, -45.0]), np.array([0.0, 180.0]))
    >>> at, distance = globe.search(np.array([[90.0, 0.0]]), np.inf)(np.arange(4))
    >>> distance.round().tolist()
    [[5004.0], [5004.0], [15011.0], [15011.0]]
    """

    latitude: Floats
    longitude: Floats

    def __post_init__(self) -> None:
        """Check the coordinates."""
        _unit_vectors(self.latitude, np.zeros_like(self.latitude))
        _unit_vectors(np.zeros_like(self.longitude), self.longitude)

    @classmethod
    def of(cls, grid: Grid) -> Sphere:
        """The columns of a grid."""
        return cls(grid.latitude, grid.longitude)

    @property
    def shape(self) -> tuple[int, int]:
        """(nlat, nlon)."""
        return len(self.latitude), len(self.longitude)

    @property
    def chordal_radius(self) -> float:
        """Radius of the Earth, km."""
        return EARTH_RADIUS / 1000.0

    @property
    def places(self) -> Floats:
        """The columns in space, km from the centre, shape (nlat nlon, 3)."""
        lat, lon = np.meshgrid(self.latitude, self.longitude, indexing="ij")
        return self.chordal_radius * _unit_vectors(lat.reshape(-1), lon.reshape(-1))

    def search(self, position: Floats, reach: float) -> Neighbourhoods:
        """What is nearer than `reach` km; `position` is (p, 2), latitude and longitude."""
        place = np.asarray(position, np.float64)
        if place.ndim != 2 or place.shape[1] != 2:
            raise InputError(
                f"positions have shape {place.shape}: give (p, 2), latitude and longitude."
            )
        observed = self.chordal_radius * _unit_vectors(place[:, 0], place[:, 1])
        return _Arcs(self.places, observed, self.chordal_radius, reach)


class _Arcs:
    """Neighbourhoods on a circle or sphere: found by chord, told as arc."""

    def __init__(self, points: Floats, observed: Floats, radius: float, reach: float) -> None:
        self._points, self._tree, self._radius = points, cKDTree(observed), radius
        half = reach / (2.0 * radius)
        whole = half >= 0.5 * math.pi
        scaled = 1.0 + _ROUNDING if whole else math.sin(half) * (1.0 - _ROUNDING)
        self._chord = 2.0 * radius * scaled
        found = self._tree.query_ball_point(points, self._chord, return_length=True)
        self.counts: Ints = np.asarray(found, np.int64)

    def __call__(self, points: Ints) -> tuple[Ints, Floats]:
        pairs = cKDTree(self._points[points]).sparse_distance_matrix(
            self._tree, self._chord, output_type="ndarray"
        )
        pairs = pairs[np.lexsort((pairs["j"], pairs["i"]))]
        counts = np.bincount(pairs["i"], minlength=len(points))
        column = np.arange(len(pairs)) - np.repeat(np.cumsum(counts) - counts, counts)
        item = np.full((len(points), int(counts.max(initial=0))), -1, np.int64)
        distance = np.full(item.shape, np.inf)
        item[pairs["i"], column] = pairs["j"]
        chord = np.clip(pairs["v"] / (2.0 * self._radius), 0.0, 1.0)
        distance[pairs["i"], column] = 2.0 * self._radius * np.arcsin(chord)
        return item, distance


def _unit_vectors(latitude: Floats, longitude: Floats) -> Floats:
    """Shape (n, 3)."""
    lat, lon = np.asarray(latitude, np.float64), np.asarray(longitude, np.float64)
    bad = ~(np.isfinite(lat) & np.isfinite(lon) & (np.abs(lat) <= 90.0))
    if bad.any():
        raise InputError(
            f"the position {lat[bad][0]:g} N, {lon[bad][0]:g} E is not on the Earth: "
            "give degrees, latitude first."
        )
    phi, lam = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], 1)
