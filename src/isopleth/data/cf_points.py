"""CF discrete sampling geometries: points, profiles, time series of profiles, ragged or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from isopleth.core.errors import InputError
from isopleth.core.variables import Variable
from isopleth.data import seawater
from isopleth.data.cf import field_kind
from isopleth.data.grouping import RowColumns, assemble, piece_of
from isopleth.data.lexicon import is_length, is_pressure
from isopleth.data.netcdf import check_file, damaged
from isopleth.data.profile_files import turned
from isopleth.data.ragged import unragged
from isopleth.data.rejections import RejectionTable
from isopleth.data.soundings import Soundings
from isopleth.data.units import below_surface, check_plausible, to_own_unit

__all__ = ["read_cf_points"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_GOOD_WORDS = "good good_data probably_good probably_good_data accepted accepted_value passed ok"
_ACCEPTED = frozenset(_GOOD_WORDS.split())
"""Words in `flag_meanings` for values to keep; where none occurs, flags 1 and 2 are kept."""

_VERTICAL = {
    "depth": ("depth", "deph", "z"),
    "sea_water_pressure": ("pressure", "pres"),
    "sea_water_pressure_due_to_sea_water": ("pressure", "pres"),
}
_PLATFORM_ROLES = ("trajectory_id", "timeseries_id", "profile_id")


@dataclass(frozen=True)
class _Vertical:
    """Depth or pressure of each value.

    Args:
        name: Variable of the file.
        pressure: Whether it is in dbar.
        sign: -1 where the axis points upwards.
    """

    name: str
    pressure: bool
    sign: float


def read_cf_points(path: str | Path, *, variable: str = "temperature") -> Soundings:
    """Soundings from a CF file of points or profiles (chapter 9: `featureType`).

    The incomplete and orthogonal multidimensional forms and the contiguous and indexed ragged
    ones are read. Surface temperatures without a depth are at 0 m. Potential temperature becomes
    in-situ temperature (salinity 35). Of a quality variable (`ancillary_variables`) the values
    called good, probably good, accepted or passed are kept.

    Args:
        path: The file.
        variable: "temperature" or "salinity".

    Raises:
        DataMissingError: If the file does not exist.
        InputError: If it is damaged, lacks a column, is a gridded field, or nothing can be used.
    """
    path = Path(path)
    check_file(path)
    try:
        with xr.open_dataset(path, engine="netcdf4") as file:
            data = file.load().reset_coords()
    except (OSError, RuntimeError, ValueError) as error:
        raise damaged(path, error) from error
    name, kind = _wanted(data, variable, path)
    _refuse_grid(data, name, path)
    vertical = _vertical(data, kind, path)
    flat = _flat(unragged(data, name, path), name, vertical, path)
    return _soundings(flat, kind, variable, path)


@dataclass(frozen=True)
class _Flat:
    """One row for each value, all of shape (n,)."""

    time: npt.NDArray[np.datetime64]
    latitude: Floats
    longitude: Floats
    depth: Floats
    value: Floats
    unit: str
    good: Bools
    platform: npt.NDArray[np.object_]


def _soundings(flat: _Flat, kind: Variable, variable: str, path: Path) -> Soundings:
    """Screen, convert and group the rows."""
    existing = np.isfinite(flat.value)
    failures = {
        "time missing": np.isnat(flat.time),
        "position missing or impossible": ~(np.abs(flat.latitude) <= 90.0)
        | ~np.isfinite(flat.longitude),
        "depth missing or impossible": ~np.isfinite(flat.depth),
        "flagged as not good": ~flat.good,
    }
    kept, counts = existing, {}
    for reason, bad in failures.items():
        counts[reason] = int((kept & bad).sum())
        kept = kept & ~bad
    rejected = RejectionTable.of(counts)
    if not kept.any():
        raise InputError(
            f"none of the {int(existing.sum())} values in {path.name} can be used ({rejected}): "
            "look at its coordinates and flags."
        )
    value = to_own_unit(flat.value[kept], flat.unit, kind)
    check_plausible(value, kind, flat.unit, f"{kind.long_name} in {path.name}")
    depth, latitude = flat.depth[kept], flat.latitude[kept]
    if kind.name in ("potential_temperature", "conservative_temperature"):
        value = _to_in_situ(value, kind, seawater.pressure_from_depth(depth, latitude))
    codes, names = pd.factorize(flat.platform[kept])
    rows = RowColumns(
        time=flat.time[kept],
        latitude=latitude,
        longitude=turned(flat.longitude[kept]),
        platform=(codes.astype(np.int64), [str(name) for name in names]),
        cast=None,
        depth=depth,
        value=value,
        error=np.full(value.size, np.nan),
    )
    return assemble([piece_of(rows)], variable=variable, source=path.name, rejected=rejected)


def _to_in_situ(value: Floats, kind: Variable, pressure: Floats) -> Floats:
    if kind.name == "conservative_temperature":
        return seawater.in_situ_from_conservative(value, pressure)
    return seawater.in_situ_from_potential(value, pressure)


def _arrays(data: xr.Dataset) -> dict[str, xr.DataArray]:
    """Every variable of the file, coordinate or not, without the coordinates of the others."""
    return {str(name): xr.DataArray(v, name=name) for name, v in data.variables.items()}


def _wanted(data: xr.Dataset, variable: str, path: Path) -> tuple[str, Variable]:
    """The variable of the file that holds the values, in-situ before potential."""
    kinds = {name: field_kind(name, array) for name, array in _arrays(data).items()}
    order = [variable]
    if variable == "temperature":
        order += ["potential_temperature", "conservative_temperature", "sea_surface_temperature"]
    for wanted in order:
        for name, kind in kinds.items():
            if kind is not None and kind.name == wanted and data[name].ndim >= 1:
                return name, kind
    found = ", ".join(list(kinds)[:12])
    raise InputError(
        f"{path.name} holds {found}, no {variable}: give the variable its CF standard_name."
    )


def _vertical(data: xr.Dataset, kind: Variable, path: Path) -> _Vertical | None:
    """Depth, or else pressure; None for a surface temperature without either."""
    for standard_name, names in _VERTICAL.items():
        for name, array in _arrays(data).items():
            stated = array.attrs.get("standard_name")
            if stated == standard_name or (stated is None and name.lower() in names):
                return _oriented(name, array, path)
    if kind.name == "sea_surface_temperature":
        return None
    raise InputError(
        f"{path.name} holds neither depth nor pressure: give the coordinate its standard_name."
    )


def _oriented(name: str, array: xr.DataArray, path: Path) -> _Vertical:
    unit = str(array.attrs.get("units", "m"))
    if not (is_pressure(unit) or is_length(unit)):
        raise InputError(f"{name!r} in {path.name} is in {unit!r}: use m or dbar.")
    upward = array.attrs.get("positive") == "up"
    return _Vertical(name, is_pressure(unit), -1.0 if upward else 1.0)


def _flat(data: xr.Dataset, name: str, vertical: _Vertical | None, path: Path) -> _Flat:
    """Everything broadcast to the values and flattened."""
    value = _arrays(data)[name]
    found = {
        "time": _coordinate(data, "time", ("time", "juld"), path),
        "lat": _coordinate(data, "latitude", ("lat", "latitude"), path),
        "lon": _coordinate(data, "longitude", ("lon", "longitude"), path),
        "depth": _arrays(data)[vertical.name] if vertical else xr.DataArray(0.0),
    }
    _check_points(found, value, path)
    wide = {label: array.broadcast_like(value) for label, array in found.items()}
    flat = {k: v.transpose(*value.dims).values.reshape(-1) for k, v in wide.items()}
    latitude = flat["lat"].astype(np.float64)
    depth = below_surface(flat["depth"] if vertical is None else vertical.sign * flat["depth"])
    if vertical is not None and vertical.pressure:
        depth = seawater.depth_from_pressure(depth, latitude)
    return _Flat(
        flat["time"].astype("datetime64[ns]"),
        latitude,
        flat["lon"].astype(np.float64),
        depth,
        value.values.reshape(-1).astype(np.float64),
        str(value.attrs.get("units", "")),
        _good(data, value),
        _platform(data, value),
    )


def _check_points(found: Mapping[str, xr.DataArray], value: xr.DataArray, path: Path) -> None:
    """The coordinates must lie on the dimensions of the values."""
    for label, array in found.items():
        strange = set(array.dims) - set(value.dims)
        if strange:
            raise InputError(
                f"{label} in {path.name} lies on {sorted(map(str, strange))}, which "
                f"{value.name!r} does not have: this arrangement of points is not understood."
            )


def _refuse_grid(data: xr.Dataset, name: str, path: Path) -> None:
    """A rectangle of latitudes and longitudes, or a mesh of them, is no set of points."""
    lat = _coordinate(data, "latitude", ("lat", "latitude", "tlat", "nav_lat"), path)
    lon = _coordinate(data, "longitude", ("lon", "longitude", "tlong", "nav_lon"), path)
    rectangle = lat.ndim and lon.ndim and set(lat.dims).isdisjoint(lon.dims)
    mesh = lat.ndim == 2 and "featureType" not in data.attrs
    if rectangle or mesh:
        raise InputError(
            f"{name!r} in {path.name} is a gridded field, not points: "
            "read it with isopleth.data.open_field."
        )


def _coordinate(
    data: xr.Dataset, standard_name: str, names: tuple[str, ...], path: Path
) -> xr.DataArray:
    for name, array in _arrays(data).items():
        if array.attrs.get("standard_name") == standard_name or name.lower() in names:
            return array
    raise InputError(
        f"{path.name} holds no {standard_name}: give the coordinate its standard_name."
    )


def _good(data: xr.Dataset, value: xr.DataArray) -> Bools:
    """Whether the flags of the values allow their use; True without flags, shape (n,)."""
    good = np.ones(value.shape, dtype=bool)
    for name in str(value.attrs.get("ancillary_variables", "")).split():
        flags = data.get(name)
        if flags is None or flags.dims != value.dims:
            continue
        meanings = str(flags.attrs.get("flag_meanings", "")).lower().split()
        codes = np.atleast_1d(flags.attrs.get("flag_values", []))
        accepted = [c for c, m in zip(codes, meanings, strict=False) if m in _ACCEPTED]
        default = (1, 2) if flags.dtype.kind in "iuf" else ("1", "2")
        values = flags.values.astype(str) if flags.dtype.kind in "SO" else flags.values
        good &= np.isin(values, accepted or default)
    return good.reshape(-1)


def _platform(data: xr.Dataset, value: xr.DataArray) -> npt.NDArray[np.object_]:
    """Name of the platform of each value, "" where the file has none, shape (n,)."""
    for role in _PLATFORM_ROLES:
        for array in _arrays(data).values():
            if array.attrs.get("cf_role") == role and set(array.dims) <= set(value.dims):
                wide = array.broadcast_like(value).transpose(*value.dims).values.reshape(-1)
                return np.array([_text(name) for name in wide], dtype=object)
    return np.full(value.size, "", dtype=object)


def _text(name: object) -> str:
    return name.decode("utf-8", "replace").strip() if isinstance(name, bytes) else str(name)
