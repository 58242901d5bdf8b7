"""The numbers of a forecast as tables of text, and the words about what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from isopleth.report.words import amount

__all__ = ["ForecastMaterial", "lead_words", "score_rows", "skilful_until", "verdict"]

_SHOWN_HOURS = (6, 12, 24, 48, 72, 120, 168, 240, 360, 480, 720, 960, 1200, 1440)
_USEFUL = 0.6
"""Anomaly correlation down to which a forecast is called useful by custom."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ForecastMaterial:
    """What a report on a forecast is made of.

    Args:
        forecast: `streamfunction` and, of an ensemble, `streamfunction_spread` on (time, pressure,
            lat, lon), m2 s-1, with forecast_period in hours; attributes title, method, limits,
            start, truncation, isopleth_version and, for a demonstration, data_note.
        curves: `kinetic_energy` (m2 s-2) and `anomaly` (m2 s-1), (hours, realization, pressure);
            the same with _climate (state, pressure), and _truth (later, pressure) if there is one.
        scores: Columns hours, pressure, rmse, rmse_persistence, rmse_climate, acc,
            acc_persistence, spread; None without a truth.
        provenance: Names and values of how it was made.
    """

    forecast: xr.Dataset
    curves: xr.Dataset
    scores: pd.DataFrame | None
    provenance: Mapping[str, object]

    @property
    def members(self) -> int:
        """How many there are."""
        return int(self.curves.sizes["realization"])

    @property
    def days(self) -> float:
        """Length of the forecast."""
        return float(self.curves["hours"].max()) / 24.0


def lead_words(hours: float) -> str:
    r"""A lead time.

    >>> lead_words(6), lead_words(24), lead_words(60)
    ('6\xa0h', '1\xa0day', '2.5\xa0days')
    """
    if hours < 24:
        return f"{hours:g}\N{NO-BREAK SPACE}h"
    return f"{hours / 24:g}\N{NO-BREAK SPACE}day" + ("" if hours == 24 else "s")


def score_rows(
    scores: pd.DataFrame, pressure: float = 500.0
) -> tuple[Sequence[str], list[list[str]]]:
    """Heads and cells of the scores at one level, at round leads; errors in 10^6 m2 s-1.

    Args:
        scores: As in `ForecastMaterial`.
        pressure: Level, hPa.
    """
    at = scores[scores["pressure"] == pressure]
    shown = at[at["hours"].isin([*_SHOWN_HOURS, at["hours"].max()])]
    ensemble = bool(np.isfinite(shown["spread"]).any())
    heads = ["lead", "RMSE", "persistence", "ratio", *(["spread"] if ensemble else [])]
    heads += ["ACC", "persistence"]
    rows = []
    for _, row in shown.iterrows():
        cells = [lead_words(row["hours"]), *(amount(row[n] / 1e6) for n in _ERRORS)]
        cells.append(amount(row["rmse"] / row["rmse_persistence"]))
        if ensemble:
            cells.append(amount(row["spread"] / 1e6))
        cells += [amount(row[name], places=2) for name in ("acc", "acc_persistence")]
        rows.append(cells)
    return heads, rows


_ERRORS = ("rmse", "rmse_persistence")


def skilful_until(scores: pd.DataFrame, column: str, pressure: float = 500.0) -> float | None:
    """Last lead in hours up to which an anomaly correlation is at least 0.6; None from the start.

    Args:
        scores: As in `ForecastMaterial`.
        column: "acc" or "acc_persistence".
        pressure: Level, hPa.

    >>> frame = pd.DataFrame({"hours": [6, 12, 18], "pressure": 500.0, "acc": [0.9, 0.7, 0.5]})
    >>> skilful_until(frame, "acc")
    12.0
    """
    at = scores[scores["pressure"] == pressure].sort_values("hours")
    good = (at[column] >= _USEFUL).to_numpy()
    count = int(good.argmin()) if not good.all() else len(good)
    return float(at["hours"].iloc[count - 1]) if count else None


def verdict(scores: pd.DataFrame, pressure: float = 500.0) -> str:
    """What the scores at one level say, in a sentence."""
    at = scores[scores["pressure"] == pressure].sort_values("hours")
    better = at["rmse"] < at["rmse_persistence"]
    last = lead_words(float(at["hours"].iloc[-1]))
    if better.all():
        first = f"better than persistence at every lead up to {last}"
    elif not better.any():
        first = f"worse than persistence at every lead up to {last}"
    else:
        worse = ", ".join(lead_words(h) for h in at["hours"][~better].head(4))
        more = " and more" if (~better).sum() > 4 else ""
        good = f"{int(better.sum())} of {len(better)}"
        first = f"better than persistence at {good} leads, not at {worse}{more}"
    useful = {c: skilful_until(scores, c, pressure) for c in ("acc", "acc_persistence")}
    words = {c: "no lead" if h is None else lead_words(h) for c, h in useful.items()}
    return (
        f"At {pressure:g} hPa the forecast is {first}. Its correlation of anomalies from the "
        f"model's climate stays at or above 0.6 up to {words['acc']}, that of persistence up to "
        f"{words['acc_persistence']}."
    )
