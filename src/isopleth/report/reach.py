"""How far the ocean is from the nearest observation, and where the uncertainty is largest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.spatial import cKDTree

from isopleth.core.grid import EARTH_RADIUS
from isopleth.data.bilinear import Corners
from isopleth.data.profiles import Profiles
from isopleth.report.material import Material

__all__ = ["Reach", "Spot", "climatology_misfit", "nearest_distance", "reach"]

Floats = npt.NDArray[np.float64]

_NEARBY = 0.5
"""Fewer effective profiles than this: not even one that correlates at 0.5 with the cell."""

_LARGEST = 0.1
"""The share of the ocean whose errors are called the largest."""


@dataclass(frozen=True)
class Spot:
    """A cell and what is known there.

    Args:
        latitude: Degrees north.
        longitude: Degrees east.
        distance: To the nearest observation at the level, km.
        error: Standard error of the analysed field.
        prior: Standard error before any observation.
    """

    latitude: float
    longitude: float
    distance: float
    error: float
    prior: float


@dataclass(frozen=True, eq=False)
class Reach:
    """How well one level is observed.

    Args:
        depth: The level, m.
        distance: To the nearest observation, km, (lat, lon), NaN on land.
        beyond: Share of the ocean's area that no profile informs.
        median: Distance to the nearest observation that half of the ocean's area exceeds, km.
        unlearned: Share of the ocean's area whose error is over 0.8 of the prior error.
        largest_beyond: Of the tenth of the ocean with the largest errors, the share beyond reach.
        worst: Where the error is largest.
        farthest: Where the nearest observation is farthest.
    """

    depth: float
    distance: xr.DataArray
    beyond: float
    median: float
    unlearned: float
    largest_beyond: float
    worst: Spot
    farthest: Spot


def nearest_distance(material: Material, depth: float) -> xr.DataArray:
    """Great-circle distance of every ocean cell to the nearest observation at a level, km.

    Args:
        material: Of the report.
        depth: A level of the analysis; all profiles count if none has a value there.

    Returns:
        (lat, lon), NaN on land; half the Earth's circumference if nothing was observed.
    """
    field = material.mean.sel(depth=depth)
    lat, lon = np.meshgrid(field["lat"], field["lon"], indexing="ij")
    there = _observed(material, depth)
    tree = cKDTree(_on_sphere(material.used.latitude[there], material.used.longitude[there]))
    chord = tree.query(_on_sphere(lat.ravel(), lon.ravel()))[0].reshape(lat.shape)
    angle = 2.0 * np.arcsin(np.clip(chord / 2.0, 0.0, 1.0))
    km = xr.DataArray(angle * EARTH_RADIUS / 1000.0, field.coords, field.dims)
    return km.where(np.isfinite(field))


def reach(material: Material, depth: float) -> Reach:
    """Summarise one level.

    Args:
        material: Of the report.
        depth: A level of the analysis with ocean.
    """
    distance = nearest_distance(material, depth)
    error = material.error.sel(depth=depth).values
    level = int(np.abs(material.grid.levels - depth).argmin())
    area = material.grid.cell_area() * material.grid.mask[level]
    nearby = material.analysis["observations_nearby"].sel(depth=depth)
    outside = nearby.transpose("lat", "lon").values < _NEARBY
    largest = error >= _quantile(error, area, 1.0 - _LARGEST)
    of_largest = (area * largest).sum()
    return Reach(
        depth=depth,
        distance=distance,
        beyond=material.ocean_share(outside, depth),
        median=_quantile(distance.values, area, 0.5),
        unlearned=material.ocean_share(material.left.sel(depth=depth).values > 0.8, depth),
        largest_beyond=float((area * largest * outside).sum() / of_largest) if of_largest else 0.0,
        worst=_spot(material, depth, distance, error),
        farthest=_spot(material, depth, distance, distance.values),
    )


def climatology_misfit(material: Material) -> pd.DataFrame:
    """Climatology less the observations of its month, by level they share with the analysis.

    The climatology is interpolated bilinearly to the profiles. Those of the weeks around the month
    would add the season to its bias; they count only if the month itself has none.

    Returns:
        Columns depth, n, bias and sd.
    """
    used, grid = _of_the_month(material), material.grid
    corners = Corners.of(grid, used.latitude, used.longitude)
    table = material.climatology.values.reshape(grid.levels.size, -1).T
    there = corners.apply(table, np.zeros(len(used), dtype=np.int64))
    rows = []
    for i, depth in enumerate(grid.levels):
        column = np.flatnonzero(np.isclose(used.depth, depth))
        if column.size:
            misfit = there[:, i] - used.value[:, column[0]]
            misfit = misfit[np.isfinite(misfit)]
            if misfit.size:
                rows.append((float(depth), misfit.size, misfit.mean(), misfit.std()))
    return pd.DataFrame(rows, columns=["depth", "n", "bias", "sd"])


def _of_the_month(material: Material) -> Profiles:
    month = material.analysis["time"].values.astype("datetime64[M]")
    own = np.asarray(material.used.time.astype("datetime64[M]") == month)
    return material.used.select(own) if own.any() else material.used


def _observed(material: Material, depth: float) -> npt.NDArray[np.bool_]:
    """Profiles with a value at a level, or all of them if there is none."""
    column = np.isclose(material.used.depth, depth)
    there = np.isfinite(material.used.value[:, column]).any(axis=1)
    return np.asarray(there if there.any() else np.ones_like(there))


def _on_sphere(latitude: Floats, longitude: Floats) -> Floats:
    phi, lam = np.radians(latitude), np.radians(longitude)
    return np.column_stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])


def _quantile(values: Floats, weight: Floats, share: float) -> float:
    """The value that a share of the weight does not exceed."""
    good = np.isfinite(values) & (weight > 0.0)
    order = np.argsort(values[good])
    total = np.cumsum(weight[good][order])
    if total.size == 0:
        return float("nan")
    return float(values[good][order][np.searchsorted(total, share * total[-1])])


def _spot(material: Material, depth: float, distance: xr.DataArray, by: Floats) -> Spot:
    """The cell where `by` is largest."""
    row, column = np.unravel_index(int(np.nanargmax(by)), by.shape)
    prior = material.analysis["error_of_prior"].transpose("depth", "lat", "lon")
    return Spot(
        float(distance["lat"][row]),
        float(distance["lon"][column]),
        float(distance[row, column]),
        float(material.error.sel(depth=depth)[row, column]),
        float(prior.sel(depth=depth)[row, column]),
    )
