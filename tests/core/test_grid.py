from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.core.region import Region

LAT = [30.0, 0.0, -30.0]
LON = [0.0, 10.0, 20.0, 30.0]


def born(**changes: Any) -> Grid:
    parts = {"latitude": LAT, "longitude": LON, "levels": [0.0, 50.0], "mask": np.ones((2, 3, 4))}
    return Grid(**{**parts, **changes})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"latitude": [-30.0, 0.0, 30.0]}, r"latitude goes from -30 to 30 .* north to south"),
        ({"latitude": [30.0, 30.0, -30.0]}, "without repeats"),
        ({"latitude": [95.0, 0.0, -30.0]}, "latitude 95 is outside"),
        ({"latitude": [30.0, np.nan, -30.0]}, r"latitude\[1\] is nan: drop"),
        ({"latitude": [30.0]}, "latitude has 1 values"),
        ({"latitude": [LAT, LAT]}, r"latitude has shape \(2, 3\)"),
        ({"longitude": [-180.0, -90.0, 0.0, 90.0]}, r"starts at -180, outside \[0, 360\)"),
        ({"longitude": [0.0, 20.0, 10.0, 30.0]}, "west to east"),
        ({"longitude": [0.0, 120.0, 240.0, 360.0]}, "within one turn"),
        ({"longitude": [0.0]}, "at least 2 columns"),
        ({"levels": [0.0, -50.0]}, "positive down"),
        ({"levels": [50.0, 50.0]}, "without repeats"),
        ({"levels": []}, "no level"),
        ({"levels": [0.0, np.inf]}, r"levels\[1\] is inf"),
        ({"mask": np.ones((3, 4))}, r"the mask has shape \(3, 4\), but the grid has \(2, 3, 4\)"),
        ({"mask": np.zeros((2, 3, 4))}, "no ocean cell"),
        ({"mask": np.full((2, 3, 4), 2)}, "the mask holds 2: use True for ocean"),
        ({"mask": np.full((2, 3, 4), np.nan)}, "the mask holds nan"),
    ],
)
def test_a_wrong_grid_is_not_born(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        born(**changes)


def test_a_grid_cannot_be_changed_and_equals_its_copy() -> None:
    grid = born()
    with pytest.raises(ValueError, match="read-only"):
        grid.mask[0] = False
    copy = pickle.loads(pickle.dumps(grid))  # noqa: S301 - our own bytes
    assert copy == grid
    assert len({copy, grid}) == 1
    assert grid != born(levels=[0.0, 60.0])
    assert grid != "grid"


def test_a_global_degree() -> None:
    grid = Grid.regular(1, levels=[0, 100])
    assert grid.shape == (2, 180, 360)
    assert grid.size == 2 * 180 * 360
    assert grid.latitude[[0, -1]].tolist() == [89.5, -89.5]
    assert grid.longitude[[0, -1]].tolist() == [0.5, 359.5]
    assert grid.periodic
    assert grid.mask.all()


@pytest.mark.parametrize("resolution", [0.7, 0.0, -1.0, 180.0, float("nan"), float("inf")])
def test_a_resolution_that_does_not_divide_is_refused(resolution: float) -> None:
    with pytest.raises(InputError, match="does not divide 180"):
        Grid.regular(resolution, levels=[0.0])


@pytest.mark.parametrize(
    ("text", "first", "last", "columns"),
    [
        ("20N:60N,80W:0", 280.5, 359.5, 80),
        ("20N:60N,10W:10E", 350.5, 369.5, 20),
        ("20N:60N,170E:170W", 170.5, 189.5, 20),
        ("20N:60N,0:10", 0.5, 9.5, 10),
        ("20N:60N,359.9E:10E", 0.5, 9.5, 10),
    ],
)
def test_a_region_is_a_cut_of_the_globe(
    text: str, first: float, last: float, columns: int
) -> None:
    grid = Grid.regular(1, levels=[0], region=Region.parse(text))
    assert grid.longitude[[0, -1]].tolist() == [first, last]
    assert grid.shape == (1, 40, columns)
    assert not grid.periodic
    assert set(grid.longitude % 360) <= set(Grid.regular(1, levels=[0]).longitude)


def test_a_region_round_the_earth_is_the_globe() -> None:
    region = Region.parse("90S:90N,180W:180E")
    assert Grid.regular(2, levels=[0], region=region) == Grid.regular(2, levels=[0])


def test_a_region_smaller_than_the_cells_is_refused() -> None:
    with pytest.raises(InputError, match=r"holds 1 x 3 cells of 10 degrees"):
        Grid.regular(10, levels=[0], region=Region(0, 12, 0, 30))


def test_area_of_the_sphere_also_with_rows_on_the_poles() -> None:
    lat, lon = np.linspace(90, -90, 73), np.arange(0, 360, 2.5)
    on_poles = Grid(lat, lon, np.array([0.0]), np.ones((1, 73, 144), dtype=bool))
    for grid in (on_poles, Grid.regular(2.5, levels=[0])):
        area = grid.cell_area()
        assert area.sum() == pytest.approx(4 * np.pi * EARTH_RADIUS**2, rel=1e-12)
        assert (area > 0).all()
        assert grid.weights.sum() == pytest.approx(1.0)
    assert on_poles.latitude_edges[[0, -1]].tolist() == [90.0, -90.0]


def test_area_of_a_box_by_hand() -> None:
    grid = Grid.regular(1, levels=[0], region=Region(0, 60, 350, 20))
    box = EARTH_RADIUS**2 * np.radians(30) * np.sin(np.radians(60))
    assert grid.cell_area().sum() == pytest.approx(box)
    assert grid.longitude_edges[[0, -1]].tolist() == [350.0, 380.0]


def test_uneven_longitudes_close_their_seam_in_the_middle() -> None:
    lon = np.array([0.0, 80.0, 180.0, 280.0])
    grid = Grid(np.array(LAT), lon, np.array([0.0]), np.ones((1, 3, 4), dtype=bool))
    assert grid.periodic
    assert grid.longitude_edges.tolist() == [-40.0, 40.0, 130.0, 230.0, 320.0]


def test_one_mask_for_all_levels_and_the_ocean_points() -> None:
    shallow = np.ones((3, 4), dtype=bool)
    shallow[0, 1] = shallow[2, 3] = False
    grid = born().with_mask(shallow)
    assert (grid.mask == shallow).all()
    flat, lat, lon = grid.ocean_points()
    np.testing.assert_array_equal(flat, np.flatnonzero(shallow))
    assert (lat[0], lon[1]) == (30.0, 20.0)
    deep_only = np.stack([shallow, ~shallow])
    assert born().with_mask(deep_only).ocean_points()[0].size == 12


@st.composite
def gridded(draw: st.DrawFn) -> xr.DataArray:
    """A field with land, on a global grid or on a part of a circle of longitude."""
    columns = draw(st.integers(3, 12))
    width = draw(st.sampled_from([360.0, 120.0]))
    start = draw(st.integers(0, 359))
    lon = (start + width / columns * np.arange(columns)) % 360.0
    rng = np.random.default_rng(draw(st.integers(0, 100)))
    values = rng.normal(size=(2, 3, columns))
    values[:, rng.random((3, columns)) < 0.3] = np.nan
    values[0, 0, 0] = 1.0
    coords = {"depth": [5.0, 50.0], "lat": LAT, "lon": lon}
    return xr.DataArray(values, coords, dims=("depth", "lat", "lon"), name="thetao")


@settings(deadline=None, max_examples=60)
@given(gridded(), st.integers(0, 11), st.booleans(), st.booleans())
def test_the_grid_does_not_depend_on_how_a_file_turns_the_earth(
    field: xr.DataArray, shift: int, upside_down: bool, signed: bool
) -> None:
    turned = field.roll(lon=shift, roll_coords=True)
    if signed:
        turned = turned.assign_coords(lon=(turned.lon + 180.0) % 360.0 - 180.0)
    if upside_down:
        turned = turned.isel(lat=slice(None, None, -1), depth=slice(None, None, -1))
    assert Grid.from_dataset(turned) == Grid.from_dataset(field)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 7), st.integers(0, 50))
def test_rolling_the_ocean_rolls_the_grid(shift: int, seed: int) -> None:
    lon = np.arange(22.5, 360.0, 45.0)
    values = np.where(np.random.default_rng(seed).random((3, 8)) < 0.4, np.nan, 1.0)
    values[0, 0] = 1.0
    still = Grid.from_dataset(xr.DataArray(values, {"lat": LAT, "lon": lon}))
    moved = xr.DataArray(np.roll(values, shift, axis=1), {"lat": LAT, "lon": lon})
    rolled = Grid.from_dataset(moved)
    np.testing.assert_array_equal(rolled.mask, np.roll(still.mask, shift, axis=-1))


def test_coordinates_make_the_same_grid_again() -> None:
    grid = Grid.regular(1, levels=[0, 100], region=Region.parse("20N:60N,10W:10E"))
    again = Grid.from_dataset(xr.Dataset(coords=grid.to_coords()))
    assert again == grid
