"""Sample: background errors, or what stands for them, of an ensemble or of pairs of forecasts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from isopleth.core.channels import Channels
from isopleth.core.errors import InputError
from isopleth.data.states import MEMBER, read_states, times_of

__all__ = ["Sample", "of_members", "of_pairs", "sample_of"]

_LEAST = 2


@dataclass(frozen=True, eq=False)
class Sample:
    """Fields whose covariance is that of the background's errors.

    Args:
        errors: Shape (n, channel, lat, lon), float64.
        source: What they are, in words.
    """

    errors: Tensor
    source: str


def of_members(members: Tensor) -> Sample:
    """The deviations of one ensemble.

    Args:
        members: Shape (N, channel, lat, lon).
    """
    words = f"the deviations of {len(members)} members from their mean"
    return Sample(members - members.mean(0), words)


def sample_of(channels: Channels, data: xr.Dataset, name: str, factor: float) -> Sample:
    """Of one file: its members' deviations at every time, or its pairs of forecasts for one time.

    Forecasts of several runs and leads, whose valid times coincide, are pairs: the method of the
    National Meteorological Center (NMC). Reference: Parrish and Derber (1992), Mon. Weather Rev.
    120, 1747.

    Args:
        channels: Of the background.
        data: As `open_states` gives it.
        name: Of the file.
        factor: Of the differences, see `Recipe.nmc_factor`.

    Raises:
        InputError: If there is neither, there are too few, or the fields are others than those of
            the background.
    """
    fields = [_fields(channels, data, i, name) for i in range(max(times_of(data).size, 1))]
    if fields[0].ndim == 4:
        return _of_times(fields, name)
    times = times_of(data)
    pairs = [np.flatnonzero(times == time)[[0, -1]] for time in np.unique(times)]
    found = [fields[a] - fields[b] for a, b in pairs if a != b]
    return _of_differences(found, f"two forecasts in {name}", factor)


def of_pairs(
    channels: Channels, data: tuple[xr.Dataset, xr.Dataset], names: tuple[str, str], factor: float
) -> Sample:
    """Of two files: differences of their forecasts for the same times; see `sample_of`."""
    one, other = (times_of(each) for each in data)
    common = np.intersect1d(one, other)
    found = []
    for time in common:
        a, b = (int(np.flatnonzero(times == time)[0]) for times in (one, other))
        pair = _fields(channels, data[0], a, names[0]), _fields(channels, data[1], b, names[1])
        if pair[0].ndim != 3 or pair[1].ndim != 3:
            raise InputError(f"{' or '.join(names)} has members: give one file of members, or two "
                             "of single forecasts.")  # fmt: skip
        found.append(pair[0] - pair[1])
    return _of_differences(found, " and ".join(names), factor)


def _of_differences(found: list[Tensor], names: str, factor: float) -> Sample:
    if len(found) < _LEAST:
        raise InputError(
            f"{names}: there are {len(found)} pairs of forecasts for one time, and statistics "
            f"take at least {_LEAST}: give forecasts of two leads for the same times, or members."
        )
    words = f"{len(found)} differences of {names} for the same time (NMC), times {factor:.2f}"
    return Sample(factor * torch.stack(found), words)


def _of_times(fields: list[Tensor], name: str) -> Sample:
    members = len(fields[0])
    if members < _LEAST:
        raise InputError(f"{name} has {members} member: a covariance needs at least {_LEAST}.")
    # One mean fewer than times is estimated by what uses the sample.
    unbiased = (members / (members - 1.0)) ** 0.5 if len(fields) > 1 else 1.0
    errors = torch.cat([unbiased * (x - x.mean(0)) for x in fields])
    times = f" at each of {len(fields)} times" if len(fields) > 1 else ""
    return Sample(errors, f"the deviations of {members} members of {name} from their mean{times}")


def _fields(channels: Channels, data: xr.Dataset, index: int, name: str) -> Tensor:
    """One time of a file, shape ([member], channel, lat, lon)."""
    times = times_of(data)
    cut = data.isel(time=[index]) if "time" in data.dims else data
    state = read_states(cut, times[index] if times.size else None, name)
    each = {q: f for q, f in state.fields.items() if state.members is None or MEMBER in f.dims}
    try:
        return channels.tensor(each)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
