"""Diagnostics: innovations, assumed against estimated errors, withheld stations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from isopleth.core.channels import Channels
from isopleth.data.station_reports import Reports

__all__ = ["Departures", "desroziers", "innovations", "withheld_scores"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Departures:
    """Observations beside background and analysis.

    Args:
        reports: Used, n rows.
        background: `H x_b`, shape (n,).
        analysis: `H x_a`, shape (n,).
        spread: `sqrt(diag H B H')`, shape (n,).
    """

    reports: Reports
    background: Floats
    analysis: Floats
    spread: Floats

    def channel(self, channels: Channels) -> npt.NDArray[np.int64]:
        """Number of the channel of the variable and nearest level, shape (n,)."""
        channel = np.zeros(len(self.reports), np.int64)
        for i, quantity in enumerate(channels.quantities):
            rows = self.reports.quantity == i
            where, levels = channels.where(quantity), channels.levels(quantity)
            if levels is None or channels.vertical is None:
                channel[rows] = where[0]
                continue
            z = channels.vertical.scaled(levels)
            away = np.abs(channels.vertical.scaled(self.reports.level[rows])[:, None] - z)
            channel[rows] = where[away.argmin(1)]
        return channel


def innovations(of: Departures, channels: Channels) -> pd.DataFrame:
    """Count, bias and root mean square of observed less background and less analysis.

    Columns: what, unit, n, bias_background, rms_background, rms_expected (of
    `sqrt(H B H' + R)`), bias_analysis, rms_analysis; one row a channel with observations.
    """
    y, R = of.reports.value, of.reports.error**2
    columns = {
        "before": y - of.background,
        "after": y - of.analysis,
        "expected": of.spread**2 + R,
    }
    frame = pd.DataFrame(columns)
    rows = []
    for channel, part in _parts(of, channels, frame):
        rows.append(
            {
                "what": channels.label(channel),
                "unit": channels.items[channel].quantity.units,
                "n": len(part),
                "bias_background": part["before"].mean(),
                "rms_background": _rms(part["before"]),
                "rms_expected": float(np.sqrt(part["expected"].mean())),
                "bias_analysis": part["after"].mean(),
                "rms_analysis": _rms(part["after"]),
            }
        )
    return pd.DataFrame(rows)


def desroziers(of: Departures, channels: Channels) -> pd.DataFrame:
    """Assumed errors against those that the departures imply, as standard deviations.

        <(y - H x_a)(y - H x_b)> = R,   <(H x_a - H x_b)(y - H x_b)> = H B H'

    where both statistics are right; NaN where an estimate is negative. The estimates are of all
    observations of a channel together and noisy where these are few.
    Reference: Desroziers, Berre, Chapnik and Poli (2005), Q. J. R. Meteorol. Soc. 131, 3385.
    """
    y = of.reports.value
    before, after = y - of.background, y - of.analysis
    frame = pd.DataFrame().assign(
        R=of.reports.error**2,
        B=of.spread**2,
        R_found=after * before,
        B_found=(of.analysis - of.background) * before,
    )
    rows = []
    for channel, part in _parts(of, channels, frame):
        mean = part[["R", "R_found", "B", "B_found"]].mean()
        roots = {name: float(np.sqrt(v)) if v >= 0.0 else np.nan for name, v in mean.items()}
        label, unit = channels.label(channel), channels.items[channel].quantity.units
        rows.append({"what": label, "unit": unit, "n": len(part), **roots})
    return pd.DataFrame(rows)


def withheld_scores(of: Departures, channels: Channels) -> pd.DataFrame:
    """Root mean square of withheld observations less background, and less the trial analysis.

    Columns: what, unit, n, rms_background, rms_analysis, error (the observations' own).
    """
    y = of.reports.value
    frame = pd.DataFrame(
        {"before": y - of.background, "after": y - of.analysis, "error": of.reports.error}
    )
    rows = []
    for channel, part in _parts(of, channels, frame):
        rows.append(
            {
                "what": channels.label(channel),
                "unit": channels.items[channel].quantity.units,
                "n": len(part),
                "rms_background": _rms(part["before"]),
                "rms_analysis": _rms(part["after"]),
                "error": _rms(part["error"]),
            }
        )
    return pd.DataFrame(rows)


def _parts(
    of: Departures, channels: Channels, frame: pd.DataFrame
) -> Iterator[tuple[int, pd.DataFrame]]:
    """Rows by channel, of those that have any."""
    each = of.channel(channels)
    for channel in np.unique(each):
        yield int(channel), frame[each == channel]


def _rms(values: pd.Series) -> float:
    return float(np.sqrt((values.astype(float) ** 2).mean()))
