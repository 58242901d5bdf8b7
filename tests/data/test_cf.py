from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from isopleth.core.errors import DataMissingError, InputError
from isopleth.data import seawater
from isopleth.data.cf import read_cf_field
from isopleth.data.open import open_field

LAT, LON, DEPTH = np.array([-10.0, 0.0, 10.0]), np.array([-120.0, 0.0, 120.0]), [0.0, 1000.0]


def field(**attrs: object) -> xr.DataArray:
    values = 5.0 + np.arange(2 * 2 * 3 * 3, dtype=float).reshape(2, 2, 3, 3) / 10.0
    return xr.DataArray(
        values,
        dims=("time", "lev", "y", "x"),
        coords={
            "time": np.array(["2016-01-16", "2016-02-15"], "datetime64[ns]"),
            "lev": ("lev", DEPTH, {"units": "m", "standard_name": "depth"}),
            "latitude": ("y", LAT, {"units": "degrees_north"}),
            "longitude": ("x", LON, {"units": "degrees_east"}),
        },
        name="field",
        attrs={"standard_name": "sea_water_temperature", "units": "degC", **attrs},
    )


def write(folder: Path, array: xr.DataArray | xr.Dataset, name: str = "f.nc") -> Path:
    path = folder / name
    (array.to_dataset() if isinstance(array, xr.DataArray) else array).to_netcdf(path)
    return path


def test_layout_is_ours_and_lazy(tmp_path: Path) -> None:
    got = open_field(write(tmp_path, field()))["temperature"]
    assert got.dims == ("time", "depth", "lat", "lon")
    assert got.chunks is not None
    assert got["lat"].values.tolist() == [10.0, 0.0, -10.0]
    assert got["lon"].values.tolist() == [0.0, 120.0, 240.0]
    original = field().values
    assert got.values[0, 1, 0].tolist() == original[0, 1, 2, [1, 2, 0]].tolist()


def test_kelvin_is_converted_by_its_attribute_and_told_without(tmp_path: Path) -> None:
    kelvin = (field(units="K") + 273.15).assign_attrs(field(units="K").attrs)
    got = read_cf_field(write(tmp_path, kelvin))["temperature"]
    assert got.values.min() == pytest.approx(5.0)
    assert got.attrs["units"] == "degC"
    mislabelled = kelvin.assign_attrs(units="degC")
    with pytest.raises(InputError, match=r"'field' has a median of 27.*kelvin"):
        read_cf_field(write(tmp_path, mislabelled, "g.nc"))
    with pytest.raises(InputError, match="'furlong'"):
        read_cf_field(write(tmp_path, field(units="furlong"), "h.nc"))


def test_in_situ_temperature_stands_beside_potential(tmp_path: Path) -> None:
    for name, convert in (
        ("potential", seawater.in_situ_from_potential),
        ("conservative", seawater.in_situ_from_conservative),
    ):
        attrs = {"standard_name": f"sea_water_{name}_temperature"}
        got = read_cf_field(write(tmp_path, field(**attrs), f"{name}.nc")).load()
        given = got[f"{name}_temperature"].values[0, 1, 1, 1]
        pressure = seawater.pressure_from_depth(1000.0, 0.0)
        expected = float(convert(given, pressure))
        assert got["temperature"].values[0, 1, 1, 1] == pytest.approx(expected, abs=1e-9)


def test_surface_field_has_no_depth(tmp_path: Path) -> None:
    sst = field(standard_name="sea_surface_temperature").isel(lev=0, drop=True).rename("sst")
    got = read_cf_field(write(tmp_path, sst))
    assert got["sea_surface_temperature"].dims == ("time", "lat", "lon")


def test_choice_between_several_fields(tmp_path: Path) -> None:
    salt = field(standard_name="sea_water_practical_salinity", units="1").rename("salt")
    both = xr.Dataset({"field": field(), "salt": salt, "chl": field().drop_attrs()})
    path = write(tmp_path, both)
    with pytest.raises(InputError, match=r"several fields \(field, salt\)"):
        read_cf_field(path)
    assert "salinity" in read_cf_field(path, variable="salinity")
    assert "temperature" in read_cf_field(path, variable="field")
    with pytest.raises(InputError, match="not wind"):
        read_cf_field(path, variable="wind")


def test_time_axis_from_several_files_and_zarr(tmp_path: Path) -> None:
    parts = [write(tmp_path, field().isel(time=[i]), f"{i}.nc") for i in (0, 1)]
    got = open_field(parts)["temperature"]
    assert got.sizes["time"] == 2
    got.to_dataset().to_zarr(tmp_path / "f.zarr", consolidated=False)
    again = open_field(tmp_path / "f.zarr")["temperature"]
    np.testing.assert_allclose(again.values, got.values)


def test_coordinates_that_are_plain_variables(tmp_path: Path) -> None:
    loose = field().to_dataset().reset_coords(["latitude", "longitude"])
    assert open_field(write(tmp_path, loose))["temperature"].sizes["lat"] == 3


def test_bad_files_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="there is no file"):
        open_field(tmp_path / "absent.nc")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataMissingError, match="no Zarr store"):
        open_field(tmp_path / "folder")
    (tmp_path / "empty.nc").touch()
    with pytest.raises(InputError, match="0 bytes"):
        open_field(tmp_path / "empty.nc")
    path = write(tmp_path, field())
    content = path.read_bytes()
    (tmp_path / "cut.nc").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="truncated or damaged"):
        open_field(tmp_path / "cut.nc")
    with pytest.raises(InputError, match="at least one"):
        open_field([])
    other = field().isel(lev=[0]).assign_coords(lev=[7.0])
    with pytest.raises(InputError, match="cannot be put together"):
        open_field([path, write(tmp_path, other, "o.nc")])


def test_pressure_levels_are_refused(tmp_path: Path) -> None:
    levels = field().assign_coords(lev=("lev", DEPTH, {"units": "dbar", "axis": "Z"}))
    with pytest.raises(InputError, match="'dbar'"):
        read_cf_field(write(tmp_path, levels))
