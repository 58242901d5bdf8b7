"""The numbers of an assimilation as tables of text, for the page and the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import xarray as xr

from isopleth.report.words import amount, unit_words

__all__ = ["EXPLAINED", "AssimilationMaterial", "rejections", "tables"]

Rows = list[list[str]]

_INNOVATIONS = "Innovations before and after"
_DESROZIERS = "Assumed and estimated errors (Desroziers)"
_WITHHELD = "Score at stations that a second analysis did not see"

EXPLAINED: Mapping[str, str] = {
    _INNOVATIONS: (
        "If the assumed errors are right, the rms before is the expected one. The analysis lies "
        "nearer to the observations it used in any case: that is no merit."
    ),
    _DESROZIERS: (
        "Errors implied by the departures before and after. Where they differ much from the "
        "assumed ones, the errors in the table or of the background are wrong, or the "
        "covariance is."
    ),
    _WITHHELD: (
        "The analysis is worth having where its rms is below the background's; but for "
        "chance it cannot fall below the observations' own error."
    ),
}
"""How to read a table, by its title."""


@dataclass(frozen=True, eq=False, kw_only=True)
class AssimilationMaterial:
    """What a report on an assimilation is made of.

    Args:
        analysis: NAME, NAME_background, NAME_increment, NAME_background_spread and, where there
            is one, NAME_spread on ([level], lat, lon); attributes method, title, chi_square,
            observations_used, observations_rejected and, for a demonstration, data_note.
        stations: Every observation: station, latitude, longitude, status ("used" or "rejected"),
            reason, background, analysis ...
        innovations: Columns what, unit, n, bias_background, rms_background, rms_expected,
            bias_analysis, rms_analysis.
        desroziers: Columns what, unit, n, R, R_found, B, B_found.
        withheld: Columns what, unit, n, rms_background, rms_analysis, error; or None.
        truth: Columns what, unit, background, analysis, ratio, ratio_near; None if not known.
        basis: On what the analysis rests: method, covariance and its source, localisation.
        notes: What was decided, fell back or did not go as it should, one sentence each.
        statistics: Lines on the static covariance; empty without one.
        provenance: Names and values of how it was made.
    """

    analysis: xr.Dataset
    stations: pd.DataFrame
    innovations: pd.DataFrame
    desroziers: pd.DataFrame
    withheld: pd.DataFrame | None
    truth: pd.DataFrame | None
    basis: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    statistics: tuple[str, ...]
    provenance: Mapping[str, object]


def tables(material: AssimilationMaterial) -> list[tuple[str, Sequence[str], Rows]]:
    """Title, heads and cells of every table that has something to show."""
    found = [_innovations(material.innovations), _desroziers(material.desroziers)]
    reasons = rejections(material.stations)
    if reasons:
        found.append(("Observations rejected", ["reason", "observations"], reasons))
    if material.withheld is not None:
        found.append(_withheld(material.withheld))
    if material.truth is not None:
        found.append(_truth(material.truth))
    return found


def rejections(stations: pd.DataFrame) -> Rows:
    """Reasons and how often; numbers within a reason are left out.

    >>> table = {"status": ["rejected"] * 2, "reason": ["departs from the background by 6.0 "
    ...          "standard deviations", "departs from the background by 7.5 standard deviations"]}
    >>> rejections(pd.DataFrame(table))
    [['departs too far from the background', '2']]
    """
    rejected = stations.loc[stations["status"] == "rejected", "reason"].astype(str)
    alike = rejected.str.replace(
        r"^departs from the background by .*$", "departs too far from the background", regex=True
    )
    return [[str(reason), f"{count:,}"] for reason, count in alike.value_counts().items()]


def _label(row: pd.Series) -> str:
    unit = unit_words(str(row["unit"]))
    return f"{row['what']} ({unit})" if unit else str(row["what"])


def _innovations(frame: pd.DataFrame) -> tuple[str, Sequence[str], Rows]:
    heads = [
        "observed less ...",
        "n",
        "background: bias",
        "rms",
        "expected",
        "analysis: bias",
        "rms",
    ]
    rows = [
        [
            _label(row),
            f"{row['n']:,}",
            amount(row["bias_background"], sign=True),
            amount(row["rms_background"]),
            amount(row["rms_expected"]),
            amount(row["bias_analysis"], sign=True),
            amount(row["rms_analysis"]),
        ]
        for _, row in frame.iterrows()
    ]
    return _INNOVATIONS, heads, rows


def _desroziers(frame: pd.DataFrame) -> tuple[str, Sequence[str], Rows]:
    heads = [
        "error of",
        "n",
        "observation: assumed",
        "estimated",
        "background: assumed",
        "estimated",
    ]
    rows = [
        [_label(row), f"{row['n']:,}", *(amount(row[c]) for c in ("R", "R_found", "B", "B_found"))]
        for _, row in frame.iterrows()
    ]
    return _DESROZIERS, heads, rows


def _withheld(frame: pd.DataFrame) -> tuple[str, Sequence[str], Rows]:
    heads = [
        "withheld, observed less ...",
        "n",
        "background: rms",
        "analysis: rms",
        "their own error",
    ]
    rows = [
        [
            _label(row),
            f"{row['n']:,}",
            *(amount(row[c]) for c in ("rms_background", "rms_analysis", "error")),
        ]
        for _, row in frame.iterrows()
    ]
    return _WITHHELD, heads, rows


def _truth(frame: pd.DataFrame) -> tuple[str, Sequence[str], Rows]:
    heads = ["error, whole globe", "background", "analysis", "ratio", "ratio near stations"]
    rows = [
        [
            _label(row),
            amount(row["background"]),
            amount(row["analysis"]),
            f"{row['ratio']:.2f}",
            f"{row['ratio_near']:.2f}",
        ]
        for _, row in frame.iterrows()
    ]
    return "Error against the truth, which is known here", heads, rows
