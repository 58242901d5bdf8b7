"""Inputs: background, ensemble and analysis time, brought to one state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr
from torch import Tensor

from isopleth.core.channels import Channels
from isopleth.core.errors import InputError
from isopleth.core.quantities import Quantity
from isopleth.data.states import MEMBER, State
from isopleth.systems.assimilation.sample import Sample, of_members

__all__ = ["Inputs", "chosen_time", "combined"]

Times = npt.NDArray[np.datetime64]
T = TypeVar("T")


@dataclass(frozen=True, eq=False, kw_only=True)
class Inputs:
    """What an analysis starts from.

    Args:
        channels: Of the states.
        background: `x_b`, float64, shape (channel, lat, lon).
        members: Moved so that their mean is `x_b`, shape (N, channel, lat, lon); or None.
        time: Of the analysis; None where the background states none.
        sample: Of its errors, for a static covariance; None = nothing but stated numbers.
        notes: What was decided that a person should know.
    """

    channels: Channels
    background: Tensor
    members: Tensor | None
    time: np.datetime64 | None
    sample: Sample | None = None
    notes: tuple[str, ...] = ()


def combined(background: State, ensemble: State | None) -> Inputs:
    """One state of a background and, if there is one, an ensemble.

    A background that has members is its own ensemble: their mean is the background. Members of
    another file keep their deviations and are moved to the background.

    Raises:
        InputError: If grid, levels or variables differ, a member is not finite, or there is one
            member only.
    """
    own = background.members is not None
    if background.members == 1 and ensemble is None:
        alone = f"the one member of {background.name} is taken as a background without ensemble"
        return replace(combined(_single(background), None), notes=(alone,))
    if ensemble is None and own:
        ensemble = background
    fields = background.fields
    if own:
        fields = {q: _mean(f) for q, f in fields.items()}
    channels = _named(background.name, lambda: Channels.of(fields, background.vertical))
    x = _named(background.name, lambda: channels.tensor(fields))
    if ensemble is None:
        return Inputs(channels=channels, background=x, members=None, time=background.time)
    members = _members(channels, ensemble)
    mean = members.mean(0)
    notes: tuple[str, ...] = (f"{len(members)} members from {ensemble.name}",)
    if ensemble is not background and bool((mean - x).abs().max() > 1e-6 * x.abs().max()):
        moved = "the members' deviations from their mean were put around the background"
        notes += (f"{moved}, which is not that mean",)
    return Inputs(
        channels=channels,
        background=x,
        members=members - mean + x,
        time=background.time,
        sample=of_members(members),
        notes=notes,
    )


def chosen_time(times: Times, reports: Times, hours: float) -> np.datetime64 | None:
    """The time of a file with most observations in its window; the earliest of equals.

    Args:
        times: Of the file; none = it states none.
        reports: Of the observations, NaT where unknown.
        hours: Half the window.

    Raises:
        InputError: If no observation lies in the window of any.

    >>> file = np.array(["2017-01-01T00", "2017-01-01T12"], "M8[ns]")
    >>> str(chosen_time(file, np.array(["2017-01-01T11"], "M8[ns]"), 3.0))[:13]
    '2017-01-01T12'
    """
    if times.size == 0:
        return None
    known = reports[~np.isnat(reports)]
    half = np.timedelta64(round(hours * 3600), "s")
    counts = np.array([int((np.abs(known - time) <= half).sum()) for time in times])
    if known.size == 0 or counts.max() == 0:
        seen = f"from {known.min()!s:.16} to {known.max()!s:.16}" if known.size else "without time"
        raise InputError(
            f"no observation ({seen}) lies within {hours:g} h of a time of the background "
            f"({times.min()!s:.16} to {times.max()!s:.16}): give a background for that time, or a "
            "larger --window-hours."
        )
    return np.datetime64(times[int(counts.argmax())])


def _members(channels: Channels, ensemble: State) -> Tensor:
    name = f"the ensemble {ensemble.name}"
    if ensemble.members is None:
        raise InputError(
            f"{name} has no dimension of members: name it member, number or realization."
        )
    if ensemble.members < 2:
        raise InputError(
            f"{name} has {ensemble.members} member: a covariance needs at least 2, give more or "
            "use --method 3dvar without --ensemble."
        )
    fields: Mapping[Quantity, xr.DataArray] = {
        q: f for q, f in ensemble.fields.items() if MEMBER in f.dims
    }
    return _named(name, lambda: channels.tensor(fields))


def _single(state: State) -> State:
    """The same with its only member as the field."""
    fields = {q: f.isel({MEMBER: 0}) if MEMBER in f.dims else f for q, f in state.fields.items()}
    return replace(state, fields=fields)


def _mean(field: xr.DataArray) -> xr.DataArray:
    """Of the members that have a value; a cell without any has none."""
    if MEMBER not in field.dims:
        return field
    return field.mean(MEMBER, skipna=True)


def _named(name: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
