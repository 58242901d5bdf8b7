"""Rows, headlines and verdict of the simulated benchmark."""

from __future__ import annotations

from typing import Any

import numpy as np

from isopleth.metrics import Spectrum, effective_resolution
from isopleth.studies.bootstrap import (
    mean_interval,
    ratio_of_means,
    ratio_of_rmse,
    rmse_interval,
)
from isopleth.studies.rows import Headline, Row, ratio_of, select, smallest
from simulated_scores import Scores

Scored = dict[tuple[str, str], Scores]
REFERENCE = "EnOI"
SHORT_KM = 1500.0
RESOLUTION = "effective resolution"


def rows_of(scored: Scored) -> list[Row]:
    """Every method on every test; ratios on the cases that both methods have."""
    rows: list[Row] = []
    for (method, setting), found in scored.items():
        where: dict[str, Any] = {"method": method, "setting": setting}
        where["n"] = len(found["hidden_weight"])
        rows += _errors(found, where) + _distribution(found, where) + _scales(found, where)
        reference = scored.get((REFERENCE, setting))
        if reference is not None and method != REFERENCE:
            rows += _ratios(found, reference, where)
    return rows


def _errors(found: Scores, where: dict[str, Any]) -> list[Row]:
    square, weight = found["hidden_square"].sum(1), found["hidden_weight"].sum(1)
    case = np.arange(len(square))
    rmse = rmse_interval(square, case, counts=weight)
    rows = [Row(**where, metric="rmse", unit="K", value=rmse.value, ci95=rmse.ends)]
    parts = {"unseen": "hidden", "seen": "seen"}
    for label, part in parts.items():
        mse = found[f"{part}_square"].sum() / found[f"{part}_weight"].sum()
        rows.append(Row(**where, metric=f"mse masked, {label}", unit="K2", value=float(mse)))
        mean = float(found[f"{part}_gridmean"].mean())
        rows.append(Row(**where, metric=f"mse gridmean, {label}", unit="K2", value=mean))
    share = found["seen_weight"].sum() / (found["seen_weight"].sum() + weight.sum())
    unseen, seen = (found[f"{part}_gridmean"].mean() for part in ("hidden", "seen"))
    total = float((1.0 - share) * unseen + share * seen)  # how the published 0.633 is made
    rows.append(Row(**where, metric="mse gridmean, total", unit="K2", value=total))
    bias = found["hidden_error"].sum() / found["hidden_weight"].sum()
    return [*rows, Row(**where, metric="bias", unit="K", value=float(bias))]


def _distribution(found: Scores, where: dict[str, Any]) -> list[Row]:
    case = np.arange(len(found["crps"]))
    crps = mean_interval(found["crps"], case)
    rows = [Row(**where, metric="crps", unit="K", value=crps.value, ci95=crps.ends)]
    if np.isfinite(found["coverage90"]).all():
        cover = mean_interval(found["coverage90"], case)
        rows.append(
            Row(**where, metric="coverage90", unit="1", value=cover.value, ci95=cover.ends)
        )
        ratio = float(np.sqrt(found["variance"].sum() / found["asked_square"].sum()))
        rows.append(Row(**where, metric="spread over error", unit="1", value=ratio))
    return rows


def _scales(found: Scores, where: dict[str, Any]) -> list[Row]:
    wavenumber, latitude = found["wavenumber"][0], float(found["latitude"][0])

    def spectrum(name: str) -> Spectrum:
        return Spectrum(wavenumber, found[f"power_{name}"].mean(0), 1, latitude)

    rows = []
    km = effective_resolution(spectrum("miss"), spectrum("truth"))
    if np.isfinite(km):
        rows.append(Row(**where, metric=RESOLUTION, unit="km", value=km))
    short = spectrum("truth").wavelength_km < SHORT_KM
    for name, label in (("mean", "short waves kept"), ("sample", "short waves of a member")):
        kept = found[f"power_{name}"][:, short].sum() / found["power_truth"][:, short].sum()
        if np.isfinite(kept):
            rows.append(Row(**where, metric=label, unit="1", value=float(kept)))
    return rows


def _ratios(found: Scores, reference: Scores, where: dict[str, Any]) -> list[Row]:
    n = min(len(found["crps"]), len(reference["crps"]))
    case = np.arange(n)
    where = {**where, "n": n}
    pair = [scores["hidden_square"][:n].sum(1) for scores in (found, reference)]
    rmse = ratio_of_rmse(*pair, case)
    crps = ratio_of_means(found["crps"][:n], reference["crps"][:n], case)
    over = {"rmse over EnOI": rmse, "crps over EnOI": crps}
    return [
        Row(**where, metric=name, unit="1", value=value.value, ci95=value.ends)
        for name, value in over.items()
    ]


def headlines(
    hero: str, controls: list[str], setting: str, baselines: list[str], rows: list[Row]
) -> dict[str, Headline]:
    """Of the guided method that was best on the validation oceans; the best control counts."""

    def over(other: str, metric: str = "rmse") -> Any:
        return ratio_of(select(hero, setting, metric), select(other, setting, metric))

    best = smallest(*(select(name, setting, "rmse") for name in baselines))
    control = smallest(*(select(name, setting, "rmse") for name in controls))
    heads = {
        "over_enoi": Headline(over(REFERENCE), ("<=", 0.95)),
        "over_control": Headline(ratio_of(select(hero, setting, "rmse"), control), ("<=", 0.97)),
        "over_best_baseline": Headline(ratio_of(select(hero, setting, "rmse"), best)),
        "crps_over_enoi": Headline(over(REFERENCE, "crps")),
        "mse_gridmean_unseen": Headline(select(hero, setting, "mse gridmean, unseen")),
    }
    resolved = {row.method for row in rows if row.metric == RESOLUTION and row.setting == setting}
    if {hero, REFERENCE} <= resolved:  # a method that resolves no wave has no row
        heads["resolution_over_enoi"] = Headline(over(REFERENCE, RESOLUTION), ("<=", 1.0))
    return heads
