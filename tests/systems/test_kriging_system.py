"""The kriging system: what it promises, what must not matter and what it refuses.

The worlds are synthetic, see conftest.py.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from isopleth.core import Grid, InputError, Region
from isopleth.data import Profiles
from isopleth.systems import kriging
from isopleth.systems.kriging import FittedKriging, OceanKriging
from isopleth.systems.kriging.anomaly import boxes, days
from isopleth.systems.kriging.system import middle

MONTH, MEAN, NAME = "2016-01", 15.0, "temperature"
LEVELS = [0.0, 100.0, 300.0]


# --- what comes out --------------------------------------------------------------------------


def test_analysis_has_the_promised_layout(lab: Any, analysis: xr.Dataset) -> None:
    assert dict(analysis.sizes) == {"depth": 3, "lat": 10, "lon": 14, "realization": 3}
    np.testing.assert_array_equal(analysis["depth"], LEVELS)
    np.testing.assert_array_equal(analysis["lat"], lab.grid.latitude)
    np.testing.assert_array_equal(analysis["lon"], lab.grid.longitude)
    assert analysis["time"].values == middle(MONTH) == np.datetime64("2016-01-16T12")
    members = analysis[f"{NAME}_members"]
    assert members.dims == ("realization", "depth", "lat", "lon")
    fields = (NAME, f"{NAME}_standard_error", "climatology", "error_of_prior",
              "observations_nearby", f"{NAME}_members")  # fmt: skip
    for name in fields:
        assert analysis[name].dtype == np.float32, name
        finite = np.isfinite(analysis[name].values)
        np.testing.assert_array_equal(finite, np.broadcast_to(lab.grid.mask, finite.shape), name)
    np.testing.assert_array_equal(analysis["mask"], lab.grid.mask)


def test_attributes_follow_cf(lab: Any, analysis: xr.Dataset, case: Any) -> None:
    field, error = analysis[NAME], analysis[f"{NAME}_standard_error"]
    assert field.attrs["standard_name"] == "sea_water_temperature"
    assert error.attrs["standard_name"] == "sea_water_temperature standard_error"
    assert set(field.attrs["ancillary_variables"].split()) <= set(analysis.data_vars)
    for name in (NAME, f"{NAME}_standard_error", f"{NAME}_members", "climatology",
                 "error_of_prior", "observation_error"):  # fmt: skip
        assert analysis[name].attrs["units"] == "degC", name
    assert analysis["realization"].attrs["standard_name"] == "realization"
    assert analysis["time"].attrs["standard_name"] == "time"
    assert analysis["depth"].attrs["positive"] == "down"
    attrs = analysis.attrs
    assert attrs["Conventions"] == "CF-1.11"
    assert attrs["climatology_epoch"] == "a constant"
    assert attrs["source"] == "synthetic"
    assert f"{np.sum(~lab.uncovered(case.profiles))} profiles" in attrs["title"]
    assert json.loads(attrs["recipe"])["neighbours"] == kriging.smoke.neighbours
    for name in ("history", "references", "summary", "isopleth_version", "method"):
        assert attrs[name], name


def test_analysis_can_be_written_and_read(analysis: xr.Dataset, tmp_path: Path) -> None:
    analysis.to_netcdf(tmp_path / "analysis.nc")
    with xr.open_dataset(tmp_path / "analysis.nc") as read:
        xr.testing.assert_allclose(read.load(), analysis)
        assert read.attrs == analysis.attrs


def test_mean_is_near_the_truth_and_its_error_is_honest(lab: Any, system: OceanKriging) -> None:
    z, gain = [], []
    for seed in (1, 2, 3):
        drawn = lab.world(180, seed=seed)
        found = system.run(drawn.profiles, month=MONTH, grid=lab.grid, members=0)
        error = found[NAME].values - drawn.truth
        z.append(error / found[f"{NAME}_standard_error"].values)
        gain.append(np.nanmean(error**2) / np.mean((drawn.truth - MEAN) ** 2))
    assert np.mean(gain) < 0.6
    assert np.sqrt(np.nanmean(np.square(z))) == pytest.approx(1.0, abs=0.15)
    assert 0.85 < np.mean(np.abs(np.array(z)[np.isfinite(z)]) < 1.645) < 0.95


def test_data_make_the_error_smaller(lab: Any, analysis: xr.Dataset) -> None:
    error, prior = analysis[f"{NAME}_standard_error"], analysis["error_of_prior"]
    assert float((error / prior).max()) < 1.0
    near = analysis["observations_nearby"]
    order = np.argsort(near.values[0].ravel()[lab.grid.mask[0].ravel()])
    sorted_error = (error / prior).values[0].ravel()[lab.grid.mask[0].ravel()][order]
    assert sorted_error[-20:].mean() < sorted_error[:20].mean()


def test_spread_of_members_is_the_standard_error(
    lab: Any, system: OceanKriging, case: Any
) -> None:
    fitted = replace(system, recipe=replace(system.recipe, member_neighbours=40)).fit(
        case.profiles
    )
    found = fitted.map(lab.grid, middle(MONTH), members=150)
    members = found[f"{NAME}_members"]
    ratio = members.std("realization", ddof=1) / found[f"{NAME}_standard_error"]
    assert float(ratio.mean()) == pytest.approx(1.0, abs=0.03)
    mean_error = (members.mean("realization") - found[NAME]) / found[f"{NAME}_standard_error"]
    assert float(np.abs(mean_error).max()) < 5.0 / np.sqrt(150)
    deviation = ((members - found[NAME]) / found[f"{NAME}_standard_error"]).values
    levels = deviation.transpose(1, 0, 2, 3)[:, :, lab.grid.mask.all(axis=0)].reshape(3, -1)
    correlation = np.corrcoef(levels)
    assert correlation[0, 1] > 0.5
    assert correlation[0, 1] > correlation[0, 2] > 0.2
    side = np.nanmean(deviation[:, :, 5:-1] * deviation[:, :, 6:])
    assert side > 0.15, "neighbouring cells of a member belong together"


# --- what must not matter --------------------------------------------------------------------


def test_members_depend_on_seed_and_number_only(lab: Any, fitted: FittedKriging) -> None:
    def draw(count: int, seed: int) -> np.ndarray:
        found = fitted.map(lab.grid, middle(MONTH), members=count, seed=seed)
        return found[f"{NAME}_members"].values

    three, five, other = draw(3, 0), draw(5, 0), draw(3, 1)
    np.testing.assert_array_equal(five[:3], three)
    assert not np.allclose(other, three, equal_nan=True)
    none = fitted.map(lab.grid, middle(MONTH), members=0)
    assert "realization" not in none.sizes
    assert f"{NAME}_members" not in none
    usual = fitted.map(lab.grid, middle(MONTH))
    assert usual.sizes["realization"] == kriging.smoke.members


def test_order_of_profiles_does_not_matter(
    lab: Any, system: OceanKriging, case: Any, analysis: xr.Dataset
) -> None:
    turned = case.profiles.select(np.arange(len(case.profiles))[::-1])
    again = system.run(turned, month=MONTH, grid=lab.grid, members=0)
    for name in (NAME, f"{NAME}_standard_error"):
        np.testing.assert_allclose(again[name], analysis[name], atol=1e-3)


def test_convention_of_longitude_does_not_matter(
    lab: Any, system: OceanKriging, case: Any, analysis: xr.Dataset
) -> None:
    """The same world around Greenwich, on a grid whose longitudes exceed 360."""
    turn = 143.0
    there = replace(case.profiles, longitude=(case.profiles.longitude + turn) % 360.0)
    grid = Grid(lab.grid.latitude, lab.grid.longitude + turn, lab.grid.levels, lab.grid.mask)
    moved = replace(system, climatology=replace(system.climatology, uncovered=()))
    assert grid.longitude[0] < 360.0 < grid.longitude[-1]
    here = moved.run(case.profiles, month=MONTH, grid=lab.grid, members=2)
    found = moved.run(there, month=MONTH, grid=grid, members=2)
    # Other 1-degree boxes are withheld together, so errors are learned from other residuals.
    np.testing.assert_allclose(found[NAME], here[NAME], atol=1e-3)
    for name in (f"{NAME}_standard_error", f"{NAME}_members"):
        np.testing.assert_allclose(found[name], here[name], rtol=0.1, atol=0.02)


def test_values_where_nothing_is_mapped_change_nothing(
    lab: Any, system: OceanKriging, case: Any, analysis: xr.Dataset
) -> None:
    """Profiles from a sea without climatology, however absurd."""
    p = case.profiles
    lat, lon = np.array([18.2, 19.0]), np.array([213.0, 216.0])
    absurd = replace(
        p.select(np.arange(2)), latitude=lat, longitude=lon, value=np.full((2, 3), 44.0)
    )
    again = system.run(Profiles.concat([p, absurd]), month=MONTH, grid=lab.grid, members=0)
    assert lab.uncovered(p).any()
    for name in (NAME, f"{NAME}_standard_error"):
        np.testing.assert_array_equal(again[name], analysis[name])


def test_months_outside_the_window_are_not_used(system: OceanKriging, case: Any) -> None:
    old = replace(case.profiles, time=case.profiles.time - np.timedelta64(200, "D"))
    both = Profiles.concat([case.profiles, old])
    assert len(system.window(both, MONTH)) == len(case.profiles)
    before = replace(case.profiles, time=case.profiles.time - np.timedelta64(31, "D"))
    assert len(system.window(Profiles.concat([case.profiles, before]), MONTH)) == 300


# --- what is refused -------------------------------------------------------------------------


def test_month_without_observations_is_refused(lab: Any, system: OceanKriging, case: Any) -> None:
    with pytest.raises(InputError, match="2016-01-01 to 2016-01-3"):
        system.run(case.profiles, month="2016-03", grid=lab.grid)
    with pytest.raises(InputError, match="the month 'January' is not understood"):
        system.run(case.profiles, month="January", grid=lab.grid)


def test_too_few_values_are_refused(lab: Any, system: OceanKriging, case: Any) -> None:
    with pytest.raises(InputError, match=r"no level has 5 values .* \(at most 4 at one level\)"):
        system.run(case.profiles.select(np.arange(4)), month=MONTH, grid=lab.grid)


def test_other_levels_are_refused(fitted: FittedKriging, case: Any) -> None:
    deep = Grid.regular(1.0, levels=[500.0], region=Region.parse("20N:30N,150W:136W"))
    with pytest.raises(InputError, match=r"no level of the grid \(\[500.0\] m\) has observations"):
        fitted.map(deep, middle(MONTH))
    other = replace(case.profiles, depth=np.array([0.0, 100.0, 250.0]))
    for question in (fitted.predict, fitted.fill):
        with pytest.raises(InputError, match="lack the level 300 m of the analysis"):
            question(other)


def test_climatology_of_something_else_is_refused(
    lab: Any, system: OceanKriging, case: Any
) -> None:
    salt = replace(case.profiles, variable="salinity")
    with pytest.raises(InputError, match="hold salinity and the climatology temperature"):
        system.run(salt, month=MONTH, grid=lab.grid)
    found = replace(system, climatology=lab.climatology("salinity")).run(
        salt, month=MONTH, grid=lab.grid, members=1
    )
    assert found["salinity"].attrs["units"] == "1"
    assert found["salinity_standard_error"].attrs["units"] == "1"


# --- the smallest parts ----------------------------------------------------------------------


def test_days_count_from_1950() -> None:
    times = np.array(["1950-01-01", "1950-01-02T12:00", "2016-01-16T12:00"], "M8[ns]")
    np.testing.assert_allclose(days(times), [0.0, 1.5, 24121.5])
    assert float(days(times[1])) == 1.5


def test_boxes_are_withheld_together(case: Any) -> None:
    lat = np.array([10.2, 10.9, 11.1, 10.2, -89.9, 90.0])
    lon = np.array([359.9, 359.1, 359.5, 0.1, 0.0, 180.0])
    day = np.array([0, 9, 0, 0, 0, 0])
    six = case.profiles.select(np.arange(6))
    time = np.datetime64("2016-01-01", "ns") + day.astype("m8[D]")
    six = replace(six, latitude=lat, longitude=lon, time=time)
    found = boxes(six, 1.0, None)
    assert found[0] == found[1]
    assert len(set(found.tolist())) == 5
    assert (found >= 0).all()
    in_time = boxes(six, 1.0, 5.0)
    assert in_time[0] != in_time[1]


def test_recipes_differ_in_what_they_say() -> None:
    assert kriging.isotropic.local_fit is None
    assert kriging.isotropic.covariance.equatorial_zonal == 0.0
    assert kriging.smoke.neighbours < kriging.standard.neighbours
    assert kriging.load().recipe is kriging.standard
