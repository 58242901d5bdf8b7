"""From files to the profiles that may be used: reading, the month, quality control, levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from isopleth.cli.domain import extent
from isopleth.cli.request import Request
from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.region import Region
from isopleth.data import (
    Climatology,
    Profiles,
    RejectionTable,
    Soundings,
    month_window,
    open_observations,
    to_levels,
)
from isopleth.data.quality import GOOD, check, flags
from isopleth.report import Rejected
from isopleth.systems.kriging import demo

__all__ = ["Intake", "busiest_month", "checked", "demonstrated", "read"]

MARGIN_DEG = 10.0
"""Profiles this far outside a region still inform its edge; those farther away cannot."""

Say = Callable[[str], None]
Times = NDArray[np.datetime64]
Positions = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Intake:
    """What may be used, and what was refused.

    Args:
        month: Mapped, `YYYY-MM`.
        profiles: Of the month and the window around it, on the grid's levels, after all checks.
        rejected: Reasons, numbers and positions.
    """

    month: str
    profiles: Profiles
    rejected: Rejected


def read(request: Request, grid: Grid, climatology: Climatology, say: Say) -> Intake:
    """Read the files and put what passes the checks on the grid's levels.

    The month and its window are cut out first, so the checks and their counts are of them alone.

    Raises:
        InputError: If a file cannot be used, or nothing of it lies in the month and region.
        DataMissingError: If a file is not there.
    """
    asked = request.asked
    soundings = open_observations(
        list(asked.observations), variable=asked.variable, wide=asked.wide
    )
    month = request.month or _choose(soundings.stations.time, say)
    near = _near(soundings, request, extent(grid), month)
    codes = flags(near)
    clean, table = check(near)
    read_first = _of_the_files(near.rejected) + table
    profiles = _with_error(to_levels(clean, grid.levels), asked.obs_error)
    refused = np.unique(near.profile[codes != GOOD])
    at = near.stations.take(refused)
    positions = (at.longitude, at.latitude)
    return checked(month, profiles, climatology, read_first, positions)


def checked(
    month: str,
    profiles: Profiles,
    climatology: Climatology,
    table: RejectionTable,
    positions: Positions,
) -> Intake:
    """Compare profiles with the climatology and add up everything that was refused.

    Args:
        month: `YYYY-MM`.
        profiles: On the levels of the map.
        climatology: What they are compared with.
        table: What was refused before.
        positions: Longitude and latitude of profiles that lost values before.

    Raises:
        InputError: If nothing is left.
    """
    mean = climatology.at(profiles.time, profiles.latitude, profiles.longitude, profiles.depth)
    bad = (flags(profiles, mean) != GOOD).any(axis=1)
    kept, more = check(profiles, mean)
    longitude = np.concatenate([positions[0], profiles.longitude[bad]])
    latitude = np.concatenate([positions[1], profiles.latitude[bad]])
    return Intake(month, kept, Rejected(table + more, longitude, latitude))


def demonstrated(grid: Grid, climatology: Climatology) -> Intake:
    """The profiles of the demonstration that inform a grid, with the same comparison.

    Raises:
        InputError: If none lies on the grid.
    """
    profiles = demo.prepare(grid.levels).profiles
    box = extent(grid)
    if not box.contains(profiles.latitude, profiles.longitude).any():
        raise InputError(f"no profile of the demonstration lies in the region {box}.")
    inside = widened(box, MARGIN_DEG).contains(profiles.latitude, profiles.longitude)
    nowhere = np.empty(0), np.empty(0)
    return checked(demo.MONTH, profiles.select(inside), climatology, RejectionTable(), nowhere)


def busiest_month(time: Times) -> tuple[str, int]:
    """The month with most profiles, the first of them if several have as many; and how many.

    >>> busiest_month(np.array(["2016-01-05", "2016-02-01", "2016-02-03"], "M8[ns]"))
    ('2016-02', 2)
    """
    months, counts = np.unique(time[~np.isnat(time)].astype("M8[M]"), return_counts=True)
    if months.size == 0:
        raise InputError("no observation has a time: look at the column of the times.")
    best = int(counts.argmax())
    return str(months[best]), int(counts[best])


def _choose(time: Times, say: Say) -> str:
    month, count = busiest_month(time)
    say(
        f"month {month}: it has the most profiles ({count:,} of {time.size:,}); "
        "choose another with --month"
    )
    return month


def _near(soundings: Soundings, request: Request, box: Region, month: str) -> Soundings:
    """The soundings in the month's window and near the box; some must lie in the month itself."""
    start, stop = month_window(month)
    in_month = soundings.within(start, stop).stations
    if not box.contains(in_month.latitude, in_month.longitude).any():
        raise InputError(
            f"none of the {len(in_month):,} profiles of {month} lies in the region {box}: "
            "choose another --region or --month."
        )
    reach = np.timedelta64(round(request.method.window_days * 86_400), "s")
    window = soundings.within(start - reach, stop + reach)
    wide = widened(box, MARGIN_DEG)
    inside = wide.contains(window.stations.latitude, window.stations.longitude)
    return window if inside.all() else window.select(inside[window.profile])


def widened(box: Region, degrees: float) -> Region:
    """A box with a margin: `degrees` of latitude, and as many kilometres of longitude.

    >>> box = widened(Region.parse("50N:60N,80W:0"), 10.0)
    >>> box.south, box.north, round(box.width - 80.0, 1)
    (40.0, 70.0, 58.5)
    """
    south, north = max(box.south - degrees, -90.0), min(box.north + degrees, 90.0)
    shrunk = max(np.cos(np.radians(max(abs(south), abs(north)))), 1e-6)
    margin = min(degrees / shrunk, (360.0 - box.width) / 2.0)
    west = box.west - margin
    return Region(south, north, west, west + min(box.width + 2.0 * margin, 360.0))


def _of_the_files(table: RejectionTable) -> RejectionTable:
    """What the readers refused, which they did before the month was cut out."""
    rows = (replace(row, reason=f"{row.reason} (in the whole of the files)") for row in table.rows)
    return RejectionTable(tuple(rows))


def _with_error(profiles: Profiles, deviation: float | None) -> Profiles:
    """The profiles, unknown measurement errors replaced by the one given."""
    if deviation is None:
        return profiles
    known = np.isfinite(profiles.error)
    return replace(profiles, error=np.where(known, profiles.error, deviation))
