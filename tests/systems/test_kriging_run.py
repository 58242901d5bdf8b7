"""The whole job on shipped data: real Argo positions, atlas temperatures, a small grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from isopleth.core import Grid, InputError, Region
from isopleth.data import Climatology, Profiles, load_climatology, open_observations, to_levels
from isopleth.data.bathymetry import ocean_mask
from isopleth.systems import kriging
from isopleth.systems.kriging import FittedKriging, OceanKriging, demo
from isopleth.systems.kriging.system import middle

LEVELS = [0.0, 100.0, 300.0]
MONTH, TIME = demo.MONTH, middle(demo.MONTH)
ATLANTIC = Region.parse("10N:55N,40W:20E")
RECIPE = kriging.smoke


def ocean(resolution: float, region: Region | None = None) -> Grid:
    grid = Grid.regular(resolution, levels=LEVELS, region=region)
    return grid.with_mask(ocean_mask(grid.latitude, grid.longitude, grid.levels))


def near(profiles: Profiles, region: Region) -> Profiles:
    return profiles.select(region.contains(profiles.latitude, profiles.longitude))


def table_of(profiles: Profiles, longitude: np.ndarray) -> pd.DataFrame:
    """The long table a person would bring."""
    rows, columns = np.nonzero(np.isfinite(profiles.value))
    return pd.DataFrame(
        {
            "time": profiles.time[rows],
            "latitude": profiles.latitude[rows],
            "longitude": longitude[rows],
            "depth": profiles.depth[columns],
            "temperature": profiles.value[rows, columns],
            "platform": profiles.platform[rows],
        }
    )


@pytest.fixture(scope="module")
def demonstration() -> demo.Demonstration:
    return demo.prepare(LEVELS)


@pytest.fixture(scope="module")
def profiles(demonstration: demo.Demonstration) -> Profiles:
    return near(demonstration.profiles, ATLANTIC)


@pytest.fixture(scope="module")
def system(demonstration: demo.Demonstration) -> OceanKriging:
    return kriging.load(RECIPE, demonstration.climatology)


@pytest.fixture(scope="module")
def fitted(system: OceanKriging, profiles: Profiles) -> FittedKriging:
    return system.fit(profiles)


@pytest.fixture(scope="module")
def grid() -> Grid:
    return ocean(5.0, ATLANTIC)


@pytest.fixture(scope="module")
def analysis(fitted: FittedKriging, grid: Grid) -> xr.Dataset:
    return fitted.map(grid, TIME, members=3, seed=7)


def test_a_region_across_greenwich_is_whole(analysis: xr.Dataset, grid: Grid) -> None:
    assert analysis["lon"].values.tolist() == np.arange(322.5, 380.0, 5.0).tolist()
    covered = np.isfinite(analysis["temperature"].values)
    assert np.array_equal(covered, analysis["mask"].values == 1)
    assert not covered[~grid.mask].any()
    assert covered.sum() > 0.9 * grid.mask.sum()
    assert np.isfinite(analysis["temperature"].sel(lat=37.5, lon=377.5, depth=0.0))


def test_every_field_says_what_it_is(analysis: xr.Dataset) -> None:
    name, covered = "temperature", analysis["mask"].values == 1
    for variable in (f"{name}_standard_error", "error_of_prior", "observations_nearby"):
        assert np.array_equal(np.isfinite(analysis[variable].values), covered)
    error, prior = analysis[f"{name}_standard_error"], analysis["error_of_prior"]
    assert (error.values[covered] > 0.0).all()
    assert (error.values[covered] <= prior.values[covered] * 1.001).all()
    assert analysis[name].attrs["standard_name"] == "sea_water_temperature"
    assert analysis[f"{name}_members"].dims == ("realization", "depth", "lat", "lon")
    assert np.array_equal(np.isfinite(analysis[f"{name}_members"].values[0]), covered)


def test_the_season_is_found(demonstration: demo.Demonstration, analysis: xr.Dataset) -> None:
    score = demonstration.score(analysis)
    assert score.rmse < 0.6 * score.rmse_climatology
    assert 0.5 < score.coverage90 <= 1.0


def test_members_follow_the_seed_and_not_their_number(
    fitted: FittedKriging, grid: Grid, analysis: xr.Dataset
) -> None:
    two = fitted.map(grid, TIME, members=2, seed=7)["temperature_members"]
    assert np.array_equal(two, analysis["temperature_members"][:2], equal_nan=True)
    other = fitted.map(grid, TIME, members=2, seed=8)["temperature_members"]
    assert not np.allclose(two, other, equal_nan=True)
    assert "temperature_members" not in fitted.map(grid, TIME, members=0)


def test_the_convention_of_longitudes_changes_nothing(
    system: OceanKriging, profiles: Profiles, grid: Grid
) -> None:
    signed = np.round((profiles.longitude + 180.0) % 360.0 - 180.0, 3)
    assert signed.min() < 0.0
    tables = (table_of(profiles, profiles.longitude), table_of(profiles, signed))
    east, west = (system.run(t, month=MONTH, grid=grid, members=1) for t in tables)
    for name in east.data_vars:
        np.testing.assert_allclose(west[name], east[name], atol=1e-5)
    for name in east.coords:
        assert np.array_equal(west[name], east[name])


def test_rolling_the_world_rolls_the_answer(demonstration: demo.Demonstration) -> None:
    grid, cells = ocean(10.0), 9
    turn = 10.0 * cells
    own = demonstration.climatology
    rolled = replace(
        own,
        grid=own.grid.with_mask(np.roll(own.grid.mask, round(turn / 2.0), axis=-1)),
        values=np.roll(own.values, round(turn / 2.0), axis=-1),
        uncovered=(),
    )
    some = demonstration.profiles.select(slice(0, None, 12))
    moved = replace(some, longitude=(some.longitude + turn) % 360.0)
    elsewhere = grid.with_mask(np.roll(grid.mask, cells, axis=-1))
    here = answer(replace(own, uncovered=()), some, grid)
    there = answer(rolled, moved, elsewhere)
    for name in ("temperature", "temperature_standard_error", "observations_nearby"):
        back = np.roll(there[name].values, -cells, axis=-1)
        np.testing.assert_allclose(back, here[name].values, atol=1e-4)


def answer(climatology: Climatology, profiles: Profiles, grid: Grid) -> xr.Dataset:
    return kriging.load(RECIPE, climatology).fit(profiles).map(grid, TIME, members=0)


def test_what_lies_under_land_changes_nothing(
    demonstration: demo.Demonstration, profiles: Profiles, grid: Grid, analysis: xr.Dataset
) -> None:
    own = demonstration.climatology
    values = own.values.copy()
    sahara = Region.parse("18N:27N,0:20E")
    rows = (own.grid.latitude > sahara.south) & (own.grid.latitude < sahara.north)
    columns = (own.grid.longitude > 2.0) & (own.grid.longitude < 20.0)
    block = np.ix_([0], np.arange(values.shape[1]), rows, columns)
    assert np.isnan(values[block]).all()
    values[block] = 99.0
    wet = grid.mask.copy()
    wet[:, 6:8, 10:11] = True
    assert wet.sum() > grid.mask.sum()
    other = answer(replace(own, values=values), profiles, grid.with_mask(wet))
    for name in ("temperature", "temperature_standard_error", "climatology"):
        kept = np.where(grid.mask, other[name].values, np.nan)
        assert np.array_equal(kept, analysis[name].values, equal_nan=True)


def test_the_order_of_the_profiles_changes_nothing(
    system: OceanKriging, profiles: Profiles, grid: Grid, analysis: xr.Dataset
) -> None:
    order = np.random.default_rng(0).permutation(len(profiles))
    shuffled = system.fit(profiles.select(order)).map(grid, TIME, members=0)
    for name in ("temperature", "temperature_standard_error"):
        np.testing.assert_allclose(shuffled[name], analysis[name], atol=2e-3)


def test_hidden_profiles_are_predicted_with_their_error(
    system: OceanKriging, profiles: Profiles
) -> None:
    hidden = np.arange(len(profiles)) % 5 == 0
    found = system.fit(profiles.select(~hidden)).predict(profiles.select(hidden))
    assert found.sizes == {"profile": hidden.sum(), "depth": 3}
    assert found.attrs["distribution"] == "student_t"
    seen = np.isfinite(found["observed"].values)
    assert (found["standard_deviation"].values[seen] > 0.0).all()
    error = (found["mean"] - found["observed"]).std()
    assert error < 0.7 * (found["climatology"] - found["observed"]).std()


def test_three_lines_from_a_file(
    tmp_path: Path, profiles: Profiles, system: OceanKriging, grid: Grid
) -> None:
    path = tmp_path / "profiles.csv"
    table_of(profiles, profiles.longitude).to_csv(path, index=False)
    steps: list[str] = []
    analysis = system.run(
        path,
        month=MONTH,
        grid=grid,
        members=1,
        progress=lambda step, _: steps.append(step),
    )
    assert np.isfinite(analysis["temperature"]).any()
    assert {"learning the errors", "kriging the grid"} <= set(steps)
    read = to_levels(open_observations(path), LEVELS)
    assert len(read) == len(profiles)


def test_a_month_without_profiles_is_told(system: OceanKriging, profiles: Profiles) -> None:
    with pytest.raises(InputError, match="the data cover 2016-01-01 to 2016-01-31"):
        system.window(profiles, "2016-03")


def test_the_first_guess_of_the_demonstration_is_the_annual_mean(
    demonstration: demo.Demonstration,
) -> None:
    monthly, place = load_climatology(), ([30.0], [320.0], [0.0])
    year = [monthly.at(f"2016-{month:02d}-15", *place).item() for month in range(1, 13)]
    annual = demonstration.climatology.at("2016-01-15", *place).item()
    assert annual == pytest.approx(np.mean(year), abs=1e-4)
    assert demonstration.climatology.epoch.startswith("annual mean")
    january = monthly.at("2016-01-15", *place).item()
    assert abs(january - annual) > 1.0
    assert demonstration.truth is monthly


def test_the_demonstration_is_labelled(demonstration: demo.Demonstration) -> None:
    assert demonstration.profiles.notes == (demo.NOTE,)
    assert "no float measurements" in demo.NOTE
    assert set(demo.sources()) == {
        "argo_positions_201601.csv.gz",
        "ocean_temperature_monthly.nc",
    }
