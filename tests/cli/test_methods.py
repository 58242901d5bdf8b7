"""The whole command with a diffusion prior; the network is tiny and not trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import xarray as xr

from isopleth.cli import main
from isopleth.cli.methods import METHODS
from isopleth.core import Grid
from isopleth.data import load_climatology
from isopleth.systems import reconmost
from isopleth.systems.kriging import demo
from isopleth.systems.reconmost import shipped, system
from isopleth.systems.reconmost.states import ocean_grid

PLACE = ["--region", "25N:45N,30W:5E"]


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> Grid:
    """A network that knows only white noise, and a recipe of few steps, for both methods."""
    recipe = replace(reconmost.smoke, patch=10)
    atlas = load_climatology()
    grid = ocean_grid(atlas, recipe.ocean.levels)
    spread = torch.full(grid.shape, 1.5)
    denoiser = reconmost.build(recipe, atlas, spread).eval().requires_grad_(False)
    monkeypatch.setattr(system, "load_denoiser", lambda _: (denoiser, spread, grid))
    pulled = reconmost.Pulled(steps=21)
    for name, sampling in (
        ("mmps", reconmost.rough),
        ("reconmost", replace(reconmost.rough, guide=pulled, fold_guide=pulled)),
    ):
        monkeypatch.setitem(METHODS, name, type(METHODS["mmps"])(sampling))  # type: ignore[call-arg]
    return grid


@pytest.mark.parametrize(("method", "withheld"), [("reconmost", "0"), ("mmps", "0.1")])
def test_the_demonstration_with_a_prior(
    method: str,
    withheld: str,
    untrained: Grid,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "analysis.nc"
    words = ["reconstruct", "--demo", "--method", method, *PLACE, "--members", "3"]
    assert main([*words, "--withhold", withheld, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert demo.NOTE in printed
    assert "Against the true field on the whole grid its error is" in printed
    text = (tmp_path / "analysis.html").read_text("utf-8")
    assert ("Score against the climatology" in text) == (withheld != "0")
    with xr.open_dataset(out) as analysis:
        assert analysis.sizes == {"depth": 3, "lat": 10, "lon": 18, "realization": 3}
        assert set(analysis["lat"].values) <= set(untrained.latitude)
        assert analysis["depth"].values.tolist() == [0.0, 100.0, 200.0]
        assert "diffusion prior" in analysis.attrs["method"]
        facts = json.loads(analysis.attrs["provenance"])
        assert facts["against_the_true_field"]["rmse"] > 0.0
        assert "drawing members" in facts["wall_time"]


def test_profiles_of_a_table_on_another_grid(untrained: Grid, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "analysis.nc"
    words = ["reconstruct", str(table), "--method", "mmps", *PLACE, "--grid", "5deg"]
    assert main([*words, "--levels", "0,100", "--withhold", "0", "--out", str(out)]) == 0
    with xr.open_dataset(out) as analysis:
        assert analysis.sizes == {"depth": 2, "lat": 4, "lon": 7, "realization": 16}


def test_without_weights_a_sentence_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "none.json")
    assert main(["reconstruct", "--demo", "--method", "mmps"]) == 2
    assert "isopleth train reconmost small" in capsys.readouterr().err


def test_training_is_stopped_goes_on_and_leaves_a_card(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from isopleth.cli import train

    ocean = replace(reconmost.smoke.ocean, states=1, months=tuple(range(1, 12)))
    monkeypatch.setitem(train.RECIPES, "smoke", replace(reconmost.smoke, ocean=ocean, patch=10))
    words = ["train", "reconmost", "smoke", "--folder", str(tmp_path)]
    assert main([*words, "--hours", "1e-9"]) == 0
    assert "not finished: 0 steps" in capsys.readouterr().out
    assert not (tmp_path / "smoke.json").exists()
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "Wiener filter" in printed
    assert printed.splitlines()[-1] == f"card: {tmp_path / 'smoke.json'}"
    card = json.loads((tmp_path / "smoke.json").read_text("utf-8"))
    assert card["metrics"][0]["baseline"] == "Wiener filter of the training states"
    denoiser, spread, grid = reconmost.load_denoiser(tmp_path / "smoke.json")
    assert spread.shape == grid.shape
    assert sum(p.numel() for p in denoiser.parameters()) == card["parameters"]


def test_hours_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "reconmost", "smoke", "--hours", "-1"]) == 2
    assert "--hours -1 is not possible" in capsys.readouterr().err


def test_a_network_of_forecasts_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "forecast", "smoke", "--folder", str(tmp_path)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "persistence" in printed
    card = Path(printed.splitlines()[-1].removeprefix("card: "))
    assert json.loads(card.read_text("utf-8"))["metrics"][0]["baseline"]


def test_a_recipe_of_another_system_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "forecast", "paper"]) == 2
    assert "forecast has no recipe paper: choose from unet, vit, smoke" in capsys.readouterr().err
