"""States: several fields of a NetCDF, Zarr or GRIB file at one time, units settled."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from isopleth.core.channels import DEPTH, HEIGHT, PRESSURE, Vertical
from isopleth.core.coordinates import LATITUDE, LONGITUDE, find_axis, read_axis
from isopleth.core.errors import DataMissingError, InputError
from isopleth.core.quantities import Quantity, find_quantity, plain_unit
from isopleth.data.cf import open_lazily

__all__ = ["MEMBER", "State", "open_states", "read_states", "times_of"]

MEMBER = "member"
_MEMBERS = ("number", "member", "members", "realization", "realisation", "ensemble", "ens", "mem")
_TIMES = ("valid_time", "time", "t", "date")
_HECTOPASCALS = {"hpa": 1.0, "mb": 1.0, "mbar": 1.0, "millibar": 1.0, "millibars": 1.0, "pa": 0.01}
_METRES = {"m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0, "km": 1000.0}
_PRESSURES = ("isobaricinhpa", "plev", "pressure", "pressure_level", "pfull")
_BOUNDS = ("_bnds", "_bounds")


@dataclass(frozen=True, eq=False)
class State:
    """Fields of one time, in canonical order.

    Args:
        fields: By quantity, dimensions ([member], [level], lat, lon), in the quantity's unit.
        vertical: Whose name is the level dimension; None where no field has levels.
        time: UTC, or None if the file states none.
        name: Of the file, for messages.
    """

    fields: dict[Quantity, xr.DataArray]
    vertical: Vertical | None
    time: np.datetime64 | None
    name: str

    @property
    def members(self) -> int | None:
        """How many members there are; None without that dimension."""
        sizes = {f.sizes[MEMBER] for f in self.fields.values() if MEMBER in f.dims}
        return max(sizes) if sizes else None


def open_states(path: Path) -> xr.Dataset:
    """A NetCDF file or a Zarr store lazily, a GRIB file through cfgrib; with one time axis.

    Raises:
        DataMissingError: If there is no such file, or GRIB is to be read without cfgrib.
        InputError: If it is damaged, or its fields do not go into one data set.
    """
    if not path.exists():
        raise DataMissingError(f"there is no file {str(path)!r}: check the path.")
    opened = _open_grib(path) if path.is_file() and _starts_as_grib(path) else open_lazily(path)
    return _with_one_time(opened)


def times_of(data: xr.Dataset) -> npt.NDArray[np.datetime64]:
    """Valid times of an opened file, UTC, shape (n,); empty if it states none."""
    if "time" not in data.coords or data["time"].dtype.kind != "M":
        return np.empty(0, "datetime64[ns]")
    return np.atleast_1d(data["time"].values).astype("datetime64[ns]")


def read_states(data: xr.Dataset, time: np.datetime64 | None, name: str) -> State:
    """All latitude-longitude fields of an opened file at one time, loaded.

    Args:
        data: As `open_states` gives it.
        time: One of `times_of`; None where there is none.
        name: Of the file, for messages.

    Raises:
        InputError: If there is no such field or time, a field has no unit or one that is none of
            its quantity, or a dimension cannot be understood.
    """
    times = times_of(data)
    if time is not None and times.size:
        if time not in times:
            raise InputError(
                f"{name} has no fields for {str(time)[:16]}, but for "
                f"{', '.join(str(t)[:16] for t in times[:4])}: give a file with that time."
            )
        if "time" in data.dims:
            data = data.isel(time=int(np.flatnonzero(times == time)[0]))
    vertical = _vertical(data, name)
    fields: dict[Quantity, xr.DataArray] = {}
    for key, array in data.data_vars.items():
        if _is_map(str(key), array):
            quantity, field = _field(str(key), array, vertical, name)
            fields.setdefault(quantity, field)
    if not fields:
        found = ", ".join(map(str, data.data_vars)) or "no variable"
        raise InputError(
            f"{name} holds {found}, of which none is a field on one-dimensional latitude and "
            "longitude: regrid it first, or name another file."
        )
    levelled = any(vertical and vertical.name in f.dims for f in fields.values())
    return State(fields, vertical if levelled else None, time, name)


def _field(
    key: str, array: xr.DataArray, vertical: Vertical | None, name: str
) -> tuple[Quantity, xr.DataArray]:
    units = str(array.attrs.get("units", "")).strip()
    if not units:
        raise InputError(
            f"the variable {key!r} of {name} has no units: add its attribute `units`, such as K, "
            "or leave the variable out."
        )
    standard = str(array.attrs.get("standard_name", array.attrs.get("GRIB_cfName", "")))
    quantity = find_quantity(key, "" if standard == "unknown" else standard, units)
    laid = _laid_out(array, vertical, key, name)
    try:
        values = quantity.convert(laid.values, units)
    except InputError as error:
        raise InputError(f"the variable {key!r} of {name}: {error}") from error
    _check_possible(values, quantity, f"the variable {key!r} of {name}", units)
    return quantity, laid.copy(data=values)


def _check_possible(values: npt.NDArray[np.float64], q: Quantity, where: str, units: str) -> None:
    finite = values[np.isfinite(values)]
    if finite.size and not q.range[0] <= np.median(finite) <= q.range[1]:
        raise InputError(
            f"{where} has a median of {np.median(finite):.4g} {q.units}, which no {q.long_name} "
            f"has, although its unit is {units!r}: look at the unit."
        )


def _laid_out(array: xr.DataArray, vertical: Vertical | None, key: str, name: str) -> xr.DataArray:
    """Dimensions ([member], [level], lat, lon), coordinates canonical, everything else gone."""
    dims = list(array.dims)
    for kind in (LATITUDE, LONGITUDE):
        axis = read_axis(array, kind)
        assert axis.dim is not None
        array = array.isel({axis.dim: axis.index}).rename({axis.dim: f"_{kind.name}"})
        array = array.assign_coords({f"_{kind.name}": axis.values})
    member = next((d for d in dims if _is_member(array, str(d))), None)
    if member is not None:
        array = array.rename({member: "_member"})
    level = vertical and _level_name(array)
    if vertical and level:
        array = _on_levels(array, level, vertical)
    kept = ("_member", "_level", "_lat", "_lon")
    extra = [d for d in array.dims if d not in kept and array.sizes[d] > 1]
    if extra:
        raise InputError(
            f"the variable {key!r} of {name} has a dimension {extra[0]!r} of "
            f"{array.sizes[extra[0]]} values, which is neither level, member, latitude nor "
            "longitude: choose one of them first."
        )
    array = array.squeeze([d for d in array.dims if d not in kept], drop=True)
    array = array.drop_vars([c for c in array.coords if c not in kept])
    names = {"_member": MEMBER, "_level": vertical.name if vertical else "", "_lat": "lat"}
    array = array.rename({k: v for k, v in {**names, "_lon": "lon"}.items() if k in array.dims})
    order = [v for v in (MEMBER, vertical and vertical.name, "lat", "lon") if v in array.dims]
    return array.transpose(*order)


def _on_levels(array: xr.DataArray, level: str, vertical: Vertical) -> xr.DataArray:
    factors = _HECTOPASCALS if vertical is PRESSURE else _METRES
    units = plain_unit(str(array[level].attrs.get("units", "")))
    values = np.atleast_1d(array[level].values).astype(np.float64)
    usual = 0.01 if vertical is PRESSURE and values.max() > 2000.0 else 1.0
    scaled = np.round(values * factors.get(units, usual), 9)
    if array[level].ndim == 0:
        return array.drop_vars(level).expand_dims({"_level": scaled})
    if vertical is DEPTH and (scaled <= 0).all():
        scaled = -scaled
    dim = array[level].dims[0]
    array = array.drop_vars(level).rename({dim: "_level"}).assign_coords(_level=scaled)
    return array.sortby("_level")


def _vertical(data: xr.Dataset, name: str) -> Vertical | None:
    found = _level_name(data)
    if found is None:
        return None
    coordinate = data[found]
    units = plain_unit(str(coordinate.attrs.get("units", "")))
    if coordinate.attrs.get("standard_name") == "air_pressure" or units in _HECTOPASCALS:
        return PRESSURE
    if not units and found.lower() in _PRESSURES:
        return PRESSURE
    if units in _METRES:
        down = coordinate.attrs.get("positive") == "down" or "depth" in found.lower()
        return DEPTH if down else HEIGHT
    raise InputError(
        f"the levels {found!r} of {name} are in {units or 'no unit'!r}: give pressure levels in "
        "hPa or Pa, or depths or heights in m."
    )


def _level_name(data: xr.Dataset | xr.DataArray) -> str | None:
    """The coordinate of levels: a dimension, or the one level of a file that has no more."""
    candidates = []
    for name, coordinate in data.coords.items():
        units = plain_unit(str(coordinate.attrs.get("units", "")))
        text = str(name).lower()
        pressure = units in _HECTOPASCALS or text in _PRESSURES
        metres = units in _METRES and coordinate.attrs.get("standard_name") in ("depth", "height")
        named = text in ("level", "lev", "levels", "depth", "height")
        if coordinate.ndim <= 1 and (pressure or ((named or metres) and coordinate.ndim == 1)):
            candidates.append((-coordinate.ndim, str(name)))
    return min(candidates)[1] if candidates else None


def _is_member(array: xr.DataArray, dim: str) -> bool:
    stated = dim in array.coords and array[dim].attrs.get("standard_name") == "realization"
    return dim.lower() in _MEMBERS or stated


def _is_map(key: str, array: xr.DataArray) -> bool:
    if key.endswith(_BOUNDS) or array.dtype.kind not in "fiu":
        return False
    found = [find_axis(array, kind) for kind in (LATITUDE, LONGITUDE)]
    return all(n is not None and array[n].ndim == 1 and n in array.dims for n in found)


def _with_one_time(data: xr.Dataset) -> xr.Dataset:
    """Valid time as the coordinate `time`; run time and lead time become one axis."""
    name = next((n for n in _TIMES if n in data.coords and data[n].dtype.kind == "M"), None)
    if name is None:
        return data
    coordinate = data[name]
    if coordinate.ndim == 2:
        data = data.stack(_time=coordinate.dims)
        values = data[name].values
        data = data.drop_vars(["_time", *coordinate.dims, name], errors="ignore")
        return data.rename({"_time": "time"}).assign_coords(time=values)
    values = coordinate.values
    if coordinate.ndim == 0:
        return data.drop_vars([n for n in ("time", name) if n in data.coords]).assign_coords(
            time=values
        )
    dim = str(coordinate.dims[0])
    data = data.drop_vars([n for n in ("time", name) if n in data.coords])
    data = data if dim == "time" else data.rename({dim: "time"})
    return data.assign_coords(time=("time", values))


def _starts_as_grib(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"GRIB"


def _open_grib(path: Path) -> xr.Dataset:
    if find_spec("cfgrib") is None:
        raise DataMissingError(
            f"{path.name} is GRIB, which needs the package cfgrib: run `pip install cfgrib` (the "
            "extra isopleth[grib]), or convert the file to NetCDF."
        )
    try:
        return xr.open_dataset(path, engine="cfgrib", backend_kwargs={"indexpath": ""})
    except Exception as error:  # cfgrib and ecCodes raise many kinds, none of them ours
        detail = str(error).split("\n", maxsplit=1)[0][:120]
        raise InputError(
            f"{path.name} cannot be read as one GRIB data set ({detail}): keep one kind of level "
            "in a file."
        ) from error
