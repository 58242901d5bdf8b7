"""Pressure and depth, in-situ, potential and conservative temperature of sea water (TEOS-10).

Absolute salinity is taken as the reference salinity, `S_R = 35.16504 / 35 * S_P`: the anomaly that
`gsw.SA_from_SP` would add (< 0.03 g/kg) changes the temperatures below by less than 1e-4 K and is
undefined near land. Where salinity is unknown, 35 stands in; the whole range 33-37 changes the
conversion by less than 0.01 K down to 2000 m.
"""

from __future__ import annotations

from collections.abc import Callable

import gsw
import numpy as np
import numpy.typing as npt
import xarray as xr

__all__ = [
    "STANDARD_SALINITY",
    "conservative_from_in_situ",
    "depth_from_pressure",
    "in_situ_field",
    "in_situ_from_conservative",
    "in_situ_from_potential",
    "potential_from_in_situ",
    "pressure_from_depth",
]

Floats = npt.NDArray[np.float64]

STANDARD_SALINITY = 35.0
"""Practical salinity that stands in where none was measured."""


def depth_from_pressure(pressure: npt.ArrayLike, latitude: npt.ArrayLike) -> Floats:
    """Depth in m, positive down, from sea pressure in dbar; shapes broadcast.

    >>> depth_from_pressure(1000.0, 45.0).round(2).tolist()
    989.5
    """
    return np.asarray(-gsw.z_from_p(pressure, latitude), dtype=np.float64)


def pressure_from_depth(depth: npt.ArrayLike, latitude: npt.ArrayLike) -> Floats:
    """Sea pressure in dbar from depth in m, positive down; shapes broadcast.

    >>> pressure_from_depth(depth_from_pressure(1000.0, 45.0), 45.0).round(6).tolist()
    1000.0
    """
    return np.asarray(gsw.p_from_z(-np.asarray(depth, dtype=np.float64), latitude))


def in_situ_from_potential(
    potential: npt.ArrayLike,
    pressure: npt.ArrayLike,
    salinity: npt.ArrayLike = STANDARD_SALINITY,
) -> Floats:
    """In-situ temperature from potential temperature (reference 0 dbar), both ITS-90 degC.

    Args:
        potential: degC.
        pressure: dbar.
        salinity: Practical salinity; NaN is replaced by 35.

    >>> in_situ_from_potential(2.0, 4000.0).round(2).tolist()
    2.35
    """
    reference = _reference_salinity(salinity)
    return np.asarray(gsw.pt_from_t(reference, potential, 0.0, pressure), dtype=np.float64)


def potential_from_in_situ(
    temperature: npt.ArrayLike,
    pressure: npt.ArrayLike,
    salinity: npt.ArrayLike = STANDARD_SALINITY,
) -> Floats:
    """Potential temperature (reference 0 dbar) from in-situ temperature, both ITS-90 degC."""
    return np.asarray(gsw.pt0_from_t(_reference_salinity(salinity), temperature, pressure))


def conservative_from_in_situ(
    temperature: npt.ArrayLike,
    pressure: npt.ArrayLike,
    salinity: npt.ArrayLike = STANDARD_SALINITY,
) -> Floats:
    """Conservative temperature from in-situ temperature, both degC."""
    return np.asarray(gsw.CT_from_t(_reference_salinity(salinity), temperature, pressure))


def in_situ_from_conservative(
    conservative: npt.ArrayLike,
    pressure: npt.ArrayLike,
    salinity: npt.ArrayLike = STANDARD_SALINITY,
) -> Floats:
    """In-situ temperature from conservative temperature, both degC."""
    return np.asarray(gsw.t_from_CT(_reference_salinity(salinity), conservative, pressure))


def in_situ_field(
    field: xr.DataArray,
    to_in_situ: Callable[..., Floats] = in_situ_from_potential,
    salinity: xr.DataArray | None = None,
) -> xr.DataArray:
    """A field of in-situ temperature, lazily for dask arrays.

    Args:
        field: degC, with coordinates `depth` (m) and `lat`.
        to_in_situ: `in_situ_from_potential` or `in_situ_from_conservative`.
        salinity: Practical salinity on the same grid; 35 where absent or NaN.
    """
    pressure = xr.DataArray(
        pressure_from_depth(field["depth"].values[:, None], field["lat"].values[None, :]),
        dims=("depth", "lat"),
        coords={"depth": field["depth"], "lat": field["lat"]},
    )
    other = xr.DataArray(STANDARD_SALINITY) if salinity is None else salinity
    converted = xr.apply_ufunc(
        to_in_situ, field, pressure, other, dask="parallelized", output_dtypes=[np.float64]
    )
    return converted.transpose(*field.dims).rename("temperature")


def _reference_salinity(salinity: npt.ArrayLike) -> Floats:
    """Reference salinity in g/kg; unknown practical salinity becomes 35."""
    practical = np.asarray(salinity, dtype=np.float64)
    known = np.where(np.isfinite(practical), practical, STANDARD_SALINITY)
    return np.asarray(gsw.SR_from_SP(known), dtype=np.float64)
