"""What the levels a profile did measure say about those it did not.

Kriging levels one by one is optimal where every profile has every level and all levels share one
correlation in space and time: co-kriging is then the same. Where a level is missing, the levels
seen by the same profile are worth more than any neighbour. With ``e`` the standardised
leave-one-box-out residuals, whose covariance ``S`` between levels is taken over the nearest
profiles and shrunk to the global correlation,

    e_m | e_s  ~  N(S_ms S_ss^-1 e_s,  S_mm - S_ms S_ss^-1 S_sm)

A completed value enters kriging as the *equivalent observation*: the value and noise variance
that, combined with what the neighbours alone say, give this conditional distribution, so that the
neighbours are not counted twice. Its information is the ratio of the conditional variance to
``S_mm`` *of the same place*: against a global ``S_mm`` a quiet sea would look explained where
nothing is, and an energetic one unexplained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from isopleth.inference.interpolation.scattered import Estimate, Points, Samples

Floats = NDArray[np.float64]
STRETCH_M, STRETCH_LENGTH = 100.0, 1.0
WORTH = 0.9  # a completion that explains less than a tenth of the variance is left missing


@dataclass(frozen=True)
class Conditional:
    """Standardised residuals given those of the levels seen, every array ``(N, L)``.

    Args:
        mean: At levels seen, the residual itself.
        variance: At levels seen, zero.
        prior: The local variance before any level of the profile is known, ``diag S``.
    """

    mean: Floats
    variance: Floats
    prior: Floats

    @property
    def ratio(self) -> Floats:
        """Share of the variance that the levels seen leave open, 0 to 1."""
        return np.minimum(self.variance / self.prior, 1.0)


@dataclass(frozen=True, kw_only=True)
class VerticalRegression:
    """Local regression between levels, learned from standardised residuals.

    Args:
        points: Where the residuals are; a point of the same group is not used.
        residual: Standardised residuals ``r / sqrt(u)``, NaN where missing, shape ``(n, L)``.
        nearest: Profiles in the local covariance.
        shrinkage: Pairs the global correlation counts for in the local covariance.
        guess: What the global correlation is taken for without data, ``(L, L)``; independent
            levels by default. See :func:`depth_correlation`.
        guess_pairs: Pairs the guess counts for.
    """

    points: Points
    residual: Floats
    nearest: int = 150
    shrinkage: float = 30.0
    guess: Floats | None = None
    guess_pairs: float = 1.0

    def covariance(self) -> Floats:
        """Global covariance of the residuals between levels, pairwise complete, ``(L, L)``."""
        known = np.isfinite(self.residual).any(axis=0)
        spread = np.nanvar(np.where(known, self.residual, 0.0), axis=0)
        deviation = np.sqrt(np.where(known, spread, 1.0))
        guess = np.eye(len(deviation)) if self.guess is None else self.guess
        prior = guess * np.outer(deviation, deviation)
        return _positive(_moment(self.residual, prior, self.guess_pairs))

    def __call__(self, points: Points, residual: Floats) -> tuple[Floats, Floats]:
        """Conditional mean and variance of the standardised residual at the levels not seen.

        Args:
            points: The profiles.
            residual: Their standardised residuals, NaN at the levels to find, ``(N, L)``.

        Returns:
            Mean and variance, ``(N, L)``; at levels seen, the residual itself and zero.
        """
        found = self.conditional(points, residual)
        return found.mean, found.variance

    def conditional(self, points: Points, residual: Floats) -> Conditional:
        """As the call, with the local variance that the conditional one is a share of."""
        overall = self.covariance()
        wanted = min(self.nearest + 24, len(self.points))
        near = cKDTree(self.points.unit_vectors).query(points.unit_vectors, wanted)[1]
        near = near.reshape(len(points), wanted)
        mean, variance = residual.copy(), np.zeros_like(residual)
        prior = np.tile(np.diag(overall), (len(points), 1))
        for t in range(len(points)):
            seen = np.isfinite(residual[t])
            if seen.all():
                continue
            other = self.points.group[near[t]] != points.group[t]
            rows = near[t][other | (points.group[t] < 0)][: self.nearest]
            local = _positive(_shrunk(self.residual[rows], overall, self.shrinkage))
            gain = np.linalg.solve(local[np.ix_(seen, seen)], local[np.ix_(seen, ~seen)]).T
            mean[t, ~seen] = gain @ residual[t, seen]
            explained = np.einsum("ms,sm->m", gain, local[np.ix_(seen, ~seen)])
            prior[t] = np.diag(local)
            variance[t, ~seen] = np.maximum(prior[t, ~seen] - explained, 0.0)
        return Conditional(mean, variance, prior)


def depth_correlation(depth: Floats) -> Floats:
    """A first guess of the correlation between levels, ``(L, L)``: ``exp(-|du| / c)``.

    ``u = log(depth + 100 m)``: levels a hundred metres apart go together at depth, not at the top;
    ``c = 1`` gives 100 and 200 m a correlation of 0.67. Between
    two seen levels it interpolates; beyond the last it tends to nothing.
    """
    stretched = np.log(np.asarray(depth, np.float64) + STRETCH_M)
    return np.exp(-np.abs(np.subtract.outer(stretched, stretched)) / STRETCH_LENGTH)


def complete(
    samples: Samples, regression: VerticalRegression, prediction: Estimate, nugget: Floats
) -> Samples:
    """Fill the missing levels of partly measured profiles with equivalent observations.

    Args:
        samples: The profiles; those with every level missing stay as they are.
        regression: Fitted to the residuals of the same samples.
        prediction: Leave-one-box-out kriging of every level at the samples.
        nugget: The local nugget, shape ``(n,)``.

    Returns:
        Samples in which every level that the others explain has a value and a noise.
    """
    seen = np.isfinite(samples.value)
    rows = np.flatnonzero(seen.any(axis=1) & ~seen.all(axis=1))
    if rows.size == 0:
        return samples
    unit = prediction.variance[rows] + nugget[rows, None]
    total = unit + samples.noise[rows]
    residual = (samples.value[rows] - prediction.mean[rows]) / np.sqrt(total)
    found = regression.conditional(samples.points.select(rows), residual)
    ratio = found.ratio
    useful = ~seen[rows] & (ratio < WORTH)
    gain = np.maximum(1.0 - ratio, 1.0 - WORTH)  # of the equivalent observation
    extra = unit * ratio / gain
    shift = found.mean * np.sqrt(unit) / gain
    value, noise = samples.value.copy(), samples.noise.copy()
    value[rows] = np.where(useful, prediction.mean[rows] + shift, samples.value[rows])
    noise[rows] = np.where(useful, extra, samples.noise[rows])
    return Samples(samples.points, value, noise)


def _moment(residual: Floats, prior: Floats, pairs: float) -> Floats:
    """Second moments over the pairs present, with ``pairs`` pairs of ``prior`` added."""
    present = np.isfinite(residual)
    filled = np.where(present, residual, 0.0)
    count = present.T.astype(np.float64) @ present
    return np.asarray((filled.T @ filled + pairs * prior) / (count + pairs))


def _shrunk(residual: Floats, overall: Floats, pairs: float) -> Floats:
    """Local moments, shrunk to the correlation of ``overall`` in the local variances.

    The covariance itself would outweigh that of a quiet sea, whose levels would look related.
    The variances keep one pair of ``overall``, for places where a level was never measured.
    """
    factor = np.sqrt(np.diag(_moment(residual, overall, 1.0)) / np.diag(overall))
    return _moment(residual, overall * np.outer(factor, factor), pairs)


def _positive(matrix: Floats, floor: float = 1e-3) -> Floats:
    """The nearest symmetric matrix with eigenvalues at least ``floor`` times the mean."""
    value, vector = np.linalg.eigh(0.5 * (matrix + matrix.T))
    least = floor * max(float(np.mean(np.diag(matrix))), 1e-12)
    return np.asarray((vector * np.maximum(value, least)) @ vector.T)
