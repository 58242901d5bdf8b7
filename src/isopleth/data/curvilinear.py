"""Model fields on curvilinear or unstructured meshes, put on a regular grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.spatial import cKDTree

from isopleth.core.errors import InputError

__all__ = ["to_regular"]

Floats = npt.NDArray[np.float64]

_NEIGHBOURS = 4
"""Mesh points that surround a place on a quadrilateral mesh."""

_CONTACT = 1e-6
"""A target this close to a mesh point takes its value, radians (6 m)."""


def to_regular(
    field: xr.DataArray, *, resolution_deg: float = 1.0, reach: float = 1.0
) -> xr.DataArray:
    """The field at the cell centres of a regular global grid, lazily for dask arrays.

    Inverse-distance mean of those of the four nearest mesh points that have a value at that level.
    The nearest one must have a value and lie within `reach` of the mesh's own spacing there; NaN
    elsewhere, so land is neither invented nor filled. The mean is not conservative: it is meant
    for comparison and training, not for budgets.

    Args:
        field: With two-dimensional `lat` and `lon` coordinates on the same mesh dimensions, or
            one-dimensional ones on an unstructured mesh.
        resolution_deg: Cell size of the result in degrees.
        reach: Largest distance to the nearest mesh point, over the distance of that point to its
            own fourth neighbour (the middle of a square mesh is at 0.7).

    Raises:
        InputError: If latitude and longitude do not lie on the same dimensions.
    """
    lat, lon = field["lat"], field["lon"]
    if lat.dims != lon.dims or not set(lat.dims) <= set(field.dims):
        raise InputError(
            f"latitude lies on {lat.dims}, longitude on {lon.dims}: they must share the mesh."
        )
    target_lat = np.arange(90.0 - resolution_deg / 2.0, -90.0, -resolution_deg)
    target_lon = np.arange(resolution_deg / 2.0, 360.0, resolution_deg)
    weights = _weights(lat.values, lon.values, target_lat, target_lon, reach)
    mesh = list(lat.dims)
    flat = field.drop_vars(["lat", "lon"]).stack(mesh=mesh, create_index=False)
    if flat.chunks is not None:
        flat = flat.chunk({"mesh": -1})
    regular = xr.apply_ufunc(
        weights.apply,
        flat,
        input_core_dims=[["mesh"]],
        output_core_dims=[["lat", "lon"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {"lat": target_lat.size, "lon": target_lon.size}},
    )
    return regular.assign_coords(lat=target_lat, lon=target_lon).assign_attrs(field.attrs)


@dataclass(frozen=True)
class _Weights:
    """The mesh points around each target, (targets, 4), and their weights, 0 = out of reach."""

    index: npt.NDArray[np.int64]
    weight: Floats
    shape: tuple[int, int]

    def apply(self, values: Floats) -> Floats:
        """Weighted mean over mesh points with a value, (..., mesh) -> (..., lat, lon)."""
        # One level at a time: the gathered neighbours are four times as large as the result.
        levels = [self._level(level) for level in values.reshape(-1, values.shape[-1])]
        return np.stack(levels).reshape(*values.shape[:-1], *self.shape)

    def _level(self, values: Floats) -> Floats:
        near = values[self.index]
        weight = np.where(np.isfinite(near), self.weight, 0.0)
        total = weight.sum(axis=-1)
        ocean = np.isfinite(near[:, 0]) & (total > 0.0)
        mean = (np.nan_to_num(near) * weight).sum(axis=-1) / np.where(ocean, total, 1.0)
        return np.where(ocean, mean, np.nan)


def _weights(
    lat: Floats, lon: Floats, target_lat: Floats, target_lon: Floats, reach: float
) -> _Weights:
    """Inverse chord distances on the unit sphere; mesh points without a position are skipped."""
    sound = np.flatnonzero((np.isfinite(lat) & np.isfinite(lon)).reshape(-1))
    mesh = _on_sphere(lat.reshape(-1)[sound], lon.reshape(-1)[sound])
    tree = cKDTree(mesh)
    spacing = tree.query(mesh, k=[min(_NEIGHBOURS + 1, sound.size)])[0][:, 0]
    rows, columns = np.meshgrid(target_lat, target_lon, indexing="ij")
    count = min(_NEIGHBOURS, sound.size)
    distance, found = tree.query(_on_sphere(rows.reshape(-1), columns.reshape(-1)), k=count)
    distance, found = distance.reshape(-1, count), found.reshape(-1, count)
    weight = 1.0 / np.maximum(distance, _CONTACT)
    weight[distance[:, 0] <= _CONTACT, 1:] = 0.0
    weight[distance[:, 0] > reach * spacing[found[:, 0]]] = 0.0
    return _Weights(sound[found], weight, rows.shape)


def _on_sphere(lat: Floats, lon: Floats) -> Floats:
    """Unit vectors, (n,) degrees -> (n, 3)."""
    phi, lam = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)
