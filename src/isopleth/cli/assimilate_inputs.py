"""What `isopleth assimilate` reads: background, observations, ensemble, forecasts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from isopleth.cli.assimilate_arguments import Assimilate
from isopleth.core.channels import Channels
from isopleth.core.errors import InputError
from isopleth.data.states import State, open_states, read_states, times_of
from isopleth.data.station_reports import Reports, read_report_frame, read_reports
from isopleth.systems.assimilation import (
    Inputs,
    Recipe,
    Sample,
    chosen_time,
    combined,
    demo,
    of_pairs,
    sample_of,
)

__all__ = ["Job", "demonstrated", "read"]


@dataclass(frozen=True, eq=False)
class Job:
    """What is to be assimilated.

    Args:
        inputs: Background and, where there are any, members and a sample of errors.
        reports: All rows of the table.
        demonstration: Of the shipped data, or None.
        earlier: An earlier forecast for the same time, on the channels of the background.
    """

    inputs: Inputs
    reports: Reports
    demonstration: demo.Demonstration | None
    earlier: Tensor | None = None


def demonstrated(seed: int) -> Job:
    """The demonstration with this seed."""
    found = demo.prepare(seed)
    return Job(found.inputs, read_report_frame(found.table), found)


def read(asked: Assimilate, recipe: Recipe, taken: Callable[[State], State] | None = None) -> Job:
    """Files at the time that is wanted, or that has most observations.

    Args:
        asked: The command line.
        recipe: Numbers.
        taken: What a method takes of a file's fields; all of them by default.

    Raises:
        IsoplethError: If one cannot be read or does not go with the others.
    """
    assert asked.background is not None
    assert asked.observations is not None
    with open_states(asked.background) as data:
        # Times are needed to choose the fields, levels to know the unit of the table's.
        times = times_of(data)
        first = times[0] if times.size else None
        vertical = read_states(data, first, asked.background.name).vertical
        reports = read_reports(asked.observations, vertical)
        time = _wanted(asked, times)
        if time is None:
            time = chosen_time(times, reports.time[reports.usable], asked.window_hours)
        state = read_states(data, time, asked.background.name)
    state = taken(state) if taken else state
    members, earlier = None, None
    if asked.ensemble is not None:
        with open_states(asked.ensemble) as data:
            others = times_of(data)
            members = read_states(data, time if others.size else None, asked.ensemble.name)
    inputs = combined(state, members)
    if asked.earlier is not None and taken is not None:
        with open_states(asked.earlier) as data:
            at = time if times_of(data).size else None
            older = taken(read_states(data, at, asked.earlier.name))
        earlier = inputs.channels.tensor(older.fields)
    if asked.statistics:
        inputs = replace(inputs, sample=_sample(asked.statistics, inputs.channels, recipe))
    return Job(inputs, reports, None, earlier)


def _sample(paths: Sequence[Path], channels: Channels, recipe: Recipe) -> Sample:
    with ExitStack() as stack:
        data = [stack.enter_context(open_states(path)) for path in paths]
        names = [path.name for path in paths]
        if len(paths) == 1:
            return sample_of(channels, data[0], names[0], recipe.nmc_factor)
        return of_pairs(channels, (data[0], data[1]), (names[0], names[1]), recipe.nmc_factor)


def _wanted(asked: Assimilate, times: np.ndarray) -> np.datetime64 | None:
    if asked.time is None:
        return None
    try:
        return np.datetime64(asked.time.removesuffix("Z"), "ns")
    except ValueError as error:
        raise InputError(
            f"--time {asked.time!r} is not understood: write it as 2017-01-02T00:00."
        ) from error
