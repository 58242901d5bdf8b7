from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from isopleth.core.errors import InputError
from isopleth.data import seawater
from isopleth.data.cf_points import read_cf_points
from isopleth.data.open import open_observations

TIME = np.array(["2016-01-01", "2016-01-02"], "datetime64[ns]")
TEMP = {"standard_name": "sea_water_temperature", "units": "degC"}
DOWN = {"standard_name": "depth", "units": "m", "positive": "down"}


def write(folder: Path, data: xr.Dataset) -> Path:
    path = folder / "points.nc"
    data.to_netcdf(path)
    return path


def stations(dim: str = "profile") -> dict[str, object]:
    return {
        "time": (dim, TIME, {"standard_name": "time"}),
        "lat": (dim, [10.0, -10.0], {"standard_name": "latitude"}),
        "lon": (dim, [-30.0, 150.0], {"standard_name": "longitude"}),
        "cast": (dim, ["a", "b"], {"cf_role": "profile_id"}),
    }


def check(got: object) -> None:
    frame = got.to_frame()  # type: ignore[attr-defined]
    assert frame["value"].tolist() == [20.0, 15.0, 10.0, 21.0]
    assert frame["depth"].tolist() == pytest.approx([0.0, 50.0, 100.0, 0.0])
    assert frame["longitude"].tolist() == [330.0] * 3 + [150.0]
    assert frame["platform"].tolist() == ["a"] * 3 + ["b"]
    assert frame["profile"].tolist() == [0, 0, 0, 1]


def test_multidimensional_profiles(tmp_path: Path) -> None:
    value = np.array([[20.0, 15.0, 10.0], [21.0, np.nan, np.nan]])
    for z in (("z", [0.0, 50.0, 100.0], DOWN), (("profile", "z"), [[0.0, 50.0, 100.0]] * 2, DOWN)):
        data = {"temp": (("profile", "z"), value, TEMP), "z" if len(z[0]) == 1 else "depth": z}
        got = open_observations(write(tmp_path, xr.Dataset({**stations(), **data})))
        check(got)


def test_contiguous_ragged(tmp_path: Path) -> None:
    data = {
        "rows": ("profile", [3, 1], {"sample_dimension": "obs"}),
        "depth": ("obs", [0.0, 50.0, 100.0, 0.0], DOWN),
        "temp": ("obs", [20.0, 15.0, 10.0, 21.0], TEMP),
    }
    check(read_cf_points(write(tmp_path, xr.Dataset({**stations(), **data}))))
    data["rows"] = ("profile", [3, 4], {"sample_dimension": "obs"})
    with pytest.raises(InputError, match="counts 7 rows, there are 4"):
        read_cf_points(write(tmp_path, xr.Dataset({**stations(), **data})))


def test_ragged_with_separate_counts_of_depths(tmp_path: Path) -> None:
    data = {
        "z_row_size": ("profile", [3, 1], {"sample_dimension": "z_obs"}),
        "t_row_size": ("profile", [3, 1], {"sample_dimension": "t_obs"}),
        "z": ("z_obs", [0.0, 50.0, 100.0, 0.0], DOWN),
        "temp": ("t_obs", [20.0, 15.0, 10.0, 21.0], TEMP),
    }
    check(read_cf_points(write(tmp_path, xr.Dataset({**stations(), **data}))))


def test_indexed_ragged_with_pressure_and_upward_axis(tmp_path: Path) -> None:
    pressure = seawater.pressure_from_depth([0.0, 50.0, 100.0, 0.0], [10.0, 10.0, 10.0, -10.0])
    data = {
        "of": ("obs", [0, 0, 0, 1], {"instance_dimension": "profile"}),
        "pres": ("obs", pressure, {"standard_name": "sea_water_pressure", "units": "dbar"}),
        "temp": ("obs", [20.0, 15.0, 10.0, 21.0], TEMP),
    }
    check(read_cf_points(write(tmp_path, xr.Dataset({**stations(), **data}))))
    data["pres"] = ("obs", [0.0, -50.0, -100.0, 0.0], DOWN | {"positive": "up"})
    check(read_cf_points(write(tmp_path, xr.Dataset({**stations(), **data}))))

    data["of"] = ("obs", [0, 0, 0, 9], {"instance_dimension": "profile"})
    with pytest.raises(InputError, match="names profile 9, there are 2"):
        read_cf_points(write(tmp_path, xr.Dataset({**stations(), **data})))


def test_mooring(tmp_path: Path) -> None:
    data = xr.Dataset(
        {
            "temp": (("time", "depth"), [[20.0, 15.0], [21.0, 16.0]], TEMP),
            "lat": ((), 50.0, {"standard_name": "latitude"}),
            "lon": ((), -145.0, {"standard_name": "longitude"}),
        },
        {"time": ("time", TIME), "depth": ("depth", [1.0, 100.0], DOWN)},
    )
    got = read_cf_points(write(tmp_path, data))
    assert len(got.stations) == 2
    assert got.stations.longitude.tolist() == [215.0, 215.0]


def points(**changes: object) -> xr.Dataset:
    data = {
        **stations("obs"),
        "depth": ("obs", [5.0, 5.0], DOWN),
        "temp": ("obs", [20.0, 21.0], TEMP),
    }
    return xr.Dataset({**data, **changes})


def test_flags_by_their_meanings(tmp_path: Path) -> None:
    flags = {"flag_values": np.array([0, 5], "i4"), "flag_meanings": "accepted failed"}
    temp = ("obs", [20.0, 21.0], TEMP | {"ancillary_variables": "flag"})
    got = read_cf_points(write(tmp_path, points(temp=temp, flag=("obs", [0, 5], flags))))
    assert got.value.tolist() == [20.0]
    assert got.rejected["flagged as not good"] == 1
    plain = read_cf_points(write(tmp_path, points(temp=temp, flag=("obs", [2, 4]))))
    assert plain.value.tolist() == [20.0]


def test_kelvin_and_potential_temperature(tmp_path: Path) -> None:
    kelvin = ("obs", [293.15, 294.15], TEMP | {"units": "K"})
    assert read_cf_points(write(tmp_path, points(temp=kelvin))).value == pytest.approx(
        [20.0, 21.0]
    )
    wrong = ("obs", [293.15, 294.15], TEMP)
    with pytest.raises(InputError, match="looks like kelvin"):
        read_cf_points(write(tmp_path, points(temp=wrong)))
    theta = ("obs", [4.0, 4.0], {"standard_name": "sea_water_potential_temperature"})
    deep = ("obs", [0.0, 3000.0], DOWN)
    got = read_cf_points(write(tmp_path, points(temp=theta, depth=deep)))
    assert got.value[0] == pytest.approx(4.0, abs=1e-9)
    assert got.value[1] > 4.2


def test_surface_temperature_needs_no_depth_and_heights_are_no_depths(tmp_path: Path) -> None:
    sst = ("obs", [20.0, 21.0], {"standard_name": "sea_surface_temperature", "units": "degC"})
    got = read_cf_points(write(tmp_path, points(temp=sst).drop_vars("depth")))
    assert got.depth.tolist() == [0.0, 0.0]
    got = read_cf_points(write(tmp_path, points(depth=("obs", [-50.0, -0.4], DOWN))))
    assert got.depth.tolist() == [0.0]
    assert got.rejected["depth missing or impossible"] == 1


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    for name, message in (
        ("temp", "no temperature"),
        ("depth", "neither depth"),
        ("lat", "latit"),
    ):
        with pytest.raises(InputError, match=message):
            read_cf_points(write(tmp_path, points().drop_vars(name)))
    fathom = ("obs", [5.0, 5.0], {"units": "fathom"})
    with pytest.raises(InputError, match="'fathom'"):
        read_cf_points(write(tmp_path, points(depth=fathom)))
    nothing = ("obs", [np.nan, np.nan], TEMP)
    with pytest.raises(InputError, match="none of the 0 values"):
        read_cf_points(write(tmp_path, points(temp=nothing)))


def test_gridded_field_is_sent_elsewhere(tmp_path: Path) -> None:
    data = xr.Dataset(
        {"temp": (("time", "depth", "lat", "lon"), np.ones((2, 1, 2, 2)), TEMP)},
        {"time": TIME, "depth": [0.0], "lat": [0.0, 1.0], "lon": [0.0, 1.0]},
    )
    with pytest.raises(InputError, match="open_field"):
        open_observations(write(tmp_path, data))
