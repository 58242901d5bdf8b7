from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

from isopleth.cli.output import write_analysis
from isopleth.core import InputError


@pytest.fixture
def analysis() -> xr.Dataset:
    field = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    field[0, 0, 0] = np.nan
    dims = ("depth", "lat", "lon")
    data = {
        "temperature": (dims, field, {"units": "degC"}),
        "temperature_members": (("realization", *dims), np.stack([field, field])),
        "mask": (dims, np.isfinite(field).astype(np.int8)),
        "observation_error": (("depth",), np.ones(2)),
    }
    coords = {
        "depth": [0.0, 10.0],
        "lat": [2.0, 1.0, 0.0],
        "lon": [0.0, 1.0, 2.0, 3.0],
        "realization": [0, 1],
        "time": np.datetime64("2016-01-16T12", "ns"),
    }
    return xr.Dataset(data, coords, {"Conventions": "CF-1.11"})


@pytest.mark.parametrize("name", ["a.nc", "a.zarr"])
def test_what_is_written_is_read_back(tmp_path: Path, analysis: xr.Dataset, name: str) -> None:
    path = write_analysis(analysis, tmp_path / "new" / name)
    opened = xr.open_zarr(path) if path.suffix == ".zarr" else xr.open_dataset(path)
    with opened as found:
        assert found.load().identical(analysis)
    assert [p.name for p in path.parent.iterdir()] == [name]


def test_the_file_is_compressed_and_cf(tmp_path: Path, analysis: xr.Dataset) -> None:
    with netCDF4.Dataset(write_analysis(analysis, tmp_path / "a.nc")) as file:
        assert file["temperature"].filters()["zlib"]
        assert file["temperature_members"].chunking() == [1, 1, 3, 4]
        assert np.isnan(file["temperature"]._FillValue)
        assert "_FillValue" not in file["lat"].ncattrs()
        assert "_FillValue" not in file["mask"].ncattrs()
        assert file["time"].units == "days since 1950-01-01"


@pytest.mark.parametrize("name", ["a.nc", "a.zarr"])
def test_an_older_one_is_replaced(tmp_path: Path, analysis: xr.Dataset, name: str) -> None:
    write_analysis(analysis, tmp_path / name)
    write_analysis(analysis.drop_vars("mask"), tmp_path / name)
    opened = xr.open_zarr if name.endswith("zarr") else xr.open_dataset
    with opened(tmp_path / name) as found:
        assert "mask" not in found
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.nc", "a.zarr"])
def test_an_interruption_leaves_the_older_one(
    tmp_path: Path, analysis: xr.Dataset, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_analysis(analysis, tmp_path / name)

    def half(self: xr.Dataset, path: Path, **_: object) -> None:
        path.mkdir() if name.endswith("zarr") else path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(xr.Dataset, "to_netcdf", half)
    monkeypatch.setattr(xr.Dataset, "to_zarr", half)
    with pytest.raises(KeyboardInterrupt):
        write_analysis(analysis.drop_vars("mask"), tmp_path / name)
    opened = xr.open_zarr if name.endswith("zarr") else xr.open_dataset
    with opened(tmp_path / name) as found:
        assert "mask" in found
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_store_is_put_back_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, analysis: xr.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_analysis(analysis, tmp_path / "a.zarr")
    rename = Path.rename

    def fail(self: Path, target: Path) -> Path:
        if self.name == "a.zarr" and target == path:
            raise OSError("no room")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="no room"):
        write_analysis(analysis, path)
    with xr.open_zarr(path) as found:
        assert "mask" in found


def test_where_nothing_can_be_written(tmp_path: Path, analysis: xr.Dataset) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="nothing can be written"):
        write_analysis(analysis, tmp_path / "file" / "a.nc")
    with pytest.raises(InputError, match="no known format"):
        write_analysis(analysis, tmp_path / "a.txt")
