"""One door for all files: observations of any kind to soundings, fields to a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import xarray as xr

from isopleth.core.errors import DataMissingError, InputError
from isopleth.data.argo import read_argo
from isopleth.data.cf import open_lazily, read_cf_field
from isopleth.data.cf_points import read_cf_points
from isopleth.data.cmip6 import read_cmip6
from isopleth.data.en4 import read_en4_analysis, read_en4_profiles
from isopleth.data.netcdf import open_arrays, starts_as_netcdf
from isopleth.data.soundings import Soundings
from isopleth.data.table import read_table

__all__ = ["open_field", "open_observations"]

_Reader = Callable[..., Soundings]


def open_observations(
    paths: str | Path | Sequence[str | Path],
    *,
    variable: str = "temperature",
    wide: str | None = None,
    named: Mapping[str, str | None] | None = None,
) -> Soundings:
    """Soundings from files of any kind, told apart by their content, not their names.

    Tables (CSV, gzip, Parquet), Argo profile files, EN4 profile files and CF points or profiles
    may be mixed. An Argo or EN4 file of which nothing can be used counts among the rejections, as
    long as another one has values.

    Args:
        paths: One file or several.
        variable: "temperature" or "salinity".
        wide: Unit ("dbar" or "m") of the levels of wide tables, see `read_table`.
        named: Headers of tables, see `read_table`.

    Raises:
        DataMissingError: If a file does not exist.
        InputError: If a file cannot be used; the message says why and what to do.
    """
    files = [Path(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]
    if not files:
        raise InputError("no file of observations was given: name at least one.")
    groups: dict[_Reader, list[Path]] = {}
    for path in files:
        groups.setdefault(_reader(path), []).append(path)
    parts = []
    for reader, members in groups.items():
        if reader is read_table:
            parts += [read_table(p, variable=variable, wide=wide, named=named) for p in members]
        elif reader is read_cf_points:
            parts += [read_cf_points(path, variable=variable) for path in members]
        else:
            parts.append(reader(members, variable=variable))
    return Soundings.concat(parts)


def open_field(
    paths: str | Path | Sequence[str | Path], *, variable: str | None = None
) -> xr.Dataset:
    """A gridded field from an EN4 analysis, CMIP6 `thetao` or any CF file or Zarr store, lazily.

    Dimensions (..., depth, lat, lon), degC, north to south; in-situ `temperature` is given beside
    potential temperature.

    Args:
        paths: One file, or several with one time axis.
        variable: The field wanted, where a CF file holds several.

    Raises:
        DataMissingError: If a file does not exist.
        InputError: If a file cannot be used; the message says why and what to do.
    """
    names = set(map(str, open_lazily(paths).data_vars))
    if {"temperature", "temperature_observation_weights"} <= names:
        return read_en4_analysis(paths)
    if "thetao" in names:
        return read_cmip6(paths)
    return read_cf_field(paths, variable=variable)


def _reader(path: Path) -> _Reader:
    """The reader that the content of a file asks for."""
    if path.is_dir():
        raise InputError(f"{path} is a folder: name the files in it.")
    if not path.is_file():
        raise DataMissingError(f"there is no file {str(path)!r}: check the path.")
    if not (path.suffix.lower() in (".nc", ".nc4", ".cdf") or starts_as_netcdf(path)):
        return read_table
    with open_arrays(path) as file:
        names = set(file.variables)
    if "POTM_CORRECTED" in names:
        return read_en4_profiles
    if {"PRES", "JULD", "PLATFORM_NUMBER"} <= names:
        return read_argo
    return read_cf_points
