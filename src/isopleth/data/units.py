"""Values brought to the unit of their variable, with a check that the stated unit can be true."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError
from isopleth.core.variables import Variable, convert

__all__ = ["below_surface", "check_plausible", "to_own_unit"]

Floats = npt.NDArray[np.float64]

_SHALLOWEST = -5.0
"""Sensors in air read slightly negative pressure; down to this, dbar or m, it is the surface."""

_DEEPEST = 12_000.0
"""No ocean is deeper, m; nor is its pressure more than a few per cent higher, dbar."""

_SAMPLE = 1_000_000
"""Values looked at when a unit is checked."""


def to_own_unit(values: npt.ArrayLike, unit: str, variable: Variable) -> Floats:
    """Values in the variable's own unit; no unit stands for that one.

    Raises:
        InputError: If the unit is unknown.
    """
    if not unit:
        return np.asarray(values, dtype=np.float64)
    return convert(values, unit, variable.units, variable)


def below_surface(vertical: npt.ArrayLike) -> Floats:
    """Depths in m or pressures in dbar: [-5, 0) is the surface, impossible ones are NaN.

    >>> below_surface([-0.4, 100.0, -100.0, 99999.0]).tolist()
    [0.0, 100.0, nan, nan]
    """
    array = np.asarray(vertical, dtype=np.float64)
    possible = (array >= _SHALLOWEST) & (array <= _DEEPEST)
    return np.where(possible, np.maximum(array, 0.0), np.nan)


def check_plausible(values: npt.ArrayLike, variable: Variable, unit: str, where: str) -> None:
    """Refuse values whose median no sea water can have: the unit must be another.

    Args:
        values: In the variable's own unit, NaN = missing, any shape.
        variable: The variable.
        unit: Unit stated by the file, "" for none.
        where: Column or variable and file, for the message.

    Raises:
        InputError: If the median lies outside the variable's range.
    """
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    array = array[:: max(1, array.size // _SAMPLE)]
    array = array[np.isfinite(array)]
    if array.size == 0:
        return
    median = float(np.median(array))
    if variable.valid_min <= median <= variable.valid_max:
        return
    stated = f"although the unit is {unit!r}" if unit else "and no unit is given"
    if variable.units == "degC" and 200.0 < median < 350.0:
        raise InputError(
            f"{where} has a median of {median:.4g}, which looks like kelvin {stated}: "
            "write the unit K, or subtract 273.15."
        )
    raise InputError(
        f"{where} has a median of {median:.4g}, outside {variable.valid_min:g} to "
        f"{variable.valid_max:g} {variable.units} {stated}: check the unit and the column."
    )
