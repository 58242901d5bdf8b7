from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from isopleth.cli import main
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.harmonics import Harmonics
from isopleth.core.sphere import Sphere
from isopleth.systems.forecast import models
from isopleth.systems.forecast.anomalies import load_climate

LAT, LON = np.linspace(-90.0, 90.0, 37), -180.0 + np.arange(72) * 5.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state of the model's climate on a 5-degree grid, south to north, and three times of it."""
    path = tmp_path_factory.mktemp("forecast")
    grid = GaussianGrid(nlat=32, nlon=64)
    psi = load_climate(Sphere(21, grid)).states[0]
    z = Harmonics(grid.latitude, grid.longitude, 21).analysis(psi)
    values = Harmonics(LAT[::-1], np.arange(72) * 5.0, 21).synthesis(z).numpy()
    values = np.roll(values[..., ::-1, :], 36, axis=-1)
    coords = {
        "plev": ("plev", [20000.0, 50000.0, 80000.0], {"units": "Pa"}),
        "lat": ("lat", LAT, {"units": "degrees_north"}),
        "lon": ("lon", LON, {"units": "degrees_east"}),
    }
    attrs = {"units": "m2 s-1", "standard_name": "atmosphere_horizontal_streamfunction"}
    one = xr.Dataset({"psi": (("plev", "lat", "lon"), values, attrs)}, coords)
    times = np.array(["2017-01-02T00", "2017-01-02T06", "2017-01-02T12"], "M8[ns]")
    several = xr.concat([one * s for s in (1.0, 1.01, 1.02)], xr.Variable("time", times))
    several["psi"].attrs = attrs
    several.to_netcdf(path / "truth.nc")
    several.isel(time=[0]).to_netcdf(path / "init.nc")
    several.isel(time=[0], lon=slice(0, 40)).to_netcdf(path / "region.nc")
    several.isel(time=[0], plev=[1, 2]).to_netcdf(path / "levels.nc")
    wrong = several.isel(time=[0])
    wrong["psi"].attrs = {**attrs, "units": "m s-1"}
    wrong.to_netcdf(path / "unit.nc")
    return path


def run(folder: Path, out: Path, *more: str, init: str = "init.nc") -> int:
    return main(["forecast", str(folder / init), "--out", str(out), *more])


def error_of(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    return next(line for line in lines if line.startswith("error: "))


def test_a_file_in_and_files_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "a.nc"
    assert run(folder, out, "--days", "0.5", "--members", "3", init="truth.nc") == 0
    printed = capsys.readouterr()
    assert "start: streamfunction as given; 37 x 72 grid, truncated to T21" in printed.err
    assert "Scores of the streamfunction at 500 hPa" in printed.out
    assert printed.out.rstrip().endswith("a.html")
    with xr.open_dataset(out) as data:
        assert data["streamfunction_members"].sizes["realization"] == 3
        assert str(data["time"].values[-1])[:13] == "2017-01-02T12"
        assert str(data["forecast_reference_time"].values)[:13] == "2017-01-02T00"
        assert data["eastward_wind"].attrs["standard_name"] == "eastward_wind"
        assert data["pressure"].values.tolist() == [200.0, 500.0, 800.0]
        assert data.attrs["history"].endswith("--members 3")
        assert "perpetual winter" in data.attrs["limits"]
        assert float(np.abs(data["northward_wind"]).max()) > 1.0
    scores = pd.read_csv(out.with_suffix(".scores.csv"))
    assert scores["hours"].unique().tolist() == [6, 12]
    page = out.with_suffix(".html").read_text(encoding="utf-8")
    assert "What this model is, and is not" in page
    assert "http" not in page.replace("http-equiv", "").split("<body")[0]
    assert {p.name for p in out.parent.iterdir()} == {"a.nc", "a.scores.csv", "a.html"}


def test_zarr_and_no_truth(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.zarr"
    assert run(folder, out, "--days", "0.25") == 0
    assert "nothing is known about the skill" in capsys.readouterr().out
    with xr.open_zarr(out) as data:
        assert "realization" not in data.dims
        assert data.sizes["time"] == 2
    assert {p.name for p in tmp_path.iterdir()} == {"a.zarr", "a.html"}


def test_an_emulator_is_a_model_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stub:
        step_seconds = 21_600.0

        def step(self, psi: torch.Tensor) -> torch.Tensor:
            assert psi.shape[-3:] == (3, 32, 64)
            return 0.5 * psi

    monkeypatch.setattr(models, "load_emulator", lambda name: Stub())
    out = tmp_path / "a.nc"
    assert run(folder, out, "--days", "0.25", "--model", "vit") == 0
    with xr.open_dataset(out) as data:
        psi = data["streamfunction"].values
        assert np.abs(psi[1] / psi[0] - 0.5).max() < 1e-3
        assert data.attrs["model"] == "vit"


def test_a_run_that_was_killed_goes_on(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing:
        step_seconds = 21_600.0
        left = 5

        def step(self, psi: torch.Tensor) -> torch.Tensor:
            if Failing.left == 0:
                raise KeyboardInterrupt
            Failing.left -= 1
            return 0.9 * psi

    monkeypatch.setattr(models, "load_emulator", lambda name: Failing())
    out = tmp_path / "a.nc"
    words = ("--days", "2", "--model", "unet")
    assert run(folder, out, *words) == 130
    assert [p.name for p in tmp_path.iterdir()] == ["a.run"]
    Failing.left = 4
    assert run(folder, out, *words) == 0
    assert "are taken over" in capsys.readouterr().err
    with xr.open_dataset(out) as data:
        psi = data["streamfunction"].values
        assert np.abs(psi[8] / psi[0] / 0.9**8 - 1.0).max() < 1e-3
    assert {p.name for p in tmp_path.iterdir()} == {"a.nc", "a.html"}


@pytest.mark.parametrize(
    ("more", "init", "sentence"),
    [
        (("--days", "-3"), "init.nc", "-3 days cannot be forecast"),
        (("--days", "61"), "init.nc", "up to 60 days"),
        (("--days", "0.3"), "init.nc", "no multiple of 6 hours"),
        (("--members", "0"), "init.nc", "0 members are not possible"),
        (("--members", "3", "--spread", "-1"), "init.nc", "perturbs nothing"),
        (("--spread", "1e5"), "init.nc", "there is nothing to perturb"),
        (("--model", "gpt"), "init.nc", "no model 'gpt': take one of qg3, unet, vit"),
        (("--truncation", "63"), "init.nc", "take 21 or 42"),
        (("--time", "soon"), "init.nc", "--time 'soon' is not understood"),
        (("--time", "2020-01-01"), "init.nc", "no fields for 2020-01-01T00:00"),
        (("--demo",), "init.nc", "--demo brings its own start"),
        ((), "nothing.nc", "there is no file"),
        ((), "region.nc", "region.nc covers -90 to 90 degrees north and 180 to 375 east"),
        ((), "levels.nc", "has the levels 500, 800 hPa"),
        ((), "unit.nc", "the variable 'psi' of unit.nc: the unit 'm s-1' is not one of"),
    ],
)
def test_what_cannot_be_used_gets_one_sentence(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    init: str,
    sentence: str,
) -> None:
    assert run(folder, tmp_path / "a.nc", *more, init=init) == 2
    assert sentence in error_of(capsys)
    assert list(tmp_path.iterdir()) == []


def test_the_sample_of_two_levels_is_refused_with_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from isopleth.data.cards import open_grid

    open_grid("era5_ensemble_201701").to_netcdf(tmp_path / "era5.nc")
    assert run(tmp_path, tmp_path / "a.nc", init="era5.nc") == 2
    assert "has the levels 500, 850 hPa, none of them at or close around 200 hPa" in error_of(
        capsys
    )


def test_nothing_given_and_nothing_overwritten(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forecast"]) == 2
    assert "or try --demo" in error_of(capsys)
    assert run(folder, folder / "init.nc") == 2
    assert "would replace" in error_of(capsys)
    assert run(folder, folder / "init.txt") == 2
    assert "has no known format" in error_of(capsys)


def test_the_demonstration_is_labelled_wherever_it_is_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.nc"
    words = ["forecast", "--demo", "--days", "0.5", "--members", "2", "--out", str(out)]
    assert main(words) == 0
    assert "Synthetic atmosphere" in capsys.readouterr().out
    with xr.open_dataset(out) as data:
        assert "Synthetic atmosphere" in data.attrs["data_note"]
        assert data.attrs["title"].startswith("Demonstration")
    page = out.with_suffix(".html").read_text(encoding="utf-8")
    assert "Synthetic atmosphere" in page
