"""Gridded fields of any CF file, brought to one layout without loading them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from isopleth.core.coordinates import LATITUDE, LEVEL, LONGITUDE, find_axis, read_axis
from isopleth.core.errors import DataMissingError, InputError
from isopleth.core.variables import VARIABLES, Variable, convert, lookup
from isopleth.data import seawater
from isopleth.data.netcdf import check_file, damaged
from isopleth.data.units import check_plausible

__all__ = [
    "canonical",
    "field_kind",
    "find_field",
    "open_lazily",
    "own_units",
    "read_cf_field",
    "with_in_situ",
]

_ATTRS = {
    "depth": {"standard_name": "depth", "units": "m", "positive": "down", "axis": "Z"},
    "lat": {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
    "lon": {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
}


def read_cf_field(
    paths: str | Path | Sequence[str | Path], *, variable: str | None = None
) -> xr.Dataset:
    """A gridded field, lazily: dimensions (..., depth, lat, lon), our names and units.

    Potential and conservative temperature are given as they are, with the in-situ `temperature`
    beside them (salinity 35). Latitudes run north to south, longitudes east from [0, 360), depth
    in m downwards.

    Args:
        paths: A NetCDF file, several with one time axis, or a Zarr store.
        variable: Name in the file or in `isopleth.core.variables`; needed when the file holds more
            than one field that is known.

    Raises:
        DataMissingError: If a file does not exist.
        InputError: If a file is damaged, holds no such field, or has a unit that cannot be true.
    """
    file = open_lazily(paths)
    name, kind = find_field(file, variable)
    field = canonical(own_units(file[name], kind.name))
    return with_in_situ(xr.Dataset({kind.name: field}, attrs=file.attrs))


def open_lazily(paths: str | Path | Sequence[str | Path]) -> xr.Dataset:
    """NetCDF files or a Zarr store, opened lazily with times decoded.

    Raises:
        DataMissingError: If a file does not exist.
        InputError: If a file is damaged or its times cannot be understood.
    """
    files = [Path(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]
    if not files:
        raise InputError("no file was given: name at least one.")
    if len(files) == 1 and files[0].is_dir():
        return _promoted(_open_zarr(files[0]))
    for path in files:
        check_file(path)
    try:
        data = _open_all(files)
    except (OSError, RuntimeError) as error:
        raise damaged(files[0], error) from error
    except ValueError as error:
        raise _not_understood(files, error) from error
    return _promoted(_standard_calendar(data))


def find_field(data: xr.Dataset, variable: str | None) -> tuple[str, Variable]:
    """Name in the file and meaning of the field that is wanted.

    Raises:
        InputError: If there is none, or more than one and no choice was made.
    """
    known = {}
    for name, array in data.data_vars.items():
        kind = field_kind(str(name), array)
        if kind is not None and array.ndim >= 2:
            known[str(name)] = kind
    if variable is not None:
        known = {n: k for n, k in known.items() if variable in (n, k.name, k.standard_name)}
    if len(known) == 1:
        return next(iter(known.items()))
    found = ", ".join(str(name) for name in data.data_vars) or "no variable"
    if known:
        raise InputError(
            f"the file holds several fields ({', '.join(known)}): name the one that is wanted."
        )
    wanted = variable or f"any of {', '.join(VARIABLES)}"
    raise InputError(f"the file holds {found}, not {wanted}: give the field its CF standard_name.")


def own_units(field: xr.DataArray, variable: str) -> xr.DataArray:
    """The field in the unit of its variable, lazily; a stated unit that cannot be true is refused.

    Args:
        field: Its attribute `units` is believed unless the values of its first step contradict it.
        variable: Name in `isopleth.core.variables.VARIABLES`.

    Raises:
        InputError: If the unit is unknown or cannot be true.
    """
    kind = lookup(variable)
    unit = str(field.attrs.get("units", ""))
    zero, one = convert([0.0, 1.0], unit or kind.units, kind.units, kind)
    converted = field.astype(np.float64) * (one - zero) + zero
    first = converted.isel(dict.fromkeys(converted.dims[:-2], 0))
    check_plausible(first.values, kind, unit, f"{field.name!r}")
    return converted.assign_attrs(kind.attrs)


def canonical(field: xr.DataArray) -> xr.DataArray:
    """The field with dimensions (..., depth, lat, lon) in our order and names.

    Raises:
        InputError: If latitude or longitude is missing or two-dimensional, or levels are no
            lengths.
    """
    for kind in (LEVEL, LATITUDE, LONGITUDE):
        if kind is LEVEL and find_axis(field, kind) is None:
            continue
        axis = read_axis(field, kind)
        dim = axis.dim
        assert dim is not None
        kept = [name for name, c in field.coords.items() if dim in c.dims]
        field = field.isel({dim: axis.index}).drop_vars(kept)
        field = field.rename({dim: kind.name}) if dim != kind.name else field
        field = field.assign_coords({kind.name: (kind.name, axis.values, _ATTRS[kind.name])})
    spatial = [name for name in ("depth", "lat", "lon") if name in field.dims]
    return field.transpose(..., *spatial)


def with_in_situ(fields: xr.Dataset) -> xr.Dataset:
    """The fields with in-situ `temperature` beside potential or conservative temperature.

    The salinity of the fields is used, or 35 where they have none.
    """
    if "temperature" in fields or "depth" not in fields.dims:
        return fields
    salinity = fields.get("salinity")
    for name, convert_to in _TO_IN_SITU.items():
        if name in fields:
            in_situ = seawater.in_situ_field(fields[name], convert_to, salinity)
            return fields.assign(temperature=in_situ.assign_attrs(lookup("temperature").attrs))
    return fields


_TO_IN_SITU = {
    "potential_temperature": seawater.in_situ_from_potential,
    "conservative_temperature": seawater.in_situ_from_conservative,
}


def field_kind(name: str, array: xr.DataArray) -> Variable | None:
    """What a variable of a file is, by its standard name first."""
    for label in (array.attrs.get("standard_name"), name):
        try:
            return lookup(str(label))
        except InputError:
            continue
    return None


def _promoted(data: xr.Dataset) -> xr.Dataset:
    """Latitudes and longitudes that the file stores as plain variables become coordinates."""
    names = []
    for name, array in data.data_vars.items():
        for kind in (LATITUDE, LONGITUDE):
            stated = array.attrs.get("standard_name") in kind.standard_names
            if 1 <= array.ndim <= 2 and (stated or str(name).lower() in kind.names):
                names.append(name)
    return data.set_coords(names)


def _standard_calendar(data: xr.Dataset) -> xr.Dataset:
    """Model calendars (noleap, 360_day) to real dates; only days that do not exist are dropped."""
    time = data.coords.get("time")
    if time is None or time.ndim != 1 or time.dtype.kind != "O":
        return data
    return data.convert_calendar("standard", dim="time", align_on="date", use_cftime=False)


def _open_all(files: Sequence[Path]) -> xr.Dataset:
    with warnings.catch_warnings():
        # One step at a time keeps memory small, though it splits the chunks of some files.
        warnings.filterwarnings("ignore", "The specified chunks separate", UserWarning)
        return xr.open_mfdataset(
            files,
            engine="netcdf4",
            chunks={"time": 1},
            combine="by_coords",
            data_vars="minimal",
            coords="minimal",
            compat="override",
            join="exact",
        )


def _open_zarr(path: Path) -> xr.Dataset:
    if not any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata")):
        raise DataMissingError(f"the folder {str(path)!r} is no Zarr store: check the path.")
    try:
        return xr.open_zarr(path, consolidated=False)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path.name} cannot be read as Zarr ({error}): write or fetch it again."
        ) from error


def _not_understood(files: Sequence[Path], error: ValueError) -> InputError:
    detail = str(error).split("\n", maxsplit=1)[0][:160]
    names = ", ".join(path.name for path in files[:3])
    return InputError(f"{names} cannot be put together as one field ({detail}): check the files.")
