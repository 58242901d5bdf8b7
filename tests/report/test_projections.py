from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isopleth.report.projections import EqualEarth, PlateCarree, frame_of


@given(st.floats(-179.0, 179.0), st.floats(-88.0, 88.0))
def test_equal_earth_keeps_areas(longitude: float, latitude: float) -> None:
    step = 1e-4
    projection = EqualEarth(0.0)
    lon = longitude + step * np.array([0.5, -0.5, 0.0, 0.0])
    lat = latitude + step * np.array([0.0, 0.0, 0.5, -0.5])
    x, y = projection.project(lon, lat)
    side = np.radians(step)
    determinant = ((x[0] - x[1]) * (y[2] - y[3]) - (x[2] - x[3]) * (y[0] - y[1])) / side**2
    assert determinant == pytest.approx(np.cos(np.radians(latitude)), rel=1e-4, abs=1e-6)


def test_equal_earth_has_the_published_shape() -> None:
    x, y = EqualEarth(200.0).project([380.0, 200.0, 380.0], [0.0, 90.0, 90.0])
    assert y[1] == pytest.approx(1.31737, abs=1e-5)
    # The paper: the equator is 2.05458 times as long as the central meridian, and the pole line
    # 0.59247 times as long as the equator.
    assert x[0] / y[1] == pytest.approx(2.05458, abs=1e-4)
    assert x[2] / x[0] == pytest.approx(0.59247, abs=1e-4)


def test_plate_carree_is_true_to_shape_along_its_parallel() -> None:
    x, y = PlateCarree(10.0, 60.0).project([10.0, 11.0, 10.0], [60.0, 60.0, 61.0])
    assert x[1] - x[0] == pytest.approx(0.5 * (y[2] - y[0]))


def test_a_globe_is_cut_opposite_its_centre_and_a_region_is_shown_as_it_is() -> None:
    lat = np.linspace(90.0, -90.0, 19)
    globe = frame_of(lat, np.linspace(0.0, 360.0, 37), 200.0)
    assert (globe.west, globe.east, globe.whole) == (20.0, 380.0, True)
    region = frame_of(lat[3:7], np.linspace(280.0, 370.0, 10), 200.0)
    assert (region.west, region.east, region.whole) == (280.0, 370.0, False)
    assert region.wrap(5.0) == 365.0
    assert isinstance(region.projection, PlateCarree)


def test_outline_is_closed_and_holds_the_map() -> None:
    frame = frame_of(np.array([90.0, -90.0]), np.array([0.0, 360.0]), 180.0)
    outline = frame.outline()
    assert outline[0] == pytest.approx(outline[-1])
    assert frame.aspect == pytest.approx(2.05458, abs=1e-4)
