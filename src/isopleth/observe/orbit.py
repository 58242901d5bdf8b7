"""Orbit: a satellite on a circle that the oblate Earth turns, and the track below it.

    u' = n [1 + 3/2 J2 (Re/a)^2 (4 cos^2 i - 1)],  n = sqrt(GM / a^3)        argument of latitude
    W' = -3/2 J2 (Re/a)^2 n cos i                                            ascending node

are the secular rates of a circular orbit to first order in J2 (Vallado 2013, Fundamentals of
Astrodynamics and Applications, section 9.6; for a circle the perigee and the anomaly are one
angle). The orbit is sun-synchronous when the node keeps up with the mean sun, `W' = 2 pi / year`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError

__all__ = ["Orbit"]

Floats = npt.NDArray[np.float64]

GRAVITATION = 3.986004418e14
"""GM of the Earth, m3/s2 (World Geodetic System 1984)."""

EQUATORIAL_RADIUS = 6_378_137.0
"""Semi-major axis of the Earth, m (WGS 84): altitudes of orbits are counted from it."""

OBLATENESS = 1.08262668e-3
"""J2 (EGM96)."""

ROTATION = 7.292115e-5
"""Rotation of the Earth against the stars, rad/s (WGS 84)."""

MEAN_SUN = 2.0 * math.pi / (365.24219 * 86400.0)
"""Mean motion of the sun along the equator, rad/s (tropical year of 365.24219 days)."""


@dataclass(frozen=True, kw_only=True)
class Orbit:
    """A circular orbit over a turning sphere; latitudes are geocentric.

    Args:
        altitude: Above the equatorial radius, m.
        inclination: Degrees, over 90 = against the Earth's rotation.
        node_time: UTC of one crossing of the equator from south to north.
        node_longitude: Where that is, degrees east.

    Raises:
        InputError: If the altitude or inclination is none of a satellite.

    >>> noon = np.datetime64("2019-03-21T12:00")
    >>> orbit = Orbit.sun_synchronous(altitude=833e3, node_hour=21.5, node_time=noon)
    >>> f"{orbit.inclination:.2f} degrees, {orbit.period / 60.0:.1f} min"
    '98.74 degrees, 101.7 min'
    """

    altitude: float
    inclination: float
    node_time: np.datetime64
    node_longitude: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 100e3 <= self.altitude <= 1e8:
            raise InputError(
                f"an orbit at {self.altitude:g} m is none of an observing satellite: "
                "give metres above the equator, for example 833e3."
            )
        if not 0.0 <= self.inclination <= 180.0:
            raise InputError(
                f"an inclination of {self.inclination:g} is outside [0, 180] degrees."
            )

    @classmethod
    def sun_synchronous(
        cls, *, altitude: float, node_hour: float, node_time: np.datetime64
    ) -> Orbit:
        """The orbit whose ascending node keeps its local mean solar time.

        Args:
            altitude: Above the equatorial radius, m.
            node_hour: Local time of the ascending node, hours.
            node_time: UTC of one ascending crossing of the equator.

        Raises:
            InputError: If the Earth's oblateness cannot turn so high an orbit with the sun.
        """
        cosine = MEAN_SUN / (_node_factor(altitude) * _mean_motion(altitude))
        if abs(cosine) > 1.0:
            raise InputError(
                f"no orbit at {altitude:g} m is sun-synchronous: stay below about 5.9e6 m."
            )
        midnight = node_time.astype("datetime64[D]")
        utc_hour = float((node_time - midnight) / np.timedelta64(1, "s")) / 3600.0
        return cls(
            altitude=altitude,
            inclination=math.degrees(math.acos(cosine)),
            node_time=node_time,
            node_longitude=(15.0 * (node_hour - utc_hour)) % 360.0,
        )

    @property
    def radius(self) -> float:
        """Distance from the centre of the Earth, m."""
        return EQUATORIAL_RADIUS + self.altitude

    @property
    def period(self) -> float:
        """Time from one ascending node to the next, s."""
        return 2.0 * math.pi / self._argument_rate

    @property
    def node_rate(self) -> float:
        """Eastward motion of the ascending node against the stars, rad/s."""
        cosine = math.cos(math.radians(self.inclination))
        return _node_factor(self.altitude) * _mean_motion(self.altitude) * cosine

    @property
    def _argument_rate(self) -> float:
        cosine = math.cos(math.radians(self.inclination))
        bulge = -_node_factor(self.altitude) * (4.0 * cosine**2 - 1.0)
        return _mean_motion(self.altitude) * (1.0 + bulge)

    def seconds(self, time: npt.ArrayLike) -> Floats:
        """Seconds since `node_time`.

        Args:
            time: UTC, `datetime64`, any shape.
        """
        since = np.asarray(time, dtype="datetime64[ns]") - self.node_time.astype("datetime64[ns]")
        return np.asarray(since / np.timedelta64(1, "s"), dtype=np.float64)

    def look(self, seconds: Floats, angle: Floats) -> tuple[Floats, Floats, Floats]:
        """Points of the sphere at an angle across the orbit, to the left of the flight.

        With the unit vectors `r` to the satellite and `n` normal to the orbit, the point is
        `f = r cos(angle) + n sin(angle)`, turned with the node and against the Earth.

        Args:
            seconds: Since `node_time`, any shape.
            angle: At the centre of the Earth, rad, positive to the left; broadcasts.

        Returns:
            Latitude, degrees north; longitude, degrees east in [0, 360); direction in which the
            angle grows there, degrees clockwise from north.
        """
        u, tilt = self._argument_rate * seconds, math.radians(self.inclination)
        r = np.stack([np.cos(u), np.sin(u) * math.cos(tilt), np.sin(u) * math.sin(tilt)])
        n = np.array([0.0, -math.sin(tilt), math.cos(tilt)]).reshape(3, *(1,) * np.ndim(seconds))
        f = r * np.cos(angle) + n * np.sin(angle)
        away = n * np.cos(angle) - r * np.sin(angle)
        turned = np.degrees(np.arctan2(f[1], f[0]) + (self.node_rate - ROTATION) * seconds)
        # East of f is (-f_y, f_x, 0) / cos(latitude), and its northward component of a tangent
        # vector t is t_z / cos(latitude): the common factor drops out of the bearing.
        bearing = np.degrees(np.arctan2(f[0] * away[1] - f[1] * away[0], away[2])) % 360.0
        latitude = np.degrees(np.arcsin(np.clip(f[2], -1.0, 1.0)))
        return latitude, (self.node_longitude + turned) % 360.0, bearing

    def track(self, time: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Point below the satellite: latitude, degrees north, and longitude in [0, 360).

        Args:
            time: UTC, `datetime64`, any shape.
        """
        seconds = self.seconds(time)
        latitude, longitude, _ = self.look(seconds, np.zeros_like(seconds))
        return latitude, longitude


def _mean_motion(altitude: float) -> float:
    """`n`, rad/s."""
    return math.sqrt(GRAVITATION / (EQUATORIAL_RADIUS + altitude) ** 3)


def _node_factor(altitude: float) -> float:
    """`-3/2 J2 (Re/a)^2`."""
    return -1.5 * OBLATENESS * (EQUATORIAL_RADIUS / (EQUATORIAL_RADIUS + altitude)) ** 2
