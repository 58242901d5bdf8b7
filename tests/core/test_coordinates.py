from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from isopleth.core.coordinates import LATITUDE, LONGITUDE, match, read_axis
from isopleth.core.errors import InputError
from isopleth.core.grid import Grid

LAT = [30.0, 0.0, -30.0]
LON = [0.0, 10.0, 20.0, 30.0]


@pytest.mark.parametrize(
    ("lat", "lon", "level"),
    [
        ("lat", "lon", "depth"),
        ("latitude", "longitude", "lev"),
        ("y", "x", "z"),
        ("LAT", "X", "Z"),
    ],
)
def test_names_of_several_conventions(lat: str, lon: str, level: str) -> None:
    field = xr.Dataset(
        {"t": ((level, lat, lon), np.ones((2, 3, 4)))},
        {lat: LAT[::-1], lon: [-20.0, -10.0, 0.0, 10.0], level: [0.0, 50.0]},
    )
    grid = Grid.from_dataset(field)
    assert grid.latitude.tolist() == LAT
    assert grid.longitude.tolist() == [340.0, 350.0, 360.0, 370.0]
    assert grid.levels.tolist() == [0.0, 50.0]


def test_attributes_win_over_names_and_levels_become_metres_down() -> None:
    north = ("rows", LAT, {"units": "degrees_north"})
    east = ("columns", LON, {"standard_name": "longitude"})
    height = ("k", [-5000.0, -500.0], {"axis": "Z", "units": "cm"})
    field = xr.Dataset(coords={"rows": north, "columns": east, "k": height, "x": [1, 2]})
    grid = Grid.from_dataset(field)
    assert grid.levels.tolist() == [5.0, 50.0]
    assert grid.mask.all()


def test_a_level_that_was_selected_is_kept_and_a_missing_one_is_the_surface() -> None:
    field = xr.DataArray(np.ones((3, 4)), {"lat": LAT, "lon": LON})
    assert Grid.from_dataset(field).levels.tolist() == [0.0]
    assert Grid.from_dataset(field.assign_coords(depth=75.0)).levels.tolist() == [75.0]


def test_a_cyclic_column_is_taken_once() -> None:
    lon = np.linspace(-180.0, 180.0, 9)
    grid = Grid.from_dataset(xr.DataArray(np.ones((3, 9)), {"lat": LAT, "lon": lon}))
    assert grid.longitude.tolist() == np.arange(0.0, 360.0, 45.0).tolist()
    assert grid.periodic


def test_a_cyclic_column_may_be_as_imprecise_as_files_are() -> None:
    lon = 20.0 + np.linspace(0.0, 360.0 - 4e-5, 9)
    grid = Grid.from_dataset(xr.DataArray(np.ones((3, 9)), {"lat": LAT, "lon": lon}))
    assert grid.shape == (1, 3, 8)
    assert grid.periodic


def test_a_vertical_axis_is_known_by_its_direction() -> None:
    down = ("ZAX7", [0.0, 50.0], {"units": "METERS", "positive": "down"})
    field = xr.Dataset(coords={"lat": LAT, "lon": LON, "ZAX7": down})
    assert Grid.from_dataset(field).levels.tolist() == [0.0, 50.0]


def test_float32_longitudes_still_close_the_circle() -> None:
    lon = (np.arange(1080) / 3.0).astype("float32")
    grid = Grid.from_dataset(xr.DataArray(np.ones((3, 1080)), {"lat": LAT, "lon": lon}))
    assert grid.periodic


CURVED = ("j", "i"), np.ones((3, 4))


@pytest.mark.parametrize(
    ("data", "options", "sentence"),
    [
        (
            xr.Dataset(coords={"lon": LON, "foo": [1]}),
            {},
            r"no latitude was found .* \(lon, foo\)",
        ),
        (xr.Dataset(coords={"lat": LAT}), {}, "no longitude was found"),
        (xr.Dataset(coords={"lat": CURVED, "lon": CURVED}), {}, r"\(3 x 4\), a curvilinear grid"),
        (xr.Dataset(coords={"lat": [0.0, np.nan], "lon": LON}), {}, "'lat' holds NaN"),
        (xr.Dataset(coords={"lat": [], "lon": LON}), {}, "'lat' is empty"),
        (xr.Dataset(coords={"lat": LAT, "lon": LON}), {"mask": "sea"}, "'sea' is not in the file"),
        (
            xr.Dataset(coords={"lat": LAT, "lon": LON, "lev": ("lev", [1.0], {"units": "dbar"})}),
            {},
            "'lev' are in 'dbar'",
        ),
        (
            xr.Dataset({"m": ("lat", [1, 1, 1])}, {"lat": LAT, "lon": LON}),
            {"mask": "m"},
            "the mask 'm' has dimensions lat",
        ),
    ],
)
def test_a_file_that_holds_no_grid(
    data: xr.Dataset, options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        Grid.from_dataset(data, **options)


def test_levels_given_as_height_above_the_sea_have_no_minus_zero() -> None:
    height = ("z", [-50.0, 0.0], {"positive": "up"})
    levels = Grid.from_dataset(xr.Dataset(coords={"lat": LAT, "lon": LON, "z": height})).levels
    assert [str(level) for level in levels] == ["0.0", "50.0"]


def test_longitudes_are_matched_round_the_circle() -> None:
    raw = np.array([-179.5, 0.0, 179.5, 90.0])
    wanted = np.array([360.0, 180.5, 90.0 + 1e-4, 539.5])
    assert match(raw, wanted, LONGITUDE).tolist() == [1, 0, 3, 2]
    with pytest.raises(InputError, match="no longitude 91, which the grid has: interpolate"):
        match(raw, np.array([0.0, 91.0]), LONGITUDE)


def test_latitudes_are_matched_as_they_are() -> None:
    raw = np.array([-90.0, 0.0, 90.0])
    assert match(raw, np.array([90.0, -90.0]), LATITUDE).tolist() == [2, 0]
    with pytest.raises(InputError, match="no latitude 1, which"):
        match(raw, np.array([1.0]), LATITUDE)


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ([-20.0, -10.0, 0.0, 10.0], [340.0, 350.0, 360.0, 370.0]),
        ([170.0, 180.0, -170.0], [170.0, 180.0, 190.0]),
        ([10.0, 0.0, 20.0], [0.0, 10.0, 20.0]),
        ([-90.0, 0.0, 90.0, 180.0], [0.0, 90.0, 180.0, 270.0]),
        ([-1e-9, 120.0, 240.0], [0.0, 120.0, 240.0]),
        ([300.0, 310.0], [300.0, 310.0]),
    ],
)
def test_longitudes_start_east_of_the_widest_gap(raw: list[float], canonical: list[float]) -> None:
    axis = read_axis(xr.Dataset(coords={"lon": raw}), LONGITUDE)
    assert axis.values.tolist() == canonical
    turned = (np.array(raw)[axis.index] - axis.values) % 360.0
    np.testing.assert_allclose(np.minimum(turned, 360.0 - turned), 0.0, atol=1e-6)
