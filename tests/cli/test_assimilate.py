"""`isopleth assimilate` on files as a person would bring them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from isopleth.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A region of 9 x 9 cells, five members, twenty stations."""
    path = tmp_path_factory.mktemp("assimilate")
    rng = np.random.default_rng(0)
    lat, lon = np.arange(30.0, 71.0, 5.0), np.arange(-20.0, 21.0, 5.0)
    coords = {
        "time": np.array(["2017-01-01T12", "2017-01-02"], "M8[ns]"),
        "level": ("level", [850.0, 500.0], {"units": "hPa"}),
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
    }
    deviations = np.cumsum(rng.normal(0.0, 0.5, (5, 2, 2, 9, 9)), -1)
    t = 260.0 + deviations
    members = xr.Dataset({"t": (("number", "time", "level", "lat", "lon"), t)}, coords)
    members["t"].attrs = {"units": "K", "standard_name": "air_temperature"}
    members.to_netcdf(path / "ens.nc")
    members.mean("number", keep_attrs=True).to_netcdf(path / "bg.nc")
    without = members.mean("number")
    without.isel(time=1, drop=True).to_netcdf(path / "timeless.nc")
    without["t"].attrs = {}
    without.to_netcdf(path / "unitless.nc")
    members.isel(number=[0]).to_netcdf(path / "one.nc")
    members.isel(lat=slice(0, 5)).to_netcdf(path / "small.nc")
    n = 20
    pd.DataFrame(
        {
            "station": [f"S{i}" for i in range(n)],
            "time": "2017-01-02T01:00:00Z",
            "latitude": rng.uniform(32.0, 68.0, n),
            "longitude": rng.uniform(-18.0, 18.0, n),
            "variable": "air_temperature",
            "pressure (hPa)": 700.0,
            "value": [*rng.normal(-13.0, 0.5, n - 1), 80.0],
            "unit": "degC",
            "error": 0.5,
        }
    ).to_csv(path / "obs.csv", index=False)
    return path


def words(folder: Path, out: Path, *more: str, background: str = "bg.nc") -> list[str]:
    given = ["--background", str(folder / background), "--observations", str(folder / "obs.csv")]
    return ["assimilate", *given, "--out", str(out), *more]


def test_files_in_and_files_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "a.nc"
    assert main(words(folder, out, "--ensemble", str(folder / "ens.nc"), "--withhold", "0.3")) == 0
    printed = capsys.readouterr()
    assert "LETKF" in printed.err
    assert "Innovations before and after" in printed.out
    assert "stations that a second analysis did not see" in printed.out
    with xr.open_dataset(out) as data:
        assert str(data["time"].values)[:13] == "2017-01-02T00"
        assert data["air_temperature"].dims == ("pressure", "lat", "lon")
        assert data.attrs["history"].endswith("0.3")
        assert float(abs(data["air_temperature_increment"]).max()) > 0.0
    stations = pd.read_csv(out.with_suffix(".stations.csv"))
    assert stations["status"].tolist() == ["used"] * 19 + ["rejected"]
    assert stations.loc[19, "reason"] == "value is not possible"
    page = out.with_suffix(".html").read_text(encoding="utf-8")
    for text in ("Increment", "Desroziers", "value is not possible", "air temperature at 500 hPa"):
        assert text in page
    assert "http" not in page.replace("http-equiv", "").split("<body")[0]
    assert {p.name for p in out.parent.iterdir()} == {"a.nc", "a.stations.csv", "a.html"}


def test_without_an_ensemble_the_statistics_are_stated_and_printed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--deviation", "t=0.8", "--time", "2017-01-02T00:00", "--withhold", "0")
    assert main(words(folder, tmp_path / "a.nc", *chosen)) == 0
    printed = capsys.readouterr().err
    assert "stated, not estimated" in printed
    assert "air temperature at 500 hPa: 0.8 K, 300 km" in printed


def test_a_background_without_time_takes_that_of_the_observations(
    folder: Path, tmp_path: Path
) -> None:
    assert main(words(folder, tmp_path / "a.nc", background="timeless.nc")) == 0
    with xr.open_dataset(tmp_path / "a.nc") as data:
        assert str(data["time"].values)[:13] == "2017-01-02T01"
        assert "states none" in data["time"].attrs["comment"]


@pytest.mark.parametrize(
    ("background", "more", "sentence"),
    [
        ("unitless.nc", (), "has no units"),
        ("bg.nc", ("--method", "letkf"), "--method 3dvar"),
        ("bg.nc", ("--ensemble", "one.nc"), "has 1 member"),
        ("bg.nc", ("--ensemble", "small.nc"), "another grid"),
        ("bg.nc", ("--ensemble", "none.nc"), "there is no file"),
        ("bg.nc", ("--time", "2019-01-01"), "no fields for 2019"),
        ("bg.nc", ("--time", "soon"), "not understood"),
        ("bg.nc", ("--withhold", "0.9"), "--withhold 0.9"),
        ("bg.nc", ("--deviation", "t"), "write NAME=NUMBER"),
        ("bg.nc", ("--deviation", "t=-1"), "give a positive one"),
        ("bg.nc", ("--length", "q=300"), "belongs to no variable of the background"),
        ("bg.nc", ("--ensemble", "ens.nc", "--deviation", "t=1"), "is of no use to this method"),
        ("bg.nc", ("--window-hours", "0"), "give a positive number"),
        ("bg.nc", ("--demo",), "leave --background out"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    background: str,
    more: tuple[str, ...],
    sentence: str,
) -> None:
    named = [str(folder / word) if word.endswith(".nc") else word for word in more]
    assert main(words(folder, tmp_path / "a.nc", *named, background=background)) == 2
    error = next(
        line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")
    )
    assert sentence in error
    assert list(tmp_path.iterdir()) == []


def test_what_is_read_is_not_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, folder / "bg.nc")) == 2
    assert "would replace" in capsys.readouterr().err
    assert main(["assimilate"]) == 2
    assert "--background is missing" in capsys.readouterr().err
