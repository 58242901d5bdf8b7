"""What the levels a profile did measure say about those it did not.

Kriging levels one by one is optimal where every profile has every level: co-kriging then changes
nothing (``results/ocean_kriging_argo.json``). Where a level is missing, the levels seen by the
same profile are worth more than any neighbour. With ``e`` the standardised leave-one-box-out
residuals, whose covariance ``S`` between levels is taken over the nearest profiles and shrunk to
its global value,

    e_m | e_s  ~  N(S_ms S_ss^-1 e_s,  S_mm - S_ms S_ss^-1 S_sm)

A completed value enters kriging as the *equivalent observation*: the value and noise variance
that, combined with what the neighbours alone say, give this conditional distribution, so that the
neighbours are not counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from isopleth.inference.interpolation.scattered import Estimate, Points, Samples

Floats = NDArray[np.float64]
WORTH = 0.9  # a completion that explains less than a tenth of the variance is left missing


@dataclass(frozen=True, kw_only=True)
class VerticalRegression:
    """Local regression between levels, learned from standardised residuals.

    Args:
        points: Where the residuals are; a point of the same group is not used.
        residual: Standardised residuals ``r / sqrt(u)``, NaN where missing, shape ``(n, L)``.
        nearest: Profiles in the local covariance.
        shrinkage: Pairs the global covariance counts for in the local one.
    """

    points: Points
    residual: Floats
    nearest: int = 150
    shrinkage: float = 30.0

    def covariance(self) -> Floats:
        """Global covariance of the residuals between levels, pairwise complete, ``(L, L)``."""
        return _positive(_moment(self.residual, np.diag(np.nanvar(self.residual, axis=0)), 1.0))

    def __call__(self, points: Points, residual: Floats) -> tuple[Floats, Floats]:
        """Conditional mean and variance of the standardised residual at the levels not seen.

        Args:
            points: The profiles.
            residual: Their standardised residuals, NaN at the levels to find, ``(N, L)``.

        Returns:
            Mean and variance, ``(N, L)``; at levels seen, the residual itself and zero.
        """
        overall = self.covariance()
        wanted = min(self.nearest + 24, len(self.points))
        near = cKDTree(self.points.unit_vectors).query(points.unit_vectors, wanted)[1]
        near = near.reshape(len(points), wanted)
        mean, variance = residual.copy(), np.zeros_like(residual)
        for t in range(len(points)):
            seen = np.isfinite(residual[t])
            if seen.all():
                continue
            other = self.points.group[near[t]] != points.group[t]
            rows = near[t][other | (points.group[t] < 0)][: self.nearest]
            local = _positive(_moment(self.residual[rows], overall, self.shrinkage))
            gain = np.linalg.solve(local[np.ix_(seen, seen)], local[np.ix_(seen, ~seen)]).T
            mean[t, ~seen] = gain @ residual[t, seen]
            explained = np.einsum("ms,sm->m", gain, local[np.ix_(seen, ~seen)])
            variance[t, ~seen] = np.maximum(np.diag(local)[~seen] - explained, 0.0)
        return mean, variance


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
    mean, variance = regression(samples.points.select(rows), residual)
    prior = np.diag(regression.covariance())
    ratio = variance / prior  # of the conditional to the neighbours' own variance
    useful = ~seen[rows] & (ratio < WORTH)
    extra = unit * ratio / np.maximum(1.0 - ratio, 1.0 - WORTH)
    shift = mean * np.sqrt(unit) / np.maximum(1.0 - ratio, 1.0 - WORTH)
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


def _positive(matrix: Floats, floor: float = 1e-3) -> Floats:
    """The nearest symmetric matrix with eigenvalues at least ``floor`` times the mean."""
    value, vector = np.linalg.eigh(0.5 * (matrix + matrix.T))
    least = floor * max(float(np.mean(np.diag(matrix))), 1e-12)
    return np.asarray((vector * np.maximum(value, least)) @ vector.T)
