"""What of a file can become a streamfunction: its variables, levels and units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from isopleth.core.channels import PRESSURE
from isopleth.core.errors import InputError
from isopleth.core.quantities import GRAVITY, Quantity, find_quantity, named_quantity
from isopleth.data.states import MEMBER, State, read_states

__all__ = ["KINDS", "STREAMFUNCTION", "Kind", "Maps", "chosen_kind", "read_maps"]

Floats = npt.NDArray[np.float64]

_WIDEST_GAP = 3.0
"""Ratio of two levels between which no third one is interpolated."""

_SAME = 1e-6


def _known(name: str) -> Quantity:
    found = named_quantity(name)
    assert found is not None
    return found


STREAMFUNCTION = _known("streamfunction")


@dataclass(frozen=True)
class Kind:
    """Fields that say what the streamfunction is.

    Args:
        words: What a person calls them.
        quantities: All are needed.
    """

    words: str
    quantities: tuple[Quantity, ...]


KINDS = (
    Kind("streamfunction", (STREAMFUNCTION,)),
    Kind("winds", (_known("eastward_wind"), _known("northward_wind"))),
    Kind("geopotential", (_known("geopotential_height"),)),
)
"""In the order in which they are taken: what needs least assumption comes first."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Maps:
    """Fields of one time on the wanted levels.

    Args:
        values: By quantity of the kind, shape (member, level, lat, lon), in the quantity's unit;
            geopotential in m2 s-2.
        latitude: Degrees north, north to south.
        longitude: Degrees east, increasing.
        notes: What was interpolated.
    """

    values: tuple[Floats, ...]
    latitude: Floats
    longitude: Floats
    notes: tuple[str, ...]


def chosen_kind(data: xr.Dataset, name: str) -> tuple[Kind, list[str]]:
    """The first kind of `KINDS` that a file holds, and the names of its variables there.

    Raises:
        InputError: If it holds none.
    """
    for kind in KINDS:
        found = [_variable(data, quantity) for quantity in kind.quantities]
        if None not in found:
            return kind, [key for key in found if key is not None]
    held = ", ".join(map(str, data.data_vars)) or "no variable"
    raise InputError(
        f"{name} holds {held}: give eastward and northward wind, geopotential, or streamfunction, "
        "with their CF standard_name."
    )


def read_maps(
    data: xr.Dataset, kind: Kind, time: np.datetime64 | None, levels: Sequence[float], name: str
) -> Maps:
    """Fields of one time, linear in log p between levels.

    Args:
        data: Only the variables of the kind.
        kind: As `chosen_kind` says.
        time: One of the file's; None where there is none.
        levels: Wanted, hPa.
        name: Of the file, for messages.

    Raises:
        InputError: If units, levels or values cannot be used.
    """
    state = read_states(data, time, name)
    if state.vertical != PRESSURE:
        raise InputError(
            f"{name} has no pressure levels: give fields at 200, 500 and 800 hPa, or at levels "
            "around them."
        )
    found = [_field(state, quantity, name) for quantity in kind.quantities]
    values, notes = [], []
    for field in found:
        cut, note = _at_levels(field, levels, name)
        values.append(cut)
        notes = note
    _check_same(found, name)
    return Maps(
        values=tuple(values),
        latitude=found[0]["lat"].values.astype(np.float64),
        longitude=found[0]["lon"].values.astype(np.float64),
        notes=tuple(notes),
    )


def _variable(data: xr.Dataset, quantity: Quantity) -> str | None:
    """Name of the variable of a quantity; of several the one with members, else the first."""
    names = []
    for key, array in data.data_vars.items():
        if array.ndim < 2 or array.dtype.kind not in "fiu":
            continue
        standard = str(array.attrs.get("standard_name", array.attrs.get("GRIB_cfName", "")))
        standard = "" if standard == "unknown" else standard
        known = find_quantity(str(key), standard, str(array.attrs.get("units", "")))
        unknown = known.name == str(key)
        own = quantity.goes_by(str(key)) or (standard != "" and quantity.goes_by(standard))
        if (known == quantity or (unknown and own)) and "standard_deviation" not in str(
            array.attrs.get("cell_methods", "")
        ):
            names.append(str(key))
    return max(names, key=lambda n: data[n].ndim) if names else None


def _field(state: State, quantity: Quantity, name: str) -> xr.DataArray:
    """In the unit of the quantity, geopotential in m2 s-2."""
    for found, field in state.fields.items():
        if found == quantity:
            return field * GRAVITY if quantity.name == "geopotential_height" else field
    own, field = next(iter(state.fields.items()))
    try:
        return field.copy(data=quantity.convert(field.values, own.units))
    except InputError as error:
        raise InputError(f"the variable {own.name!r} of {name}: {error}") from error


def _at_levels(
    field: xr.DataArray, wanted: Sequence[float], name: str
) -> tuple[Floats, list[str]]:
    """Shape (member, level, lat, lon), and what was interpolated."""
    if PRESSURE.name not in field.dims:
        raise InputError(
            f"a field of {name} has no levels: give all of them at 200, 500 and 800 hPa, or at "
            "levels around them."
        )
    if MEMBER not in field.dims:
        field = field.expand_dims(MEMBER)
    field = field.transpose(MEMBER, PRESSURE.name, "lat", "lon")
    has = field[PRESSURE.name].values.astype(np.float64)
    if (np.diff(has) <= 0.0).any():
        twice = has[1:][np.diff(has) <= 0.0][0]
        raise InputError(f"{name} has the level {twice:g} hPa twice: keep one of them.")
    parts, notes = [], []
    for level in wanted:
        weights = _weights(has, level, name)
        part = sum(w * field.isel({PRESSURE.name: k}).values for k, w in weights.items())
        parts.append(np.asarray(part, np.float64))
        _check_finite(parts[-1], level, name)
        if len(weights) == 2:
            pair = " and ".join(f"{has[k]:g}" for k in weights)
            notes.append(f"{level:g} hPa lies between {pair} hPa: linear in log p")
    return np.stack(parts, 1), notes


def _weights(has: Floats, level: float, name: str) -> dict[int, float]:
    nearest = int(np.abs(has - level).argmin())
    if abs(has[nearest] - level) <= _SAME * level:
        return {nearest: 1.0}
    above = int(np.searchsorted(has, level)) - 1
    if above < 0 or above + 1 >= has.size or has[above + 1] / has[above] > _WIDEST_GAP:
        shown = ", ".join(f"{z:g}" for z in has)
        raise InputError(
            f"{name} has the levels {shown} hPa, none of them at or close around {level:g} hPa: "
            "give fields at 200, 500 and 800 hPa, or at levels around them."
        )
    share = np.log(level / has[above]) / np.log(has[above + 1] / has[above])
    return {above: 1.0 - float(share), above + 1: float(share)}


def _check_finite(values: Floats, level: float, name: str) -> None:
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise InputError(
            f"{name} has {bad:,} missing values at or around {level:g} hPa: fill them first, as "
            "those below the ground."
        )


def _check_same(fields: Sequence[xr.DataArray], name: str) -> None:
    shapes = {(f.sizes["lat"], f.sizes["lon"], f.sizes.get(MEMBER, 1)) for f in fields}
    if len(shapes) > 1:
        raise InputError(
            f"the winds of {name} have different grids or members ({sorted(shapes)}): bring them "
            "to one grid."
        )
