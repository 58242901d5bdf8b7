"""How far a score, or a ratio of two, could be luck: the paired block bootstrap.

Blocks of neighbouring cases are drawn with replacement, as many as there are. Both methods are
scored on the same draws (paired), so what is hard for both cancels in their ratio.
Reference: Efron and Tibshirani (1993), An Introduction to the Bootstrap, ch. 8 and 13; blocks
after Kuensch (1989), Ann. Stat. 17, 1217.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isopleth.core.errors import InputError

__all__ = ["Interval", "mean_interval", "ratio_of_means", "ratio_of_rmse", "rmse_interval"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value from all cases, with the central interval (95 % by default) of its bootstrap."""

    value: float
    lo: float
    hi: float

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends, as a result row wants them."""
        return self.lo, self.hi


def ratio_of_rmse(
    squared_error: ArrayLike,
    reference: ArrayLike,
    blocks: ArrayLike,
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Pooled RMSE of a method over that of a reference, `sqrt(sum e^2 / sum r^2)`.

    Args:
        squared_error: (n, ...) squared errors of the method: profile, then levels, partitions...
            Sums over partitions will do just as well, as long as both methods are summed alike.
        reference: (n, ...) squared errors of the reference; a case missing (NaN) in one is left
            out of both.
        blocks: (n,) block of each profile.
        draws: Number of bootstrap draws.
        seed: Of the draws; the same seed and blocks give the same draws to every comparison.
        level: Probability of the interval.

    Returns:
        The ratio: below 1 where the method is better.

    Raises:
        InputError: Shapes differ, no pair is left, or the reference has no error at all.
    """
    ratio = ratio_of_means(squared_error, reference, blocks, draws=draws, seed=seed, level=level)
    return Interval(*np.sqrt([ratio.value, ratio.lo, ratio.hi]).tolist())


def ratio_of_means(
    score: ArrayLike,
    reference: ArrayLike,
    blocks: ArrayLike,
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Mean score of a method over that of a reference, `sum s / sum r`.

    For scores whose mean is positive, such as the CRPS. Arguments and errors as in
    `ratio_of_rmse`.
    """
    a, b = np.asarray(score, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if a.shape != b.shape:
        raise InputError(
            f"scores of shape {a.shape} cannot be paired with {b.shape} of the reference: "
            "score both methods on the same cases."
        )
    pair = ~np.isnan(a + b)
    sums = _block_sums([np.where(pair, a, 0.0), np.where(pair, b, 0.0)], pair, blocks)
    if sums[:, 1].sum() <= 0:
        raise InputError(
            f"the reference's scores sum to {sums[:, 1].sum():g}: "
            "a ratio to them means nothing, compare differences."
        )
    return _interval(sums, draws, seed, level)


def rmse_interval(
    squared_error: ArrayLike,
    blocks: ArrayLike,
    *,
    counts: ArrayLike | None = None,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Pooled RMSE of one method, `sqrt(sum e^2 / n)`. Arguments as in `mean_interval`."""
    mean = mean_interval(squared_error, blocks, counts=counts, draws=draws, seed=seed, level=level)
    return Interval(*np.sqrt([mean.value, mean.lo, mean.hi]).tolist())


def mean_interval(
    score: ArrayLike,
    blocks: ArrayLike,
    *,
    counts: ArrayLike | None = None,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Mean score of one method over all cases that exist.

    Args:
        score: (n, ...) scores, or sums of scores if `counts` says of how many; NaN is missing.
        blocks: (n,) block of each profile.
        counts: The shape of `score`: how many cases each entry sums; default 1.
        draws: Number of bootstrap draws.
        seed: Of the draws.
        level: Probability of the interval.

    Raises:
        InputError: Shapes differ or no case is left.
    """
    values = np.asarray(score, dtype=np.float64)
    exists = ~np.isnan(values)
    size = np.ones(values.shape) if counts is None else np.asarray(counts, dtype=np.float64)
    if size.shape != values.shape:
        raise InputError(
            f"counts of shape {size.shape} do not belong to scores of shape {values.shape}: "
            "give one count for every score."
        )
    sums = _block_sums([np.where(exists, values, 0.0), size * exists], exists, blocks)
    return _interval(sums, draws, seed, level)


def _block_sums(columns: list[Floats], exists: NDArray[np.bool_], blocks: ArrayLike) -> Floats:
    """(b, 2) sums over the cases of each block that holds at least one case."""
    names = np.asarray(blocks)
    if exists.ndim < 1 or names.shape != exists.shape[:1]:
        raise InputError(
            f"blocks of shape {names.shape} do not belong to scores of shape {exists.shape}: "
            "give one block for every profile on axis 0."
        )
    profile = exists.reshape(len(names), -1).any(axis=1)
    if not profile.any():
        raise InputError("no case has a score in both methods: there is nothing to compare.")
    _, block = np.unique(names[profile], return_inverse=True)
    per_profile = [column.reshape(len(names), -1).sum(axis=1)[profile] for column in columns]
    return np.stack([np.bincount(block, weights=column) for column in per_profile], axis=1)


def _interval(sums: Floats, draws: int, seed: int, level: float) -> Interval:
    """Ratio of the two columns of block sums, and its percentile interval."""
    count = len(sums)
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.divide(*(times @ sums).T)
    tail = (1 - level) / 2
    # A draw of blocks whose reference is all zero has no ratio.
    lo, hi = np.quantile(drawn[np.isfinite(drawn)], [tail, 1 - tail])
    return Interval(float(np.divide(*sums.sum(axis=0))), float(lo), float(hi))
