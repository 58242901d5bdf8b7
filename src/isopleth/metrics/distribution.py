"""Scores of a predictive distribution in closed form: normal, Student t, mixture of normals.

The distribution must be of the quantity in `truth`: when the truth is an observation, it includes
the observation's error. Scores of single cases have the shape of the truth, and are NaN where the
truth or a parameter is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from isopleth.core.errors import InputError
from isopleth.metrics.deterministic import Axis, Floats, Score, weighted_mean

__all__ = [
    "central_tail",
    "coverage",
    "coverage_gaussian",
    "crps_gaussian",
    "crps_normal_mixture",
    "crps_student_t",
    "interval_score",
    "pit_gaussian",
    "pit_normal_mixture",
    "pit_student_t",
]


def crps_gaussian(mean: ArrayLike, standard_deviation: ArrayLike, truth: ArrayLike) -> Floats:
    """Continuous ranked probability score of a normal distribution, one value per case.

    `s (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))` with `z = (y - m) / s`; if s is 0, `|y - m|`.
    Reference: Gneiting et al. (2005), Mon. Weather Rev. 133, 1098, eq. 5.

    Args:
        mean: m, in the unit of the truth.
        standard_deviation: s >= 0, in the unit of the truth.
        truth: y; all three broadcast together.

    Returns:
        Scores >= 0 in the unit of the truth; smaller is better.

    Raises:
        InputError: A standard deviation is negative.
    """
    sd = _spreads(standard_deviation)
    return _normal_distance(_error(mean, truth), sd) - sd / np.sqrt(np.pi)


def crps_student_t(
    location: ArrayLike, scale: ArrayLike, degrees: ArrayLike, truth: ArrayLike
) -> Floats:
    """Continuous ranked probability score of a Student t distribution, one value per case.

    `s (z (2 F(z) - 1) + 2 f(z) (n + z^2) / (n - 1) - c)` with `z = (y - m) / s`, n degrees of
    freedom and `c = 2 sqrt(n) / (n - 1) B(1/2, n - 1/2) / B(1/2, n / 2)^2`.
    Reference: Jordan, Krueger and Lerch (2019), J. Stat. Softw. 90(12), appendix A.

    Args:
        location: m, in the unit of the truth.
        scale: s > 0, not the standard deviation, which is `s sqrt(n / (n - 2))`.
        degrees: n > 1; with 1 or fewer the score is infinite.
        truth: y; all four broadcast together.

    Returns:
        Scores >= 0 in the unit of the truth.

    Raises:
        InputError: A scale is not positive, or a number of degrees is not above 1.
    """
    s, n = _spreads(scale, allow_zero=False), np.asarray(degrees, dtype=np.float64)
    if np.any(n <= 1):
        raise InputError(f"{n.min()} degrees of freedom give no finite CRPS: give more than 1.")
    z = _error(location, truth) / s
    centre = z * (2 * special.stdtr(n, z) - 1) + 2 * stats.t.pdf(z, n) * (n + z**2) / (n - 1)
    log_ratio = special.betaln(0.5, n - 0.5) - 2 * special.betaln(0.5, n / 2)
    return s * (centre - 2 * np.sqrt(n) / (n - 1) * np.exp(log_ratio))


def crps_normal_mixture(
    mean: ArrayLike, standard_deviations: ArrayLike, weights: ArrayLike, truth: ArrayLike
) -> Floats:
    """Continuous ranked probability score of normals with one mean and several widths.

    `sum_k w_k A(y - m, s_k^2) - 1/2 sum_jk w_j w_k A(0, s_j^2 + s_k^2)` with
    `A(e, s^2) = 2 s phi(e / s) + e (2 Phi(e / s) - 1)`.
    Reference: Grimit et al. (2006), Q. J. R. Meteorol. Soc. 132, 2925, eq. 5.

    Args:
        mean: m (...), in the unit of the truth.
        standard_deviations: s_k >= 0 (..., K), in the unit of the truth.
        weights: w_k >= 0 (..., K) or (K,), summing to 1 over the last axis.
        truth: y (...).

    Returns:
        Scores (...) >= 0 in the unit of the truth.

    Raises:
        InputError: A standard deviation or weight is negative, or weights do not sum to 1.
    """
    sd, w = _spreads(standard_deviations), _mixture_weights(weights)
    centre = np.sum(w * _normal_distance(_error(mean, truth)[..., None], sd), axis=-1)
    pair = np.sqrt(sd[..., :, None] ** 2 + sd[..., None, :] ** 2) * np.sqrt(2 / np.pi)
    return centre - 0.5 * np.einsum("...j,...k,...jk->...", w, w, pair)


def interval_score(
    lower: ArrayLike, upper: ArrayLike, truth: ArrayLike, *, level: float = 0.9
) -> Floats:
    """Width of a central interval plus the price of missing the truth, one value per case.

    `(u - l) + 2/a max(l - y, 0) + 2/a max(y - u, 0)` with `a = 1 - level`.
    Reference: Gneiting and Raftery (2007), J. Am. Stat. Assoc. 102, 359, eq. 43.

    Returns:
        Scores >= 0 in the unit of the truth; smaller is better.

    Raises:
        InputError: The level is not inside (0, 1), or an upper end lies below its lower end.
    """
    low, high, y = (np.asarray(v, dtype=np.float64) for v in (lower, upper, truth))
    if np.any(high < low):
        raise InputError("an interval's upper end lies below its lower end: swap the two.")
    outside = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    return (high - low) + outside / central_tail(level)


def pit_gaussian(mean: ArrayLike, standard_deviation: ArrayLike, truth: ArrayLike) -> Floats:
    """Probability integral transform `Phi((y - m) / s)`; uniform on [0, 1] if calibrated.

    Where s is 0 it is 0, 1/2 or 1 as the truth lies below, at or above the mean.
    Reference: Dawid (1984), J. R. Stat. Soc. A 147, 278. Arguments as in `crps_gaussian`.
    """
    return special.ndtr(_standardised(_error(mean, truth), _spreads(standard_deviation)))


def pit_student_t(
    location: ArrayLike, scale: ArrayLike, degrees: ArrayLike, truth: ArrayLike
) -> Floats:
    """Probability integral transform `F_n((y - m) / s)`. Arguments as in `crps_student_t`."""
    z = _error(location, truth) / _spreads(scale, allow_zero=False)
    return special.stdtr(np.asarray(degrees, dtype=np.float64), z)


def pit_normal_mixture(
    mean: ArrayLike, standard_deviations: ArrayLike, weights: ArrayLike, truth: ArrayLike
) -> Floats:
    """Probability integral transform `sum_k w_k Phi((y - m) / s_k)`.

    Arguments as in `crps_normal_mixture`: components on the last axis.
    """
    error = _error(mean, truth)[..., None]
    below = special.ndtr(_standardised(error, _spreads(standard_deviations)))
    return np.sum(_mixture_weights(weights) * below, axis=-1)


def coverage(
    pit: ArrayLike,
    *,
    level: float = 0.9,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    axis: Axis = None,
) -> Score:
    """Fraction of truths inside the central interval of the given level, from their PIT.

    `mean(|pit - 1/2| <= level / 2)`; equals `level` if calibrated. One formula for every
    distribution. Reference: Gneiting, Balabdaoui and Raftery (2007), J. R. Stat. Soc. B 69, 243.
    NaN rule, weights, mask and axis as in `weighted_mean`.

    Raises:
        InputError: The level is not inside (0, 1).
    """
    p, tail = np.asarray(pit, dtype=np.float64), central_tail(level)
    inside = np.where(np.isnan(p), np.nan, (p >= tail) & (p <= 1 - tail))
    return weighted_mean(inside, weights=weights, mask=mask, axis=axis)


def coverage_gaussian(
    mean: ArrayLike,
    standard_deviation: ArrayLike,
    truth: ArrayLike,
    *,
    level: float = 0.9,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Score:
    """Fraction of truths within `m +- Phi^-1((1 + level) / 2) s`. See `coverage`."""
    pit = pit_gaussian(mean, standard_deviation, truth)
    return coverage(pit, level=level, weights=weights, mask=mask)


def central_tail(level: float) -> float:
    """Probability `(1 - level) / 2` on each side of a central interval.

    Raises:
        InputError: The level is not inside (0, 1).
    """
    if not 0 < level < 1:
        raise InputError(f"the level {level} is not inside (0, 1): give 0.9 for 90 %.")
    return (1 - level) / 2


def _spreads(values: ArrayLike, *, allow_zero: bool = True) -> Floats:
    spread = np.asarray(values, dtype=np.float64)
    if np.any(spread < 0) or (not allow_zero and np.any(spread == 0)):
        raise InputError(
            f"a standard deviation or scale is {np.nanmin(spread)}: give the square root of a "
            f"variance, {'0 or more' if allow_zero else 'above 0'}."
        )
    return spread


def _mixture_weights(weights: ArrayLike) -> Floats:
    w = np.asarray(weights, dtype=np.float64)
    if np.any(w < 0) or not np.allclose(w.sum(axis=-1), 1.0):
        raise InputError(
            f"the mixture weights {w.ravel()[:4].tolist()}... are not >= 0 with sum 1 over the "
            "last axis: divide them by their sum."
        )
    return w


def _standardised(error: Floats, sd: Floats) -> Floats:
    """`error / sd`, with its limit (-inf, 0 or inf) where sd is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = error / sd
    return np.where((sd == 0) & (error == 0), 0.0, z)


def _normal_distance(error: Floats, sd: Floats) -> Floats:
    """Expected `|X|` for X normal about `error`: A(e, s^2) of Grimit et al. (2006)."""
    z = _standardised(error, sd)
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return 2 * sd * density + error * (2 * special.ndtr(z) - 1)


def _error(centre: ArrayLike, truth: ArrayLike) -> Floats:
    return np.asarray(truth, dtype=np.float64) - np.asarray(centre, dtype=np.float64)
