"""The search for neighbours against brute force, at the date line, the poles and in ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isopleth.inference.interpolation import Points
from isopleth.inference.interpolation.kriging import layout
from isopleth.inference.interpolation.neighbours import (
    BAND,
    KM_PER_DEGREE,
    nearest,
    next_reach,
    offset_km,
    tangent_km,
)

REACHES = (0.05, 1.5, BAND)
SCALES = np.array([300.0, 200.0, 30.0])
LAYOUTS = {
    "anywhere": (-90.0, 90.0, 0.0, 360.0),
    "date line": (-20.0, 20.0, 175.0, 185.0),
    "Greenwich": (40.0, 60.0, -5.0, 5.0),
    "north pole": (84.0, 90.0, 0.0, 360.0),
    "south pole": (-90.0, -84.0, -180.0, 180.0),
}


def scatter(layout_name: str, count: int, seed: int) -> Points:
    south, north, west, east = LAYOUTS[layout_name]
    rng = np.random.default_rng(seed)
    lat, lon = rng.uniform(south, north, count), rng.uniform(west, east, count)
    if count and seed % 3 == 0:  # the very ends of the coordinates
        lat[0], lon[0] = np.where(abs(north) == 90.0, north, lat[0]), 359.999999
    return Points(np.sort(lat), lon, rng.uniform(0.0, 60.0, count), rng.integers(0, 4, count))


def search(
    points: Points, t: int, samples: Points, k: int, reach: float, *, rank: int = 1
) -> tuple[int, np.ndarray, np.ndarray]:
    places, barred = layout(points, rank)
    rows, labels = layout(samples, 0)
    labels[:, 1] = np.arange(len(samples)) % 3  # ranks 0, 1, 2
    distance, item = np.empty(k), np.empty(k, np.int64)
    bar = (int(barred[t, 0]), int(barred[t, 1]))
    count = nearest(places[t], bar, SCALES, rows, labels, reach, distance, item)
    return count, distance, item


def brute(
    points: Points, t: int, samples: Points, k: int, rank: int
) -> tuple[np.ndarray, np.ndarray]:
    """Squared scaled distances and indices of the `k` nearest, nearest first, ties by index."""
    step = (samples.longitude - points.longitude[t] + 180.0) % 360.0 - 180.0
    middle = np.deg2rad(0.5 * (samples.latitude + points.latitude[t]))
    east = step * KM_PER_DEGREE * np.cos(middle)
    north = (samples.latitude - points.latitude[t]) * KM_PER_DEGREE
    h = np.stack([east, north, samples.day - points.day[t]]) / SCALES[:, None]
    far = (h**2).sum(axis=0)
    usable = (np.abs(h[1]) < BAND) & (np.arange(len(samples)) % 3 < rank)
    usable &= samples.group != points.group[t]
    index = np.flatnonzero(usable)
    index = index[np.lexsort((index, far[index]))][:k]
    return far[index], index


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(sorted(LAYOUTS)),
    count=st.integers(0, 120),
    k=st.integers(1, 30),
    seed=st.integers(0, 10_000),
    reach=st.sampled_from(REACHES),
    rank=st.integers(1, 3),
)
@example(name="date line", count=80, k=9, seed=0, reach=1.5, rank=3)
@example(name="north pole", count=80, k=9, seed=3, reach=1.5, rank=3)
def test_the_nearest_are_those_of_brute_force(
    name: str, count: int, k: int, seed: int, reach: float, rank: int
) -> None:
    samples, points = scatter(name, count, seed), scatter(name, 4, seed + 1)
    for t in range(len(points)):
        found, distance, item = search(points, t, samples, k, reach, rank=rank)
        far, index = brute(points, t, samples, k, rank)
        assert found == len(index)
        np.testing.assert_allclose(distance[:found], far, rtol=1e-7, atol=1e-9)
        apart = np.diff(far, prepend=-1.0, append=np.inf).min() > 1e-6  # else a tie by rounding
        if apart:
            np.testing.assert_array_equal(item[:found], index)
        assert (item[found:] == -1).all()
        assert np.isinf(distance[found:]).all()


def test_ties_go_to_the_first_index_whatever_band_was_searched() -> None:
    """A square lattice: four, eight or more samples lie at the very same distance."""
    lat, lon = (a.ravel() for a in np.meshgrid(np.arange(-6.0, 7.0), np.arange(13.0)))
    order = np.argsort(lat, kind="stable")
    samples = Points(lat[order], lon[order], np.zeros(lat.size), np.zeros(lat.size, np.int64))
    points = Points(np.array([0.0, 1.0]), np.array([6.0, 6.0]), np.zeros(2), np.ones(2, np.int64))
    for t in range(2):
        for k in (2, 3, 7, 20):
            items = [search(points, t, samples, k, r, rank=3)[2] for r in (0.1, 0.4, 1.5, BAND)]
            for item in items[1:]:
                np.testing.assert_array_equal(item, items[0])
            far, index = brute(points, t, samples, k, 3)
            inside = far < far[-1] - 1e-9  # the ties at the edge differ by rounding in numpy
            np.testing.assert_array_equal(
                np.sort(items[0][: inside.sum()]), np.sort(index[inside])
            )


def test_coincident_samples_are_taken_in_order() -> None:
    samples = Points(np.zeros(9), np.zeros(9), np.zeros(9), np.zeros(9, np.int64))
    point = Points(np.ones(1), np.zeros(1), np.zeros(1), np.ones(1, np.int64))
    np.testing.assert_array_equal(search(point, 0, samples, 4, 1.5, rank=3)[2], [0, 1, 2, 3])


def haversine(a: np.ndarray, b: np.ndarray) -> float:
    (lat1, lon1), (lat2, lon2) = np.deg2rad(a), np.deg2rad(b)
    h = np.sin((lat2 - lat1) / 2) ** 2
    h += np.cos(lat1) * np.cos(lat2) * np.sin((lon2 - lon1) / 2) ** 2
    return float(2 * 6371.0 * np.arcsin(np.sqrt(h)))


@settings(max_examples=100, deadline=None)
@given(
    lat=st.floats(-75.0, 75.0), lon=st.floats(-180.0, 540.0),
    north=st.floats(-3.0, 3.0), east=st.floats(-3.0, 3.0),
)  # fmt: skip
def test_offsets_are_distances_on_the_sphere(
    lat: float, lon: float, north: float, east: float
) -> None:
    """Within a few hundred kilometres to a percent, across every seam of the longitudes."""
    here, there = np.array([lat, lon]), np.array([lat + north, lon + east])
    places, _ = layout(Points(np.array([lat, lat + north]), np.array([lon, lon + east]),
                              np.zeros(2)))  # fmt: skip
    zonal, meridional = offset_km(places[0], places[1])
    assert meridional == pytest.approx(north * KM_PER_DEGREE, abs=1e-6)
    assert np.hypot(zonal, meridional) == pytest.approx(haversine(here, there), rel=0.01, abs=0.1)
    back = offset_km(places[1], places[0])
    np.testing.assert_allclose(back, (-zonal, -meridional), atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(
    lat=st.floats(-90.0, 90.0), lon=st.floats(-180.0, 540.0),
    other=st.floats(-90.0, 90.0), east=st.floats(-180.0, 180.0),
)  # fmt: skip
@example(lat=0.0, lon=0.0, other=0.0, east=180.0)
@example(lat=0.5, lon=0.5, other=-0.5, east=180.0)
@example(lat=90.0, lon=0.0, other=-90.0, east=10.0)
@example(lat=35.0, lon=359.9, other=35.0, east=0.0)
def test_plane_of_a_place_keeps_its_distances(
    lat: float, lon: float, other: float, east: float
) -> None:
    """On the whole sphere, the antipode included; a small step has its own direction."""
    there = np.array([other, lon + east])
    places, _ = layout(Points(np.array([lat, other]), np.array([lon, lon + east]), np.zeros(2)))
    found = tangent_km(places[0], places[1])
    distance = haversine(np.array([lat, lon]), there)
    assert np.hypot(*found) == pytest.approx(distance, rel=1e-4, abs=0.01)
    if distance < 200.0 and abs(lat) < 75.0:
        plane = offset_km(places[0], places[1])
        np.testing.assert_allclose(found, plane, atol=0.02 * distance + 1e-6)


def test_longitudes_mean_nothing_at_the_pole_itself() -> None:
    places, _ = layout(Points(np.full(3, 90.0), np.array([0.0, 90.0, 200.0]), np.zeros(3)))
    for there in places:
        np.testing.assert_allclose(offset_km(places[0], there), (0.0, 0.0), atol=1e-9)


def test_the_next_reach_is_a_little_more_than_the_farthest_neighbour() -> None:
    assert next_reach(np.array([0.1, 4.0])) == pytest.approx(2.1)
    assert next_reach(np.array([0.1, np.inf])) == BAND
    assert next_reach(np.array([0.1, 1e6])) == BAND
