"""Which reports can be used, and why the others cannot.

A report is refused with a reason and never lost: outside the domain or the levels, outside the
window, a duplicate, or farther from the background than both errors explain.
Reference: Lorenc and Hammon (1988), Q. J. R. Meteorol. Soc. 114, 515, for the last check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from isopleth.core.channels import Channels
from isopleth.core.errors import InputError
from isopleth.data.station_reports import Reports
from isopleth.observe.bilinear import corners, ocean_weights
from isopleth.observe.observation import Observation
from isopleth.observe.sparse import SparseOperator

__all__ = [
    "Readable",
    "Screening",
    "located",
    "nearest_in_time",
    "within_reach",
    "without_gross",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_PLACES = 3
"""Decimals of a degree to which two positions are one, about 100 m."""


@dataclass(frozen=True, eq=False)
class Readable:
    """Reports that the state can be compared with.

    Args:
        reports: One row a value, all usable.
        operator: From `(..., channel, lat, lon)` to `(..., n)`.
    """

    reports: Reports
    operator: SparseOperator

    @property
    def observation(self) -> Observation:
        """`y`, `H` and `R`, float64."""
        return Observation(
            torch.from_numpy(self.reports.value),
            self.operator,
            torch.from_numpy(self.reports.error**2),
        )

    def of(self, x: Tensor) -> Floats:
        """`H x`, `(..., n)`."""
        return np.asarray(self.operator(x).numpy(), np.float64)


@dataclass(frozen=True, kw_only=True)
class Screening:
    """All checks of a table for one background, in order.

    Args:
        window_hours: Reports up to this long before and after the analysis are used.
        gross: Most standard deviations of `sqrt(s_b^2 + s_o^2)` from the background.
    """

    window_hours: float = 3.0
    gross: float = 5.0

    def __call__(
        self,
        reports: Reports,
        channels: Channels,
        background: Tensor,
        time: np.datetime64 | None,
        spread: Callable[[Readable], Floats],
    ) -> Reports:
        """Every row, used or with its reason.

        Args:
            reports: As read.
            channels: Of the background.
            background: `x_b`, shape (channel, lat, lon).
            time: Of the analysis; None where the background states none.
            spread: `s_b` at the places of usable reports, shape (n,).

        Raises:
            InputError: If none can be used.
        """
        found = reports.matched(channels.quantities)
        found = within_reach(found, channels)
        found = nearest_in_time(found, time, self.window_hours)
        if found.usable.any():
            read = located(found, channels)
            found = without_gross(found, read, background, spread(read), self.gross)
        if not found.usable.any():
            reasons, counts = np.unique(found.reason.astype(str), return_counts=True)
            worst = int(counts.argmax())
            raise InputError(
                f"none of the {len(found):,} observations can be used; {counts[worst]:,} of them: "
                f"{reasons[worst]}."
            )
        return found


def nearest_in_time(reports: Reports, time: np.datetime64 | None, hours: float) -> Reports:
    """The reports in the window; of several of one station and variable the nearest in time.

    Args:
        reports: With quantities.
        time: Of the analysis; None where the background states none: no window then.
        hours: Half the window.
    """
    away = np.zeros(len(reports))
    if time is not None:
        known = ~np.isnat(reports.time)
        gap = np.where(known, reports.time - time, np.timedelta64(0, "ns"))
        away = np.abs(gap.astype("timedelta64[ns]").astype(np.float64)) / 3.6e12
        reports = reports.refused(
            away > hours, f"time is outside the window of {hours:g} h around {str(time)[:16]}"
        )
    keys = pd.DataFrame(
        {
            "quantity": reports.quantity,
            "latitude": reports.latitude.round(_PLACES),
            "longitude": reports.longitude.round(_PLACES) % 360.0,
            "level": reports.level.round(6),
        }
    ).fillna(-1.0)
    times = reports.time.astype(np.int64)
    order = np.lexsort((reports.row, away))
    order = order[reports.usable[order]]
    first = ~keys.iloc[order].duplicated().to_numpy()
    same = keys.assign(time=times).iloc[order].duplicated().to_numpy()
    twice, other = np.zeros(len(reports), bool), np.zeros(len(reports), bool)
    twice[order[same]] = True
    other[order[~first & ~same]] = True
    reports = reports.refused(twice, "duplicate: an earlier row has the same place and time")
    return reports.refused(other, "another report of this place is nearer in time")


def within_reach(reports: Reports, channels: Channels) -> Reports:
    """Refuse what lies outside the domain or the levels, or where there is no background."""
    rows = np.flatnonzero(reports.usable)
    _, weight, level_ok, inside = _terms(reports.take(rows), channels)
    missing = inside & level_ok & (weight.sum(1) == 0.0)
    for bad, reason in (
        (~inside, "position is outside the domain"),
        (~level_ok, "level is missing or outside those of the background"),
        (missing, "the background has no value there"),
    ):
        whole = np.zeros(len(reports), bool)
        whole[rows[bad]] = True
        reports = reports.refused(whole, reason)
    return reports


def located(reports: Reports, channels: Channels) -> Readable:
    """The usable reports with their operator: bilinear, linear in the vertical's scale."""
    used = reports.take(np.flatnonzero(reports.usable))
    index, weight, _, _ = _terms(used, channels)
    return Readable(used, SparseOperator(index, weight, channels.shape, (len(used),)))


def without_gross(
    reports: Reports, read: Readable, background: Tensor, spread: Floats, limit: float
) -> Reports:
    """Refuse what departs from the background by more than `limit sqrt(s_b^2 + s_o^2)`.

    Args:
        reports: All rows.
        read: Those that were usable.
        background: `x_b`, shape (channel, lat, lon).
        spread: `s_b` at each of them, shape (n,).
        limit: In standard deviations.
    """
    expected = np.sqrt(spread**2 + read.reports.error**2)
    ratio = np.abs(read.reports.value - read.of(background)) / expected
    bad = ratio > limit
    whole = np.isin(reports.row, read.reports.row[bad])
    words = np.full(len(reports), "", dtype=object)
    words[np.isin(reports.row, read.reports.row)] = [
        f"departs from the background by {r:.1f} standard deviations" for r in ratio
    ]
    return reports.refused(whole, words)


def _terms(
    reports: Reports, channels: Channels
) -> tuple[Ints, Floats, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Cells and weights (n, 8), whether the level is covered, and whether the place is."""
    count = len(reports)
    lower, upper, share, ok = (
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count),
        np.zeros(count, bool),
    )
    for i, quantity in enumerate(channels.quantities):
        rows = reports.quantity == i
        found = _bracket(channels, channels.where(quantity), reports.level[rows])
        lower[rows], upper[rows], share[rows], ok[rows] = found
    around = corners(channels.grid, reports.latitude, reports.longitude)
    one = ocean_weights(channels.grid, around, lower)
    two = ocean_weights(channels.grid, around, upper)
    whole = ((one.sum(1) > 0) | (share == 1.0)) & ((two.sum(1) > 0) | (share == 0.0)) & ok
    weight = np.concatenate([one * (1.0 - share)[:, None], two * share[:, None]], 1)
    level = np.repeat(np.stack([lower, upper], 1), 4, axis=1)
    row, column = np.tile(around.row, 2), np.tile(around.column, 2)
    index = np.ravel_multi_index((level, row, column), channels.shape)
    return index, weight * whole[:, None], ok, around.weight.sum(1) > 0.0


def _bracket(
    channels: Channels, where: Ints, level: Floats
) -> tuple[Ints, Ints, Floats, npt.NDArray[np.bool_]]:
    """Channels before and after a level, how far from one to the other, and whether covered."""
    levels = channels.levels(channels.items[int(where[0])].quantity)
    if levels is None or channels.vertical is None:
        first = np.full(level.size, where[0])
        return first, first, np.zeros(level.size), np.ones(level.size, bool)
    slack = 1e-6 * max(float(np.abs(levels).max()), 1.0)
    ok = (level >= levels[0] - slack) & (level <= levels[-1] + slack)
    clean = np.clip(np.where(ok, level, levels[0]), levels[0], levels[-1])
    at = np.clip(np.searchsorted(levels, clean, side="right") - 1, 0, max(levels.size - 2, 0))
    after = np.minimum(at + 1, levels.size - 1)
    z = channels.vertical.scaled(levels)
    gap = np.where(after > at, z[after] - z[at], 1.0)
    share = np.where(after > at, (channels.vertical.scaled(clean) - z[at]) / gap, 0.0)
    return where[at], where[after], share, ok
