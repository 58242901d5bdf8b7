"""Argo profile files as the data centres distribute them (`*_prof.nc`, format 3.1).

Argo User's Manual, doi 10.13155/29825. Data mode R is real time; A is adjusted in real time and D
is delayed mode, whose `*_ADJUSTED` values and flags are the ones to use. Flags 1 and 2 are good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError
from isopleth.core.variables import lookup
from isopleth.data import seawater
from isopleth.data.netcdf import numbers, open_arrays, texts
from isopleth.data.profile_files import incomplete, no_stations, screen, stations_of
from isopleth.data.soundings import Soundings
from isopleth.data.units import below_surface, check_plausible

__all__ = ["read_argo"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_GOOD = ("1", "2")
_ESTIMATED = "8"
_PARAMETERS = {"temperature": "TEMP", "salinity": "PSAL"}


def read_argo(
    paths: str | Path | Sequence[str | Path],
    *,
    variable: str = "temperature",
    accept_estimated: bool = False,
) -> Soundings:
    """Soundings from Argo profile files: in-situ temperature (ITS-90, degC) or practical salinity.

    `*_ADJUSTED` is taken where the profile's data mode is A or D and adjusted data are present.
    Position, time, pressure and value must have flag 1 or 2. Of a cycle the primary sampling is
    read, not the near-surface (unpumped) or secondary one. Ascending and descending profiles are
    kept. The error is `*_ADJUSTED_ERROR`, the accuracy of the sensor alone.

    Args:
        paths: One file or several.
        variable: "temperature" or "salinity".
        accept_estimated: Whether positions and times with flag 8 (interpolated, as under sea ice
            or for early floats) are kept too.

    Raises:
        DataMissingError: If a file does not exist.
        InputError: If a file is damaged or no Argo file, or if nothing in the files can be used.
    """
    if variable not in _PARAMETERS:
        raise InputError(f"Argo files are read for temperature or salinity, not {variable!r}.")
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    if not files:
        raise InputError("no Argo file was given: name at least one *_prof.nc.")
    parts = [_read(Path(path), variable, accept_estimated) for path in files]
    soundings = Soundings.concat(parts)
    if len(soundings) == 0:
        raise InputError(
            f"no {variable} in {soundings.source} can be used ({soundings.rejected}): "
            "flag 8 is accepted with accept_estimated=True, other flags are bad data."
        )
    return soundings


@dataclass(frozen=True)
class _Parameter:
    """One parameter of all profiles of a file, each (p, L).

    `measured` is True where the float sent a value, even if delayed mode withdrew it later.
    """

    value: Floats
    flag: npt.NDArray[np.str_]
    error: Floats
    measured: Bools


def _read(path: Path, variable: str, accept_estimated: bool) -> Soundings:
    with open_arrays(path) as file:
        if variable == "salinity" and "PSAL" not in file.variables:
            return _nothing(path, variable)
        stations = stations_of(file)
        pressure = _parameter(file, "PRES")
        sensor = _parameter(file, _PARAMETERS[variable])
        failures = _failures(file, accept_estimated) | incomplete(stations)
    failures["pressure flagged other than 1 or 2"] = ~np.isin(pressure.flag, _GOOD)
    failures["pressure missing or impossible"] = np.isnan(below_surface(pressure.value))
    failures[f"{variable} flagged other than 1 or 2"] = ~np.isin(sensor.flag, _GOOD)
    failures[f"{variable} withdrawn by adjustment"] = ~np.isfinite(sensor.value)
    kept, rejected = screen(sensor.measured, failures)
    check_plausible(sensor.value[kept], lookup(variable), "", f"{variable} in {path.name}")
    dbar = np.where(kept, below_surface(pressure.value), np.nan)
    depth = seawater.depth_from_pressure(dbar, stations.latitude[:, None])
    return Soundings.from_matrix(
        stations,
        depth,
        np.where(kept, sensor.value, np.nan),
        sensor.error,
        variable=variable,
        source=path.name,
        rejected=rejected,
    )


def _parameter(file: netCDF4.Dataset, name: str) -> _Parameter:
    """Adjusted values of the profiles in mode A or D, raw ones of the others."""
    value = numbers(file, name)
    flag = texts(file, f"{name}_QC", strings=False)
    error = np.full(value.shape, np.nan)
    if f"{name}_ADJUSTED" not in file.variables:
        return _Parameter(value, flag, error, np.isfinite(value))
    adjusted = numbers(file, f"{name}_ADJUSTED")
    adjusted_flag = texts(file, f"{name}_ADJUSTED_QC", strings=False)
    present = np.isfinite(adjusted).any(axis=1) | (adjusted_flag != "").any(axis=1)
    use = (np.isin(_modes(file, name), ("A", "D")) & present)[:, None]
    if f"{name}_ADJUSTED_ERROR" in file.variables:
        error = np.where(use, numbers(file, f"{name}_ADJUSTED_ERROR"), np.nan)
    chosen = np.where(use, adjusted, value)
    measured = np.isfinite(value) | np.isfinite(chosen)
    return _Parameter(chosen, np.where(use, adjusted_flag, flag), error, measured)


def _modes(file: netCDF4.Dataset, name: str) -> npt.NDArray[np.str_]:
    """Data mode of each profile, from PARAMETER_DATA_MODE in synthetic files, shape (p,)."""
    if "DATA_MODE" in file.variables or "PARAMETER_DATA_MODE" not in file.variables:
        return texts(file, "DATA_MODE", strings=False)
    of_parameter = texts(file, "PARAMETER_DATA_MODE", strings=False)
    listed = texts(file, "STATION_PARAMETERS", strings=True) == name
    column = listed.argmax(axis=1)
    mode = np.take_along_axis(of_parameter, column[:, None], axis=1)[:, 0]
    return np.where(listed.any(axis=1), mode, "R")


def _failures(file: netCDF4.Dataset, accept_estimated: bool) -> dict[str, Bools]:
    """Reasons to refuse whole profiles, each of shape (p, 1)."""
    good = (*_GOOD, _ESTIMATED) if accept_estimated else _GOOD
    accepted = "1, 2 or 8" if accept_estimated else "1 or 2"
    failures = {}
    for name, words in (("POSITION_QC", "position"), ("JULD_QC", "time")):
        flag = texts(file, name, strings=False)
        failures[f"{words} flagged other than {accepted}"] = ~np.isin(flag, good)[:, None]
    if "VERTICAL_SAMPLING_SCHEME" in file.variables:
        scheme = texts(file, "VERTICAL_SAMPLING_SCHEME", strings=True)
        other = np.char.startswith(scheme, "Near-surface") | np.char.startswith(
            scheme, "Secondary"
        )
        failures["near-surface or secondary sampling"] = other[:, None]
    return failures


def _nothing(path: Path, variable: str) -> Soundings:
    """No value at all, for a float without the sensor."""
    none = np.zeros((0, 0))
    note = f"{path.name}: the float has no {variable}"
    return Soundings.from_matrix(
        no_stations(), none, none, none, variable=variable, source=path.name, notes=(note,)
    )
