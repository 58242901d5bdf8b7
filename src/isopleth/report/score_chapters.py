"""Chapters that judge the analysis at the profiles held back: scores and calibration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from isopleth.report.curves import calibration_figure, profile_figure, score_figure
from isopleth.report.figures import to_png
from isopleth.report.geography import place_words
from isopleth.report.material import Material
from isopleth.report.pages import Chapter, Picture, Table
from isopleth.report.summary import pooled
from isopleth.report.words import amount, depth_words, percent

__all__ = ["calibration_chapter", "score_chapter"]

_EXAMPLES = (
    (0.1, "Better than 9 in 10"),
    (0.5, "Typical"),
    (0.9, "Worse than 9 in 10"),
    (1.0, "The worst"),
)

_ENOUGH = 10
"""Fewer profiles than this have no ranks worth showing."""

_COLUMNS = (
    "Depth",
    "Values",
    "RMSE",
    "RMSE climatology",
    "Ratio",
    "Bias",
    "Bias climatology",
    "CRPS",
    "CRPS climatology",
    "In the 90 % interval",
)


def score_chapter(material: Material) -> Chapter | None:
    """Scores at the profiles held back, by level; None if there are none."""
    scores = material.scores
    if scores is None or not len(scores):
        return None
    total = pooled(scores)
    text = (
        "The profiles held back were predicted from the others. Errors are those of the predicted "
        "observation, so they hold its measurement error and the small scales that no grid "
        "resolves. The climatology is judged on the same values, for the CRPS as a normal "
        "distribution with the spread of the other profiles about it."
    )
    picture = Picture(
        to_png(score_figure(scores, material.withheld, unit=material.unit)),
        f"Root mean square error, CRPS and bias against depth. Over all levels the error is "
        f"{amount(total['rmse'], unit=material.unit)} for the analysis and "
        f"{amount(total['rmse_climatology'], unit=material.unit)} for the climatology.",
        "Scores at the profiles held back. Bands: 95 % intervals of the RMSE from resampling "
        "blocks of 5 by 5 degrees. RMSE and CRPS are better when smaller, a bias when near 0.",
    )
    table = _score_table(scores, total, material.unit)
    return Chapter("score", "Score against the climatology", (text,), (picture, table))


def calibration_chapter(material: Material) -> Chapter | None:
    """Whether the stated uncertainty is true; None if nothing was held back."""
    held = material.withheld
    if held is None or not np.isfinite((held["observed"] - held["mean"]).values).any():
        return None
    text = (
        "An uncertainty is honest if it is as large as the errors that are found: of the 90 % "
        "intervals, 90 % should hold the observed value."
    )
    parts = [_diagrams(held, material.unit)]
    examples = _examples(held)
    if examples:
        label = material.label(material.noun.capitalize())
        picture = Picture(
            to_png(profile_figure(held, examples, label=label)),
            "Four profiles that were held back, from well to badly predicted, as observed and as "
            "predicted with a 90 % interval, with the climatology.",
            "Four of the profiles held back, chosen by the rank of their error. One value in ten "
            "should lie outside the band.",
        )
        parts.append(picture)
    return Chapter("calibration", "Can the uncertainty be believed?", (text,), parts)


def _diagrams(held: xr.Dataset, unit: str) -> Picture:
    return Picture(
        to_png(calibration_figure(held, unit=unit)),
        "Three diagrams of calibration: histogram of the probability integral transform, coverage "
        "of central intervals, and error found against error predicted.",
        "Left: flat is right; a hump says that the stated errors are too large, a bowl that they "
        "are too small. Middle: on the diagonal is right, above it the intervals are too wide. "
        "Right: on the diagonal is right, below it the stated errors are too large. Grey bands: "
        "what chance alone would give in 95 % of cases with "
        f"{held.sizes['profile']:,} independent values, as many as there are profiles.",
    )


def _score_table(scores: pd.DataFrame, total: Mapping[str, float], unit: str) -> Table:
    rows = [_score_row(depth_words(row["depth"]), row) for _, row in scores.iterrows()]
    rows.append(_score_row("All levels", total))
    caption = (
        f"Scores at the profiles held back{', in ' + unit if unit else ''}. Ratio: RMSE of the "
        "analysis over that of the climatology; under 1 the analysis is better."
    )
    return Table(caption, _COLUMNS, rows, total=True)


def _score_row(head: str, row: Mapping[str, float] | pd.Series) -> tuple[str, ...]:
    if not row["n"]:
        return (head, "0", *["–"] * (len(_COLUMNS) - 2))
    ratio = row["rmse"] / row["rmse_climatology"] if row["rmse_climatology"] else np.nan
    return (
        head,
        f"{int(row['n']):,}",
        amount(row["rmse"], places=3),
        amount(row["rmse_climatology"], places=3),
        amount(ratio, places=2),
        amount(row["bias"], sign=True, places=3),
        amount(row["bias_climatology"], sign=True, places=3),
        amount(row["crps"], places=3),
        amount(row["crps_climatology"], places=3),
        percent(row["coverage90"], places=1),
    )


def _examples(held: xr.Dataset) -> list[tuple[int, str]]:
    """Profiles at four ranks of their root mean square error, of those at least half full."""
    misfit = (held["observed"] - held["mean"]).transpose("profile", "depth").values
    seen = np.isfinite(misfit).sum(axis=1)
    full = np.flatnonzero(seen >= max(2, misfit.shape[1] / 2.0))
    if misfit.shape[1] < 2 or full.size < _ENOUGH:
        return []
    rank = full[np.argsort(np.nanmean(misfit[full] ** 2, axis=1))]
    chosen = []
    for share, words in _EXAMPLES:
        index = int(rank[round(share * (rank.size - 1))])
        place = place_words(float(held["lat"][index]), float(held["lon"][index]))
        day = held["time"].values[index].astype("datetime64[D]")
        chosen.append((index, f"{words}\n{place}, {day}"))
    return chosen
