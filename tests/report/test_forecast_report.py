from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.harmonics import Harmonics
from isopleth.report.forecast import compose_forecast
from isopleth.report.forecast_figures import finer, score_figure, shown_days
from isopleth.report.forecast_words import ForecastMaterial, score_rows, skilful_until, verdict
from isopleth.report.pages import render

GRID = GaussianGrid(nlat=32, nlon=64)
LEVELS = [200.0, 500.0, 800.0]


def make_scores(*, better: bool = True, spread: float = np.nan) -> pd.DataFrame:
    """Ten days at three levels: errors grow, correlations fall; 500 hPa is the best level."""
    hours = np.arange(6, 241, 6)
    parts = []
    for level in LEVELS:
        rmse = 2e4 * hours * (1.0 if level == 500.0 else 9.0)
        parts.append(
            pd.DataFrame(
                {
                    "hours": hours,
                    "pressure": level,
                    "rmse": rmse,
                    "rmse_persistence": rmse * (2.0 if better else 0.5),
                    "rmse_climate": 5e6,
                    "acc": 1.0 - hours / 240.0,
                    "acc_persistence": 1.0 - hours / 60.0,
                    "spread": spread,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def make_material(*, members: int = 1, **changes: object) -> ForecastMaterial:
    rng = np.random.default_rng(0)
    hours = np.arange(0, 61, 6)
    sine = np.broadcast_to(GRID.sine[:, None], GRID.shape)
    psi = np.broadcast_to(-6e7 * sine, (hours.size, 3, *GRID.shape))
    dims = ("time", "pressure", "lat", "lon")
    coords = {
        "time": np.datetime64("2017-01-02", "ns") + hours * np.timedelta64(1, "h"),
        "forecast_period": ("time", hours.astype(float)),
        "pressure": LEVELS,
        "lat": GRID.latitude,
        "lon": GRID.longitude,
    }
    attrs = {
        "title": "t",
        "method": "a <model>",
        "limits": "l",
        "start": "a.nc: winds",
        "truncation": 21,
        "isopleth_version": "0",
    }
    forecast = xr.Dataset({"streamfunction": (dims, psi)}, coords, attrs)
    if members > 1:
        forecast["streamfunction_spread"] = dims, np.full(psi.shape, 1e6) * (1.0 + sine**2)
    size = np.array([300.0, 80.0, 30.0])
    curves = xr.Dataset(
        {
            name: (("hours", "realization", "pressure"), scale * size * rng.uniform(
                0.9, 1.1, (hours.size, members, 1)))
            for name, scale in (("kinetic_energy", 1.0), ("anomaly", 5e4))
        }
        | {
            f"{name}_climate": (("state", "pressure"), scale * size * rng.uniform(
                0.9, 1.1, (8, 1)))
            for name, scale in (("kinetic_energy", 0.5), ("anomaly", 5e4))
        },
        {"hours": hours, "pressure": LEVELS},
    )  # fmt: skip
    given: dict[str, object] = {
        "forecast": forecast,
        "curves": curves,
        "scores": None,
        "provenance": {"command": "isopleth forecast", "notes": ["one", "two"]},
    }
    return ForecastMaterial(**{**given, **changes})  # type: ignore[arg-type]


def test_a_field_on_a_finer_grid_is_the_same_field() -> None:
    own = Harmonics(GRID.latitude, GRID.longitude, 21)
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.standard_normal(own.size))
    field = xr.DataArray(own.synthesis(z), {"lat": GRID.latitude, "lon": GRID.longitude})
    fine = finer(field, 21)
    true = Harmonics(fine["lat"].values, fine["lon"].values, 21).synthesis(z)
    assert np.abs(fine.values - true.numpy()).max() < 1e-9


def test_the_days_that_are_shown() -> None:
    assert shown_days(0.25) == [0.0, 0.25]
    assert shown_days(30.0) == [0.0, 1.0, 3.0, 5.0, 10.0, 30.0]


def test_skill_is_counted_to_the_first_lead_below() -> None:
    scores = make_scores()
    assert skilful_until(scores, "acc") == 96.0
    assert skilful_until(scores, "acc_persistence") == 24.0
    assert skilful_until(scores.assign(acc=0.1), "acc") is None
    assert skilful_until(scores.assign(acc=0.9), "acc") == 240.0


def test_the_verdict_says_who_is_better() -> None:
    assert "better than persistence at every lead up to 10\xa0days" in verdict(make_scores())
    assert "worse than persistence at every lead" in verdict(make_scores(better=False))
    mixed = make_scores()
    mixed.loc[mixed["hours"] == 6, "rmse_persistence"] = 0.0
    assert "better than persistence at 39 of 40 leads, not at 6\xa0h." in verdict(mixed)
    assert "up to no lead" in verdict(make_scores().assign(acc=0.0))


def test_the_table_has_round_leads_and_the_spread_of_an_ensemble_only() -> None:
    heads, rows = score_rows(make_scores())
    assert "spread" not in heads
    assert [row[0] for row in rows][:3] == ["6\xa0h", "12\xa0h", "1\xa0day"]
    assert rows[2][1:4] == ["0.48", "0.96", "0.50"]
    heads, rows = score_rows(make_scores(spread=1e6))
    assert rows[0][list(heads).index("spread")] == "1.00"


def test_the_score_figure_shows_the_spread_of_an_ensemble_only() -> None:
    def names(scores: pd.DataFrame) -> list[str]:
        return [text.get_text() for text in score_figure(scores).legends[0].get_texts()]

    assert names(make_scores()) == ["forecast", "persistence", "climate of the model"]
    assert names(make_scores(spread=1e6))[-1] == "spread of the members"


def test_without_a_truth_nothing_is_claimed() -> None:
    text = render(compose_forecast(make_material()))
    assert "nothing is known about the skill" in text
    assert 'id="scores"' not in text
    assert 'id="spread"' not in text
    assert "a &lt;model&gt;" in text
    assert "What this model is, and is not" in text
    assert "perpetual winter" in text
    assert "2.5\xa0days." in text


def test_an_ensemble_with_a_truth_has_every_chapter_and_says_whose_truth_it_is() -> None:
    material = make_material(members=5, scores=make_scores(spread=1e6))
    text = render(compose_forecast(material))
    for chapter in ("maps", "scores", "spread", "growth", "limits", "provenance", "glossary"):
        assert f'id="{chapter}"' in text
    assert text.count("<img") == 4
    assert "error over that of persistence at 1\xa0day, 500 hPa</dt><dd>0.50" in text
    assert "not from a climatology of the atmosphere" in text
    material.forecast.attrs["data_note"] = "Synthetic <atmosphere>."
    text = render(compose_forecast(material))
    assert "Synthetic &lt;atmosphere&gt;." in text
    assert "that of the network" in text
    material.forecast.attrs["model"] = "qg3"
    assert "The truth is a run of the model itself" in render(compose_forecast(material))


def test_the_drift_is_told_in_numbers() -> None:
    material = make_material()
    energy = material.curves["kinetic_energy"]
    energy[0], energy[-1] = 160.0, 80.0
    material.curves["kinetic_energy_climate"][:] = 80.0
    text = render(compose_forecast(material))
    assert "2.00 times that of the climate at the start and 1.00 times at the end" in text


@pytest.mark.parametrize("pressure", LEVELS)
def test_scores_of_a_level_are_its_own(pressure: float) -> None:
    first = score_rows(make_scores(), pressure)[1][0][1]
    assert first == ("0.12" if pressure == 500.0 else "1.08")
