"""Argo data fetched over the network by argopy (the extra `online`)."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from isopleth.core.errors import DataMissingError, InputError
from isopleth.core.region import Region
from isopleth.core.variables import lookup
from isopleth.data import seawater
from isopleth.data.grouping import RowColumns, assemble, piece_of
from isopleth.data.profile_files import turned
from isopleth.data.rejections import RejectionTable
from isopleth.data.soundings import Soundings
from isopleth.data.units import below_surface, check_plausible

__all__ = ["fetch_argo", "from_argopy"]

Bools = npt.NDArray[np.bool_]

_PARAMETERS = {"temperature": "TEMP", "salinity": "PSAL"}
_NEEDED = ("TIME", "LATITUDE", "LONGITUDE", "PRES", "PLATFORM_NUMBER")
_ERRORS = ("DataNotFound", "NoData", "ServerError", "ErddapServerError", "APIServerError")
_FLAGS = {
    "position flagged other than 1 or 2": "POSITION_QC",
    "time flagged other than 1 or 2": "TIME_QC",
    "pressure flagged other than 1 or 2": "PRES_QC",
}


def fetch_argo(
    region: Region,
    start: str,
    stop: str,
    *,
    deepest: float = 2000.0,
    source: str = "erddap",
    variable: str = "temperature",
) -> Soundings:
    """Soundings of Argo floats in a region and a window of time, fetched now.

    Args:
        region: Box of latitude and longitude.
        start: First day, as in 2016-01-01.
        stop: Day after the last.
        deepest: Largest pressure, dbar.
        source: argopy's name of the server: "erddap", "gdac" or "argovis".
        variable: "temperature" or "salinity".

    Raises:
        DataMissingError: If argopy is not installed, or the server gives nothing.
        InputError: If what it gives cannot be used.
    """
    argopy = _argopy()
    turn = 360.0 if region.east > 360.0 else 0.0
    box: list[object] = [region.west - turn, region.east - turn, region.south, region.north]
    box += [0.0, deepest, start, stop]
    failures: tuple[type[Exception], ...] = (OSError, ValueError, *_own_errors(argopy))
    try:
        data = argopy.DataFetcher(src=source).region(box).to_xarray()
    except failures as error:
        raise DataMissingError(
            f"argopy fetched nothing for {region}, {start} to {stop} ({error}): "
            "check the network, or download *_prof.nc files and read those."
        ) from error
    return from_argopy(data, variable=variable)


def from_argopy(data: xr.Dataset, *, variable: str = "temperature") -> Soundings:
    """Soundings from the dataset of points that argopy's `to_xarray` gives.

    Dimension N_POINTS; argopy has chosen adjusted values by data mode. Flags 1 and 2 are kept
    where the dataset has flags.

    Args:
        data: With TIME, LATITUDE, LONGITUDE, PRES, PLATFORM_NUMBER and TEMP or PSAL.
        variable: "temperature" or "salinity".

    Raises:
        InputError: If a variable is missing, the points are profiles, or nothing can be used.
    """
    if variable not in _PARAMETERS:
        raise InputError(f"Argo data are read for temperature or salinity, not {variable!r}.")
    parameter = _PARAMETERS[variable]
    for name in (*_NEEDED, parameter):
        if name not in data.variables or data[name].dims != ("N_POINTS",):
            raise InputError(
                f"the argopy dataset has no {name} on N_POINTS: give the dataset of points, "
                "profiles become that by ds.argo.profile2point()."
            )
    kept, rejected = _screen(data, parameter)
    if not kept.any():
        raise InputError(f"no {variable} in the argopy dataset can be used ({rejected}).")
    rows = _rows(data.isel(N_POINTS=kept), parameter)
    check_plausible(rows.value, lookup(variable), "degC", f"{parameter} of argopy")
    return assemble([piece_of(rows)], variable=variable, source="argopy", rejected=rejected)


def _argopy() -> ModuleType:
    try:
        return importlib.import_module("argopy")
    except ImportError as error:
        raise DataMissingError(
            "argopy is not installed: pip install 'isopleth[online]', "
            "or download *_prof.nc files and read those."
        ) from error


def _own_errors(argopy: ModuleType) -> tuple[type[Exception], ...]:
    """Errors of argopy for no data and failing servers, as far as this version has them."""
    named = (getattr(argopy.errors, name, None) for name in _ERRORS)
    return tuple(error for error in named if error is not None)


def _screen(data: xr.Dataset, parameter: str) -> tuple[Bools, RejectionTable]:
    """Which points can be used, shape (n,)."""
    flags = {**_FLAGS, f"{parameter} flagged other than 1 or 2": f"{parameter}_QC"}
    failures = {
        reason: ~np.isin(data[name].values.astype(np.float64), (1.0, 2.0))
        for reason, name in flags.items()
        if name in data
    }
    places = np.isfinite(data["LATITUDE"].values) & np.isfinite(data["LONGITUDE"].values)
    failures["position missing"] = ~places
    failures["time missing"] = np.isnat(data["TIME"].values)
    failures["pressure missing or impossible"] = np.isnan(below_surface(data["PRES"].values))
    kept = np.isfinite(data[parameter].values)
    counts = {}
    for reason, bad in failures.items():
        counts[reason] = int((kept & bad).sum())
        kept &= ~bad
    return kept, RejectionTable.of(counts)


def _rows(data: xr.Dataset, parameter: str) -> RowColumns:
    latitude = data["LATITUDE"].values.astype(np.float64)
    pressure = below_surface(data["PRES"].values)
    codes, names = pd.factorize(data["PLATFORM_NUMBER"].values)
    error = data.get(f"{parameter}_ERROR")
    unknown = np.full(latitude.size, np.nan)
    return RowColumns(
        time=data["TIME"].values.astype("datetime64[ns]"),
        latitude=latitude,
        longitude=turned(data["LONGITUDE"].values.astype(np.float64)),
        platform=(codes.astype(np.int64), [str(name) for name in names]),
        cast=None,
        depth=seawater.depth_from_pressure(pressure, latitude),
        value=data[parameter].values.astype(np.float64),
        error=unknown if error is None else error.values.astype(np.float64),
    )
