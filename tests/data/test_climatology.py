"""Climatology: exact where the answer is known, careful at coasts, floors and year's ends."""

from __future__ import annotations

import dataclasses
import time as clock
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.core.region import Region
from isopleth.core.variables import lookup
from isopleth.data import climatology
from isopleth.data.bathymetry import ocean_mask
from isopleth.data.climatology import Climatology, load_annual, load_climatology

RNG = np.random.default_rng(3)
LEVELS = np.array([5.0, 20.0, 100.0, 300.0])
GRID = Grid.regular(5.0, levels=LEVELS)
MONTH = np.arange(12)[:, None, None, None]
DEPTH = LEVELS[:, None, None]
LATITUDE = GRID.latitude[:, None]


def _make(values: np.ndarray, **options: object) -> Climatology:
    whole = np.broadcast_to(values, (values.shape[0], *GRID.shape))
    return Climatology(GRID, whole, "a test", lookup("temperature"), **options)


LINEAR = _make(10.0 + MONTH + 0.1 * LATITUDE - 0.02 * DEPTH)
STEADY = _make(10.0 + 0.1 * LATITUDE[None, None] - 0.02 * DEPTH[None])


def test_linear_field_is_reproduced_and_depths_behave() -> None:
    lat, lon = RNG.uniform(-80.0, 80.0, 30), RNG.uniform(-180.0, 540.0, 30)
    found = STEADY.at("2020-05-05", lat, lon, [0.0, 5.0, 12.5, 60.0, 300.0, 301.0])
    depth = np.array([5.0, 5.0, 12.5, 60.0, 300.0])
    np.testing.assert_allclose(found[:, :5], 10.0 + 0.1 * lat[:, None] - 0.02 * depth, atol=2e-5)
    assert np.isnan(found[:, 5]).all()


def test_step_takes_the_calendar_month() -> None:
    times = np.array(["2016-01-01", "2016-01-31T23:59", "2016-02-01", "2016-12-31T23:59:59"])
    found = LINEAR.at(times, np.zeros(4), np.zeros(4), [5.0])[:, 0]
    np.testing.assert_allclose(found - 9.9, [0.0, 0.0, 1.0, 11.0], atol=1e-5)


def test_linear_in_time_meets_the_month_in_its_middle_and_wraps_the_year() -> None:
    smooth = dataclasses.replace(LINEAR, linear_in_time=True)
    times = np.array(["2015-01-16T12", "2015-04-16", "2015-05-01", "2016-01-01", "2015-12-31"])
    found = smooth.at(times, np.zeros(5), np.zeros(5), [5.0])[:, 0] - 9.9
    a_day = 11.0 / 31.0
    np.testing.assert_allclose(found, [0.0, 3.0, 3.5, 5.5, 5.5 + a_day], atol=1e-5)


def test_annual_mean_ignores_the_time_of_year() -> None:
    smooth = dataclasses.replace(STEADY, linear_in_time=True)
    for one in (STEADY, smooth):
        found = one.at(["2016-01-01", "2016-07-01"], [0.0, 0.0], [0.0, 0.0], LEVELS)
        np.testing.assert_array_equal(found[0], found[1])


def test_coast_is_carried_three_cells_inland_and_no_farther() -> None:
    values = np.full((1, *GRID.shape), np.nan)
    values[:, :, :, :20] = 7.0  # ocean west of 100 E
    edge = _make(values)
    lon = np.array([97.5, 102.5, 112.5, 114.9, 117.6, 130.0])
    found = edge.at("2000-01-01", np.zeros(6), lon, [20.0])[:, 0]
    np.testing.assert_array_equal(found, [7.0, 7.0, 7.0, 7.0, np.nan, np.nan])


def test_missing_later_month_or_lower_level_is_not_touched_without_weight() -> None:
    values = np.broadcast_to(np.arange(12.0)[:, None, None, None], (12, *GRID.shape)).copy()
    values[1] = np.nan
    values[:, 2:] = np.nan
    smooth = _make(values, linear_in_time=True)
    found = smooth.at(["2015-01-16T12", "2015-01-20"], [0.0, 0.0], [0.0, 0.0], [20.0, 21.0])
    np.testing.assert_array_equal(found, [[0.0, np.nan], [np.nan, np.nan]])


def test_uncovered_sea_stays_unknown() -> None:
    box = Region.parse("10S:10N,20E:40E")
    found = _make(np.ones((1, 1, 1, 1)), uncovered=(box,)).at(
        "2000-01-01", [0, 0], [30, 41], [5.0]
    )
    np.testing.assert_array_equal(found[:, 0], [np.nan, 1.0])


def test_result_does_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    clim = dataclasses.replace(load_climatology(), linear_in_time=True)
    lat, lon = RNG.uniform(-80, 80, 100), RNG.uniform(0, 360, 100)
    times = np.datetime64("2016-01-01", "ns") + RNG.integers(0, 365, 100).astype("timedelta64[D]")
    whole = clim.at(times, lat, lon, [0.0, 60.0])
    monkeypatch.setattr(climatology, "_CHUNK", 7)
    np.testing.assert_array_equal(clim.at(times, lat, lon, [0.0, 60.0]), whole)
    one = clim.at(times[3], lat[3:4], lon[3:4], [60.0])
    np.testing.assert_allclose(one, whole[3:4, 1:])


def test_vertical_gradient_is_exact_for_a_line_and_one_sided_at_the_ends() -> None:
    found = STEADY.vertical_gradient_at("2000-01-01", [10.0], [0.0], [5.0, 20.0, 150.0, 300.0])
    np.testing.assert_allclose(found, -0.02, rtol=1e-4)
    assert np.isnan(STEADY.vertical_gradient_at("2000-01-01", [10.0], [0.0], [301.0])).all()
    values = np.broadcast_to(10.0 - 0.02 * DEPTH, GRID.shape).copy()[None]
    values[:, 3:] = np.nan  # the sea floor lies between 100 m and 300 m
    above_floor = _make(values).vertical_gradient_at("2000-01-01", [0.0], [0.0], [100.0, 200.0])
    np.testing.assert_allclose(above_floor, [[-0.02, np.nan]], rtol=1e-4)


def test_horizontal_gradient_of_simple_fields() -> None:
    metres = EARTH_RADIUS * np.pi / 180.0
    northward = STEADY.horizontal_gradient_at("2000-01-01", [40.0], [0.0], [20.0])
    np.testing.assert_allclose(northward, 0.1 / metres, rtol=1e-4)
    values = np.where(GRID.longitude < 180.0, 0.2 * GRID.longitude, 0.2 * (360.0 - GRID.longitude))
    eastward = _make(values[None, None, None]).horizontal_gradient_at(
        "2000-01-01", [60.0, 0.0], [90.0, 270.0], [20.0]
    )
    expected = 0.2 / metres / np.cos(np.radians([60.0, 0.0]))
    np.testing.assert_allclose(eastward[:, 0], expected, rtol=1e-4)


def test_on_a_grid_is_at_its_ocean_cells() -> None:
    levels = np.array([0.0, 100.0, 500.0])
    grid = Grid.regular(4.0, levels=levels)
    grid = grid.with_mask(ocean_mask(grid.latitude, grid.longitude, levels))
    field = load_climatology().on(grid, "2016-01-15")
    assert np.isnan(field[~grid.mask]).all()
    assert np.isfinite(field[grid.mask]).mean() > 0.99
    i, j = 20, 40
    at = load_climatology().at("2016-01-15", grid.latitude[[i]], grid.longitude[[j]], levels)
    np.testing.assert_array_equal(field[:, i, j], at[0])


def test_shipped_months_have_seasons_and_the_atlas_its_depth() -> None:
    clim = load_climatology()
    north, south = ([40.0], [-150.0]), ([-40.0], [-150.0])
    assert clim.at("2016-08-15", *north, [0.0]) > clim.at("2016-02-15", *north, [0.0]) + 5.0
    assert clim.at("2016-08-15", *south, [0.0]) < clim.at("2016-02-15", *south, [0.0]) - 2.0
    assert np.isnan(clim.at("2016-08-15", *north, [1001.0])).all()
    assert np.isnan(clim.at("2016-08-15", [43.5], [34.0], [0.0])).all()  # Black Sea
    assert "edition as distributed by ferret-datasets" in clim.epoch
    finite = clim.values[np.isfinite(clim.values)]
    assert finite.min() >= -2.1001
    assert finite.max() < 35.0


def test_shipped_annual_means_are_those_of_the_deep_ocean() -> None:
    deep = ([0.0, 30.0], [-140.0, -50.0], [4000.0])
    temperature = load_annual().at("2016-01-01", *deep)[:, 0]
    salinity = load_annual("salinity").at("2016-01-01", *deep)[:, 0]
    np.testing.assert_allclose(temperature, [1.5, 2.4], atol=0.2)
    np.testing.assert_allclose(salinity, [34.69, 34.9], atol=0.03)


def test_forty_thousand_points_take_less_than_a_second() -> None:
    clim, n = load_climatology(), 43_000
    lat, lon = RNG.uniform(-75, 75, n), RNG.uniform(0, 360, n)
    clim.at("2016-01-15", lat[:1], lon[:1], [0.0])
    start = clock.perf_counter()
    clim.at("2016-01-15", lat, lon, np.linspace(0.0, 1000.0, 12))
    assert clock.perf_counter() - start < 1.0


@pytest.mark.extra_data("ocean/argo_2016_janfeb_100_150_200dbar.csv.gz")
def test_real_floats_lie_near_the_climatology(extra_data: Path) -> None:
    """21,228 profiles: the sea of 2016 is 0.0 to 0.3 degC warmer, and varies by 1 to 2 degC."""
    table = pd.read_csv(extra_data / "ocean" / "argo_2016_janfeb_100_150_200dbar.csv.gz")
    times = pd.to_datetime(table["time"]).dt.tz_localize(None)
    found = load_climatology().at(times, table["lat"], table["lon"], [100.0, 150.0, 200.0])
    anomaly = table[["temp100", "temp150", "temp200"]].to_numpy() - found
    assert np.isfinite(anomaly).mean() > 0.99
    assert (np.abs(np.nanmean(anomaly, axis=0)) < 0.3).all()
    assert (np.sqrt(np.nanmean(anomaly**2, axis=0)) < 1.9).all()


def _file(**attrs: str) -> xr.Dataset:
    """A file in another order and unit: south first, -180..180, kelvin, months from July."""
    months = pd.date_range("2001-07-15", periods=12, freq="MS")
    lat, lon = np.arange(-87.5, 90.0, 5.0), np.arange(-177.5, 180.0, 5.0)
    values = (
        280.0
        + months.month.to_numpy()[None, :, None, None]
        + 0.1 * lat[:, None, None, None]
        + 0.0 * lon[:, None]
        - 0.02 * np.array([0.0, 50.0])
    )
    field = xr.DataArray(
        values,
        {"lat": lat, "time": months, "lon": lon, "depth": [0.0, 50.0]},
        ("lat", "time", "lon", "depth"),
        attrs={"standard_name": "sea_water_temperature", "units": "K"} | attrs,
    )
    return xr.Dataset({"t_an": field})


def test_own_file_is_put_in_order() -> None:
    clim = Climatology.from_dataset(_file(), epoch="2001-2002")
    found = clim.at(["2016-03-01", "2016-11-01"], [32.0, -10.0], [200.0, -20.0], [25.0])[:, 0]
    np.testing.assert_allclose(
        found, [280 + 3 + 3.2 - 0.5 - 273.15, 280 + 11 - 1.5 - 273.15], 1e-5
    )
    assert clim.epoch == "2001-2002"
    assert clim.variable.name == "temperature"


def test_own_surface_file_without_months_or_depth() -> None:
    lat, lon = np.arange(-60.0, 61.0, 30.0), np.arange(0.0, 360.0, 45.0)
    sst = xr.DataArray(np.full((5, 8), 20.0), {"lat": lat, "lon": lon}, attrs={"units": "degC"})
    clim = Climatology.from_dataset(xr.Dataset({"sst": sst}))
    assert clim.at("2016-03-01", [0.0], [10.0], [0.0])[0, 0] == 20.0
    with pytest.raises(InputError, match="one level"):
        clim.vertical_gradient_at("2016-03-01", [0.0], [10.0], [0.0])


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (
            _file(units="degC"),
            r"in-situ temperature 2\d\d.* degC, outside -3 to 45: check the unit",
        ),
        (_file(units="furlong"), "the unit 'furlong' is not one of"),
        (_file().isel(time=slice(0, 5)), "dimensions time = 5 .* 12 calendar months"),
        (_file().assign(t_sd=_file()["t_an"]), r"cannot be told among .*\(t_an, t_sd\)"),
        (_file().rename(lat="rows"), "no latitude was found"),
    ],
)
def test_file_that_is_not_understood_is_refused(dataset: xr.Dataset, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Climatology.from_dataset(dataset)


@pytest.mark.parametrize(
    ("time", "depth", "message"),
    [
        ("NaT", [0.0], "1 of 1 times are missing"),
        (["2016-01-01"] * 2, [0.0], "2 times for 3 points"),
        ("2016-01-01", [-5.0], "the depths .*-5.* are not understood"),
        ("2016-01-01", [np.nan], "without NaN"),
    ],
)
def test_impossible_question_is_refused(time: object, depth: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        STEADY.at(time, np.zeros(3), np.zeros(3), depth)


def test_wrong_shape_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(3, 4, 36, 72\) .* give 12 calendar months"):
        _make(np.ones((3, 1, 1, 1)))
