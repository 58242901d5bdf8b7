"""Preparation: from whatever a person has to checked profiles of a month on common levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from isopleth.core.errors import InputError
from isopleth.data.climatology import Climatology
from isopleth.data.open import open_observations
from isopleth.data.profiles import Profiles
from isopleth.data.quality import check
from isopleth.data.table import read_frame
from isopleth.data.vertical import to_levels
from isopleth.data.windows import month_window

__all__ = ["Source", "around", "middle", "on_levels", "prepared"]

Source = Profiles | pd.DataFrame | str | Path | Sequence[str | Path]
"""Profiles, a table, or files of any kind the readers know."""


def prepared(
    observations: Source, levels: NDArray[np.float64], climatology: Climatology
) -> Profiles:
    """Read, put on levels and check (range, duplicates, spikes, background).

    Profiles are taken as they are.

    Args:
        observations: See `Source`.
        levels: Depths in m, shape (L,).
        climatology: What values are compared with.

    Raises:
        InputError: If the observations cannot be used; the sentence says why.
    """
    if isinstance(observations, Profiles):
        return observations
    if isinstance(observations, pd.DataFrame):
        soundings = read_frame(observations)
    else:
        soundings = open_observations(observations)
    clean, _ = check(soundings)
    profiles = to_levels(clean, levels)
    mean = climatology.at(profiles.time, profiles.latitude, profiles.longitude, profiles.depth)
    return check(profiles, mean)[0]


def around(profiles: Profiles, month: str, days: float) -> Profiles:
    """The profiles of a month, `YYYY-MM`, and those up to `days` before and after it.

    Raises:
        InputError: If none lies in the month itself.
    """
    start, stop = month_window(month)
    profiles.within(start, stop)
    reach = np.timedelta64(round(days * 86_400), "s")
    return profiles.within(start - reach, stop + reach)


def on_levels(profiles: Profiles, depth: NDArray[np.float64]) -> Profiles:
    """The profiles on some of their levels, the others left out.

    Args:
        profiles: On at least these levels.
        depth: Increasing, m, shape (L,).

    Raises:
        InputError: If the profiles lack one of them.
    """
    missing = ~np.isin(depth, profiles.depth)
    if missing.any():
        raise InputError(
            f"the profiles lack the level {depth[missing][0]:g} m of the analysis; "
            "put them on the same levels."
        )
    index = np.searchsorted(profiles.depth, depth)
    value, error = profiles.value[:, index], profiles.error[:, index]
    return replace(profiles, depth=depth, value=value, error=error)


def middle(month: str) -> np.datetime64:
    """The instant halfway through a month written `YYYY-MM`.

    >>> print(middle("2016-01"))
    2016-01-16T12:00:00.000000000
    """
    start, stop = month_window(month)
    return start + (stop - start) // 2
