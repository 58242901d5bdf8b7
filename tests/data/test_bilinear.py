"""Bilinear interpolation: exact on bilinear fields, careful at coasts, without a seam."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from isopleth.core.grid import Grid
from isopleth.data.bilinear import Corners, fill_near

RNG = np.random.default_rng(7)
GLOBE = Grid.regular(10.0, levels=[0.0])
PATCH = Grid(
    latitude=np.array([50.0, 47.0, 45.0, 40.0]),
    longitude=np.array([350.0, 352.0, 356.0, 361.0, 365.0]),
    levels=np.zeros(1),
    mask=np.ones((1, 4, 5), dtype=bool),
)


def _interpolate(grid: Grid, field: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    corners = Corners.of(grid, np.asarray(lat, float), np.asarray(lon, float))
    return corners.apply(field.reshape(-1, 1), np.zeros(len(lat), dtype=np.int64))[:, 0]


def test_agrees_with_scipy_on_an_uneven_grid() -> None:
    field = RNG.normal(size=(4, 5))
    lat, lon = RNG.uniform(40.0, 50.0, 200), RNG.uniform(350.0, 365.0, 200)
    oracle = RegularGridInterpolator((-PATCH.latitude, PATCH.longitude), field)
    found = _interpolate(PATCH, field, lat, lon % 360.0)
    np.testing.assert_allclose(found, oracle(np.stack([-lat, lon], axis=-1)))


def test_agrees_with_scipy_across_the_seam() -> None:
    field = RNG.normal(size=(18, 36))
    wide = np.concatenate([field, field[:, :1]], axis=1)
    oracle = RegularGridInterpolator((-GLOBE.latitude, np.append(GLOBE.longitude, 365.0)), wide)
    lat, lon = RNG.uniform(-85.0, 85.0, 500), RNG.uniform(5.0, 365.0, 500)
    found = _interpolate(GLOBE, field, lat, (lon + 180.0) % 360.0 - 180.0)
    np.testing.assert_allclose(found, oracle(np.stack([-lat, lon], axis=-1)))


@given(
    st.lists(st.floats(-90.0, 90.0), min_size=1, max_size=5),
    st.floats(-1000.0, 1000.0),
    st.integers(0, 2**31),
)
def test_weights_are_a_partition_of_one_and_values_stay_within_the_field(
    latitude: list[float], longitude: float, seed: int
) -> None:
    lat, lon = np.array(latitude), np.full(len(latitude), longitude)
    corners = Corners.of(GLOBE, lat, lon)
    assert (corners.weight >= 0.0).all()
    np.testing.assert_allclose(corners.weight.sum(axis=0), 1.0)
    field = np.random.default_rng(seed).normal(size=(18, 36))
    field[field > 1.0] = np.nan
    found = _interpolate(GLOBE, field, lat, lon)
    known = found[np.isfinite(found)]
    assert (known >= np.nanmin(field) - 1e-12).all()
    assert (known <= np.nanmax(field) + 1e-12).all()


def test_corner_without_value_drops_out() -> None:
    field = np.array([[1.0, np.nan], [3.0, 5.0]])
    grid = Grid(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.zeros(1), np.ones((1, 2, 2), bool))
    found = _interpolate(grid, field, np.array([0.5, 1.0]), np.array([0.5, 1.0]))
    np.testing.assert_allclose(found, [3.0, np.nan])


@pytest.mark.parametrize(
    ("latitude", "longitude", "known"),
    [(51.0, 352.0, True), (54.0, 352.0, False), (45.0, 349.0, True), (45.0, 15.0, False)],
)
def test_one_cell_outside_takes_the_edge(latitude: float, longitude: float, known: bool) -> None:
    found = _interpolate(PATCH, np.ones((4, 5)), np.array([latitude]), np.array([longitude]))
    np.testing.assert_array_equal(found, [1.0 if known else np.nan])


def test_fill_reaches_so_far_and_around_the_circle() -> None:
    field = np.full((1, 3, 8), np.nan, dtype=np.float32)
    field[0, 1, 0] = 4.0
    circle = fill_near(field, 2.0, periodic=True)[0]
    np.testing.assert_array_equal(np.isfinite(circle[1]), [1, 1, 1, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(np.isfinite(circle[0]), [1, 1, 0, 0, 0, 0, 0, 1])
    strip = fill_near(field, 2.0, periodic=False)[0]
    np.testing.assert_array_equal(np.isfinite(strip[1]), [1, 1, 1, 0, 0, 0, 0, 0])
    assert np.isnan(fill_near(np.full_like(field, np.nan), 2.0, periodic=True)).all()
