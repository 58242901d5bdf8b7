"""Departures: profiles less what the climatology says of their place, depth and day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from isopleth.core.errors import InputError
from isopleth.core.variables import lookup
from isopleth.data.climatology import Climatology
from isopleth.data.profiles import Profiles

__all__ = ["departures"]


def departures(profiles: Profiles, climatology: Climatology, *, fewest: int) -> Profiles:
    """The same casts with anomalies for values, on the levels that have enough of them.

    A level with fewer values than `fewest` is left out, and so is a cast without any value left.

    Args:
        profiles: n casts.
        climatology: Of the same variable; NaN where it has none.
        fewest: Values that a level needs.

    Raises:
        InputError: If the climatology is of something else, or if no level remains.
    """
    if lookup(profiles.variable).units != climatology.variable.units:
        raise InputError(
            f"the profiles hold {profiles.variable} and the climatology "
            f"{climatology.variable.name}; give a climatology of {profiles.variable}."
        )
    mean = climatology.at(profiles.time, profiles.latitude, profiles.longitude, profiles.depth)
    value = profiles.value - mean
    seen = np.isfinite(value)
    kept = seen.sum(axis=0) >= fewest
    if not kept.any():
        raise InputError(
            f"no level has {fewest} values that the climatology covers (at most "
            f"{int(seen.sum(axis=0).max(initial=0))} at one level); give more profiles, or "
            "other --levels."
        )
    rows = np.asarray(seen[:, kept].any(axis=1))
    part = replace(
        profiles, depth=profiles.depth[kept], value=value[:, kept], error=profiles.error[:, kept]
    )
    return part.select(rows)
