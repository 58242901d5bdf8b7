"""What makes a grid a grid: checks at its birth, each with a sentence that says what to do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError

__all__ = [
    "check_latitude",
    "check_levels",
    "check_longitude",
    "check_mask",
    "frozen_axis",
    "frozen_mask",
]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def frozen_axis(name: str, values: npt.ArrayLike) -> Floats:
    """A read-only float64 copy of a coordinate without NaN."""
    array = np.array(values, dtype=np.float64) + 0.0  # no -0.0, which would differ in a hash
    if array.ndim != 1:
        raise InputError(f"{name} has shape {array.shape}: give one dimension.")
    if not np.isfinite(array).all():
        where = int(np.flatnonzero(~np.isfinite(array))[0])
        raise InputError(
            f"{name}[{where}] is {array[where]}: drop the cells without a coordinate."
        )
    array.flags.writeable = False
    return array


def frozen_mask(mask: npt.ArrayLike) -> Bools:
    """A read-only boolean copy; numbers other than 0 and 1 are refused."""
    array = np.asarray(mask)
    odd = array[(array != 0) & (array != 1)]
    if odd.size:
        raise InputError(f"the mask holds {odd.flat[0]}: use True for ocean and False for land.")
    ocean = array.astype(bool)
    ocean.flags.writeable = False
    return ocean


def check_latitude(latitude: Floats) -> None:
    """At least two rows, within the poles, north to south."""
    if latitude.size < 2:
        raise InputError(f"latitude has {latitude.size} values: a grid needs at least 2 rows.")
    outside = latitude[np.abs(latitude) > 90.0]
    if outside.size:
        raise InputError(
            f"latitude {outside[0]:g} is outside [-90, 90]: "
            "check that latitude and longitude are not exchanged."
        )
    if not (np.diff(latitude) < 0.0).all():
        raise InputError(
            f"latitude goes from {latitude[0]:g} to {latitude[-1]:g} without falling at every "
            "step: order it north to south without repeats, or use Grid.from_dataset."
        )


def check_longitude(longitude: Floats) -> None:
    """At least two columns, the first in [0, 360), west to east within one turn."""
    if longitude.size < 2:
        raise InputError(
            f"longitude has {longitude.size} values: a grid needs at least 2 columns."
        )
    if not 0.0 <= longitude[0] < 360.0:
        raise InputError(
            f"longitude starts at {longitude[0]:g}, outside [0, 360): "
            "roll it, or use Grid.from_dataset, which does."
        )
    if not (np.diff(longitude) > 0.0).all() or longitude[-1] - longitude[0] >= 360.0:
        raise InputError(
            f"longitude goes from {longitude[0]:g} to {longitude[-1]:g} without rising at every "
            "step within one turn: order it west to east, or use Grid.from_dataset."
        )


def check_levels(levels: Floats) -> None:
    """At least one depth, none above the sea surface, increasing."""
    if levels.size < 1:
        raise InputError("the grid has no level: give at least one depth in m.")
    if levels[0] < 0.0 or not (np.diff(levels) > 0.0).all():
        raise InputError(
            f"the levels go from {levels[0]:g} to {levels[-1]:g}: "
            "give depths in m, positive down, increasing and without repeats."
        )


def check_mask(mask: Bools, shape: tuple[int, int, int]) -> None:
    """One flag for every cell, and an ocean."""
    if mask.shape != shape:
        raise InputError(
            f"the mask has shape {mask.shape}, but the grid has {shape} levels, rows and columns: "
            "give one value for every cell."
        )
    if not mask.any():
        raise InputError("the mask has no ocean cell: check that True means ocean.")
