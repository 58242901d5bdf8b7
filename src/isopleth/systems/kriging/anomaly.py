"""Profiles as anomalies from a climatology, ready for kriging."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isopleth.core.errors import InputError
from isopleth.core.variables import lookup
from isopleth.data import Climatology, Profiles
from isopleth.inference.interpolation import Points, Samples
from isopleth.studies.heldout import box_ids

Floats = NDArray[np.float64]
EPOCH = np.datetime64("1950-01-01", "ns")
DAY = np.timedelta64(86_400_000_000_000, "ns")


def days(time: NDArray[np.datetime64] | np.datetime64) -> Floats:
    """Days since 1950-01-01 (Argo's reference)."""
    return np.asarray((np.asarray(time, "M8[ns]") - EPOCH) / DAY, np.float64)


def boxes(profiles: Profiles, side_deg: float, length_days: float | None) -> NDArray[np.int64]:
    """A number for each box of ``side_deg`` (and of days), ``(n,)``: what is withheld together."""
    place = box_ids(profiles.latitude, profiles.longitude, side_deg)
    if length_days is None:
        return place
    when = np.floor(days(profiles.time) / length_days)
    _, number = np.unique(np.stack([place, when], axis=1), axis=0, return_inverse=True)
    return np.asarray(number.reshape(-1), np.int64)


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
        if lookup(profiles.variable).units != climatology.variable.units:
            raise InputError(
                f"the profiles hold {profiles.variable} and the climatology "
                f"{climatology.variable.name}; give a climatology of {profiles.variable}."
            )
        mean = climatology.at(profiles.time, profiles.latitude, profiles.longitude, profiles.depth)
        value = profiles.value - mean
        seen = np.isfinite(value)
        kept = seen.sum(axis=0) >= fewest
        if not kept.any():
            raise InputError(
                f"no level has {fewest} values that the climatology covers (at most "
                f"{int(seen.sum(axis=0).max(initial=0))} at one level); give more profiles, or "
                "other --levels."
            )
        rows = np.asarray(seen[:, kept].any(axis=1))
        chosen = profiles.select(rows)
        points = Points(
            chosen.latitude,
            chosen.longitude,
            days(chosen.time),
            boxes(chosen, box_deg, box_days),
        )
        part = np.ix_(rows, kept)
        return cls(points, value[part], profiles.error[part], profiles.depth[kept])

    def samples(self, signal_variance: Floats) -> Samples:
        """Kriging samples, measurement errors scaled by the small-scale signal variance (L,)."""
        known = np.where(np.isfinite(self.error), self.error, 0.0)
        return Samples(self.points, self.value, known**2 / signal_variance)
