"""Quality control: which values are refused, and why.

The tests are those that a mapping job needs on top of the flags in the files: gross range,
position, time, duplicates, depth, spikes, stuck sensors and distance from a climatology. They
follow the Argo quality control manual (doi 10.13155/33951) and, for the background, Ingleby and
Huddleston (2007, doi 10.1016/j.jmarsys.2005.11.019).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError
from isopleth.core.variables import lookup
from isopleth.data import screens
from isopleth.data.background import far_from_background
from isopleth.data.profiles import Profiles
from isopleth.data.rejections import Rejection, RejectionTable
from isopleth.data.screens import QualityLimits, Rows
from isopleth.data.soundings import Soundings, Stations

__all__ = ["GOOD", "QualityLimits", "check", "flags", "reasons"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Observations = TypeVar("Observations", Soundings, Profiles)
Test = Callable[[Rows], Bools]

GOOD = 0
"""Code of a value that passes every test."""

_SALINITY = QualityLimits(spike_shallow=0.9, spike_deep=0.3, background_floor=0.2)
"""Argo test 9 for salinity; other variables take the defaults, which are those of temperature."""

_REASONS = (
    "outside the range of sea water",
    "position missing, impossible or (0, 0)",
    "time missing",
    "duplicated profile",
    "depth impossible or repeated",
    "spike",
    "stuck at one value",
    "far from the climatology",
)


@dataclass(frozen=True)
class _Columns:
    """The finite values of some observations in sorted rows, and where each came from."""

    rows: Rows
    origin: npt.NDArray[np.int64]


def reasons() -> dict[int, str]:
    """What the codes of `flags` mean; a value gets the first that applies."""
    return dict(enumerate(_REASONS, start=GOOD + 1))


def check(
    observations: Observations,
    climatology_values: npt.ArrayLike | None = None,
    *,
    climatology_sd: npt.ArrayLike | None = None,
    limits: QualityLimits | None = None,
) -> tuple[Observations, RejectionTable]:
    """The observations that pass every test, and how many do not, by reason.

    Args:
        observations: Soundings (n values) or profiles (n, L).
        climatology_values: Climatology at each value, NaN = unknown, of the shape of
            `observations.value`; without it the background test is left out.
        climatology_sd: Local standard deviation of anomalies, same shape; where absent it is
            estimated from the observations themselves (see `isopleth.data.background`).
        limits: Other thresholds than the variable's own.

    Returns:
        The observations kept, of the same kind (profiles keep their levels, NaN where a value was
        refused, and casts left empty are dropped), and the table of refusals.

    Raises:
        InputError: If there is no value at all, or none passes.
    """
    codes = flags(observations, climatology_values, climatology_sd=climatology_sd, limits=limits)
    existing = np.isfinite(observations.value)
    table = _table(codes, _profile_of(observations))
    good = existing & (codes == GOOD)
    if not good.any():
        raise InputError(
            f"no value passes quality control ({table}): look at the units and the columns."
        )
    if isinstance(observations, Soundings):
        kept = observations.select(good)
        return replace(kept, rejected=observations.rejected + table), table
    cleaned = replace(observations, value=np.where(good, observations.value, np.nan))
    return cleaned.select(good.any(axis=1)), table


def flags(
    observations: Soundings | Profiles,
    climatology_values: npt.ArrayLike | None = None,
    *,
    climatology_sd: npt.ArrayLike | None = None,
    limits: QualityLimits | None = None,
) -> npt.NDArray[np.int8]:
    """The outcome for each value: a key of `reasons`, or 0 for a good value and for none.

    Arguments and errors as for `check`; the shape is that of `observations.value`.
    """
    limits = limits or _defaults(observations.variable)
    columns = _columns(observations)
    climatology = _at_rows(climatology_values, observations, columns)
    sd = _at_rows(climatology_sd, observations, columns)
    code = np.zeros(columns.origin.size, dtype=np.int8)
    for number, test in enumerate(_tests(observations.variable, limits), start=GOOD + 1):
        _mark(code, number, test, columns.rows)
    if climatology is not None:
        anomaly = np.where(code == GOOD, columns.rows.value - climatology, np.nan)
        code[_far(columns.rows, anomaly, sd, limits)] = len(_REASONS)
    result = np.zeros(observations.value.size, dtype=np.int8)
    result[columns.origin] = code
    return result.reshape(observations.value.shape)


def _defaults(variable: str) -> QualityLimits:
    return _SALINITY if lookup(variable).name == "salinity" else QualityLimits()


def _tests(variable: str, limits: QualityLimits) -> tuple[Test, ...]:
    """The tests in the order of the reasons, all but the background."""
    return (
        lambda rows: ~lookup(variable).plausible(rows.value),
        screens.bad_position,
        screens.without_time,
        screens.duplicated,
        screens.bad_depth,
        lambda rows: screens.spikes(rows, limits),
        lambda rows: screens.stuck(rows, limits),
    )


def _mark(code: npt.NDArray[np.int8], number: int, test: Test, rows: Rows) -> None:
    """Write a code where a test fails; it sees only what has passed so far."""
    good = np.flatnonzero(code == GOOD)
    code[good[test(rows.where(code == GOOD))]] = number


def _far(rows: Rows, anomaly: Floats, sd: Floats | None, limits: QualityLimits) -> Bools:
    at = rows.stations
    return far_from_background(
        at.latitude[rows.profile],
        at.longitude[rows.profile],
        rows.depth,
        anomaly,
        sd=sd,
        sds=limits.background_sds,
        floor=limits.background_floor,
    )


def _columns(observations: Soundings | Profiles) -> _Columns:
    """Finite values sorted by profile and depth.

    Raises:
        InputError: If there is none.
    """
    origin = np.flatnonzero(np.isfinite(observations.value))
    if origin.size == 0:
        raise InputError(
            "the observations hold no value at all, only NaN: look at the column of the values "
            "and at its missing-value code."
        )
    if isinstance(observations, Soundings):
        stations, depth = observations.stations, observations.depth[origin]
    else:
        stations = Stations(
            observations.time, observations.latitude, observations.longitude, observations.platform
        )
        depth = observations.depth[origin % len(observations.depth)]
    profile = _profile_of(observations).reshape(-1)[origin]
    order = np.lexsort((depth, profile))
    origin = origin[order]
    value = observations.value.reshape(-1)[origin]
    return _Columns(Rows(stations, profile[order], depth[order], value), origin)


def _profile_of(observations: Soundings | Profiles) -> npt.NDArray[np.int64]:
    """Number of the profile of each value, of the shape of the values."""
    if isinstance(observations, Soundings):
        return observations.profile.astype(np.int64)
    column = np.arange(len(observations), dtype=np.int64)[:, None]
    return np.broadcast_to(column, observations.value.shape)


def _at_rows(
    values: npt.ArrayLike | None, observations: Soundings | Profiles, columns: _Columns
) -> Floats | None:
    """Something given for each value, in the order of the rows."""
    if values is None:
        return None
    array = np.asarray(values, dtype=np.float64)
    if array.shape != observations.value.shape:
        raise InputError(
            f"the climatology has shape {array.shape}, the observations "
            f"{observations.value.shape}: evaluate it at each value."
        )
    return np.asarray(array.reshape(-1)[columns.origin])


def _table(codes: npt.NDArray[np.int8], profile: npt.NDArray[np.int64]) -> RejectionTable:
    """Counts of values and of profiles touched, by reason."""
    found = []
    for number, reason in reasons().items():
        hit = codes == number
        if hit.any():
            found.append(Rejection(reason, int(hit.sum()), int(np.unique(profile[hit]).size)))
    return RejectionTable(tuple(found))
