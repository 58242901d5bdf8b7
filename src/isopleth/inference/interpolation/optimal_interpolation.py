"""Classical optimal interpolation: one isotropic covariance, level by level."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from isopleth.core.errors import InputError
from isopleth.inference.interpolation.blocks import Progress
from isopleth.inference.interpolation.levels import Solve, estimate_by_levels
from isopleth.inference.interpolation.scattered import Array, Estimate, Points, Samples
from isopleth.inference.interpolation.shapes import Exponential, Shape
from isopleth.inference.interpolation.tree import Neighbourhoods, positions_km, separation

__all__ = ["OptimalInterpolation"]

_BLOCK_NUMBERS = 1 << 20
"""Numbers in one stack of covariance matrices, 8 MiB; about six such stacks are in memory."""


@dataclass(frozen=True, kw_only=True)
class OptimalInterpolation:
    """Least-squares estimate of a zero-mean field from its `k` nearest samples of each level.

        x = c' (C + N)^-1 y,   variance = 1 - c' (C + N)^-1 c
        C_ij = rho(d_ij / L) rho(|dt_ij| / T),   N = diag(nugget + noise_i)

    `c` is the same covariance between the point and the samples; distances are chords, nearly the
    distance on the sphere at these lengths. The variance is that of the field's error, without
    observation noise, in units of the signal variance. The nearest are those by distance alone.
    Reference: Gandin (1963), Objective Analysis of Meteorological Fields; Bretherton, Davis and
    Fandry (1976), Deep-Sea Res. 23, 559.

    Args:
        length_km: `L`, km; its meaning is the shape's (e-folding length of the exponential).
        days: `T`, days; None leaves time out.
        nugget: Noise variance of every sample, in units of the signal variance; positive.
        neighbours: `k`, the most samples used.
        shape: `rho`.

    Raises:
        InputError: If a setting is out of range.

    >>> at = Points(np.zeros(1), np.zeros(1), np.zeros(1))
    >>> estimate = OptimalInterpolation(nugget=0.25)(Samples(at, np.array([[1.0]])), at)
    >>> estimate.mean.tolist(), estimate.variance.round(3).tolist()
    ([[0.8]], [[0.2]])
    """

    length_km: float = 200.0
    days: float | None = 40.0
    nugget: float = 0.1
    neighbours: int = 60
    shape: Shape = field(default_factory=Exponential)

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("length_km", "days", "nugget"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < np.inf:
                raise InputError(f"{name} is {value}: give a positive number.")
        if self.neighbours < 1:
            raise InputError(f"neighbours is {self.neighbours}: give 1 or more.")

    @classmethod
    def reference(cls) -> OptimalInterpolation:
        """The untuned yardstick: exponential, 200 km, 40 days, nugget 0.1, 60 neighbours."""
        return cls(length_km=200.0, days=40.0, nugget=0.1, neighbours=60, shape=Exponential())

    def __call__(
        self, samples: Samples, points: Points, *, progress: Progress | None = None
    ) -> Estimate:
        """Estimate every level at every point; `progress` gets the fraction done."""
        size = max(1, _BLOCK_NUMBERS // max(self.neighbours, 16) ** 2)
        return estimate_by_levels(samples, points, self._prepare, size, progress)

    def _prepare(self, samples: Samples) -> Solve:
        place, day = samples.points, samples.points.day
        search = Neighbourhoods(positions_km(place), place.group, self.neighbours)
        noise = self.nugget + samples.noise[:, 0]
        diagonal = np.arange(search.k)

        def solve(points: Points) -> Array:
            item, distance = search(positions_km(points), points.group)
            when, used = day[item], item >= 0
            c = self._correlation(distance, when - points.day[:, None])
            C = self._correlation(
                separation(search.place[item]), when[:, :, None] - when[:, None, :]
            )
            C *= used[:, :, None] & used[:, None, :]
            C[:, diagonal, diagonal] = np.where(used, 1.0 + noise[item], 1.0)
            weight = np.linalg.solve(C, c[:, :, None])[..., 0]
            mean = np.einsum("pk,pkl->pl", weight, samples.value[item])
            variance = 1.0 - (weight * c).sum(axis=1, keepdims=True)
            return np.stack([mean, np.broadcast_to(np.clip(variance, 0.0, 1.0), mean.shape)])

        return solve

    def _correlation(self, distance: Array, lag: Array) -> Array:
        """`rho(d / L) rho(|dt| / T)`; 0 at an infinite distance."""
        near = np.where(np.isfinite(distance), distance, 0.0)
        rho = np.where(np.isfinite(distance), self.shape(near / self.length_km), 0.0)
        return rho if self.days is None else rho * self.shape(np.abs(lag) / self.days)
