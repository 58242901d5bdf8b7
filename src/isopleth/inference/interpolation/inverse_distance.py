"""Inverse-distance weighting: the simplest way to spread samples, and one to be beaten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isopleth.core.errors import InputError
from isopleth.inference.interpolation.blocks import Progress
from isopleth.inference.interpolation.levels import Solve, estimate_by_levels
from isopleth.inference.interpolation.scattered import Array, Estimate, Points, Samples
from isopleth.inference.interpolation.tree import Neighbourhoods, positions_km

__all__ = ["InverseDistance"]

_BLOCK = 4096


@dataclass(frozen=True, kw_only=True)
class InverseDistance:
    """A weighted mean of the nearest samples of each level, and of the prior's zero.

        x = sum_i w_i y_i / (w_0 + sum_i w_i),   w_i = max(0, 1/r_i - 1/R)^p / (1 + noise_i)
        r_i^2 = d_i^2 + (c dt_i)^2 + s^2,        w_0 = R^-p

    With the reach `R` infinite and `s = c = 0` this is Shepard (1968, Proc. 23rd ACM Conf., 517);
    a finite reach gives the weights of Franke and Nielson (1980, Int. J. Numer. Meth. Eng. 15,
    1691), and lets the estimate return to zero, the climatology, where no sample is near. The
    method has no opinion on its error: the variance is NaN.

    Args:
        power: `p`.
        neighbours: The most samples used, nearest first.
        time_km_per_day: `c`, the length that stands for a day; 0 leaves time out.
        reach_km: `R`, km; may be infinite.
        smoothing_km: `s`, km: samples much closer than this are averaged.

    Raises:
        InputError: If a setting is out of range.

    >>> samples = Samples(Points(np.zeros(2), np.array([0.0, 3.0]), np.zeros(2)), [[1.0], [4.0]])
    >>> shepard = InverseDistance(power=1.0, reach_km=np.inf, time_km_per_day=0.0)
    >>> at = Points(np.zeros(1), np.array([1.0]), np.zeros(1))
    >>> shepard(samples, at).mean.round(2).tolist()
    [[2.0]]
    """

    power: float = 2.0
    neighbours: int = 20
    time_km_per_day: float = 5.0
    reach_km: float = 1000.0
    smoothing_km: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0.0 < self.power <= 20.0:
            raise InputError(f"the power is {self.power}: give a number from 0 to 20, such as 2.")
        if self.neighbours < 1:
            raise InputError(f"neighbours is {self.neighbours}: give 1 or more.")
        if not 0.0 <= self.time_km_per_day < np.inf:
            raise InputError(f"time_km_per_day is {self.time_km_per_day}: give 0 or more.")
        if not 0.0 < self.smoothing_km < self.reach_km:
            raise InputError(
                f"smoothing_km is {self.smoothing_km} and reach_km {self.reach_km}: "
                "give a positive smoothing that is shorter than the reach."
            )

    def __call__(
        self, samples: Samples, points: Points, *, progress: Progress | None = None
    ) -> Estimate:
        """Estimate every level at every point; `progress` gets the fraction done."""
        return estimate_by_levels(samples, points, self._prepare, _BLOCK, progress)

    def _prepare(self, samples: Samples) -> Solve:
        search = Neighbourhoods(
            positions_km(samples.points, self.time_km_per_day),
            samples.points.group,
            self.neighbours,
        )
        trust = 1.0 / (1.0 + samples.noise[:, 0])

        def solve(points: Points) -> Array:
            item, distance = search(positions_km(points, self.time_km_per_day), points.group)
            weight = self._weights(distance) * trust[item]
            total = weight.sum(axis=1, keepdims=True) + self.reach_km**-self.power
            mean = np.einsum("pk,pkl->pl", weight, samples.value[item])
            np.divide(mean, total, out=mean, where=total > 0.0)
            return np.stack([mean, np.full(mean.shape, np.nan)])

        return solve

    def _weights(self, distance: Array) -> Array:
        """`w` of every neighbour; 0 where there is none (an infinite distance)."""
        r = np.hypot(distance, self.smoothing_km)
        return np.asarray(np.maximum(1.0 / r - 1.0 / self.reach_km, 0.0) ** self.power)
