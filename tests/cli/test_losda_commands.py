"""Pairs, weights and analyses of LO-SDA as a person would make them, in a few tiny steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from isopleth.cli import main
from isopleth.core.sphere import Sphere
from isopleth.dynamics import T21, load_world
from isopleth.studies.twin.climate import Climate
from isopleth.systems.forecast.anomalies import load_climate
from isopleth.systems.losda import statistics

LEVELS = [200.0, 500.0, 800.0]
COUNTS = {"train": 40, "validation": 8}


@dataclass
class World:
    """Stands for a twin world: the shipped climate, and no cycle behind it."""

    climate: Climate


def shipped() -> tuple[Climate, torch.Tensor]:
    found = load_climate(Sphere(21, T21.grid))
    sd = (found.states - found.mean).square().mean((0, 2, 3)).sqrt()
    return Climate(load_world(T21), found.mean.float(), sd.float()), found.states


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of three steps' training on FAKE pairs, through the commands themselves."""
    root = tmp_path_factory.mktemp("losda")
    climate, states = shipped()
    anomalies = (states.float() - climate.mean) / climate.sd[:, None, None]

    def write(_: object, kind: str, cycles: int, place: Path, *, progress: object) -> Path:
        draws = torch.Generator().manual_seed(len(kind))
        count = COUNTS[kind]
        w = torch.randn(2, count, len(states), generator=draws) / len(states) ** 0.5
        x = torch.tensordot(w[0], anomalies, 1)
        b = x + 0.3 * torch.tensordot(w[1], anomalies, 1)
        place.mkdir(parents=True)
        np.save(place / "truth.npy", x.numpy().astype(np.float16))
        np.save(place / "known.npy", torch.cat([b, b - x], 1).numpy().astype(np.float16))
        (place / "facts.json").write_text('{"world": "%s"}' % ("a" * 64))
        return place

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("isopleth.systems.losda.prepare.write_pairs", write)
        patch.setattr("isopleth.systems.losda.prepare.TwinWorld.frozen", lambda *_: World(climate))
        patch.setattr(statistics, "_DENSE", 10)  # no covariance of 6144 numbers in a test
        words = ["prepare", "losda", "smoke", "--pairs", "40", "--out", str(root / "pairs")]
        assert main(words) == 0
        words = ["train", "losda", "smoke", "--pairs", str(root / "pairs")]
        assert main([*words, "--folder", str(root / "w")]) == 0
    write_files(root, states.numpy(), climate)
    return root


def write_files(root: Path, states: np.ndarray, climate: Climate) -> None:
    """A background as `isopleth forecast` writes it, and reports of another state."""
    grid = T21.grid
    coords = {
        "time": np.array(["2017-01-01T18", "2017-01-02"], "M8[ns]"),
        "pressure": ("pressure", LEVELS, {"units": "hPa"}),
        "lat": ("lat", grid.latitude, {"units": "degrees_north"}),
        "lon": ("lon", grid.longitude, {"units": "degrees_east"}),
    }
    data = xr.Dataset(
        {"streamfunction": (("time", "pressure", "lat", "lon"), states[2:4])}, coords
    )
    data["streamfunction"].attrs = {
        "units": "m2 s-1", "standard_name": "atmosphere_horizontal_streamfunction",
    }  # fmt: skip
    data.to_netcdf(root / "bg.nc")
    data.isel(lon=slice(None, None, 2)).to_netcdf(root / "coarse.nc")
    warm = data.rename(streamfunction="t").copy(deep=True)
    warm["t"].values[:] = 260.0
    warm["t"].attrs = {"units": "K", "standard_name": "air_temperature"}
    warm.to_netcdf(root / "warm.nc")
    rng = np.random.default_rng(1)
    rows = []
    for i in range(80):
        r, c, k = rng.integers(2, 30), rng.integers(64), rng.integers(3)
        sd = float(climate.sd[k])
        rows.append(
            {
                "station": f"S{i}", "time": "2017-01-02T01:00:00Z",
                "latitude": grid.latitude[r], "longitude": grid.longitude[c],
                "variable": "psi", "pressure (hPa)": LEVELS[k],
                "value": states[3, k, r, c] + 0.3 * sd * rng.normal(), "unit": "m2 s-1",
                "error": 0.1 * sd,
            }
        )  # fmt: skip
    table = pd.DataFrame(rows)
    wind = table.iloc[0].to_dict() | {"variable": "u", "value": 150.0, "unit": "m/s", "error": 1.0}
    table = pd.concat([table, pd.DataFrame([wind, wind | {"variable": "q"}])])
    table.to_csv(root / "obs.csv", index=False)


def words(folder: Path, out: Path, *more: str, background: str = "bg.nc") -> list[str]:
    given = ["--background", str(folder / background), "--observations", str(folder / "obs.csv")]
    card = folder / "w" / "losda_smoke" / "losda_smoke.json"
    return ["assimilate", *given, "--weights", str(card), "--out", str(out), *more]


def test_a_training_leaves_a_card_with_baselines(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = folder / "w" / "losda_smoke"
    assert {"losda_smoke.json", "losda_smoke.safetensors", "losda_smoke_standard.safetensors"} <= {
        p.name for p in place.iterdir()
    }
    text = (place / "losda_smoke.json").read_text(encoding="utf-8")
    for said in ('"baseline": "N(0, I)"', "streamfunction at 500 hPa", "40 synthetic pairs"):
        assert said in text
    again = ["train", "losda", "smoke", "--pairs", str(folder / "pairs"), "--hours", "1e-9"]
    assert main([*again, "--folder", str(folder / "w2")]) == 0
    assert "not finished; the same command goes on" in capsys.readouterr().out


def test_a_file_in_and_a_file_out(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.nc"
    assert main(words(folder, out, "--method", "losda", "--withhold", "0.2")) == 0
    printed = capsys.readouterr().out
    for text in (
        "Method: LO-SDA, fixed point", "Weights: losda_smoke", "Limits of the weights: learned in",
        "Innovations before and after", "stations that a second analysis did not see",
    ):  # fmt: skip
        assert text in printed
    with xr.open_dataset(out) as data:
        assert str(data["time"].values)[:13] == "2017-01-02T00"
        assert data["eastward_wind"].dims == ("pressure", "lat", "lon")
        assert float(abs(data["streamfunction_increment"]).max()) > 0.0
        assert '"name": "losda_smoke"' in data.attrs["weights"]
        assert "losda_smoke.json" in data.attrs["provenance"]
        share = data["streamfunction_spread"] / data["streamfunction_background_spread"]
        assert float(share.min()) < 0.9
    stations = pd.read_csv(out.with_suffix(".stations.csv"))
    assert stations["status"].tolist()[-2:] == ["rejected", "rejected"]
    assert "departs from the background" in stations["reason"].tolist()[-2]
    assert "variable is none of the background" in stations["reason"].tolist()[-1]
    page = out.with_suffix(".html").read_text(encoding="utf-8")
    for text in ("LO-SDA, fixed point", "streamfunction at 500 hPa", "Weights"):
        assert text in page


def test_members_are_written(folder: Path, tmp_path: Path) -> None:
    more = ("--method", "losda-daps", "--draws", "3", "--members", "--withhold", "0")
    assert main(words(folder, tmp_path / "a.nc", *more)) == 0
    with xr.open_dataset(tmp_path / "a.nc") as a:
        assert a["streamfunction_members"].sizes["realization"] == 3
        assert float(a["streamfunction_members"].std("realization").min()) > 0.0
        assert "DAPS: 3 members" in a.attrs["method"]


@pytest.mark.parametrize(
    ("background", "more", "sentence"),
    [
        ("bg.nc", (), "--weights is for --method losda"),
        ("warm.nc", ("--method", "losda"), "has air temperature; the weights losda_smoke need"),
        ("coarse.nc", ("--method", "losda"), "on 32 x 32 rows and columns"),
        ("bg.nc", ("--method", "losda", "--draws", "4"), "use --method losda-daps"),
        ("bg.nc", ("--method", "losda-daps", "--draws", "1"), "draw 2 or more"),
        ("bg.nc", ("--method", "losda", "--radius", "800"), "--radius is of no use to losda"),
        ("bg.nc", ("--method", "losda", "--ensemble", "bg.nc"), "--ensemble is of no use"),
        ("bg.nc", ("--method", "losda", "--earlier", "bg.nc"), "know the background alone"),
        ("bg.nc", ("--method", "losda", "--earlier", "none.nc"), "there is no file"),
        ("bg.nc", ("--method", "losda", "--weights", "none"), "there are no weights"),
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
    lines = capsys.readouterr().err.splitlines()
    assert sentence in next(line for line in lines if line.startswith("error: "))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["assimilate", "--demo", "--method", "losda"], "--demo brings fields of ERA5"),
        (["train", "losda"], "--pairs is missing"),
        (["train", "losda", "vit"], "losda has no recipe vit: choose from small, smoke"),
        (["train", "losda", "smoke", "--pairs", "none"], "none holds no finished pairs"),
        (["train", "forecast", "smoke", "--pairs", "x"], "--pairs is for losda"),
        (["train", "forecast", "smoke", "--earlier"], "--earlier is for losda"),
        (["prepare", "speedy", "qg3", "--days", "1"], "qg3 is for losda"),
        (["prepare", "speedy", "--pairs", "1", "--days", "1"], "--pairs is for losda"),
    ],
)
def test_words_that_do_not_go_together(
    asked: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(asked) == 2
    assert f"error: {sentence}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_weights_the_remedy_is_told(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("isopleth.systems.losda.weights.SHIPPED", tmp_path / "none.json")
    given = ["--background", str(folder / "bg.nc"), "--observations", str(folder / "obs.csv")]
    assert main(["assimilate", *given, "--method", "losda", "--out", str(tmp_path / "a.nc")]) == 2
    assert "isopleth prepare losda qg3" in capsys.readouterr().err
