"""Boxes of ocean and days of time: what tells which profiles belong together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isopleth.core.errors import InputError
from isopleth.data.profiles import Profiles

__all__ = ["box_ids", "boxes", "days"]

Ints = NDArray[np.int64]

_EPOCH = np.datetime64("1950-01-01", "ns")
_DAY = np.timedelta64(86_400_000_000_000, "ns")


def days(time: NDArray[np.datetime64] | np.datetime64) -> NDArray[np.float64]:
    """Days since 1950-01-01 (Argo's reference).

    >>> float(days(np.datetime64("1950-01-02T12:00")))
    1.5
    """
    return np.asarray((np.asarray(time, "M8[ns]") - _EPOCH) / _DAY, np.float64)


def boxes(profiles: Profiles, side_deg: float, length_days: float | None = None) -> Ints:
    """A number for each box of ``side_deg`` (and of days), ``(n,)``: what is withheld together."""
    place = box_ids(profiles.latitude, profiles.longitude, side_deg)
    if length_days is None:
        return place
    when = np.floor(days(profiles.time) / length_days)
    _, number = np.unique(np.stack([place, when], axis=1), axis=0, return_inverse=True)
    return np.asarray(number.reshape(-1), np.int64)


def box_ids(latitude: ArrayLike, longitude: ArrayLike, size_deg: float = 1.0) -> Ints:
    """Number of the latitude-longitude box each position lies in.

    Boxes have their edges on multiples of `size_deg` from the South Pole and Greenwich; a position
    on an edge belongs to the box north or east of it, the North Pole to the last row.

    Args:
        latitude: (n,) degrees north.
        longitude: (n,) degrees east, of any convention.
        size_deg: Side of a box in degrees.

    Returns:
        (n,) ids >= 0, equal exactly for positions in the same box.

    Raises:
        InputError: A position is missing, a latitude is outside [-90, 90], or the size is.

    >>> box_ids([10.2, 10.9, 11.0], [359.5, -0.1, -0.1]).tolist()
    [36359, 36359, 36719]
    """
    lat, lon = np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
    if not 0.0 < size_deg <= 90.0:
        raise InputError(f"a box of {size_deg} degrees is not possible: give 0 < size_deg <= 90.")
    missing = ~np.isfinite(lat) | ~np.isfinite(lon)
    if missing.any():
        raise InputError(f"{missing.sum()} positions are missing: drop those profiles first.")
    if np.abs(lat).max(initial=0.0) > 90.0:
        raise InputError(
            f"latitude {lat[np.abs(lat).argmax()]:g} is outside [-90, 90]: "
            "check that latitude and longitude are not exchanged."
        )
    rows, columns = (int(np.ceil(span / size_deg)) for span in (180.0, 360.0))
    row = np.minimum(np.floor((lat + 90.0) / size_deg).astype(np.int64), rows - 1)
    # The remainder of a tiny negative longitude rounds to 360 itself.
    column = np.minimum(np.floor(np.mod(lon, 360.0) / size_deg).astype(np.int64), columns - 1)
    return row * columns + column
