"""Swath: what a cross-track scanner sees from its orbit, footprint by footprint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.observe.average import Beam, FootprintOperator
from isopleth.observe.orbit import Orbit
from isopleth.observe.positions import cell_of

__all__ = ["Footprints", "Scanner", "Swath"]

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Footprints:
    """Where, when and how large: one row a footprint, in the order of time.

    Args:
        latitude: Of the centre, degrees north, shape (n,).
        longitude: Degrees east in [0, 360), shape (n,).
        time: UTC, shape (n,).
        scan_position: From the right of the flight, 0, to the left, shape (n,).
        beam: Diameters at half power and orientation, one for all or one each.

    Raises:
        InputError: If the lengths differ.
    """

    latitude: Floats
    longitude: Floats
    time: Times
    scan_position: npt.NDArray[np.int64]
    beam: Beam

    def __post_init__(self) -> None:
        """Check the lengths and give every footprint its beam."""
        shape, beam = self.latitude.shape, self.beam
        if beam.across.shape == (1,):
            each = (np.broadcast_to(a, shape) for a in (beam.across, beam.along, beam.azimuth))
            beam = Beam(*each)
            object.__setattr__(self, "beam", beam)
        parts = {
            "latitude": shape,
            "longitude": self.longitude.shape,
            "time": self.time.shape,
            "scan_position": self.scan_position.shape,
            "beam": beam.across.shape,
        }
        if len(shape) != 1 or len(set(parts.values())) > 1:
            lengths = ", ".join(f"{name} {part}" for name, part in parts.items())
            raise InputError(f"the footprints have {lengths}: give one value for each.")

    def __len__(self) -> int:
        return self.latitude.size

    def select(self, which: npt.ArrayLike | slice) -> Footprints:
        """The footprints at an index, a boolean array or a slice, for thinning and cutting."""
        index = which if isinstance(which, slice) else np.asarray(which)
        if isinstance(index, np.ndarray) and index.size == 0:
            index = index.astype(np.int64)  # of an empty list numpy makes floats
        beam = Beam(self.beam.across[index], self.beam.along[index], self.beam.azimuth[index])
        latitude, longitude = self.latitude[index], self.longitude[index]
        return Footprints(latitude, longitude, self.time[index], self.scan_position[index], beam)

    def within(self, grid: Grid) -> Footprints:
        """Those whose centre lies in a cell of the grid."""
        return self.select(cell_of(grid, self.latitude, self.longitude) >= 0)

    def operator(self, grid: Grid, channels: Sequence[int] | None = None) -> FootprintOperator:
        """Means over the footprints, of the given channels of the field or of all."""
        return FootprintOperator(grid, self.latitude, self.longitude, self.beam, channels)


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """An instrument that looks from side to side, at right angles to the flight.

    Args:
        half_angle: From straight down to the centre of the outermost footprint, degrees.
        positions: Footprints a scan.
        beam_width: Full angle of the beam at half power, degrees.
        scan_seconds: From one scan to the next, s; the positions share it evenly.

    Raises:
        InputError: If a number is none of an instrument.

    >>> amsu = Scanner(half_angle=48.33, positions=30, beam_width=3.3, scan_seconds=8.0)
    >>> orbit_radius = 7.21e6
    >>> [round(float(amsu.size(orbit_radius)[0][j]) / 1e3) for j in (15, 29)]
    [48, 150]
    """

    half_angle: float
    positions: int
    beam_width: float
    scan_seconds: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        edge = self.half_angle + 0.5 * self.beam_width
        if not (self.half_angle >= 0.0 and self.beam_width > 0.0 and edge < 90.0):
            raise InputError(
                f"a scan to {self.half_angle:g} degrees with a beam of {self.beam_width:g} "
                "does not look down: keep half_angle + beam_width / 2 below 90 degrees."
            )
        if self.positions < 1 or not self.scan_seconds > 0.0:
            raise InputError(
                f"a scan of {self.positions} positions in {self.scan_seconds:g} s sees nothing: "
                "give positive numbers."
            )

    @property
    def angles(self) -> Floats:
        """Scan angle of every position, rad, right to left."""
        edge = math.radians(self.half_angle) * (self.positions > 1)
        return np.linspace(-edge, edge, self.positions)

    def reach(self, radius: float) -> Floats:
        """Angle at the centre of the Earth of every position, rad, right to left.

        The law of sines in the triangle of satellite, footprint and centre gives the zenith angle
        at the footprint, `sin(zenith) = (a / R) sin(scan)`, and the angle is `zenith - scan`.

        Args:
            radius: Of the orbit, `a`, m.

        Raises:
            InputError: If the scan leaves the Earth.
        """
        return _earth_angle(self.angles, radius)

    def size(self, radius: float) -> tuple[Floats, Floats]:
        """Diameters at half power of every position, m: across and along the flight.

        Across, what lies between the edges of the beam on the sphere; along, beam width times the
        distance from the satellite.

        Args:
            radius: Of the orbit, m.

        Raises:
            InputError: If the scan leaves the Earth.
        """
        half = 0.5 * math.radians(self.beam_width)
        outer, inner = (_earth_angle(self.angles + side * half, radius) for side in (1.0, -1.0))
        gamma = self.reach(radius)
        slant = np.sqrt(radius**2 + EARTH_RADIUS**2 - 2.0 * radius * EARTH_RADIUS * np.cos(gamma))
        return EARTH_RADIUS * (outer - inner), 2.0 * slant * math.tan(half)


@dataclass(frozen=True)
class Swath:
    """A scanner on an orbit, called with a window of time.

    Scans are counted from `orbit.node_time`, so that two windows that meet give the same
    footprints as the window of both.

    Args:
        orbit: Where the satellite is.
        scanner: How it looks down.

    >>> noon = np.datetime64("2019-03-21T12:00")
    >>> orbit = Orbit.sun_synchronous(altitude=833e3, node_hour=21.5, node_time=noon)
    >>> amsu = Scanner(half_angle=48.33, positions=30, beam_width=3.3, scan_seconds=8.0)
    >>> seen = Swath(orbit, amsu)(noon, noon + np.timedelta64(80, "s"))
    >>> len(seen), f"{seen.beam.across.min() / 1e3:.0f} to {seen.beam.across.max() / 1e3:.0f} km"
    (300, '48 to 151 km')
    """

    orbit: Orbit
    scanner: Scanner

    @property
    def width(self) -> float:
        """On the ground between the outermost centres, m.

        Raises:
            InputError: If the scan leaves the Earth.
        """
        return 2.0 * EARTH_RADIUS * float(self.scanner.reach(self.orbit.radius)[-1])

    def __call__(self, start: np.datetime64, end: np.datetime64) -> Footprints:
        """Footprints with `start <= time < end`.

        Args:
            start: UTC.
            end: UTC.

        Raises:
            InputError: If the window is empty or the scan leaves the Earth.
        """
        if not start < end:
            raise InputError(f"the window from {start} to {end} is empty: end it after its start.")
        first, last = (float(self.orbit.seconds(time)) for time in (start, end))
        period, count = self.scanner.scan_seconds, self.scanner.positions
        lines = np.arange(math.floor(first / period) - 1, math.ceil(last / period) + 1)
        shares = (np.arange(count) + 0.5) / count
        seconds = ((lines[:, None] + shares) * period).ravel()
        position = np.tile(np.arange(count), lines.size)
        kept = (seconds >= first) & (seconds < last)
        return self._seen(seconds[kept], position[kept])

    def _seen(self, seconds: Floats, position: npt.NDArray[np.int64]) -> Footprints:
        angle = self.scanner.reach(self.orbit.radius)[position]
        latitude, longitude, azimuth = self.orbit.look(seconds, angle)
        across, along = (size[position] for size in self.scanner.size(self.orbit.radius))
        since = np.round(seconds * 1e9).astype("timedelta64[ns]")
        time = self.orbit.node_time.astype("datetime64[ns]") + since
        return Footprints(latitude, longitude, time, position, Beam(across, along, azimuth))


def _earth_angle(scan: Floats, radius: float) -> Floats:
    """Angle at the centre of the Earth for angles at the satellite, rad."""
    sine = radius / EARTH_RADIUS * np.sin(scan)
    if np.abs(sine).max() >= 1.0:
        limb = math.degrees(math.asin(EARTH_RADIUS / radius))
        raise InputError(
            f"a scan to {math.degrees(np.abs(scan).max()):.1f} degrees looks past the Earth: "
            f"from there its edge is at {limb:.1f} degrees."
        )
    return np.arcsin(sine) - scan
