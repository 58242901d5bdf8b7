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
    broken = members.copy(deep=True)
    broken["t"][3, 1, 0, 2, 2] = np.nan
    broken.to_netcdf(path / "nan.nc")
    twice = (
        members.isel(number=[0, 1])
        .stack(run=("number", "time"))
        .drop_vars(["run", "number", "time"])
    )
    twice = twice.transpose("run", ...).rename(run="time")
    twice.assign_coords(time=np.tile(coords["time"], 2)).to_netcdf(path / "pairs.nc")
    curved = without.isel(time=1, drop=True).rename(lat="y", lon="x").drop_vars(["y", "x"])
    curved["t"].attrs = {"units": "K"}
    lat2, lon2 = np.meshgrid(lat, lon, indexing="ij")
    curved.assign_coords(lat=(("y", "x"), lat2), lon=(("y", "x"), lon2)).to_netcdf(
        path / "curved.nc"
    )
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
    assert "Method: LETKF" in printed.out
    assert "Localisation radius: 800 km of the recipe: there are too few places" in printed.out
    assert "Ensemble: 5 members from ens.nc" in printed.out
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
    printed = capsys.readouterr().out
    assert "stated, not estimated" in printed
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "stated, not estimated" in page
    assert "0.8 K, 300 km" in page


@pytest.mark.parametrize("method", ["3dvar", "hybrid", "etkf", "enkf"])
def test_every_method_is_reported_alike(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    more = ("--ensemble", str(folder / "ens.nc"), "--method", method, "--members")
    assert main(words(folder, tmp_path / "a.nc", *more)) == 0
    printed = capsys.readouterr().out
    head = "Note" if method == "3dvar" else "Ensemble"
    assert f"{head}: 5 members from ens.nc" in printed
    assert "Note: there are too few places to withhold some" in printed
    assert ("from the deviations of 5 members" in printed) == (method in ("3dvar", "hybrid"))
    assert ("fit at most 4 patterns" in printed) == (method in ("etkf", "enkf"))
    assert ("static 0.50, ensemble 0.50 (not tuned)" in printed) == (method == "hybrid")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert ("fit at most 4 patterns" in page) == (method in ("etkf", "enkf"))
    with xr.open_dataset(tmp_path / "a.nc") as data:
        assert ("air_temperature_members" in data) == (method != "3dvar")
        assert "too few places" in data.attrs["notes"]
        spread = data["air_temperature_spread"] / data["air_temperature_background_spread"]
        assert float(spread.min()) < 0.9


@pytest.mark.parametrize("files", [("pairs.nc",), ("ens.nc",), ("bg.nc", "other.nc")])
def test_forecasts_give_the_statistics(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], files: tuple[str, ...]
) -> None:
    with xr.open_dataset(folder / "ens.nc") as data:
        data.isel(number=2).to_netcdf(folder / "other.nc")
    given = [str(folder / name) for name in files]
    assert main(words(folder, tmp_path / "a.nc", "--statistics", *given)) == 0
    printed = capsys.readouterr().out
    source = {
        "pairs.nc": "2 differences of two forecasts in pairs.nc for the same time (NMC)",
        "ens.nc": "the deviations of 5 members of ens.nc from their mean at each of 2 times",
        "bg.nc": "2 differences of bg.nc and other.nc for the same time (NMC), times 0.71",
    }[files[0]]
    assert source in printed


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
        ("bg.nc", ("--ensemble", "nan.nc"), "of member 3: leave that file or member out"),
        ("nan.nc", (), "of member 3: leave that file or member out"),
        ("curved.nc", (), "none is a field on one-dimensional latitude and longitude"),
        ("bg.nc", ("--statistics", "bg.nc"), "there are 0 pairs of forecasts for one time"),
        ("bg.nc", ("--statistics", "small.nc"), "another grid"),
        ("bg.nc", ("--statistics", "a.nc", "b.nc", "c.nc"), "--statistics has 3 files"),
        ("bg.nc", ("--statistics", "none.nc"), "there is no file"),
        (
            "bg.nc",
            ("--ensemble", "ens.nc", "--statistics", "ens.nc"),
            "--statistics is of no use to letkf",
        ),
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


def test_a_grib_background(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A GRIB 2 sample of ecCodes, filled with a made-up temperature field."""
    (folder / "bad.grib").write_bytes(b"GRIB\x00\x00\x00\x01 no message")
    with monkeypatch.context() as patch:
        patch.setattr("isopleth.data.states.find_spec", lambda _: None)
        assert main(words(folder, tmp_path / "a.nc", background="bad.grib")) == 2
    assert "pip install cfgrib" in capsys.readouterr().err
    pytest.importorskip("cfgrib")
    eccodes = pytest.importorskip("eccodes")
    with (folder / "bg.grib").open("wb") as stream:
        for level in (500, 850):
            message = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib2")
            chosen = {
                "Ni": 9, "Nj": 9, "latitudeOfFirstGridPointInDegrees": 70.0,
                "latitudeOfLastGridPointInDegrees": 30.0,
                "longitudeOfFirstGridPointInDegrees": 340.0,
                "longitudeOfLastGridPointInDegrees": 20.0, "iDirectionIncrementInDegrees": 5.0,
                "jDirectionIncrementInDegrees": 5.0, "shortName": "t", "level": level,
                "dataDate": 20170102, "dataTime": 0,
            }  # fmt: skip
            for key, value in chosen.items():
                eccodes.codes_set(message, key, value)
            eccodes.codes_set_values(message, np.full(81, 260.0) + np.arange(81.0) / 100.0)
            eccodes.codes_write(message, stream)
            eccodes.codes_release(message)
    assert main(words(folder, tmp_path / "a.nc", background="bg.grib")) == 0
    with xr.open_dataset(tmp_path / "a.nc") as data:
        assert data["air_temperature_background"].shape == (2, 9, 9)
        assert str(data["time"].values)[:13] == "2017-01-02T00"
    assert main(words(folder, tmp_path / "b.nc", background="bad.grib")) == 2
    assert "cannot be read as one GRIB data set" in capsys.readouterr().err


def test_what_is_read_is_not_replaced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words(folder, folder / "bg.nc")) == 2
    assert "would replace" in capsys.readouterr().err
    assert main(["assimilate"]) == 2
    assert "--background is missing" in capsys.readouterr().err
