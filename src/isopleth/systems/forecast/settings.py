"""ForecastSettings: how far, how many members, from which time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from isopleth.core.errors import InputError

__all__ = ["LEVELS", "MOST_DAYS", "STEP_HOURS", "ForecastSettings"]

LEVELS = (200.0, 500.0, 800.0)
"""Levels of the models, hPa."""

STEP_HOURS = 6
"""Between two states of a forecast."""

MOST_DAYS = 60
"""Longer is climate, not forecast: take `dynamics.nature_run`."""

_MOST_MEMBERS = 1000


@dataclass(frozen=True, kw_only=True)
class ForecastSettings:
    """What is asked of a forecast.

    Args:
        days: Length, a multiple of 6 hours, at most 60 days.
        members: How many; None for those that the start has, or one forecast.
        spread: Root mean square of the perturbations of the start over the sphere at 500 hPa,
            m2 s-1; 5e5 is about 5 m of height in middle latitudes.
        seed: Of the perturbations.
        time: Of the start; None for the first time of the file.

    Raises:
        InputError: If a number is not possible.

    >>> ForecastSettings(days=10.0).steps
    40
    """

    days: float = 10.0
    members: int | None = None
    spread: float = 5e5
    seed: int = 0
    time: np.datetime64 | None = None

    def __post_init__(self) -> None:
        """Check every number."""
        steps = self.days * 24.0 / STEP_HOURS
        if not 0.0 < self.days <= MOST_DAYS:
            raise InputError(
                f"{self.days:g} days cannot be forecast: give a length above 0 and up to "
                f"{MOST_DAYS} days."
            )
        if abs(steps - round(steps)) > 1e-9:
            nearest = max(round(steps), 1) * STEP_HOURS / 24.0
            raise InputError(
                f"{self.days:g} days are no multiple of {STEP_HOURS} hours: give {nearest:g} days."
            )
        if self.members is not None and not 1 <= self.members <= _MOST_MEMBERS:
            raise InputError(
                f"{self.members} members are not possible: give 1 to {_MOST_MEMBERS}, or leave "
                "them out."
            )
        if not (math.isfinite(self.spread) and self.spread > 0.0):
            raise InputError(
                f"a spread of {self.spread:g} m2 s-1 perturbs nothing: give a positive number, "
                "such as 5e5."
            )
        if self.seed < 0:
            raise InputError(f"the seed {self.seed} is not possible: give 0 or more.")

    @property
    def steps(self) -> int:
        """Number of steps of 6 hours."""
        return round(self.days * 24.0 / STEP_HOURS)
