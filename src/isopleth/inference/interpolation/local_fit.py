"""Fit the covariance's scales to the data, place by place, by leave-one-box-out prediction.

One set of scales for the whole ocean is too long in the boundary currents and too short in the
gyres. Each parameter is moved up and down by a factor; the change in the squared error of
predicting withheld profiles, averaged over the nearest few hundred, is a parabola in the
parameter's logarithm whose ridge-damped minimum is the local step. A round costs two kriging runs
a parameter. The average over neighbours makes the field of scales smooth; the ridge keeps it at
the global value where the data do not care (compare Kuusela and Stein 2018, who maximise a
likelihood in moving windows).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from isopleth.core.covariance import LocalScales, SpaceTimeCovariance
from isopleth.inference.interpolation.kriging import LocalKriging
from isopleth.inference.interpolation.scattered import Points, Samples

Floats = NDArray[np.float64]
EARTH_KM = 6371.0
FADE_KM = 1500.0  # the fit is forgotten over this distance from the last profile
AVERAGED = 40  # fitted profiles averaged at a new point

AXES: tuple[tuple[tuple[str, ...], float], ...] = (
    (("zonal_km",), 1.6),
    (("meridional_km",), 1.6),
    (("days",), 1.8),
    (("broad_zonal_km", "broad_meridional_km"), 2.0),
    (("broad_share",), 3.0),
    (("nugget",), 2.5),
)  # what moves together, and the factor it is tried at


@dataclass(frozen=True)
class ScaleField:
    """Scales fitted at profiles, averaged over the nearest ones elsewhere.

    Args:
        covariance: The global covariance the factors apply to.
        where: Unit vectors of the fitted profiles, shape ``(n, 3)``.
        log_factor: Shape ``(n, len(AXES))``.
    """

    covariance: SpaceTimeCovariance
    where: Floats
    log_factor: Floats

    def at(self, latitude: Floats, longitude: Floats) -> LocalScales:
        """The local parameters at ``n`` positions."""
        points = Points(latitude, longitude, np.zeros(len(latitude)))
        count = min(AVERAGED, len(self.where))
        distance, index = cKDTree(self.where).query(points.unit_vectors, count)
        distance, index = distance.reshape(-1, count), index.reshape(-1, count)
        fade = np.exp(-((distance[:, 0] * EARTH_KM / FADE_KM) ** 2))
        factor = self.log_factor[index].mean(axis=1) * fade[:, None]
        return self.covariance.at(latitude, longitude).scaled(_by_name(factor))


@dataclass(frozen=True, kw_only=True)
class LocalFit:
    """Settings of the fit.

    Args:
        neighbours: Profiles used by each prediction; fewer than in the analysis, for speed.
        averaged: Profiles whose errors are averaged into one local fit.
        rounds: Newton-like rounds; the trial factor shrinks from one to the next.
        ridge: Curvature added to every parabola (relative error per squared trial step).
        damping: The fraction of each step taken.
        most: The most profiles predicted in a round (a random subset beyond it).
        fewest: Below this many profiles nothing is fitted and the global scales stand.
        limit: The largest factor a scale may move by in all.
        seed: Of the random subset.
    """

    neighbours: int = 40
    averaged: int = 150
    rounds: int = 2
    ridge: float = 0.01
    damping: float = 0.7
    most: int = 5000
    fewest: int = 500
    limit: float = 6.0
    seed: int = 0

    def __call__(
        self,
        covariance: SpaceTimeCovariance,
        samples: Samples,
        *,
        progress: Callable[[float], None] | None = None,
    ) -> ScaleField | SpaceTimeCovariance:
        """Fit to samples whose groups say what is withheld together; needs no truth."""
        if len(samples) < self.fewest:
            return covariance
        chosen = self._subset(len(samples))
        points = samples.points.select(chosen)
        truth = samples.value[chosen]
        near = (
            cKDTree(points.unit_vectors)
            .query(points.unit_vectors, min(self.averaged, len(points)))[1]
            .reshape(len(points), -1)
        )
        factor = np.zeros((len(points), len(AXES)))
        start = covariance.at(points.latitude, points.longitude)
        runs = _Runs(samples, points, truth, self.neighbours, progress, self.rounds)
        for number in range(self.rounds):
            base = runs.error(start.scaled(_by_name(factor)))
            weight = _robust_weight(base)
            middle = _local_mean(base * weight, near)
            step = np.zeros_like(factor)
            for axis, (_, trial) in enumerate(AXES):
                width = np.log(trial) / (1 + 0.5 * number)
                ends = []
                for sign in (-1, 1):
                    moved = factor.copy()
                    moved[:, axis] += sign * width
                    error = runs.error(start.scaled(_by_name(moved)))
                    ends.append(_local_mean(error * weight, near) / middle - 1)
                slope, curve = (ends[1] - ends[0]) / 2, np.maximum(ends[0] + ends[1], 0)
                step[:, axis] = np.clip(-slope / (curve + self.ridge), -1, 1) * width
            bound = np.log(self.limit)
            factor = np.clip(factor + self.damping * step, -bound, bound)
        return ScaleField(covariance, points.unit_vectors, factor)

    def _subset(self, count: int) -> NDArray[np.int64]:
        if count <= self.most:
            return np.arange(count)
        chosen = np.random.default_rng(self.seed).choice(count, self.most, replace=False)
        return np.sort(chosen)


@dataclass
class _Runs:
    """Predict the withheld profiles under trial scales; counts its runs for the progress bar."""

    samples: Samples
    points: Points
    truth: Floats
    neighbours: int
    progress: Callable[[float], None] | None
    rounds: int
    done: int = 0

    def error(self, scales: LocalScales) -> Floats:
        """Squared error of each profile, levels scaled to unit variance, shape ``(n,)``."""
        estimate = LocalKriging(scales=_Fixed(scales), neighbours=self.neighbours)(
            self.samples, self.points
        )
        self.done += 1
        if self.progress is not None:
            self.progress(self.done / (self.rounds * (2 * len(AXES) + 1)))
        spread = np.nanvar(np.where(np.isfinite(self.truth).any(axis=0), self.truth, 0.0), axis=0)
        squared = (estimate.mean - self.truth) ** 2 / np.where(spread > 0, spread, 1.0)
        seen = np.isfinite(squared)
        return np.where(seen, squared, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)


@dataclass(frozen=True)
class _Fixed:
    scales: LocalScales

    def at(self, latitude: Floats, longitude: Floats) -> LocalScales:
        return self.scales


def _by_name(factor: Floats) -> dict[str, Floats]:
    return {name: factor[:, axis] for axis, (names, _) in enumerate(AXES) for name in names}


def _robust_weight(error: Floats) -> Floats:
    """Weights that keep a few eddies from deciding for a whole basin, shape ``(n,)``."""
    weight = 1.0 / (0.3 + error / max(float(np.median(error)), 1e-12))
    return weight / np.median(weight)


def _local_mean(values: Floats, near: NDArray[np.int64]) -> Floats:
    return np.maximum(values[near].mean(axis=1), 1e-12)
