"""Land or sea: where the ocean mask of a file comes from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import xarray as xr

from isopleth.core.coordinates import Axis
from isopleth.core.errors import InputError

__all__ = ["ocean_mask"]

_SEA_NAMES = ("mask", "ocean_mask", "sea_mask", "tmask", "wet", "sftof")
_LAND_NAMES = ("land_mask", "lsm", "sftlf", "land_sea_mask")
_SEA_STANDARD = ("sea_binary_mask", "sea_area_fraction")
_LAND_STANDARD = ("land_binary_mask", "land_area_fraction")


def ocean_mask(
    dataset: xr.Dataset, axes: Mapping[str, Axis], name: str | None
) -> npt.NDArray[np.bool_]:
    """True = ocean, shape (nlev, nlat, nlon), in canonical order.

    Args:
        dataset: The file.
        axes: Its canonical axes under `depth`, `lat` and `lon`.
        name: Variable to use, 1 = ocean; None looks for a known mask, then for NaN, then takes
            every cell.

    Raises:
        InputError: If the named variable is not in the file or does not lie on its grid.
    """
    if name is not None:
        if name not in dataset:
            raise InputError(
                f"the mask variable {name!r} is not in the file: "
                f"use one of {', '.join(map(str, dataset.data_vars))}, or give none."
            )
        return _wet(dataset[name], axes, land=_known(dataset).get(name, False))
    for candidate, land in _known(dataset).items():
        if _on_grid(dataset[candidate], axes) and _is_share(dataset[candidate]):
            return _wet(dataset[candidate], axes, land=land)
    return _from_values(dataset, axes)


def _known(dataset: xr.Dataset) -> dict[str, bool]:
    """Mask variables by standard name or name, with whether they mark land."""
    found = {}
    for key, variable in dataset.variables.items():
        standard = variable.attrs.get("standard_name")
        if standard in _SEA_STANDARD or str(key).lower() in _SEA_NAMES:
            found[str(key)] = False
        elif standard in _LAND_STANDARD or str(key).lower() in _LAND_NAMES:
            found[str(key)] = True
    return found


def _on_grid(variable: xr.DataArray, axes: Mapping[str, Axis]) -> bool:
    return axes["lat"].dim in variable.dims and axes["lon"].dim in variable.dims


def _is_share(variable: xr.DataArray) -> bool:
    """Whether the values can be a share of sea or land, rather than bit flags (GHRSST)."""
    low, high = float(variable.min()), float(variable.max())
    return low >= 0.0 and high <= _full(variable)


def _full(variable: xr.DataArray) -> float:
    return 100.0 if variable.attrs.get("units") == "%" else 1.0


def _wet(variable: xr.DataArray, axes: Mapping[str, Axis], *, land: bool) -> npt.NDArray[np.bool_]:
    """A mask, a fraction or a percentage as True = ocean: at least half of the cell is sea."""
    if not _on_grid(variable, axes):
        raise InputError(
            f"the mask {variable.name!r} has dimensions {', '.join(map(str, variable.dims))}: "
            "it needs those of latitude and longitude."
        )
    if not _is_share(variable):
        raise InputError(
            f"the mask {variable.name!r} holds values from {float(variable.min()):g} to "
            f"{float(variable.max()):g}: make it 1 for ocean and 0 for land."
        )
    full = _full(variable)
    share = variable.astype("float64").fillna(full if land else 0.0) / full
    return _arranged(share < 0.5 if land else share >= 0.5, axes)


def _from_values(dataset: xr.Dataset, axes: Mapping[str, Axis]) -> npt.NDArray[np.bool_]:
    """Ocean where any field on the grid, at any time, has a value."""
    fields = [v for v in dataset.data_vars.values() if _on_grid(v, axes) and v.dtype.kind == "f"]
    deep = [v for v in fields if axes["depth"].dim in v.dims]
    shape = tuple(axes[name].values.size for name in ("depth", "lat", "lon"))
    if not fields:
        return np.ones(shape, dtype=bool)
    masks = [_arranged(v.notnull(), axes) for v in (deep or fields)]
    return np.asarray(np.logical_or.reduce(masks))


def _arranged(flags: xr.DataArray, axes: Mapping[str, Axis]) -> npt.NDArray[np.bool_]:
    """Any over the other dimensions, then canonical order and all levels."""
    dims = [axes[name].dim for name in ("depth", "lat", "lon")]
    reduced = flags.any([d for d in flags.dims if d not in dims])
    if dims[0] is None or dims[0] not in reduced.dims:
        reduced = reduced.expand_dims("_level", axis=0)
        dims[0] = "_level"
    array = reduced.transpose(*dims).values
    levels = (
        axes["depth"].index if array.shape[0] > 1 else np.zeros(axes["depth"].values.size, int)
    )
    return np.asarray(array[np.ix_(levels, axes["lat"].index, axes["lon"].index)], dtype=bool)
