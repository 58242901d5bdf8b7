"""The single tests of quality control: each takes sorted rows and says which of them fail.

Numbers follow the Argo quality control manual for CTD and trajectory data (doi 10.13155/33951).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from isopleth.data.soundings import Stations

__all__ = [
    "QualityLimits",
    "Rows",
    "bad_depth",
    "bad_position",
    "duplicated",
    "spikes",
    "stuck",
    "without_time",
]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_DEEPEST = 12_000.0
"""No ocean is deeper, m."""


@dataclass(frozen=True, kw_only=True)
class QualityLimits:
    """Thresholds of the tests; the defaults are for temperature in degC.

    Args:
        spike_shallow: Largest spike accepted above `spike_depth` (Argo test 9).
        spike_deep: Largest spike accepted below it.
        spike_depth: Where the threshold changes, m (Argo: 500 dbar).
        stuck_levels: A profile of at least this many equal values ...
        stuck_span: ... over at least this many metres is a stuck sensor (Argo test 14).
        background_sds: Largest distance from the climatology in local standard deviations; wide,
            because outliers of real profiles are eddies and fronts: of 63,684 Argo values at
            100-200 dbar in early 2016, 6 refused 23, all in rings of western boundary currents,
            and 10 none.
        background_floor: Smallest standard deviation used.
    """

    spike_shallow: float = 6.0
    spike_deep: float = 2.0
    spike_depth: float = 500.0
    stuck_levels: int = 5
    stuck_span: float = 50.0
    background_sds: float = 10.0
    background_floor: float = 1.0


@dataclass(frozen=True)
class Rows:
    """Values sorted by profile, then depth.

    Args:
        stations: The profiles, p of them.
        profile: Index into the stations, increasing, shape (n,).
        depth: m, increasing within a profile, shape (n,).
        value: In the unit of the variable, finite, shape (n,).
    """

    stations: Stations
    profile: Ints
    depth: Floats
    value: Floats

    def where(self, rows: Bools) -> Rows:
        """These rows only, of the same stations."""
        return Rows(self.stations, self.profile[rows], self.depth[rows], self.value[rows])


def bad_position(rows: Rows) -> Bools:
    """Latitude or longitude missing, latitude beyond a pole, or exactly (0, 0) (Argo test 3)."""
    lat, lon = rows.stations.latitude, rows.stations.longitude
    bad = ~(np.abs(lat) <= 90.0) | ~np.isfinite(lon) | ((lat == 0.0) & (lon == 0.0))
    return np.asarray(bad[rows.profile])


def without_time(rows: Rows) -> Bools:
    """Time missing (Argo test 2)."""
    return np.asarray(np.isnat(rows.stations.time)[rows.profile])


def duplicated(rows: Rows) -> Bools:
    """Rows of profiles with the platform, minute and position (1e-3 degree) of a fuller profile.

    Of several copies the one with most values is kept, the first of equals.
    """
    at = rows.stations
    counts = np.bincount(rows.profile, minlength=len(at))
    keys = pd.DataFrame(
        {
            "platform": pd.factorize(at.platform)[0],
            "minute": at.time.astype("datetime64[m]").astype(np.int64),
            "lat": np.round(at.latitude, 3),
            "lon": np.round(at.longitude, 3) % 360.0,
        }
    )
    order = np.argsort(-counts, kind="stable")
    copy = np.zeros(len(at), dtype=bool)
    copy[order] = keys.iloc[order].duplicated().to_numpy()
    return np.asarray(copy[rows.profile])


def bad_depth(rows: Rows) -> Bools:
    """Depth missing or impossible, or the same as that of the value before it in the profile."""
    impossible = ~((rows.depth >= 0.0) & (rows.depth <= _DEEPEST))
    repeated = np.zeros_like(impossible)
    repeated[1:] = (rows.profile[1:] == rows.profile[:-1]) & (rows.depth[1:] == rows.depth[:-1])
    return impossible | repeated


def spikes(rows: Rows, limits: QualityLimits) -> Bools:
    """Values that stand out from both neighbours in depth (Argo test 9).

    `|v_2 - (v_3 + v_1) / 2| - |(v_3 - v_1) / 2|` exceeds the threshold; the first and the last
    value of a profile cannot be tested.
    """
    spike = np.zeros(rows.value.size, dtype=bool)
    if rows.value.size < 3:
        return spike
    v1, v2, v3 = rows.value[:-2], rows.value[1:-1], rows.value[2:]
    stands_out = np.abs(v2 - (v3 + v1) / 2.0) - np.abs((v3 - v1) / 2.0)
    deep = rows.depth[1:-1] >= limits.spike_depth
    threshold = np.where(deep, limits.spike_deep, limits.spike_shallow)
    spike[1:-1] = (stands_out > threshold) & (rows.profile[:-2] == rows.profile[2:])
    return spike


def stuck(rows: Rows, limits: QualityLimits) -> Bools:
    """All values of a profile equal, over many levels and metres (Argo test 14)."""
    if rows.value.size == 0:
        return np.zeros(0, dtype=bool)
    first = np.flatnonzero(np.diff(rows.profile, prepend=-1))
    count = np.diff(first, append=rows.value.size)
    spread = np.maximum.reduceat(rows.value, first) - np.minimum.reduceat(rows.value, first)
    extent = rows.depth[first + count - 1] - rows.depth[first]
    constant = (spread == 0.0) & (count >= limits.stuck_levels) & (extent >= limits.stuck_span)
    return np.asarray(np.repeat(constant, count))
