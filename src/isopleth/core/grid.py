"""Grid: latitude, longitude, levels and the ocean mask, checked at birth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import xarray as xr

from isopleth.core.coordinates import LATITUDE, LEVEL, LONGITUDE, read_axis
from isopleth.core.errors import InputError
from isopleth.core.landsea import ocean_mask
from isopleth.core.region import Region
from isopleth.core.validation import (
    check_latitude,
    check_levels,
    check_longitude,
    check_mask,
    frozen_axis,
    frozen_mask,
)

__all__ = ["EARTH_RADIUS", "Grid"]

EARTH_RADIUS = 6_371_008.8
"""Mean radius of the Earth, m (Moritz, Geodetic Reference System 1980: R1 = (2a + b) / 3)."""

_SEAM_TOLERANCE = 1.01
"""A seam this many times the widest spacing still closes the circle (float32 coordinates)."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Grid:
    """Cell centres of a global or regional latitude-longitude grid, its levels and its ocean.

    Args:
        latitude: Degrees north, shape (nlat,), north to south.
        longitude: Degrees east, shape (nlon,), strictly increasing, the first in [0, 360); a
            region across Greenwich is unwrapped and exceeds 360.
        levels: Depth in m, positive down, strictly increasing, shape (nlev,).
        mask: True = ocean, shape (nlev, nlat, nlon).

    Raises:
        InputError: If a coordinate is NaN, unordered or out of range, if the mask has another
            shape, or if no cell is ocean.

    >>> grid = Grid.regular(1.0, levels=[0.0, 100.0])
    >>> grid.shape, float(grid.latitude[0]), float(grid.longitude[0]), grid.periodic
    ((2, 180, 360), 89.5, 0.5, True)
    """

    latitude: Floats
    longitude: Floats
    levels: Floats
    mask: Bools

    def __post_init__(self) -> None:
        """Freeze the arrays and check them."""
        for name in ("latitude", "longitude", "levels"):
            object.__setattr__(self, name, frozen_axis(name, getattr(self, name)))
        object.__setattr__(self, "mask", frozen_mask(self.mask))
        check_latitude(self.latitude)
        check_longitude(self.longitude)
        check_levels(self.levels)
        check_mask(self.mask, self.shape)

    @classmethod
    def regular(
        cls,
        resolution_deg: float,
        *,
        levels: npt.ArrayLike,
        mask: npt.ArrayLike | None = None,
        region: Region | None = None,
    ) -> Grid:
        """The cells of a regular global grid, or those of them whose centres lie in a region.

        Args:
            resolution_deg: Cell size in degrees; must divide 180.
            levels: Depths in m, shape (nlev,).
            mask: True = ocean, shape (nlat, nlon) or (nlev, nlat, nlon); all ocean when absent.
            region: Box to keep; a regional grid is a cut of the global one.

        Raises:
            InputError: If the resolution does not divide 180 or under 2 x 2 cells remain.

        >>> box = Region.parse("20N:60N,80W:10E")
        >>> Grid.regular(2.0, levels=[0.0], region=box).longitude[[0, -1]].tolist()
        [281.0, 369.0]
        """
        step = float(resolution_deg)
        rows = _rows(step)
        latitude = 90.0 - step * (np.arange(rows, dtype=np.float64) + 0.5)
        longitude = step * (np.arange(2 * rows, dtype=np.float64) + 0.5)
        if region is not None:
            latitude = latitude[(latitude >= region.south) & (latitude <= region.north)]
            longitude = _cut_longitude(longitude, region)
            if latitude.size < 2 or longitude.size < 2:
                raise InputError(
                    f"the region {region} holds {latitude.size} x {longitude.size} cells of "
                    f"{step:g} degrees: choose a finer grid or a larger region."
                )
        depth = np.atleast_1d(np.asarray(levels, dtype=np.float64))
        everywhere = np.ones((depth.size, latitude.size, longitude.size), dtype=bool)
        grid = cls(latitude, longitude, depth, everywhere)
        return grid if mask is None else grid.with_mask(mask)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset | xr.DataArray, *, mask: str | None = None) -> Grid:
        """The grid of a file, whatever its conventions: latitudes turned, longitudes rolled.

        The ocean is taken from the variable `mask`, else from a variable that CF or common use
        marks as a mask, else from where the data are not NaN, else it is everywhere.

        Args:
            dataset: Has one-dimensional latitude and longitude, and a level axis or none (then
                one level at 0 m).
            mask: Name of the mask variable, 1 = ocean.

        Raises:
            InputError: If a coordinate is missing, two-dimensional, unordered or out of range.

        >>> lat, lon = np.arange(-60.0, 61.0, 30.0), np.arange(-180.0, 180.0, 60.0)
        >>> sst = xr.DataArray(np.ones((5, 6)), {"lat": lat, "lon": lon}, name="sst")
        >>> grid = Grid.from_dataset(sst)
        >>> grid.latitude.tolist(), grid.longitude.tolist()
        ([60.0, 30.0, 0.0, -30.0, -60.0], [0.0, 60.0, 120.0, 180.0, 240.0, 300.0])
        """
        if isinstance(dataset, xr.DataArray):
            dataset = dataset.to_dataset(name=dataset.name or "field")
        axes = {kind.name: read_axis(dataset, kind) for kind in (LEVEL, LATITUDE, LONGITUDE)}
        ocean = ocean_mask(dataset, axes, mask)
        return cls(axes["lat"].values, axes["lon"].values, axes["depth"].values, ocean)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(nlev, nlat, nlon)."""
        return self.levels.size, self.latitude.size, self.longitude.size

    @property
    def size(self) -> int:
        """Number of cells, levels included."""
        return self.levels.size * self.latitude.size * self.longitude.size

    @cached_property
    def periodic(self) -> bool:
        """Whether the last column is a neighbour of the first."""
        widest = float(np.diff(self.longitude).max())
        seam = float(self.longitude[0] + 360.0 - self.longitude[-1])
        return seam <= _SEAM_TOLERANCE * widest

    @cached_property
    def latitude_edges(self) -> Floats:
        """Cell edges, degrees north, north to south, within the poles, shape (nlat + 1,)."""
        return np.clip(_edges(self.latitude), -90.0, 90.0)

    @cached_property
    def longitude_edges(self) -> Floats:
        """Cell edges, degrees east, unwrapped, shape (nlon + 1,)."""
        if not self.periodic:
            return _edges(self.longitude)
        west = 0.5 * (self.longitude[0] + self.longitude[-1] - 360.0)
        middle = 0.5 * (self.longitude[1:] + self.longitude[:-1])
        return np.concatenate([[west], middle, [west + 360.0]])

    def cell_area(self) -> Floats:
        """Area of every cell, m2, shape (nlat, nlon): `R^2 dlon (sin north - sin south)`, exact.

        >>> area = Grid.regular(10.0, levels=[0.0]).cell_area()
        >>> round(float(area.sum()) / (4.0 * np.pi * EARTH_RADIUS**2), 12)
        1.0
        """
        strips = -np.diff(np.sin(np.radians(self.latitude_edges)))
        widths = np.diff(np.radians(self.longitude_edges))
        return np.asarray(EARTH_RADIUS**2 * strips[:, None] * widths[None, :])

    @cached_property
    def weights(self) -> Floats:
        """Area weights that sum to one over all cells of a level, shape (nlat, nlon)."""
        area = self.cell_area()
        return np.asarray(area / area.sum())

    def with_mask(self, mask: npt.ArrayLike) -> Grid:
        """The same grid with another ocean: shape (nlat, nlon), used for all levels, or whole.

        >>> grid = Grid.regular(90.0, levels=[0.0, 50.0])
        >>> grid.with_mask([[1, 1, 0, 1], [1, 1, 1, 1]]).mask.sum(axis=(1, 2)).tolist()
        [7, 7]
        """
        ocean = np.asarray(mask)
        if ocean.shape == self.shape[1:]:
            ocean = np.broadcast_to(ocean, self.shape)
        return Grid(self.latitude, self.longitude, self.levels, ocean)

    def ocean_points(self) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
        """Cells with ocean at any level: flat index into (nlat, nlon), latitude, longitude.

        >>> flat, lat, lon = Grid.regular(90.0, levels=[0.0]).ocean_points()
        >>> flat.size, lat[0].item(), lon[1].item()
        (8, 45.0, 135.0)
        """
        flat = np.flatnonzero(self.mask.any(axis=0))
        row, column = np.divmod(flat, self.longitude.size)
        return flat, self.latitude[row], self.longitude[column]

    def to_coords(self) -> dict[str, xr.Variable]:
        """Coordinates `depth`, `lat` and `lon` with CF attributes, for xarray.

        >>> xr.Dataset(coords=Grid.regular(90.0, levels=[0.0]).to_coords()).lat.units
        'degrees_north'
        """
        depth = {"standard_name": "depth", "units": "m", "positive": "down", "axis": "Z"}
        lat = {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"}
        lon = {"standard_name": "longitude", "units": "degrees_east", "axis": "X"}
        return {
            "depth": xr.Variable("depth", self.levels, depth),
            "lat": xr.Variable("lat", self.latitude, lat),
            "lon": xr.Variable("lon", self.longitude, lon),
        }

    def __eq__(self, other: object) -> bool:
        """Same coordinates and same ocean."""
        return isinstance(other, Grid) and self._key == other._key

    def __hash__(self) -> int:
        """Hash of coordinates and ocean."""
        return hash(self._key)

    @cached_property
    def _key(self) -> tuple[bytes, ...]:
        arrays = (self.latitude, self.longitude, self.levels, np.packbits(self.mask))
        return tuple(array.tobytes() for array in arrays)


def _rows(step: float) -> int:
    """Rows from pole to pole."""
    rows = round(180.0 / step) if step > 0.0 and np.isfinite(step) else 0
    if rows < 2 or abs(rows * step - 180.0) > 1e-6:
        raise InputError(
            f"a resolution of {step:g} degrees does not divide 180: use one that does, "
            "for example 0.25, 0.5, 1 or 2."
        )
    return rows


def _cut_longitude(longitude: Floats, region: Region) -> Floats:
    """Columns whose centre lies in the region, unwrapped from its western edge."""
    if region.width == 360.0:
        return longitude
    unwrapped = np.sort(region.west + (longitude - region.west) % 360.0)
    kept = unwrapped[unwrapped <= region.east]
    return kept - 360.0 * (kept.size > 0 and kept[0] >= 360.0)


def _edges(centres: Floats) -> Floats:
    """Midpoints, and half a cell beyond the ends."""
    middle = 0.5 * (centres[1:] + centres[:-1])
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
