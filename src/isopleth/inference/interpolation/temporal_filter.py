"""A filter in time for DINEOF: maps close in time share their covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isopleth.core.errors import InputError
from isopleth.inference.interpolation.scattered import Array

__all__ = ["TemporalFilter"]


@dataclass(frozen=True)
class TemporalFilter:
    """Diffusion in time of the covariance that the EOFs are taken from, `F X X' F'`.

        x_n <- x_n + alpha / dt_n [(x_n+1 - x_n) / dt_n+1/2 - (x_n - x_n-1) / dt_n-1/2]

    `steps` times, without flux at the ends: neighbouring maps then inform a nearly empty one, and
    unevenly spaced maps count by their distance.
    Reference: Alvera-Azcárate, Barth, Sirjacobs and Beckers (2009), Ocean Sci. 5, 475.

    Args:
        alpha: Strength, unit of `day` squared; waves shorter than about
            `2 pi sqrt(alpha steps)` are damped.
        steps: Number of steps.
    """

    alpha: float
    steps: int = 3

    def matrix(self, day: Array) -> Array:
        """`F`, shape `(T, T)`; its rows sum to one.

        Args:
            day: Times of the maps, increasing, shape `(T,)`.

        Raises:
            InputError: If one step is unstable: `alpha` is too large for the shortest interval.
        """
        gap = np.diff(day)
        if not (gap > 0.0).all():
            raise InputError("the days of the maps do not increase: sort them and merge repeats.")
        flux = np.diff(np.eye(day.size), axis=0) / gap[:, None]
        edges = np.concatenate([day[:1], 0.5 * (day[1:] + day[:-1]), day[-1:]])
        tendency = np.diff(np.pad(flux, ((1, 1), (0, 0))), axis=0) / np.diff(edges)[:, None]
        step = np.eye(day.size) + self.alpha * tendency
        if self.alpha < 0.0 or self.steps < 1 or step.min() < 0.0:
            raise InputError(
                f"the filter's alpha is {self.alpha} and steps {self.steps}: give steps >= 1 and "
                f"alpha from 0 to {-1.0 / tendency.min():.3g} for these days."
            )
        return np.asarray(np.linalg.matrix_power(step, self.steps))
