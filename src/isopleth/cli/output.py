"""Writing the analysis: CF NetCDF or Zarr, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from isopleth.core.errors import InputError
from isopleth.studies.results import replacing

__all__ = ["write_analysis", "write_table"]

_COMPRESSION = 2
"""Of zlib: level 4 takes twice the time for 2 % less."""


def write_analysis(analysis: xr.Dataset, path: Path) -> Path:
    """Write beside the target under another name, then rename, so no half file is ever there.

    Args:
        analysis: As made by `FittedKriging.map`.
        path: `.nc` or `.zarr`; a file or store of that name is replaced.

    Returns:
        The path.

    Raises:
        InputError: If the folder cannot be written, or another format is asked for.
    """
    writers: dict[str, Callable[[xr.Dataset, Path], None]] = {".nc": _netcdf, ".zarr": _zarr}
    if path.suffix not in writers:
        raise InputError(f"{path.name} has no known format: end it in .nc or .zarr.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    except OSError as error:
        raise InputError(
            f"nothing can be written to {str(path.parent)!r} ({error.strerror}): "
            "choose another --out."
        ) from error
    try:
        part = folder / path.name
        writers[path.suffix](analysis, part)
        _take_place(part, path, folder)
    finally:
        shutil.rmtree(folder)
    return path


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a CSV whole or not at all."""
    with replacing(path) as part:
        table.to_csv(part, index=False, float_format="%.6g")


def _take_place(part: Path, path: Path, folder: Path) -> None:
    """Rename; a store that is a folder first moves aside, as no rename replaces a full folder."""
    if not path.is_dir():
        part.replace(path)
        return
    aside = folder / f"{path.name}.old"
    path.rename(aside)
    try:
        part.rename(path)
    except BaseException:
        aside.rename(path)
        raise


def _netcdf(analysis: xr.Dataset, part: Path) -> None:
    encoding = _encoding(analysis)
    for name in analysis.data_vars:
        encoding[str(name)] |= {"zlib": True, "complevel": _COMPRESSION, "shuffle": True}
        encoding[str(name)]["chunksizes"] = _chunks(analysis[name])
    analysis.to_netcdf(part, engine="netcdf4", encoding=encoding)


def _zarr(analysis: xr.Dataset, part: Path) -> None:
    encoding = _encoding(analysis)
    for name in analysis.data_vars:
        encoding[str(name)]["chunks"] = _chunks(analysis[name])
    # Version 2 of the format is what most readers know, GDAL and older xarray among them.
    analysis.to_zarr(part, mode="w", encoding=encoding, zarr_format=2, consolidated=True)


def _encoding(analysis: xr.Dataset) -> dict[str, dict[str, Any]]:
    """NaN is the fill value of what may be missing; CF wants coordinates without one."""
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in analysis.variables.items():
        missing = name in analysis.data_vars and variable.dtype.kind == "f"
        encoding[str(name)] = {} if missing else {"_FillValue": None}
    encoding["time"] |= {"units": "days since 1950-01-01", "dtype": "float64"}
    return encoding


def _chunks(field: xr.DataArray) -> tuple[int, ...]:
    """One map a chunk: what is looked at, and what is averaged, comes in maps."""
    return tuple(n if dim in ("lat", "lon") else 1 for dim, n in field.sizes.items())
