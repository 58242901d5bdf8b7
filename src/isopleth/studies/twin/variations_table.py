"""Outcomes of variations as rows of a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from isopleth.studies.bootstrap import (
    Interval,
    mean_interval,
    ratio_of_means,
    ratio_of_rmse,
    rmse_interval,
)
from isopleth.studies.rows import Row
from isopleth.studies.twin.variations import Met

__all__ = ["rows_of"]

Floats = NDArray[np.float64]

_HOUR = 3600.0
_DAYS = (2, 5)
"""Forecasts that get a row, of those made."""


def rows_of(
    met: Sequence[Met], references: Sequence[str], *, days: Sequence[int], levels: Sequence[str]
) -> list[Row]:
    """Every score of every method and network, and its error over those of the references.

        rmse, rmse LEVEL       climatological standard deviations
        over REFERENCE         of rmse
        obs_chi2, withheld_chi2
        crps, spread_skill     where the answer is an ensemble
        rmse day D             of the forecast from the analysis
        power                  variance of the analysis over that of the truth, degrees 11 and up
        cpu_hours              tuning, and the analyses of this network
        seconds_per_analysis   of one core

    Args:
        met: Of all methods and networks.
        references: Names of methods.
        days: Of the forecasts that were scored.
        levels: Names of the three levels.
    """
    rows: list[Row] = []
    for network in dict.fromkeys(m.network for m in met):
        group = {m.method: m for m in met if m.network == network}
        bars = {name: group[name] for name in references if name in group}
        for one in group.values():
            rows += _rows(one, bars, days, levels)
    return rows


def _rows(
    met: Met, bars: dict[str, Met], days: Sequence[int], levels: Sequence[str]
) -> Iterator[Row]:
    blank = Row(method=met.method, setting=met.network, metric="rmse", unit="1", value=0.0)
    scores, blocks = met.scores, met.trajectory

    def row(metric: str, found: Interval) -> Row:
        return replace(blank, metric=metric, value=found.value, ci95=found.ends)

    yield row("rmse", rmse_interval(scores["square_error"], blocks))
    for level, name in enumerate(levels):
        yield row(f"rmse {name}", rmse_interval(scores["square_error_by_level"][:, level], blocks))
    for name, bar in bars.items():
        if bar is not met:
            found = ratio_of_rmse(scores["square_error"], bar.scores["square_error"], blocks)
            yield row(f"over {name}", found)
    for metric in ("obs_chi2", "withheld_chi2"):
        yield row(metric, mean_interval(scores[metric], blocks))
    for index, day in enumerate(days):
        if day in _DAYS:
            errors = scores["forecast_square_error"][:, index]
            yield row(f"rmse day {day}", rmse_interval(errors, blocks))
    yield replace(blank, metric="power", value=float(scores["power"][:, 11:].mean()))
    if "crps" in scores:
        yield row("crps", mean_interval(scores["crps"], blocks))
        square = ratio_of_means(scores["variance"], scores["square_error"], blocks)
        ends = float(np.sqrt(square.lo)), float(np.sqrt(square.hi))
        yield replace(blank, metric="spread_skill", value=float(np.sqrt(square.value)), ci95=ends)
    hours = (met.tuning_seconds + met.seconds) / _HOUR
    yield replace(blank, metric="cpu_hours", unit="h", value=hours)
    yield replace(blank, metric="seconds_per_analysis", unit="s", value=met.seconds / len(blocks))
