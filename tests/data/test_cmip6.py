from __future__ import annotations

from pathlib import Path

import cftime
import numpy as np
import pytest
import xarray as xr

from isopleth.core.errors import InputError
from isopleth.data.curvilinear import to_regular
from isopleth.data.open import open_field

THETAO = {
    "standard_name": "sea_water_potential_temperature",
    "long_name": "Sea Water Potential Temperature",
    "units": "degC",
    "cell_methods": "area: mean where sea time: mean",
    "cell_measures": "area: areacello volume: volcello",
}


def regular(calendar: str = "noleap") -> xr.Dataset:
    """A file in the layout of thetao_Omon_MODEL_historical_r1i1p1f1_gr_YYYYMM-YYYYMM.nc."""
    lat, lon = np.arange(-88.0, 90.0, 8.0), np.arange(4.0, 360.0, 8.0)
    time = [cftime.datetime(2000, m, 16, calendar=calendar) for m in (1, 2)]
    shape = (2, 2, lat.size, lon.size)
    values = np.broadcast_to(25.0 * np.cos(np.radians(lat))[:, None], shape).astype("f4").copy()
    values[..., :3] = np.nan
    lev = {"units": "m", "positive": "down", "axis": "Z", "standard_name": "depth"}
    return xr.Dataset(
        {"thetao": (("time", "lev", "lat", "lon"), values, THETAO)},
        {
            "time": ("time", time, {"axis": "T", "standard_name": "time"}),
            "lev": ("lev", [5.0, 2000.0], lev),
            "lat": ("lat", lat, {"units": "degrees_north", "axis": "Y"}),
            "lon": ("lon", lon, {"units": "degrees_east", "axis": "X"}),
        },
        {"mip_era": "CMIP6", "table_id": "Omon", "variable_id": "thetao"},
    )


def curvilinear() -> xr.Dataset:
    """The same on a model's own mesh (gn): rotated rows, 2-D latitude and longitude on (j, i)."""
    i, j = np.meshgrid(np.arange(0.0, 360.0, 3.0), np.arange(-84.0, 85.0, 3.0))
    lat = j + 2.0 * np.sin(np.radians(i)) * np.cos(np.radians(j))
    lon = (i + 73.0) % 360.0
    truth = 15.0 + 10.0 * np.sin(np.radians(lat)) * np.cos(np.radians(lon))
    truth[(lat > 20.0) & (lat < 50.0) & (lon > 100.0) & (lon < 140.0)] = np.nan
    values = np.stack([truth, truth - 5.0])[None].astype("f4")
    lev = {"units": "m", "positive": "down", "axis": "Z", "standard_name": "depth"}
    degrees = {"standard_name": "latitude", "units": "degrees_north"}
    east = {"standard_name": "longitude", "units": "degrees_east"}
    return xr.Dataset(
        {"thetao": (("time", "lev", "j", "i"), values, THETAO | {"coordinates": ""})},
        {
            "time": ("time", np.array(["2000-01-16T12:00"], "M8[ns]")),
            "lev": ("lev", [5.0, 500.0], lev),
            "j": ("j", np.arange(lat.shape[0])),
            "i": ("i", np.arange(lat.shape[1])),
            "latitude": (("j", "i"), lat, degrees),
            "longitude": (("j", "i"), lon, east),
        },
    )


def write(folder: Path, data: xr.Dataset) -> Path:
    data["thetao"].attrs.pop("coordinates", None)
    path = folder / "thetao_Omon_MODEL_historical_r1i1p1f1_gn_200001-200002.nc"
    data.to_netcdf(path, encoding={"thetao": {"_FillValue": 1e20}})
    return path


@pytest.mark.parametrize("calendar", ["standard", "noleap", "360_day"])
def test_regular_grid_and_model_calendars(tmp_path: Path, calendar: str) -> None:
    got = open_field(write(tmp_path, regular(calendar)))
    field = got["potential_temperature"]
    assert field.dims == ("time", "depth", "lat", "lon")
    assert field.chunks is not None
    assert field.sizes["lat"] == 23
    assert field["lat"].values[0] == 88.0 - 0.0
    months = field["time"].values.astype("datetime64[M]")
    assert months.astype(str).tolist() == ["2000-01", "2000-02"]
    assert np.isnan(field[0, 0, 0, :3]).all()
    warmer = (got["temperature"] - field).values[0, 1]
    assert np.nanmax(warmer) > 0.1


def test_kelvin_and_wrong_kelvin(tmp_path: Path) -> None:
    data = regular()
    data["thetao"] = (data["thetao"] + 273.15).assign_attrs(THETAO | {"units": "K"})
    (tmp_path / "k").mkdir()
    got = open_field(write(tmp_path / "k", data))["potential_temperature"]
    assert np.nanmax(got.values) == pytest.approx(25.0, abs=0.01)
    data["thetao"].attrs["units"] = "degC"
    with pytest.raises(InputError, match="looks like kelvin"):
        open_field(write(tmp_path, data))


def test_curvilinear_mesh_becomes_regular(tmp_path: Path) -> None:
    field = open_field(write(tmp_path, curvilinear()))["potential_temperature"]
    assert field.shape == (1, 2, 180, 360)
    assert field.chunks is not None
    lat, lon = np.meshgrid(field["lat"], field["lon"], indexing="ij")
    truth = 15.0 + 10.0 * np.sin(np.radians(lat)) * np.cos(np.radians(lon))
    got = field.values[0, 0]
    inside = np.isfinite(got) & (np.abs(lat) < 80.0)
    assert inside[np.abs(lat) < 80.0].mean() > 0.93
    assert np.abs(got - truth)[inside].max() < 0.35
    assert np.sqrt(np.mean((got - truth)[inside] ** 2)) < 0.1
    land = (lat > 23.0) & (lat < 47.0) & (lon > 104.0) & (lon < 136.0)
    assert np.isnan(got[land]).all()
    np.testing.assert_allclose(field.values[0, 1][inside], got[inside] - 5.0, atol=1e-4)


def test_unstructured_mesh_and_exact_points() -> None:
    lat, lon = np.array([0.5, 0.5, 10.5]), np.array([0.5, 1.5, 0.5])
    field = xr.DataArray(
        [1.0, 3.0, np.nan], dims="ncells", coords={"lat": ("ncells", lat), "lon": ("ncells", lon)}
    )
    got = to_regular(field)
    assert float(got.sel(lat=0.5, lon=0.5)) == 1.0
    assert float(got.sel(lat=0.5, lon=1.5)) == 3.0
    assert np.isnan(got.sel(lat=10.5, lon=0.5))
    assert np.isnan(got.sel(lat=50.5, lon=200.5))


def test_levels_that_are_no_depths_and_other_variables(tmp_path: Path) -> None:
    sigma = regular()
    sigma["lev"].attrs = {"units": "1", "standard_name": "ocean_sigma_z_coordinate", "axis": "Z"}
    with pytest.raises(InputError, match="'1'"):
        open_field(write(tmp_path, sigma))
    from isopleth.data.cmip6 import read_cmip6

    (tmp_path / "o").mkdir()
    path = tmp_path / "o" / "uo.nc"
    regular().rename(thetao="uo").to_netcdf(path)
    with pytest.raises(InputError, match="not thetao"):
        read_cmip6(path)
