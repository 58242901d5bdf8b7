"""The report on a forecast: one HTML file, how the flow goes on and what that is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from isopleth.report.figures import to_png
from isopleth.report.forecast_figures import (
    finer,
    growth_figure,
    score_figure,
    shown_days,
    spread_figure,
    state_figure,
)
from isopleth.report.forecast_words import (
    ForecastMaterial,
    lead_words,
    score_rows,
    verdict,
)
from isopleth.report.pages import Chapter, Facts, Page, Picture, Table, Tile, write_page
from isopleth.report.provenance import provenance_chapter
from isopleth.report.words import amount, count

__all__ = ["compose_forecast", "write_forecast_report"]

_LEVEL = 500.0

_WORDS = {
    "Streamfunction": (
        "The wind blows along its lines, in the northern hemisphere with low values on the left; "
        "the closer the lines, the stronger the wind. In middle latitudes it looks like "
        "geopotential height: 10⁶ m² s⁻¹ are about 10 m there."
    ),
    "Persistence": "The forecast that nothing changes: the start, at every lead.",
    "Anomaly": "Streamfunction less the mean of the model's own climate.",
    "ACC": (
        "Correlation of forecast and true anomalies over the globe; below 0.6 a forecast is "
        "called useless by custom."
    ),
    "Climate of the model": (
        "A long run of the quasi-geostrophic model at T21 under its constant forcing. The grey "
        "bands hold 80 % of its states."
    ),
    "Spread": "Standard deviation of the members: the error that the ensemble expects.",
    "Lead": "Time from the start of the forecast.",
}


_PERFECT = "The truth is a run of the model itself, so the model has no error here."

_LEARNED = (
    "The truth is a run of the model whose steps the network learned, so the error is that of the "
    "start and that of the network."
)

_DRIFT = "A start from outside the model's climate drifts into it."

_ADVICE = (
    "This is a model to learn and to test methods with. For decisions about real weather use the "
    "forecasts of a weather service."
)

_HAS = (
    "Rossby waves, jets, cyclones and their growth by baroclinic instability, on three levels "
    "(200, 500, 800 hPa), over mountains and with drag."
)

_HAS_NOT = (
    "Moisture, clouds, radiation, seasons, a diurnal cycle, fronts, surface weather, and tropics "
    "worth the name: near the equator its balance does not hold."
)

_CLIMATE = (
    "A constant forcing holds up a perpetual winter. A forecast from a real analysis, above all "
    "one of another season, drifts to it; that and the missing physics limit it."
)

_MODEL = (("What it has", _HAS), ("What it has not", _HAS_NOT), ("Its climate", _CLIMATE))


def write_forecast_report(path: Path, material: ForecastMaterial) -> Path:
    """Write the report; the file is complete or not there."""
    return write_page(path, compose_forecast(material))


def compose_forecast(material: ForecastMaterial) -> Page:
    """The page of a forecast, chapters that have nothing to show left out."""
    attrs = material.forecast.attrs
    chapters = [
        _maps(material),
        _scores(material),
        _spread(material),
        _growth(material),
        _limits(material),
        _provenance(material),
        Chapter("glossary", "What the words mean", (), (Facts(list(_WORDS.items())),)),
    ]
    kind = "Demonstration: forecast" if "data_note" in attrs else "Forecast"
    return Page(
        title=f"{kind} from {_clock(material.forecast['time'].values[0])}",
        eyebrow="Isopleth forecast",
        lead=_lead(material),
        notice=str(attrs.get("data_note", "")),
        tiles=_tiles(material),
        chapters=[c for c in chapters if c is not None],
        footer=f"Made with Isopleth {attrs['isopleth_version']}. Coastlines: Natural Earth.",
    )


def _clock(time: np.datetime64) -> str:
    return f"{np.datetime_as_string(time, 'm').replace('T', ' ')} UTC"


def _lead(material: ForecastMaterial) -> list[str]:
    attrs = material.forecast.attrs
    members = "" if material.members == 1 else f", {count(material.members, 'member')}"
    lead = [f"{lead_words(24 * material.days)}{members}. Method: {attrs['method']}."]
    if material.scores is None:
        lead.append(
            "The file holds no later times, so nothing is known about the skill of this forecast."
        )
    else:
        lead.append(verdict(material.scores, _LEVEL))
    return lead


def _tiles(material: ForecastMaterial) -> list[Tile]:
    tiles = [
        Tile(f"{material.days:g}", "days"),
        Tile(f"{material.members}", "members" if material.members > 1 else "member"),
    ]
    if material.scores is not None:
        at = material.scores[material.scores["pressure"] == _LEVEL].set_index("hours")
        ratio = at["rmse"] / at["rmse_persistence"]
        for hours in sorted({24, int(ratio.index[-1])} & {*ratio.index}):
            name = f"error over that of persistence at {lead_words(hours)}, 500 hPa"
            tiles.append(Tile(amount(float(ratio[hours])), name))
    return tiles


def _at(material: ForecastMaterial, name: str, days: Sequence[float]) -> list[xr.DataArray]:
    field = material.forecast[name].sel(pressure=_LEVEL)
    hours = material.forecast["forecast_period"].values
    truncation = int(material.forecast.attrs["truncation"])
    at = [int(np.abs(hours - 24.0 * day).argmin()) for day in days]
    return [finer(field.isel(time=k), truncation) for k in at]


def _titles(material: ForecastMaterial, days: Sequence[float]) -> list[str]:
    start = material.forecast["time"].values[0]
    titles = []
    for day in days:
        when = _clock(start + np.timedelta64(round(day * 24), "h")).removesuffix(" UTC")
        titles.append(f"Day {day:g}, {when}")
    return titles


def _maps(material: ForecastMaterial) -> Chapter:
    days = shown_days(material.days)
    figure = state_figure(_at(material, "streamfunction", days), _titles(material, days))
    what = "Streamfunction" if material.members == 1 else "Mean of the members' streamfunction"
    text = ["The flow in the middle of the atmosphere."]
    if material.members > 1:
        text.append(
            "The mean of the members becomes smooth where they disagree; no single member does."
        )
    picture = Picture(
        to_png(figure),
        f"Maps of the streamfunction at 500 hPa at days {', '.join(f'{d:g}' for d in days)}.",
        f"{what} at 500 hPa; times are UTC. The field is drawn from its harmonics "
        f"(T{material.forecast.attrs['truncation']}).",
    )
    return Chapter("maps", "The forecast", text, (picture,))


def _scores(material: ForecastMaterial) -> Chapter | None:
    if material.scores is None:
        return None
    heads, rows = score_rows(material.scores, _LEVEL)
    parts = (
        Picture(
            to_png(score_figure(material.scores, _LEVEL)),
            "Error and anomaly correlation of forecast and persistence by lead.",
            "Against the later times of the file, brought to the model's truncation, over the "
            "globe.",
        ),
        Table(
            "Scores of the streamfunction at 500 hPa; errors in 10⁶ m² s⁻¹.",
            heads,
            rows,
        ),
    )
    text = [verdict(material.scores, _LEVEL)]
    if "data_note" in material.forecast.attrs:
        own = material.forecast.attrs.get("model") == "qg3"
        text.append(_PERFECT if own else _LEARNED)
    else:
        text.append(
            "Anomalies are from the model's climate, not from a climatology of the atmosphere: "
            "both correlations are higher than they would be against one. Errors and their ratio "
            "do not depend on it."
        )
    return Chapter("scores", "Against what came later", text, parts)


def _spread(material: ForecastMaterial) -> Chapter | None:
    if "streamfunction_spread" not in material.forecast:
        return None
    days = shown_days(material.days)[1:]
    figure = spread_figure(_at(material, "streamfunction_spread", days), _titles(material, days))
    picture = Picture(
        to_png(figure),
        "Maps of the spread of the members at 500 hPa.",
        f"Standard deviation of {material.members} members at 500 hPa. It holds the growth of the "
        "perturbations of the start alone, not the error of the model.",
    )
    text = ("Where the members disagree, the forecast is uncertain.",)
    return Chapter("spread", "How sure the ensemble is", text, (picture,))


def _growth(material: ForecastMaterial) -> Chapter:
    several = material.members > 1
    who = "Line: mean of the members; shaded: all of them. " if several else ""
    truth = "Dashed: the truth. " if "anomaly_truth" in material.curves else ""
    picture = Picture(
        to_png(growth_figure(material.curves)),
        "Kinetic energy of three levels and size of the anomaly by lead.",
        f"{who}{truth}Grey: 80 % of the states of the model's climate.",
    )
    energy = material.curves["kinetic_energy"].sel(pressure=_LEVEL).mean("realization")
    climate = float(material.curves["kinetic_energy_climate"].sel(pressure=_LEVEL).mean())
    begin, end = (amount(float(energy[k]) / climate) for k in (0, -1))
    text = (
        f"{_DRIFT} Here the kinetic energy at 500 hPa is {begin} times that of the climate at the "
        f"start and {end} times at the end."
    )
    return Chapter("growth", "Energy and anomaly", (text,), (picture,))


def _limits(material: ForecastMaterial) -> Chapter:
    attrs = material.forecast.attrs
    pairs = [("Method", str(attrs["method"])), *_MODEL, ("The start", str(attrs["start"]))]
    return Chapter("limits", "What this model is, and is not", (_ADVICE,), (Facts(pairs),))


def _provenance(material: ForecastMaterial) -> Chapter:
    return provenance_chapter(material.provenance, "What it takes to make this forecast again.")
