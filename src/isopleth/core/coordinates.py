"""Where latitude, longitude and depth hide in other people's files, and the one order we keep.

Canonical order: latitude north to south, longitude degrees east from [0, 360) and increasing,
depth in m, positive down and increasing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from isopleth.core.errors import InputError

__all__ = ["LATITUDE", "LEVEL", "LONGITUDE", "Axis", "AxisKind", "find_axis", "match", "read_axis"]

_SAME = 1e-3
"""Two coordinates this close are the same cell: float32 files, degrees or metres."""


@dataclass(frozen=True)
class AxisKind:
    """One axis and the names under which files know it.

    Args:
        name: Our name of the dimension.
        words: What a message calls it.
        names: Lower-case names of coordinates in files.
        standard_names: CF standard names.
        units: Units that by themselves identify the axis (CF section 4).
        axis: Value of the CF `axis` attribute.
    """

    name: str
    words: str
    names: tuple[str, ...]
    standard_names: tuple[str, ...]
    units: tuple[str, ...]
    axis: str


LATITUDE = AxisKind(
    name="lat",
    words="latitude",
    names=("lat", "latitude", "nav_lat", "y", "lats", "ylat"),
    standard_names=("latitude",),
    units=("degrees_north", "degree_north", "degrees_n", "degree_n"),
    axis="Y",
)
LONGITUDE = AxisKind(
    name="lon",
    words="longitude",
    names=("lon", "longitude", "nav_lon", "x", "lons", "xlon"),
    standard_names=("longitude",),
    units=("degrees_east", "degree_east", "degrees_e", "degree_e"),
    axis="X",
)
LEVEL = AxisKind(
    name="depth",
    words="depth",
    names=("depth", "lev", "level", "deptht", "z", "zax", "z_t", "st_ocean", "olevel"),
    standard_names=("depth",),
    units=(),
    axis="Z",
)


@dataclass(frozen=True)
class Axis:
    """A coordinate in canonical order.

    Args:
        dim: Dimension of the file that holds it; None for a level axis that the file lacks.
        values: Canonical coordinate, shape (n,).
        index: Position in the file of each canonical value, shape (n,).
    """

    dim: str | None
    values: npt.NDArray[np.float64]
    index: npt.NDArray[np.int64]


def find_axis(data: xr.Dataset | xr.DataArray, kind: AxisKind) -> str | None:
    """Name of the coordinate of this kind, or None; CF attributes win over names.

    >>> find_axis(xr.DataArray(np.zeros(2), {"nav_lat": [1.0, 0.0]}), LATITUDE)
    'nav_lat'
    """
    named = {str(name): coordinate for name, coordinate in data.coords.items()}
    for name, coordinate in named.items():
        if coordinate.ndim and coordinate.attrs.get("standard_name") in kind.standard_names:
            return name
    for name, coordinate in named.items():
        if coordinate.ndim and str(coordinate.attrs.get("units", "")).lower() in kind.units:
            return name
    by_lower = {name.lower(): name for name, c in named.items() if c.ndim}
    for candidate in kind.names:
        if candidate in by_lower:
            return by_lower[candidate]
    for name, coordinate in named.items():
        vertical = kind is LEVEL and coordinate.attrs.get("positive") in ("up", "down")
        if coordinate.ndim and (vertical or coordinate.attrs.get("axis") == kind.axis):
            return name
    return None


def read_axis(data: xr.Dataset | xr.DataArray, kind: AxisKind) -> Axis:
    """The axis of this kind in canonical order; a missing level axis becomes one level at 0 m.

    Raises:
        InputError: If latitude or longitude is missing, two-dimensional or NaN, or if the unit of
            the levels is not a length.

    >>> columns = xr.DataArray(np.zeros(3), {"lon": [-90.0, 0.0, 90.0]})
    >>> read_axis(columns, LONGITUDE).values.tolist()
    [270.0, 360.0, 450.0]
    """
    name = find_axis(data, kind)
    if name is None:
        return _absent(data, kind)
    coordinate = data[name]
    if coordinate.ndim != 1:
        shape = " x ".join(str(n) for n in coordinate.shape)
        raise InputError(
            f"the {kind.words} {name!r} has {coordinate.ndim} dimensions ({shape}), a curvilinear "
            "grid: regrid the file to rows of latitude and columns of longitude first."
        )
    raw = np.asarray(coordinate.values, dtype=np.float64)
    if not np.isfinite(raw).all():
        raise InputError(f"the {kind.words} {name!r} holds NaN: drop or fill those cells first.")
    if raw.size == 0:
        raise InputError(f"the {kind.words} {name!r} is empty: check how the file was cut.")
    values, index = _canonical(raw, coordinate, kind)
    return Axis(str(coordinate.dims[0]), values, index)


def match(
    raw: npt.NDArray[np.float64],
    wanted: npt.NDArray[np.float64],
    kind: AxisKind,
) -> npt.NDArray[np.int64]:
    """Position in `raw` of every wanted coordinate; longitudes are compared modulo 360.

    Raises:
        InputError: If a wanted coordinate is not there.

    >>> match(np.array([-90.0, 0.0, 90.0]), np.array([270.0, 360.0]), LONGITUDE).tolist()
    [0, 1]
    """
    around = kind is LONGITUDE
    key, want = (raw % 360.0, wanted % 360.0) if around else (raw, wanted)
    order = np.argsort(key, kind="stable")
    above = np.searchsorted(key[order], want) % raw.size
    neighbours = order[np.stack([above - 1, above, (above + 1) % raw.size])]
    apart = np.abs(key[neighbours] - want)
    apart = np.minimum(apart, 360.0 - apart) if around else apart
    nearest = apart.argmin(axis=0)
    columns = np.arange(wanted.size)
    index = neighbours[nearest, columns]
    missing = apart[nearest, columns] > _SAME
    if missing.any():
        raise InputError(
            f"the field has no {kind.words} {wanted[missing][0]:g}, which the grid has: "
            "interpolate the field to the grid, or make the grid from the field."
        )
    return np.asarray(index, dtype=np.int64)


def _absent(data: xr.Dataset | xr.DataArray, kind: AxisKind) -> Axis:
    """The axis when no coordinate with a dimension has it."""
    if kind is not LEVEL:
        found = ", ".join(str(name) for name in data.coords) or "none"
        raise InputError(
            f"no {kind.words} was found among the coordinates ({found}): "
            f"rename the one that holds it to {kind.name!r}."
        )
    scalars = [c for name, c in data.coords.items() if str(name).lower() in kind.names]
    value = [float(c) * _to_metres(c) for c in scalars if c.ndim == 0 and c.dtype.kind in "fiu"]
    return Axis(None, np.array(value[:1] or [0.0]), np.zeros(1, dtype=np.int64))


def _canonical(
    raw: npt.NDArray[np.float64], coordinate: xr.DataArray, kind: AxisKind
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Values in canonical order and the position of each in the file."""
    if kind is LONGITUDE:
        return _rolled(raw)
    if kind is LATITUDE:
        order = np.argsort(-raw, kind="stable")
        return raw[order], order
    metres = raw * _to_metres(coordinate)
    order = np.argsort(metres, kind="stable")
    return metres[order], order


def _rolled(
    raw: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Longitudes in [0, 360) and increasing, unwrapped past 360 when the region needs it.

    The row starts east of the widest gap; a full circle has no widest gap and starts at its
    smallest longitude. A cyclic column (0 and 360 both present) is taken once.
    """
    turned = np.round(raw % 360.0, 9)
    turned[turned > 360.0 - _SAME] = 0.0
    if raw.size > 2 and abs(abs(raw[-1] - raw[0]) - 360.0) < _SAME:
        turned = turned[:-1]
    order = np.argsort(turned, kind="stable")
    lon = turned[order]
    gaps = np.diff(lon, append=lon[0] + 360.0)
    start = (int(gaps.argmax()) + 1) % lon.size
    if gaps.max() <= 1.01 * np.median(gaps):
        start = 0
    order = np.roll(order, -start)
    lon = np.roll(lon, -start)
    return lon + 360.0 * (np.arange(lon.size) >= lon.size - start), order


def _to_metres(coordinate: xr.DataArray) -> float:
    """Factor that makes levels metres, positive down."""
    units = str(coordinate.attrs.get("units", "m")).strip().lower()
    factors = {"m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0}
    factors |= {"cm": 0.01, "centimeters": 0.01, "km": 1000.0}
    if units not in factors:
        raise InputError(
            f"the levels {coordinate.name!r} are in {units!r}: "
            "convert them to depth in m, positive down."
        )
    below_zero = bool((coordinate <= 0).all() and (coordinate < 0).any())
    upward = coordinate.attrs.get("positive") == "up" or below_zero
    return -factors[units] if upward else factors[units]
