"""The whole command on small inputs: what it writes, prints and leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from isopleth.cli import main
from isopleth.systems.kriging import demo

QUICK = ["--method", "smoke", "--members", "2", "--levels", "0,100,300"]
PLACE = ["--region", "25N:45N,30W:5E", "--grid", "5deg"]


@pytest.fixture(scope="module")
def done(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one job on the table."""
    folder = tmp_path_factory.mktemp("job")
    out = ["--out", str(folder / "map" / "analysis.nc")]
    assert main(["reconstruct", str(table), *QUICK, *PLACE, *out, "--seed", "5"]) == 0
    return folder / "map"


def test_the_analysis_and_the_report_lie_side_by_side(done: Path) -> None:
    assert sorted(p.name for p in done.iterdir()) == ["analysis.html", "analysis.nc"]


def test_the_analysis_says_how_it_was_made(done: Path, table: Path) -> None:
    with xr.open_dataset(done / "analysis.nc") as analysis:
        assert analysis.sizes == {"depth": 3, "lat": 4, "lon": 7, "realization": 2}
        assert str(analysis["time"].values)[:7] == "2016-01"
        facts = json.loads(analysis.attrs["provenance"])
        assert analysis.attrs["source"].startswith("in-situ profiles: profiles.csv")
        assert "data_note" not in analysis.attrs
        assert "the maps use all profiles" in analysis.attrs["held_back"]
    assert facts["seed"] == 5
    assert facts["month"] == "2016-01"
    assert len(facts["input"][str(table)]) == 64
    assert facts["command"].startswith("isopleth reconstruct ")
    assert "kriging the grid" in facts["wall_time"]


def test_the_report_shows_the_score_and_the_refusals(done: Path) -> None:
    text = (done / "analysis.html").read_text(encoding="utf-8")
    assert "Note on the data" not in text
    for words in ("Score against the climatology", "the maps use all profiles", "World Ocean"):
        assert words in text


def test_the_last_line_names_the_report(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.zarr"
    words = ["reconstruct", str(table), *QUICK, *PLACE, "--month", "2016-01", "--out", str(out)]
    assert main([*words, "--withhold", "0", "--members", "0"]) == 0
    printed, said = capsys.readouterr()
    assert printed.splitlines()[-1] == f"report: {tmp_path / 'map.html'}"
    assert "No profile was held back" in printed
    assert "profiles can be used" in said
    with xr.open_zarr(out) as analysis:
        assert "temperature_members" not in analysis
        assert "held_back" not in analysis.attrs


def test_the_demonstration_is_labelled_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "analysis.nc"
    place = ["--region", "20N:60N,40W:0", "--grid", "5deg"]
    assert main(["reconstruct", "--demo", *QUICK, *place, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert demo.NOTE in printed
    assert "Against the true field on the whole grid its error is" in printed
    assert demo.NOTE in (tmp_path / "analysis.html").read_text(encoding="utf-8")
    with xr.open_dataset(out) as analysis:
        assert analysis.attrs["data_note"] == demo.NOTE
        assert analysis.attrs["title"].startswith("Demonstration: ")
        facts = json.loads(analysis.attrs["provenance"])
    assert set(facts["against_the_true_field"]) == {"rmse", "rmse_climatology", "coverage90"}
    assert facts["input"] == demo.sources()


def test_an_interruption_leaves_nothing(
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def half(self: xr.Dataset, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(xr.Dataset, "to_netcdf", half)
    out = ["--out", str(tmp_path / "analysis.nc"), "--withhold", "0"]
    assert main(["reconstruct", str(table), *QUICK, *PLACE, *out]) == 130
    assert list(tmp_path.iterdir()) == []
    assert "interrupted" in capsys.readouterr().err


def kelvin(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns={"temp (degC)": "temp"}).assign(temp=frame["temp (degC)"] + 273.15)


def nothing(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{"temp (degC)": np.nan})


def few(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["platform"] == frame["platform"].iloc[0]].head(3)


def unsaid(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns={"depth_m": "level"})


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (kelvin, "looks like kelvin"),
        (nothing, "can be used"),
        (few, "give more profiles"),
        (unsaid, "depth"),
    ],
)
def test_bad_tables(
    spoil: object, told: str, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.csv"
    spoil(pd.read_csv(table)).to_csv(path, index=False)  # type: ignore[operator]
    out = ["--out", str(tmp_path / "map" / "analysis.nc")]
    assert main(["reconstruct", str(path), *QUICK, *PLACE, *out]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert told in last
    assert not (tmp_path / "map").exists()


@pytest.mark.parametrize(
    "content", [b"", b"CDF\x01\x00\x00\x00", b"\x89HDF\r\n\x1a\n" + b"x" * 99]
)
def test_bad_netcdf(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.nc").write_bytes(content)
    assert main(["reconstruct", str(tmp_path / "bad.nc"), *QUICK, *PLACE]) == 2
    assert "bad.nc" in capsys.readouterr().err.splitlines()[-1]
