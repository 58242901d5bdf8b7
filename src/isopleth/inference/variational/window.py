"""by_step: observations with times, sorted into the steps of a window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from isopleth.core.errors import InputError
from isopleth.observe.observation import Observation

__all__ = ["by_step"]


def by_step(
    observations: Sequence[Observation],
    start: np.datetime64,
    *,
    step_seconds: float,
    length: int,
) -> dict[int, list[Observation]]:
    """By number of steps since the start, each observation at the step nearest to its time.

    Args:
        observations: Each with one time, or with times that fall on one step.
        start: Of the window, UTC.
        step_seconds: Of the dynamics, s.
        length: Of the window, steps.

    Raises:
        InputError: If an observation has no time, times on several steps, or lies outside the
            window.

    >>> import torch
    >>> from isopleth.dynamics.lorenz import Components
    >>> noon = np.array("2016-01-01T12", "datetime64[s]")
    >>> seen = Observation(torch.zeros(1), Components((0,), 4), torch.tensor(1.0), noon)
    >>> start = np.datetime64("2016-01-01")
    >>> list(by_step([seen], start, step_seconds=21600.0, length=4))
    [2]
    """
    sorted_: dict[int, list[Observation]] = {}
    for seen in observations:
        if seen.time is None:
            raise InputError("an observation of a window has no time: give it one.")
        seconds = (np.asarray(seen.time) - start) / np.timedelta64(1, "s")
        steps = np.unique(np.round(seconds / step_seconds).astype(np.int64))
        if steps.size != 1:
            raise InputError(
                f"one observation has times on {steps.size} steps of the window: split it, one "
                "part a step."
            )
        step = int(steps[0])
        if not 0 <= step <= length:
            raise InputError(
                f"an observation lies at step {step}, outside the window of {length} steps: "
                "lengthen the window or leave it out."
            )
        sorted_.setdefault(step, []).append(seen)
    return dict(sorted(sorted_.items()))
