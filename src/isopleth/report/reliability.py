"""What predictions at withheld profiles say about their own uncertainty: numbers for the curves.

A withheld dataset has dimensions profile and depth and the variables observed, mean,
standard_deviation (predictive: it includes observation error), climatology, lat and lon.
The predictive distribution is a Student t of scale `scale` where the attribute `distribution` is
`student_t` (with `degrees_of_freedom`), else a Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.special import bdtrik, ndtri, stdtrit

from isopleth.metrics import pit_gaussian, pit_student_t

__all__ = [
    "SpreadSkill",
    "coverage",
    "half_width",
    "pit",
    "rmse_intervals",
    "sampling_band",
    "spread_skill",
]

Floats = npt.NDArray[np.float64]

_BLOCK = 5.0
"""Side of a block that is resampled as one, degrees: profiles within one are not independent."""


@dataclass(frozen=True, eq=False)
class SpreadSkill:
    """Predicted against found error, in bins of equal number.

    Args:
        spread: Root mean predictive variance of each bin, shape (bins,).
        skill: Root mean square error of each bin, shape (bins,).
    """

    spread: Floats
    skill: Floats


def pit(withheld: xr.Dataset) -> Floats:
    """Probability integral transform `F((y - mean) / s)` of every observed value, shape (n,).

    Source: Dawid (1984), Statistical theory: the prequential approach, J. R. Stat. Soc. A 147.
    """
    observed, mean = withheld["observed"].values, withheld["mean"].values
    degrees = _degrees(withheld)
    if degrees is None:
        values = pit_gaussian(mean, withheld["standard_deviation"].values, observed)
    else:
        values = pit_student_t(mean, withheld["scale"].values, degrees, observed)
    return np.asarray(values[np.isfinite(values)])


def coverage(withheld: xr.Dataset, nominal: npt.ArrayLike) -> Floats:
    """Share of values inside the central intervals of nominal probability, shape like `nominal`.

    Args:
        withheld: Predictions at withheld profiles.
        nominal: Probabilities in (0, 1).
    """
    from_middle = 2.0 * np.abs(pit(withheld) - 0.5)
    levels = np.asarray(nominal, dtype=np.float64)
    return np.asarray((from_middle[:, None] <= levels).mean(axis=0))


def sampling_band(share: npt.ArrayLike, count: int, *, probability: float = 0.95) -> Floats:
    """Central interval of a binomial share, shape (2, ...).

    Args:
        share: Expected shares in (0, 1).
        count: Independent trials; at least 1.
        probability: Of the interval.
    """
    tail = (1.0 - probability) / 2.0
    p = np.asarray(share, dtype=np.float64)
    ends = [np.ceil(bdtrik(q, count, p)) for q in (tail, 1.0 - tail)]
    return np.maximum(np.nan_to_num(ends), 0.0) / count


def spread_skill(withheld: xr.Dataset, *, bins: int = 10) -> SpreadSkill:
    """Found error against predicted error, in bins of equal number by predicted error.

    Args:
        withheld: Predictions at withheld profiles.
        bins: At most so many, each with at least 20 values.
    """
    error = np.asarray((withheld["observed"] - withheld["mean"]).values, dtype=np.float64)
    spread = np.asarray(withheld["standard_deviation"].values, dtype=np.float64)
    good = np.isfinite(error) & np.isfinite(spread)
    error, spread = error[good], spread[good]
    order = np.argsort(spread, kind="stable")
    parts = np.array_split(order, max(1, min(bins, order.size // 20)))
    return SpreadSkill(
        np.array([np.sqrt(np.mean(spread[p] ** 2)) for p in parts]),
        np.array([np.sqrt(np.mean(error[p] ** 2)) for p in parts]),
    )


def rmse_intervals(
    withheld: xr.Dataset, forecast: str, *, draws: int = 400, seed: int = 0
) -> Floats:
    """95 % interval of the RMSE by level, resampling blocks of 5 x 5 degrees, shape (2, nlev).

    Args:
        withheld: Predictions at withheld profiles.
        forecast: Variable to judge: "mean" or "climatology".
        draws: Bootstrap draws.
        seed: Of the draws.
    """
    misfit = (withheld["observed"] - withheld[forecast]).transpose("profile", "depth")
    square = np.asarray(misfit.values, dtype=np.float64) ** 2
    rows = np.floor((withheld["lat"].values + 90.0) / _BLOCK)
    columns = np.floor((withheld["lon"].values % 360.0) / _BLOCK)
    _, block = np.unique(rows * 1000.0 + columns, return_inverse=True)
    blocks = int(block.max()) + 1
    sums, counts = np.zeros((2, blocks, square.shape[1]))
    np.add.at(sums, block, np.nan_to_num(square))
    np.add.at(counts, block, np.isfinite(square))
    generator = np.random.default_rng(seed)
    times = generator.multinomial(blocks, np.full(blocks, 1.0 / blocks), size=draws)
    with np.errstate(invalid="ignore", divide="ignore"):
        resampled = np.sqrt((times @ sums) / (times @ counts))
    seen = np.isfinite(resampled).all(axis=0)
    ends = np.full((2, square.shape[1]), np.nan)
    ends[:, seen] = np.quantile(resampled[:, seen], [0.025, 0.975], axis=0)
    return ends


def half_width(withheld: xr.Dataset, probability: float) -> xr.DataArray:
    """From the middle to the edge of each value's central interval, in the unit of the data.

    Args:
        withheld: Predictions at withheld profiles.
        probability: Of the interval.

    >>> sd = xr.Dataset({"standard_deviation": ("profile", [1.0, 2.0])})
    >>> half_width(sd, 0.9).values.round(3).tolist()
    [1.645, 3.29]
    """
    degrees, upper = _degrees(withheld), 0.5 + probability / 2.0
    if degrees is None:
        return withheld["standard_deviation"] * float(ndtri(upper))
    return withheld["scale"] * float(stdtrit(degrees, upper))


def _degrees(withheld: xr.Dataset) -> float | None:
    """Degrees of freedom of the Student t that the predictions state; None for a Gaussian."""
    if withheld.attrs.get("distribution") != "student_t":
        return None
    return float(withheld.attrs["degrees_of_freedom"])
