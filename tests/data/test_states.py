from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from isopleth.core.channels import DEPTH, PRESSURE
from isopleth.core.errors import DataMissingError, InputError
from isopleth.data import states
from isopleth.data.cards import open_grid
from isopleth.data.states import open_states, read_states, times_of


def dataset(**changes: object) -> xr.Dataset:
    """South to north, -180 to 180, pressure in Pa upwards from the ground, members first."""
    lat, lon = np.arange(-60.0, 61.0, 30.0), np.arange(-180.0, 180.0, 60.0)
    shape = (3, 2, 2, lat.size, lon.size)
    z = 9.80665 * (5000.0 + np.arange(np.prod(shape)).reshape(shape) / 10.0)
    coords = {
        "number": [0, 1, 2],
        "time": np.array(["2017-01-01", "2017-01-02"], "M8[ns]"),
        "plev": ("plev", [85000.0, 50000.0], {"units": "Pa"}),
        "latitude": lat,
        "longitude": lon,
    }
    data = xr.Dataset({"z": (("number", "time", "plev", "latitude", "longitude"), z)}, coords)
    data["z"].attrs = {"units": "m**2 s**-2", "standard_name": "geopotential"}
    return data.assign_attrs(**changes)


def test_everything_is_brought_to_one_order_and_unit() -> None:
    data = dataset()
    state = read_states(data, times_of(data)[1], "x.nc")
    ((quantity, field),) = state.fields.items()
    assert (quantity.name, state.vertical, state.members) == ("geopotential_height", PRESSURE, 3)
    assert field.dims == ("member", "pressure", "lat", "lon")
    assert field.pressure.values.tolist() == [500.0, 850.0]
    assert field.lat.values[0] == 60.0
    assert field.lon.values.tolist() == [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]
    there = data["z"].isel(time=1, number=2).sel(plev=85000.0, latitude=30.0, longitude=-60.0)
    here = field.isel(member=2).sel(pressure=850.0, lat=30.0, lon=300.0)
    np.testing.assert_allclose(float(here), float(there) / 9.80665)


def test_valid_times_of_runs_and_leads_are_one_axis() -> None:
    data = dataset().isel(number=0, drop=True).rename(time="step")
    data = data.drop_vars("step").expand_dims(time=np.array(["2017-01-01"], "M8[ns]"))
    leads = np.array([6, 12], "m8[h]")
    data = data.assign_coords(
        valid_time=(("time", "step"), data["time"].values[:, None] + leads[None])
    )
    opened = states._with_one_time(data)
    assert [str(t)[:13] for t in times_of(opened)] == ["2017-01-01T06", "2017-01-01T12"]
    field = next(iter(read_states(opened, times_of(opened)[1], "x").fields.values()))
    np.testing.assert_allclose(
        field.sel(pressure=500.0, lat=60.0, lon=0.0),
        data["z"].isel(time=0, step=1).sel(plev=50000.0, latitude=60.0, longitude=0.0) / 9.80665,
    )


def test_depths_are_a_vertical_too() -> None:
    data = dataset().isel(number=0, time=0, drop=True).rename(plev="depth", z="thetao")
    data = data.assign_coords(depth=("depth", [0.0, 10.0], {"units": "m", "positive": "down"}))
    data["thetao"] = data["thetao"] * 0.0 + 15.0
    data["thetao"].attrs = {"units": "degC"}
    state = read_states(data, None, "x.nc")
    assert state.vertical is DEPTH
    assert [q.name for q in state.fields] == ["sea_water_temperature"]


def test_a_field_without_units_is_refused() -> None:
    data = dataset()
    del data["z"].attrs["units"]
    with pytest.raises(InputError, match=r"'z' of x\.nc has no units"):
        read_states(data, times_of(data)[0], "x.nc")


def test_a_unit_that_cannot_be_true_is_refused() -> None:
    data = dataset()
    data["z"].attrs = {"units": "K", "standard_name": "air_temperature"}
    with pytest.raises(InputError, match="no air temperature has"):
        read_states(data, times_of(data)[0], "x.nc")
    data["z"].attrs = {"units": "hPa", "standard_name": "air_temperature"}
    with pytest.raises(InputError, match="'hPa' is not one of air temperature"):
        read_states(data, times_of(data)[0], "x.nc")


def test_a_dimension_that_means_nothing_is_refused() -> None:
    data = dataset().rename(number="experiment")
    with pytest.raises(InputError, match="a dimension 'experiment' of 3"):
        read_states(data, times_of(data)[0], "x.nc")


def test_a_time_that_is_not_there() -> None:
    data = dataset()
    with pytest.raises(InputError, match="no fields for 2019-01-01"):
        read_states(data, np.datetime64("2019-01-01", "ns"), "x.nc")


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset().to_netcdf(tmp_path / "x.nc")
    with open_states(tmp_path / "x.nc") as data:
        assert times_of(data).size == 2
    with pytest.raises(DataMissingError, match="no file"):
        open_states(tmp_path / "y.nc")
    (tmp_path / "z.grib").write_bytes(b"GRIB\x00\x00\x00\x01 no message")
    monkeypatch.setattr(states, "find_spec", lambda _: None)
    with pytest.raises(DataMissingError, match="pip install cfgrib"):
        open_states(tmp_path / "z.grib")


def test_the_shipped_sample() -> None:
    data = open_grid("era5_ensemble_201701")
    assert [str(t)[:13] for t in times_of(data)] == ["2017-01-02T00"]
    state = read_states(data, times_of(data)[0], "sample")
    assert state.members == 10
    assert {q.name for q in state.fields} == {"geopotential_height", "air_temperature"}
