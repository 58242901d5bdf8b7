"""EN4 of the Met Office Hadley Centre: quality-controlled profiles and monthly analyses.

Good, Martin and Rayner (2013, doi 10.1002/2013JC009067). Files are named
`EN.4.2.2.f.profiles.g10.YYYYMM.nc` and `EN.4.2.2.f.analysis.g10.YYYYMM.nc`. Both hold potential
temperature; it becomes in-situ temperature with the salinity of the same file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import netCDF4
import numpy as np
import numpy.typing as npt
import xarray as xr

from isopleth.core.errors import InputError
from isopleth.core.variables import lookup
from isopleth.data import seawater
from isopleth.data.cf import canonical, open_lazily, own_units, with_in_situ
from isopleth.data.netcdf import numbers, open_arrays, texts
from isopleth.data.profile_files import incomplete, screen, stations_of
from isopleth.data.soundings import Soundings
from isopleth.data.units import below_surface, check_plausible, to_own_unit

__all__ = ["read_en4_analysis", "read_en4_profiles"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_REJECTED = ("3", "4")
"""EN4 writes 1 = accept, 4 = reject, 0 = no data; 3 appears in flags taken over from Argo."""

_NAMES = {"temperature": "POTM", "salinity": "PSAL"}


def read_en4_profiles(
    paths: str | Path | Sequence[str | Path], *, variable: str = "temperature"
) -> Soundings:
    """Soundings from EN4 profile files: in-situ temperature (ITS-90, degC) or practical salinity.

    POTM_CORRECTED (potential temperature with the corrections of XBTs and MBTs, which TEMP lacks)
    is converted to in-situ temperature with PSAL_CORRECTED, or 35 where that is missing or
    rejected. The flags of position, profile and level are applied as the format's page asks; the
    depth is DEPH_CORRECTED.

    Args:
        paths: One file or several.
        variable: "temperature" or "salinity".

    Raises:
        DataMissingError: If a file does not exist.
        InputError: If a file is damaged or no EN4 profile file, or if nothing can be used.
    """
    if variable not in _NAMES:
        raise InputError(f"EN4 files are read for temperature or salinity, not {variable!r}.")
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    if not files:
        raise InputError("no EN4 file was given: name at least one EN.4.*.profiles.*.nc.")
    soundings = Soundings.concat([_read(Path(path), variable) for path in files])
    if len(soundings) == 0:
        raise InputError(
            f"no {variable} in {soundings.source} can be used ({soundings.rejected}): "
            "check that the file holds the month you want."
        )
    return soundings


def _read(path: Path, variable: str) -> Soundings:
    name = _NAMES[variable]
    with open_arrays(path) as file:
        stations = stations_of(file)
        depth = below_surface(numbers(file, "DEPH_CORRECTED"))
        measured = numbers(file, f"{name}_CORRECTED")
        unit = str(getattr(file.variables[f"{name}_CORRECTED"], "units", ""))
        failures = _failures(file, variable) | incomplete(stations)
        salinity = _salinity(file) if variable == "temperature" else measured
    failures["depth missing or impossible"] = np.isnan(depth)
    kept, rejected = screen(np.isfinite(measured), failures)
    own = lookup("potential_temperature" if variable == "temperature" else variable)
    values = to_own_unit(measured[kept], unit, own)
    check_plausible(values, own, unit, f"{name}_CORRECTED in {path.name}")
    if variable == "temperature":
        latitude = np.broadcast_to(stations.latitude[:, None], depth.shape)[kept]
        pressure = seawater.pressure_from_depth(depth[kept], latitude)
        values = seawater.in_situ_from_potential(values, pressure, salinity[kept])
    value = np.full(depth.shape, np.nan)
    value[kept] = values
    return Soundings.from_matrix(
        stations,
        depth,
        value,
        np.full(depth.shape, np.nan),
        variable=variable,
        source=path.name,
        rejected=rejected,
    )


def _failures(file: netCDF4.Dataset, variable: str) -> dict[str, Bools]:
    """Reasons to refuse, (p, 1) for profiles and (p, L) for levels."""
    name = _NAMES[variable]
    flags = {
        "position rejected": "POSITION_QC",
        "time rejected": "JULD_QC",
        f"{variable} profile rejected": f"PROFILE_{name}_QC",
        "depth rejected": "DEPH_CORRECTED_QC",
        f"{variable} rejected": f"{name}_CORRECTED_QC",
    }
    needed = ("POSITION_QC", f"PROFILE_{name}_QC", f"{name}_CORRECTED_QC")
    failures = {}
    for reason, flag in flags.items():
        if flag in file.variables or flag in needed:
            bad = np.isin(texts(file, flag, strings=False), _REJECTED)
            failures[reason] = bad if bad.ndim == 2 else bad[:, None]
    return failures


def _salinity(file: netCDF4.Dataset) -> Floats:
    """Practical salinity, NaN where it is missing or rejected, (p, L)."""
    salinity = numbers(file, "PSAL_CORRECTED")
    for bad in _failures(file, "salinity").values():
        salinity[np.broadcast_to(bad, salinity.shape)] = np.nan
    return salinity


def read_en4_analysis(paths: str | Path | Sequence[str | Path]) -> xr.Dataset:
    """Monthly EN4 analyses, lazily: dimensions (time, depth, lat, lon), degC, north to south.

    Returns:
        `temperature` (in-situ), `potential_temperature` and `salinity` as analysed,
        `temperature_standard_error` (degC: a difference of kelvins, so without the offset) and
        `temperature_observation_weights` (0 = climatology, 1 = fully observed).

    Args:
        paths: One file or several months.

    Raises:
        DataMissingError: If a file does not exist.
        InputError: If a file is damaged or no EN4 analysis.
    """
    file = open_lazily(paths)
    wanted = ("temperature", "temperature_uncertainty", "temperature_observation_weights")
    missing = [name for name in (*wanted, "salinity") if name not in file]
    if missing:
        found = ", ".join(str(name) for name in file.data_vars)
        raise InputError(
            f"an EN4 analysis holds {missing[0]}, this file {found}: is it another kind of file?"
        )
    data = {
        "potential_temperature": own_units(file["temperature"], "potential_temperature"),
        "salinity": own_units(file["salinity"], "salinity"),
        "temperature_standard_error": file["temperature_uncertainty"].assign_attrs(units="degC"),
        "temperature_observation_weights": file["temperature_observation_weights"],
    }
    fields = xr.Dataset({name: canonical(field) for name, field in data.items()}, attrs=file.attrs)
    return with_in_situ(fields)
