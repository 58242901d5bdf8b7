"""Scores of predictions at withheld profiles, level by level, beside those of the climatology.

Predictions are a dataset with dimensions `profile` and `depth` and the variables `observed`,
`mean`, `standard_deviation` and `climatology`. Their distribution is of the *observation*, its
error included: a Student t of location `mean` and scale `scale` where the attribute `distribution`
is `student_t` (with `degrees_of_freedom`), else a normal.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from isopleth.core.errors import InputError
from isopleth.metrics import (
    coverage,
    crps_gaussian,
    crps_student_t,
    pit_gaussian,
    pit_student_t,
    rmse,
    weighted_mean,
)

__all__ = ["case_scores", "score_table"]

Floats = NDArray[np.float64]

_PARTS = ("observed", "mean", "standard_deviation", "climatology")


def score_table(
    predictions: xr.Dataset, *, climatology_spread: ArrayLike | None = None
) -> pd.DataFrame:
    """One row for each level: number of values, RMSE, bias, CRPS and coverage of 90 % intervals.

    Analysis and climatology are scored on the same values: those where the observation and both
    predictions exist. Errors are predicted less observed. A level without a value has `n` 0 and
    NaN scores.

    Args:
        predictions: As in the module's text.
        climatology_spread: Standard deviation of observations about the climatology, known without
            the withheld ones, shape (L,); the climatology is then scored as a normal distribution.
            Without it the climatology states no uncertainty and its CRPS is the mean absolute
            error.

    Raises:
        InputError: If a variable is missing or the spread has another length than the levels.
    """
    cases = case_scores(predictions, climatology_spread=climatology_spread)
    error, miss = cases["error"].values, cases["error_climatology"].values
    return pd.DataFrame(
        {
            "depth": predictions["depth"].values.astype(np.float64),
            "n": np.isfinite(error).sum(axis=0),
            "rmse": rmse(error, 0.0, axis=0),
            "rmse_climatology": rmse(miss, 0.0, axis=0),
            "bias": weighted_mean(error, axis=0),
            "bias_climatology": weighted_mean(miss, axis=0),
            "crps": weighted_mean(cases["crps"].values, axis=0),
            "crps_climatology": weighted_mean(cases["crps_climatology"].values, axis=0),
            "coverage90": coverage(cases["pit"].values, level=0.9, axis=0),
        }
    )


def case_scores(
    predictions: xr.Dataset, *, climatology_spread: ArrayLike | None = None
) -> xr.Dataset:
    """Error, CRPS and PIT of every value, (profile, depth); NaN where one of the three is missing.

    Arguments and errors as in `score_table`.
    """
    observed, mean, sd, climatology = _parts(predictions)
    seen = np.isfinite(observed) & np.isfinite(mean) & np.isfinite(climatology)
    truth = np.where(seen, observed, np.nan)
    crps, pit = _distribution_scores(predictions, mean, sd, truth)
    spread = _spread(predictions, climatology_spread)
    values = {
        "error": mean - truth,
        "error_climatology": climatology - truth,
        "crps": crps,
        "crps_climatology": crps_gaussian(climatology, spread, truth),
        "pit": pit,
    }
    return xr.Dataset({name: (("profile", "depth"), array) for name, array in values.items()})


def _parts(predictions: xr.Dataset) -> list[Floats]:
    missing = [name for name in _PARTS if name not in predictions]
    if missing:
        raise InputError(
            f"the predictions have no variable {missing[0]!r}: a score needs {', '.join(_PARTS)}."
        )
    order = ("profile", "depth")
    return [predictions[n].transpose(*order).values.astype(np.float64) for n in _PARTS]


def _distribution_scores(
    predictions: xr.Dataset, mean: Floats, sd: Floats, truth: Floats
) -> tuple[Floats, Floats]:
    """CRPS and PIT of the distribution that the predictions state."""
    if predictions.attrs.get("distribution") != "student_t":
        return crps_gaussian(mean, sd, truth), pit_gaussian(mean, sd, truth)
    scale = predictions["scale"].transpose("profile", "depth").values.astype(np.float64)
    degrees = float(predictions.attrs["degrees_of_freedom"])
    return (
        crps_student_t(mean, scale, degrees, truth),
        pit_student_t(mean, scale, degrees, truth),
    )


def _spread(predictions: xr.Dataset, given: ArrayLike | None) -> Floats:
    levels = predictions.sizes["depth"]
    spread = np.zeros(levels) if given is None else np.asarray(given, dtype=np.float64)
    if spread.shape != (levels,):
        raise InputError(
            f"the climatology's spread has shape {spread.shape} for {levels} levels: "
            "give one standard deviation a level."
        )
    return spread
