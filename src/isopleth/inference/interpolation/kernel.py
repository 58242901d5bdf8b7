"""The compiled heart of local kriging: covariances, one solve a point, weights reused by level."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from isopleth.core.covariance import SLOPE_LENGTH_KM
from isopleth.core.linalg import cholesky, cholesky_solve
from isopleth.inference.interpolation.neighbours import (
    FIRST_BAND,
    jit,
    nearest,
    next_reach,
    offset_km,
    tangent_km,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FIRST_RANK = 0  # observations precede every simulated point
SPARE = 2  # times the neighbours are kept where some levels are missing
NEVER = np.iinfo(np.int64).max  # the rank of a sample that informs no point


@jit
def correlation(east: float, north: float, lag: float, p: Floats, smoothness: float) -> float:
    """``rho_nu(|h/l|) + w exp(-|h/M|)`` of :mod:`isopleth.core.covariance`, without the nugget.

    ``p`` holds the *inverse* of the six scales, then ``w``.
    """
    r = math.sqrt((east * p[0]) ** 2 + (north * p[1]) ** 2 + (lag * p[2]) ** 2)
    if smoothness == 0.5:
        value = math.exp(-r)
    elif smoothness == 1.5:
        r *= math.sqrt(3.0)
        value = (1.0 + r) * math.exp(-r)
    else:
        r *= math.sqrt(5.0)
        value = (1.0 + r + r * r / 3.0) * math.exp(-r)
    if p[6] > 0.0:
        r = math.sqrt((east * p[3]) ** 2 + (north * p[4]) ** 2 + (lag * p[5]) ** 2)
        value += p[6] * math.exp(-r)
    return value


@jit
def fill_system(
    place: Floats, p: Floats, smoothness: float, samples: Floats, item: Ints,
    matrix: Floats, rhs: Floats,
) -> None:  # fmt: skip
    """Lower triangle of the signal covariance among ``item``, and with the point (``rhs``)."""
    size = len(item)
    at = np.empty((size, 3))
    q = p.copy()
    for i in range(6):
        q[i] = 1.0 / p[i]
    slope = p[9] / (SLOPE_LENGTH_KM * SLOPE_LENGTH_KM)
    for i in range(size):
        s = samples[item[i]]
        at[i, 0], at[i, 1] = tangent_km(place, s)
        at[i, 2] = s[2] - place[2]
    for i in range(size):
        for j in range(i + 1):
            value = correlation(
                at[i, 0] - at[j, 0], at[i, 1] - at[j, 1], at[i, 2] - at[j, 2], q, smoothness
            )
            drift = slope * (at[i, 0] * at[j, 0] + at[i, 1] * at[j, 1])
            matrix[i, j] = value + p[8] + drift
        rhs[i] = correlation(at[i, 0], at[i, 1], at[i, 2], q, smoothness) + p[8]


@jit
def solve(matrix: Floats, rhs: Floats, noise: Floats, p: Floats, work: Floats) -> float:
    """Put the kriging weights in ``rhs`` and return the error variance of the field."""
    size = len(rhs)
    for i in range(size):
        for j in range(i + 1):
            work[i, j] = matrix[i, j]
        work[i, i] += noise[i] + p[7]
    signal = rhs.copy()
    cholesky(work, size)
    cholesky_solve(work, rhs, size)
    variance = 1.0 + p[6] + p[8]
    for i in range(size):
        variance -= signal[i] * rhs[i]
    return max(variance, 0.0)


@jit
def closeness(place: Floats, p: Floats, samples: Floats, item: Ints) -> float:
    """Sum of ``exp(-|h/l|)`` over the samples with ``|h/l| < 1``."""
    total = 0.0
    for i in item:
        east, north = offset_km(place, samples[i])
        lag = (samples[i, 2] - place[2]) / p[2]
        r = math.sqrt((east / p[0]) ** 2 + (north / p[1]) ** 2 + lag * lag)
        if r < 1.0:
            total += math.exp(-r)
    return total


@jit
def measured(item: Ints, value: Floats, level: int, chosen: Ints) -> int:
    """Put those of ``item`` that measured a level in ``chosen``, in order; return their number."""
    count = 0
    for j in item:
        if count < len(chosen) and j >= 0 and not np.isnan(value[j, level]):
            chosen[count] = j
            count += 1
    return count


@jit
def bar_unmeasured(labels: Ints, value: Floats, level: int, own: Ints) -> None:
    """Fill ``own`` ``(n, 2)``: labels with which only samples that measured a level are found."""
    for j in range(len(value)):
        own[j, 0] = labels[j, 0]
        own[j, 1] = NEVER if np.isnan(value[j, level]) else labels[j, 1]


@jit
def krige_levels(
    places: Floats, barred: Ints, scales: Floats, smoothness: float,
    samples: Floats, labels: Ints, value: Floats, noise: Floats, neighbours: int,
    mean: Floats, variance: Floats, nearby: Floats,
) -> None:  # fmt: skip
    """Estimate every level at every point; levels with the same samples share one solve.

    One search serves all levels, unless too few of the samples found measured a level: that
    level is then searched on its own.

    Args:
        places: ``(N, 5)`` rows of :func:`isopleth.inference.interpolation.kriging.layout`.
        barred: ``(N, 2)`` group and rank, see :func:`nearest`.
        scales: ``(N, 10)`` local parameters.
        smoothness: Matern ``nu``.
        samples: ``(n, 5)`` sorted by latitude.
        labels: ``(n, 2)`` group and rank.
        value: ``(n, L)`` anomalies, NaN where missing.
        noise: ``(n, L)`` extra noise variance.
        neighbours: The most samples used at one level.
        mean: ``(N, L)``, filled.
        variance: ``(N, L)``, filled, in units of the small-scale signal variance.
        nearby: ``(N, L)``, filled: the sum of ``exp(-|h/l|)`` over the samples used within one
            scale length (the small-scale correlation where ``nu`` is 0.5).
    """
    gaps = np.isnan(value).any()
    store = neighbours * (SPARE if gaps else 1)
    distance, item = np.empty(store), np.empty(store, np.int64)
    levels = value.shape[1]
    own = np.empty((levels if gaps else 0, *labels.shape), np.int64)  # filled where needed
    own_reach = np.zeros(levels)
    own_distance, own_item = np.empty(neighbours), np.empty(neighbours, np.int64)
    matrix, work = np.empty((neighbours, neighbours)), np.empty((neighbours, neighbours))
    weights = np.empty(neighbours)
    chosen, last = np.empty(neighbours, np.int64), np.empty(neighbours, np.int64)
    reach = FIRST_BAND
    for t in range(len(places)):
        p, bar = scales[t], (barred[t, 0], barred[t, 1])
        found = nearest(places[t], bar, p, samples, labels, reach, distance, item)
        reach = next_reach(distance)
        size, error, solved = -1, 1.0 + p[6] + p[8], -1
        for level in range(levels):
            count = measured(item, value, level, chosen)
            if gaps and count < neighbours and found == store:
                if own_reach[level] == 0.0:
                    bar_unmeasured(labels, value, level, own[level])
                    own_reach[level] = FIRST_BAND
                count = nearest(
                    places[t], bar, p, samples, own[level], own_reach[level],
                    own_distance, own_item,
                )  # fmt: skip
                own_reach[level] = next_reach(own_distance)
                chosen[:count] = own_item[:count]
            same = count == size
            for i in range(count):
                same = same and chosen[i] == last[i]
            if not same:
                fill_system(places[t], p, smoothness, samples, chosen[:count], matrix, weights)
                signal = weights[:count].copy()
                close = closeness(places[t], p, samples, chosen[:count])
            again = same and solved >= 0
            for i in range(count):
                again = again and noise[chosen[i], level] == noise[chosen[i], solved]
            if not again:
                weights[:count] = signal
                error = solve(matrix, weights[:count], noise[chosen[:count], level], p, work)
            size, solved = count, level
            last[:count] = chosen[:count]
            total = 0.0
            for i in range(count):
                total += weights[i] * value[chosen[i], level]
            mean[t, level], nearby[t, level] = total, close
            variance[t, level] = error


@jit
def krige_weights(
    places: Floats, barred: Ints, scales: Floats, smoothness: float,
    samples: Floats, labels: Ints, noise: Floats, weights: Floats, item: Ints, variance: Floats,
) -> None:  # fmt: skip
    """Kriging weights ``(N, k)``, the samples they belong to (-1: none) and the error variance.

    ``noise`` ``(n,)`` is the whole noise of a sample beyond the nugget; a sample with negative
    ``noise`` is free of the nugget too (a simulated point).
    """
    neighbours = weights.shape[1]
    distance, found = np.empty(neighbours), np.empty(neighbours, np.int64)
    reach = FIRST_BAND
    matrix, work = np.empty((neighbours, neighbours)), np.empty((neighbours, neighbours))
    for t in range(len(places)):
        p = scales[t]
        count = nearest(
            places[t], (barred[t, 0], barred[t, 1]), p, samples, labels, reach, distance, found
        )
        reach = next_reach(distance)
        fill_system(places[t], p, smoothness, samples, found[:count], matrix, weights[t])
        extra = np.empty(count)
        for i in range(count):
            own = noise[found[i]]
            extra[i] = own if own >= 0.0 else -p[7]
        variance[t] = solve(matrix, weights[t, :count], extra, p, work)
        weights[t, count:] = 0.0
        item[t] = found
