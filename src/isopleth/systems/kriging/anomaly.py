"""Profiles as anomalies from a climatology, ready for kriging."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isopleth.data import Climatology, Profiles
from isopleth.data.boxes import boxes, days
from isopleth.data.departures import departures
from isopleth.inference.interpolation import Points, Samples

__all__ = ["Anomalies", "boxes", "days"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Anomalies:
    """Anomalies on the levels that have both observations and a climatology.

    Args:
        points: Positions, days and boxes.
        value: Observation less climatology, NaN where missing, ``(n, L)``.
        error: Standard deviation of the measurement's error, NaN = unknown, ``(n, L)``.
        depth: Metres, ``(L,)``.
    """

    points: Points
    value: Floats
    error: Floats
    depth: Floats

    @classmethod
    def of(
        cls,
        profiles: Profiles,
        climatology: Climatology,
        *,
        fewest: int,
        box_deg: float,
        box_days: float | None = None,
    ) -> Anomalies:
        """Take the climatology away; leave out levels with fewer values than ``fewest``.

        Raises:
            InputError: If the climatology is of something else, or if no level remains.
        """
        left = departures(profiles, climatology, fewest=fewest)
        points = Points(
            left.latitude, left.longitude, days(left.time), boxes(left, box_deg, box_days)
        )
        return cls(points, left.value, left.error, left.depth)

    def samples(self, signal_variance: Floats) -> Samples:
        """Kriging samples, measurement errors scaled by the small-scale signal variance (L,)."""
        known = np.where(np.isfinite(self.error), self.error, 0.0)
        return Samples(self.points, self.value, known**2 / signal_variance)
