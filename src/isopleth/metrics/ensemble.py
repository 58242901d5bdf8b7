"""Scores of an ensemble: a probability forecast by members.

Members lie on axis 0. The forecast must be of the quantity in `truth`: when the truth is an
observation, the predictive distribution includes the observation's error. Scores of single cases
have the shape of the truth and are NaN where the truth or any member is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isopleth.core.errors import InputError
from isopleth.metrics.deterministic import Floats, Score, mse, weighted_mean
from isopleth.metrics.distribution import central_tail

__all__ = [
    "SpreadSkill",
    "coverage_ensemble",
    "crps_ensemble",
    "pit_ensemble",
    "rank_histogram",
    "spread_skill",
]


def crps_ensemble(members: ArrayLike, truth: ArrayLike, *, fair: bool = True) -> Floats:
    """Continuous ranked probability score of an ensemble, one value per case.

    `mean_i |x_i - y| - 1/(2 D) sum_ij |x_i - x_j|` with `D = M (M - 1)` if fair, else `M^2`. The
    fair score estimates that of the distribution the members are drawn from, whatever their
    number, and can be negative for one case; the raw score is that of the members' step function.
    Reference: Ferro (2014), Q. J. R. Meteorol. Soc. 140, 1917.

    Args:
        members: x (M, ...), in the unit of the truth.
        truth: y (...).
        fair: Correct for the number of members; needs at least 2.

    Returns:
        Scores (...) in the unit of the truth.

    Raises:
        InputError: There are too few members, or the shapes do not fit.
    """
    x, y = _members(members, truth, at_least=2 if fair else 1)
    size = len(x)
    rank = 2.0 * np.arange(1, size + 1) - size - 1
    # sum_ij |x_i - x_j| / 2 = sum_i (2 i - M - 1) x_(i) over the sorted members.
    half_sum = np.tensordot(rank, np.sort(x, axis=0), axes=1)
    return np.abs(x - y).mean(axis=0) - half_sum / (size * (size - 1) if fair else size**2)


def pit_ensemble(members: ArrayLike, truth: ArrayLike, *, seed: int) -> Floats:
    """Randomised probability integral transform of an ensemble, uniform if calibrated.

    `(r + U) / (M + 1)`, with r the truth's rank among the members (0 to M), ties broken at random,
    and U uniform on [0, 1). Unlike `r / M` it is exactly uniform for any number of members.
    Reference: Czado, Gneiting and Held (2009), Biometrics 65, 1254. Shapes as in `crps_ensemble`.
    """
    below, tied, exists = _ranks(members, truth)
    draw = np.random.default_rng(seed).random(below.shape)
    size = len(np.asarray(members))
    return np.where(exists, (below + draw * (tied + 1)) / (size + 1), np.nan)


def coverage_ensemble(
    members: ArrayLike,
    truth: ArrayLike,
    *,
    level: float = 0.9,
    fair: bool = True,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> Score:
    """Fraction of truths inside the ensemble's central interval of the given level.

    Fair: the truth's rank r stands for the interval `[r, r + 1] / (M + 1)` of probability, of
    which the part inside `[a, 1 - a]`, `a = (1 - level) / 2`, is counted; a perfect ensemble of
    any size gives `level`. Raw: between the members' quantiles, which is too narrow (16 perfect
    members: about 0.80 for 0.90).
    Reference: ranks as in Hamill (2001), Mon. Weather Rev. 129, 550.

    Args:
        members: x (M, ...), in the unit of the truth.
        truth: y (...).
        level: Nominal coverage, inside (0, 1).
        fair: Correct for the number of members.
        weights: As in `weighted_mean`.
        mask: As in `weighted_mean`.

    Raises:
        InputError: The level is not inside (0, 1), or the shapes do not fit.
    """
    tail = central_tail(level)
    if not fair:
        x, y = _members(members, truth)
        low, high = np.quantile(x, [tail, 1 - tail], axis=0)
        inside = np.where(np.isnan(low + y), np.nan, (y >= low) & (y <= high))
        return weighted_mean(inside, weights=weights, mask=mask)
    below, tied, exists = _ranks(members, truth)
    size = len(np.asarray(members))
    start, end = below / (size + 1), (below + tied + 1) / (size + 1)
    overlap = np.clip(np.minimum(end, 1 - tail) - np.maximum(start, tail), 0.0, None)
    part = np.where(exists, overlap / (end - start), np.nan)
    return weighted_mean(part, weights=weights, mask=mask)


@dataclass(frozen=True)
class SpreadSkill:
    """Root of the mean variance, and error of the mean, both in the truth's unit."""

    spread: float
    error: float

    @property
    def ratio(self) -> float:
        """Spread over error: 1 if reliable, below 1 if overconfident, NaN without an error."""
        return self.spread / self.error if self.error > 0 else float("nan")


def spread_skill(
    members: ArrayLike,
    truth: ArrayLike,
    *,
    observation_variance: ArrayLike = 0.0,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
) -> SpreadSkill:
    """Spread and error of an ensemble, comparable whatever its size.

    `spread^2 = mean((M + 1) / M * var + R)` with the unbiased variance (division by M - 1),
    because the mean of M members errs by a factor `(M + 1) / M` more in variance; `error` is the
    RMSE of the mean.
    Reference: Fortin et al. (2014), J. Hydrometeorol. 15, 1708, eq. 15.

    Args:
        members: x (M, ...), M >= 2.
        truth: y (...).
        observation_variance: R, error variance of the truth when it is observed; unit squared.
        weights: As in `weighted_mean`.
        mask: As in `weighted_mean`.

    Raises:
        InputError: There are fewer than 2 members, or the shapes do not fit.
    """
    x, y = _members(members, truth, at_least=2)
    mean = x.mean(axis=0)
    variance = x.var(axis=0, ddof=1) * (len(x) + 1) / len(x) + observation_variance
    variance = np.where(np.isnan(mean - y), np.nan, variance)
    spread = np.sqrt(weighted_mean(variance, weights=weights, mask=mask))
    return SpreadSkill(float(spread), float(np.sqrt(mse(mean, y, weights=weights, mask=mask))))


def rank_histogram(
    members: ArrayLike, truth: ArrayLike, *, seed: int, mask: ArrayLike | None = None
) -> NDArray[np.int64]:
    """How often the truth takes each rank among the members; flat if calibrated.

    Rank 0 is below all members, rank M above all. A tie takes any of its ranks with equal chance,
    drawn with `seed`. Cases with a NaN are not counted.
    Reference: Hamill (2001), Mon. Weather Rev. 129, 550.

    Returns:
        Counts (M + 1,).
    """
    below, tied, exists = _ranks(members, truth)
    rank = below + np.random.default_rng(seed).integers(0, tied + 1)
    if mask is not None:
        exists = exists & np.asarray(mask, dtype=bool)
    return np.bincount(rank[exists], minlength=len(np.asarray(members)) + 1)


def _members(members: ArrayLike, truth: ArrayLike, *, at_least: int = 1) -> tuple[Floats, Floats]:
    x, y = np.asarray(members, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if x.ndim != y.ndim + 1 or x.shape[1:] != y.shape:
        raise InputError(
            f"members of shape {x.shape} cannot belong to a truth of shape {y.shape}: "
            "put the members on axis 0 and keep the other axes the same."
        )
    if len(x) < at_least:
        raise InputError(
            f"an ensemble of {len(x)} was given: this score needs at least {at_least} members."
        )
    return x, y


def _ranks(
    members: ArrayLike, truth: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Number of members below the truth, number equal to it, and whether all of them exist."""
    x, y = _members(members, truth)
    exists = ~(np.isnan(x).any(axis=0) | np.isnan(y))
    return (x < y).sum(axis=0), (x == y).sum(axis=0), exists
