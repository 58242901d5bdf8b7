"""CMIP6 ocean potential temperature (`thetao`) on any of the models' grids.

Files follow the CMIP6 data request: `thetao(time, lev, lat, lon)` on a regular grid (`gr`), or
`thetao(time, lev, j, i)` with two-dimensional latitude and longitude on the model's own (`gn`), in
degC, land missing; some models write `thetao(time, lev, ncells)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from isopleth.core.coordinates import LATITUDE, LONGITUDE, find_axis
from isopleth.core.errors import InputError
from isopleth.data.cf import canonical, open_lazily, own_units, with_in_situ
from isopleth.data.curvilinear import to_regular

__all__ = ["read_cmip6"]


def read_cmip6(
    paths: str | Path | Sequence[str | Path], *, resolution_deg: float = 1.0
) -> xr.Dataset:
    """Potential and in-situ temperature (salinity 35) in degC, lazily.

    Dimensions are (time, depth, lat, lon). A field on the model's own mesh is put on a regular
    global grid (`isopleth.data.curvilinear.to_regular`); one that is regular already keeps its
    grid. Times of model calendars become real dates.

    Args:
        paths: The files of one model and experiment.
        resolution_deg: Cell size for fields on a curvilinear or unstructured mesh, degrees.

    Raises:
        DataMissingError: If a file does not exist.
        InputError: If a file is damaged, holds no `thetao`, has a unit that cannot be true, or
            levels that are no depths.
    """
    file = open_lazily(paths)
    if "thetao" not in file:
        found = ", ".join(str(name) for name in file.data_vars)
        raise InputError(f"the file holds {found}, not thetao: choose the variable thetao (Omon).")
    field = own_units(file["thetao"], "potential_temperature")
    if not _is_regular(field):
        field = to_regular(_plain_mesh(field), resolution_deg=resolution_deg)
    return with_in_situ(xr.Dataset({"potential_temperature": canonical(field)}, attrs=file.attrs))


def _is_regular(field: xr.DataArray) -> bool:
    lat, lon = find_axis(field, LATITUDE), find_axis(field, LONGITUDE)
    if lat is None or lon is None:
        found = ", ".join(str(name) for name in field.coords)
        raise InputError(f"thetao has no latitude and longitude, only {found}: check the file.")
    return field[lat].ndim == 1 and field[lon].ndim == 1 and field[lat].dims != field[lon].dims


def _plain_mesh(field: xr.DataArray) -> xr.DataArray:
    """The field with coordinates `lat` and `lon` and no other coordinate on the mesh."""
    lat, lon = find_axis(field, LATITUDE), find_axis(field, LONGITUDE)
    assert lat is not None
    assert lon is not None
    positions = {
        "lat": field[lat].reset_coords(drop=True),
        "lon": field[lon].reset_coords(drop=True),
    }
    mesh = set(field[lat].dims)
    clashing = [name for name, c in field.coords.items() if mesh & set(c.dims)]
    return field.drop_vars(clashing).assign_coords(
        {name: (array.dims, array.values) for name, array in positions.items()}
    )
