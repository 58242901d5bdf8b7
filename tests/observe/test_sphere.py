from __future__ import annotations

import numpy as np
import pytest

from isopleth.core.grid import EARTH_RADIUS
from isopleth.observe.sphere import destination, distance


def test_a_walk_ends_at_its_distance() -> None:
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(-89.0, 89.0, 200), rng.uniform(0.0, 360.0, 200)
    away = rng.uniform(1.0, 2e7, 200)
    end = destination(lat, lon, rng.uniform(0.0, 360.0, 200), away)
    np.testing.assert_allclose(distance(lat, lon, *end), away, rtol=1e-9)
    assert ((end[1] >= 0.0) & (end[1] < 360.0)).all()


def test_the_distance_is_the_angle_between_vectors() -> None:
    rng = np.random.default_rng(1)
    lat, lon = np.radians(rng.uniform(-90, 90, (2, 50))), np.radians(rng.uniform(0, 360, (2, 50)))
    vectors = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    angle = np.arccos((vectors[:, 0] * vectors[:, 1]).sum(0))
    found = distance(*(np.degrees(a) for a in (lat[0], lon[0], lat[1], lon[1])))
    np.testing.assert_allclose(found, EARTH_RADIUS * angle, rtol=1e-7)


@pytest.mark.parametrize(
    ("bearing", "end"), [(0.0, (30.0, 10.0)), (90.0, (0.0, 40.0)), (180.0, (-30.0, 10.0))]
)
def test_bearings_are_clockwise_from_north(bearing: float, end: tuple[float, float]) -> None:
    there = destination(0.0, 10.0, bearing, EARTH_RADIUS * np.radians(30.0))
    assert tuple(map(float, there)) == pytest.approx(end, abs=1e-9)


def test_from_a_pole_every_bearing_is_another_meridian() -> None:
    lat, lon = destination(np.array([90.0, -90.0, 90.0]), 30.0, np.array([0.0, 0, 60.0]), 2e6)
    assert np.abs(lat) == pytest.approx(90.0 - np.degrees(2e6 / EARTH_RADIUS))
    assert lon == pytest.approx([210.0, 30.0, 150.0])


def test_the_pole_is_crossed() -> None:
    lat, lon = destination(80.0, 20.0, 0.0, EARTH_RADIUS * np.radians(30.0))
    assert (float(lat), float(lon)) == pytest.approx((70.0, 200.0))
