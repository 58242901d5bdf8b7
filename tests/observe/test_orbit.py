"""The orbit against published numbers, and against geometry computed another way."""

from __future__ import annotations

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.observe.orbit import Orbit

NODE = np.datetime64("2019-01-01T00:30:00")


def polar(altitude: float = 833e3, hour: float = 21.5) -> Orbit:
    return Orbit.sun_synchronous(altitude=altitude, node_hour=hour, node_time=NODE)


def crossing(orbit: Orbit, revolution: int) -> tuple[np.datetime64, float]:
    """Time and longitude of an ascending crossing of the equator, found by bisection."""
    low, high = (revolution - 0.2) * orbit.period, (revolution + 0.2) * orbit.period
    for _ in range(60):
        middle = 0.5 * (low + high)
        latitude, longitude, _ = orbit.look(np.array([middle]), np.zeros(1))
        low, high = (middle, high) if latitude[0] < 0.0 else (low, middle)
    moment = NODE + np.timedelta64(round(1e3 * middle), "ms")
    return moment, float(longitude[0])


def local_hour(moment: np.datetime64, longitude: float) -> float:
    midnight = moment.astype("datetime64[D]")
    utc = float((moment - midnight) / np.timedelta64(1, "s")) / 3600.0
    return (utc + longitude / 15.0) % 24.0


def test_a_weather_satellite_at_833_km() -> None:
    orbit = polar()
    assert orbit.period / 60.0 == pytest.approx(101.5, abs=0.5)
    assert orbit.inclination == pytest.approx(98.7, abs=0.1)


@pytest.mark.parametrize(
    ("altitude", "inclination", "minutes"),
    [
        (854e3, 98.74, 102.12),  # NOAA-18, NOAA OSPO "POES operational status"
        (705e3, 98.2, 98.9),  # Terra, Aqua, Landsat: NASA mission pages
        (817e3, 98.7, 101.3),  # MetOp: EUMETSAT
    ],
)
def test_published_orbits(altitude: float, inclination: float, minutes: float) -> None:
    orbit = polar(altitude)
    assert orbit.inclination == pytest.approx(inclination, abs=0.1)
    assert orbit.period / 60.0 == pytest.approx(minutes, rel=2e-3)


def test_each_orbit_crosses_the_equator_25_degrees_further_west() -> None:
    orbit = polar()
    (first, one), (second, other) = crossing(orbit, 0), crossing(orbit, 1)
    shift = (one - other) % 360.0
    assert shift == pytest.approx(25.4, abs=0.1)
    minutes = float((second - first) / np.timedelta64(1, "s")) / 60.0
    assert minutes == pytest.approx(orbit.period / 60.0, abs=1e-4)
    assert shift == pytest.approx(0.25 * minutes, abs=1e-3)  # the mean sun: 15 degrees an hour


@pytest.mark.parametrize("hour", [6.0, 13.5, 21.5])
def test_the_equator_is_crossed_at_one_local_time_all_year(hour: float) -> None:
    orbit = polar(hour=hour)
    for revolution in range(0, 5200, 400):
        assert local_hour(*crossing(orbit, revolution)) == pytest.approx(hour, abs=1e-3)


def test_a_tenth_of_a_degree_of_inclination_loses_the_sun() -> None:
    orbit = polar()
    wrong = Orbit(
        altitude=orbit.altitude,
        inclination=orbit.inclination + 0.1,
        node_time=NODE,
        node_longitude=orbit.node_longitude,
    )
    drift = local_hour(*crossing(wrong, 5100)) - 21.5
    # d(node rate) = tan(i) di of one turn a year: 24 h * tan(98.7) * 0.1 degrees, eastward.
    assert drift == pytest.approx(-24.0 * np.tan(np.radians(98.7)) * np.radians(0.1), rel=0.03)


def test_the_track_turns_at_the_inclination() -> None:
    orbit = polar()
    times = NODE + np.arange(0, 6200, 5).astype("timedelta64[s]")
    latitude, longitude = orbit.track(times)
    assert latitude.max() == pytest.approx(180.0 - orbit.inclination, abs=0.01)
    assert latitude.min() == pytest.approx(orbit.inclination - 180.0, abs=0.01)
    assert longitude[0] == pytest.approx(15.0 * 21.0)  # 21:30 there, 00:30 at Greenwich
    assert latitude[1] > 0.0
    assert (longitude[1] - longitude[0]) % 360.0 > 180.0  # westward


def test_an_equatorial_orbit_stays_on_the_equator_and_a_high_one_stands_still() -> None:
    still = Orbit(altitude=35.786e6, inclination=0.0, node_time=NODE, node_longitude=75.0)
    latitude, longitude = still.track(NODE + np.arange(0, 24).astype("timedelta64[h]"))
    assert np.abs(latitude).max() < 1e-12
    assert np.abs(longitude - 75.0).max() < 0.05


def test_a_look_across_is_at_its_angle_and_its_bearing_leads_on() -> None:
    orbit = polar()
    seconds, angle = np.linspace(0.0, 6000.0, 13), np.radians(9.0)
    under = orbit.look(seconds, np.zeros(13))
    there, further = orbit.look(seconds, np.full(13, angle)), orbit.look(seconds, angle + 1e-6)
    assert np.allclose(angles(under, there), angle)
    assert np.allclose(angles(there, further), 1e-6, rtol=1e-3)
    north = np.radians(further[0] - there[0])
    east = np.radians((further[1] - there[1] + 180.0) % 360.0 - 180.0)
    bearing = np.degrees(np.arctan2(east * np.cos(np.radians(there[0])), north))
    assert np.abs((bearing - there[2] + 180.0) % 360.0 - 180.0).max() < 0.01


def test_left_of_the_flight_is_positive() -> None:
    _, here, _ = polar().look(np.zeros(1), np.zeros(1))
    _, west, _ = polar().look(np.zeros(1), np.full(1, 0.1))
    assert 0.0 < (here - west)[0] % 360.0 < 10.0  # northbound, left is west


def angles(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> np.ndarray:
    def vector(at: tuple[np.ndarray, ...]) -> np.ndarray:
        lat, lon = np.radians(at[0]), np.radians(at[1])
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])

    across = np.cross(vector(one), vector(other), axis=0)
    return np.arcsin(np.linalg.norm(across, axis=0))


@pytest.mark.parametrize(
    ("altitude", "inclination", "sentence"),
    [
        (833.0, 98.7, "an orbit at 833 m is none of an observing satellite"),
        (float("nan"), 98.7, "an orbit at nan m"),
        (833e3, 181.0, "an inclination of 181"),
    ],
)
def test_what_makes_no_sense_is_named(altitude: float, inclination: float, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Orbit(altitude=altitude, inclination=inclination, node_time=NODE, node_longitude=0.0)


def test_too_high_for_the_sun() -> None:
    assert polar(5.9e6).inclination > 160.0
    with pytest.raises(InputError, match=r"no orbit at 6.1e\+06 m is sun-synchronous"):
        polar(6.1e6)
