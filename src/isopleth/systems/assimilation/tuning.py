"""The localisation radius, chosen at observations that the analysis does not see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid

__all__ = ["Choice", "choose_radius", "radii_for"]

_PATIENCE = 2
"""Radii tried beyond the best before the search ends: as a rule the score has one minimum."""


@dataclass(frozen=True)
class Choice:
    """What was chosen and why.

    Args:
        radius_km: With the lowest score.
        scores: Root mean square of hidden observations less analysis, in units of their errors, by
            radius.
        background: The same of the background.
        places: Hidden ones.
    """

    radius_km: float
    scores: tuple[tuple[float, float], ...]
    background: float
    places: int

    @property
    def words(self) -> str:
        """In a line.

        >>> Choice(800.0, ((800.0, 1.2), (1200.0, 1.3)), 1.5, 40).words
        '800 km, chosen at 40 places hidden for it: departures in units of the observation error \
1.50 of the background, 1.20 at 800 km, 1.30 at 1200 km'
        """
        each = ", ".join(f"{score:.2f} at {radius:g} km" for radius, score in self.scores)
        return (
            f"{self.radius_km:g} km, chosen at {self.places} places hidden for it: departures in "
            f"units of the observation error {self.background:.2f} of the background, {each}"
        )


def choose_radius(
    score: Callable[[float], float], radii: Sequence[float], background: float, places: int
) -> Choice:
    """Try radii upwards until the score has risen twice beyond the best.

    Args:
        score: Of a radius.
        radii: Increasing, km.
        background: Score of no analysis.
        places: Hidden ones.

    Raises:
        InputError: If there is none.
    """
    if not radii:
        raise InputError("there is no radius to choose from: give one with --radius.")
    tried: list[tuple[float, float]] = []
    for radius in radii:
        tried.append((radius, score(radius)))
        best = min(range(len(tried)), key=lambda i: tried[i][1])
        if len(tried) - 1 - best >= _PATIENCE:
            break
    return Choice(tried[best][0], tuple(tried), background, places)


def radii_for(grid: Grid, radii: Sequence[float]) -> list[float]:
    """Those of two rows or more: shorter ones reach no neighbour. At least the longest."""
    rows = np.radians(float(np.abs(np.diff(grid.latitude)).mean())) * EARTH_RADIUS / 1000.0
    return [radius for radius in radii if radius >= 2.0 * rows] or [max(radii)]
