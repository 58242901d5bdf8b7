"""What the profile files of Argo and EN4 share: Julian days, stations, tally of refusals."""

from __future__ import annotations

from collections.abc import Mapping

import netCDF4
import numpy as np
import numpy.typing as npt

from isopleth.data.netcdf import numbers, texts
from isopleth.data.rejections import Rejection, RejectionTable
from isopleth.data.soundings import Stations

__all__ = ["days_since_1950", "incomplete", "no_stations", "screen", "stations_of", "turned"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_DAY = 86_400_000.0
"""Milliseconds in a day."""


def days_since_1950(days: Floats) -> npt.NDArray[np.datetime64]:
    """JULD, days since 1950-01-01T00:00Z, as times; NaN is NaT.

    >>> print(days_since_1950(np.array([0.5, np.nan])))
    ['1950-01-01T12:00:00.000000000'                           'NaT']
    """
    known = np.isfinite(days)
    # To the millisecond: a double holds a day of this century to a microsecond, no better.
    since = np.round(np.where(known, days, 0.0) * _DAY).astype("timedelta64[ms]")
    time = np.datetime64("1950-01-01", "ns") + since.astype("timedelta64[ns]")
    return np.where(known, time, np.datetime64("NaT", "ns"))


def turned(longitude: Floats) -> Floats:
    """Longitudes in [0, 360), from any convention.

    >>> turned(np.array([-30.0, 360.0, 390.0, -1e-20])).tolist()
    [330.0, 0.0, 30.0, 0.0]
    """
    longitude = longitude % 360.0
    # The remainder of a tiny negative number is rounded up to 360 itself.
    return np.where(longitude == 360.0, 0.0, longitude)


def stations_of(file: netCDF4.Dataset) -> Stations:
    """The stations of an open profile file (JULD, LATITUDE, LONGITUDE, PLATFORM_NUMBER)."""
    return Stations(
        days_since_1950(numbers(file, "JULD")),
        numbers(file, "LATITUDE"),
        turned(numbers(file, "LONGITUDE")),
        texts(file, "PLATFORM_NUMBER", strings=True),
    )


def no_stations() -> Stations:
    """No station at all."""
    none = np.zeros(0)
    return Stations(none.astype("datetime64[ns]"), none, none, none.astype(np.str_))


def incomplete(stations: Stations) -> dict[str, Bools]:
    """Reasons to refuse whole profiles whatever their flags say, each of shape (p, 1)."""
    bad_place = ~(np.abs(stations.latitude) <= 90.0) | ~np.isfinite(stations.longitude)
    return {
        "position missing or impossible": bad_place[:, None],
        "time missing": np.isnat(stations.time)[:, None],
    }


def screen(existing: Bools, failures: Mapping[str, Bools]) -> tuple[Bools, RejectionTable]:
    """The values that exist and pass, and the table of the others.

    Args:
        existing: Values that were measured, shape (p, L).
        failures: Reason and where it holds, (p, L) or (p, 1), in the order of the tests.
    """
    kept, rows = existing.copy(), []
    for reason, bad in failures.items():
        lost = kept & bad
        if lost.any():
            rows.append(Rejection(reason, int(lost.sum()), int(lost.any(axis=1).sum())))
        kept &= ~bad
    return kept, RejectionTable(tuple(rows))
