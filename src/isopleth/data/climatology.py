"""Climatology: what the sea is like at a place, a depth and a time of year before anyone looks."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from isopleth.core.coordinates import LATITUDE, LEVEL, LONGITUDE, read_axis
from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.core.region import Region
from isopleth.core.variables import Variable, convert, lookup
from isopleth.data.bilinear import Corners, fill_near, positions
from isopleth.data.cards import open_grid, read_card

__all__ = ["Climatology", "load_annual", "load_climatology"]

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]

_REACH = 3.0
"""How far a coast's value is carried inland, cells."""

_BLACK_SEA = Region(south=40.9, north=47.5, west=27.4, east=42.0)
"""Neither shipped atlas has a value there; the nearest one lies in the Mediterranean Sea."""

_CHUNK = 65_536
"""Points interpolated at a time: bounds the memory of `at` beside its result."""

_POLE = 89.0
"""Zonal differences are taken no closer to a pole than this latitude, degrees."""


@dataclass(frozen=True, eq=False)
class Climatology:
    """Mean values by calendar month, or the annual mean, on a grid; interpolated to points.

    Horizontally bilinear: a corner on land takes the value of the nearest ocean cell of its level,
    up to three cells away; a corner farther out drops out and the weights are renormalised. Linear
    in depth; above the first level the first level's value, below the last one NaN. In time the
    month's own mean (a step), or linear between the middles of the months.

    Args:
        grid: Cells, levels and where the means exist.
        values: Shape (12 or 1, nlev, nlat, nlon), NaN = no value; one month is an annual mean.
        epoch: The years that the means stand for, in words.
        variable: What the values are.
        uncovered: Seas without means, where every value is NaN: the nearest cell that has a value
            would be one of another sea.
        linear_in_time: Interpolate between the middles of months instead of stepping with the
            calendar; `dataclasses.replace` makes the one from the other.

    Raises:
        InputError: If the values have another shape.
    """

    grid: Grid
    values: npt.NDArray[np.float32]
    epoch: str
    variable: Variable
    uncovered: tuple[Region, ...] = ()
    linear_in_time: bool = False

    def __post_init__(self) -> None:
        """Freeze the values and check their shape."""
        values = np.array(self.values, dtype=np.float32)
        if values.shape[1:] != self.grid.shape or values.shape[0] not in (1, 12):
            raise InputError(
                f"the climatology has shape {values.shape} on a grid of {self.grid.shape}: "
                "give 12 calendar months or 1 annual mean, then levels, rows and columns."
            )
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @classmethod
    def from_dataset(
        cls,
        dataset: xr.Dataset,
        *,
        name: str | None = None,
        epoch: str = "not stated",
        uncovered: tuple[Region, ...] = (),
    ) -> Climatology:
        """A climatology from any CF file: 12 months in a dimension, or none for an annual mean.

        Args:
            dataset: Has one-dimensional latitude and longitude, a depth or none (then 0 m), and at
                most one more dimension, of 12 calendar months or of length 1.
            name: Variable to read; needed if more than one could be meant.
            epoch: The years that the means stand for.
            uncovered: Seas that the file lacks, see the class.

        Raises:
            InputError: If the variable, its axes, its unit or its months are not understood.
        """
        field, variable = _find_field(dataset, name)
        axes = [read_axis(field, kind) for kind in (LEVEL, LATITUDE, LONGITUDE)]
        months = _months_first(field, [axis.dim for axis in axes if axis.dim])
        if axes[0].dim is None:
            months = months.expand_dims("_level", axis=1)
        order = [axis.dim or "_level" for axis in axes]
        raw = months.transpose("_month", *order).values[:, axes[0].index]
        raw = raw[:, :, axes[1].index][..., axes[2].index]
        values = convert(
            raw, str(field.attrs.get("units", variable.units)), variable.units, variable
        )
        _check_plausible(values, variable)
        depth, latitude, longitude = (axis.values for axis in axes)
        grid = Grid(latitude, longitude, depth, np.asarray(np.isfinite(values).any(axis=0)))
        return cls(grid, values.astype(np.float32), epoch, variable, uncovered)

    def at(
        self,
        time: npt.ArrayLike,
        latitude: npt.ArrayLike,
        longitude: npt.ArrayLike,
        depth_levels: npt.ArrayLike,
    ) -> Floats:
        """Values at n points and L depths, shape (n, L), in the variable's unit; NaN = unknown.

        Args:
            time: One time or one per point, datetime64 or ISO text, UTC.
            latitude: Degrees north, shape (n,).
            longitude: Degrees east in any convention, shape (n,).
            depth_levels: Depths in m, positive down, shape (L,).

        Raises:
            InputError: If a time or position is missing or impossible, or a depth is negative.

        >>> clim = load_climatology()
        >>> clim.at("2016-01-15", [0.0], [-140.0], [0.0, 100.0, 500.0]).round(1).tolist()
        [[26.2, 24.8, 8.0]]
        """
        lat, lon = positions(latitude, longitude)
        levels = _levels(depth_levels)
        first, second, share = self._months(_times(time, lat.size))
        used, which = np.unique(np.stack([first, second]), return_inverse=True)
        which = which.reshape(2, -1)
        table, cells = self._table(used, levels), self.grid.mask[0].size
        result = np.empty((lat.size, levels.size))
        for part in _parts(lat.size):
            corners = Corners.of(self.grid, lat[part], lon[part])
            result[part] = corners.apply(table, which[0, part] * cells)
            if share[part].any():
                later = corners.apply(table, which[1, part] * cells)
                result[part] = _blend(result[part], later, share[part, None])
        for sea in self.uncovered:
            result[sea.contains(lat, lon)] = np.nan
        return result

    def on(self, grid: Grid, time: npt.ArrayLike) -> Floats:
        """Values on the ocean cells of a grid at one time, shape (nlev, nlat, nlon); NaN on land.

        >>> from isopleth.core.grid import Grid
        >>> load_climatology().on(Grid.regular(2.0, levels=[0.0, 100.0]), "2016-01-15").shape
        (2, 90, 180)
        """
        flat, latitude, longitude = grid.ocean_points()
        field = np.full((grid.levels.size, grid.mask[0].size), np.nan)
        field[:, flat] = self.at(time, latitude, longitude, grid.levels).T
        return np.where(grid.mask, field.reshape(grid.shape), np.nan)

    def vertical_gradient_at(
        self,
        time: npt.ArrayLike,
        latitude: npt.ArrayLike,
        longitude: npt.ArrayLike,
        depth_levels: npt.ArrayLike,
    ) -> Floats:
        """`dT/dz`, z positive down, at n points and L depths, shape (n, L), unit per m.

        Difference across one spacing of the climatology's levels, half above and half below;
        one-sided at its top, at its last level and just above the sea floor. Arguments as in `at`.
        """
        levels, own = _levels(depth_levels), self.grid.levels
        if own.size == 1:
            raise InputError(
                f"the climatology has one level ({own[0]:g} m): it has no vertical gradient."
            )
        half = 0.5 * np.interp(levels, own, np.gradient(own))
        upper, lower = np.maximum(levels - half, own[0]), np.minimum(levels + half, own[-1])
        stacked = np.concatenate([upper, levels, lower])
        above, here, below = np.split(self.at(time, latitude, longitude, stacked), 3, axis=1)
        floor = np.isnan(below)
        span = np.where(floor, levels - upper, lower - upper)
        rise = np.where(floor, here, below) - above
        known = np.isfinite(here) & (span > 0.0)
        return np.divide(rise, span, out=np.full_like(rise, np.nan), where=known)

    def horizontal_gradient_at(
        self,
        time: npt.ArrayLike,
        latitude: npt.ArrayLike,
        longitude: npt.ArrayLike,
        depth_levels: npt.ArrayLike,
    ) -> Floats:
        """`|grad_h T|` at n points and L depths, shape (n, L), unit per m.

        Central differences across one cell of the climatology, eastward and northward, on a sphere
        of the Earth's mean radius. Arguments as in `at`.
        """
        lat, lon = positions(latitude, longitude)
        rows = float(np.median(-np.diff(self.grid.latitude)))
        columns = float(np.median(np.diff(self.grid.longitude)))
        north, south = np.minimum(lat + rows / 2.0, 90.0), np.maximum(lat - rows / 2.0, -90.0)
        metres = EARTH_RADIUS * np.radians(1.0)
        east = np.cos(np.radians(np.minimum(np.abs(lat), _POLE))) * columns * metres
        at = functools.partial(self.at, time, depth_levels=depth_levels)
        northward = (at(north, lon) - at(south, lon)) / ((north - south) * metres)[:, None]
        eastward = (at(lat, lon + columns / 2.0) - at(lat, lon - columns / 2.0)) / east[:, None]
        return np.asarray(np.hypot(northward, eastward))

    @functools.cached_property
    def _filled(self) -> npt.NDArray[np.float32]:
        """The values, with cells near the ocean filled from the nearest ocean cell."""
        return fill_near(self.values, _REACH, periodic=self.grid.periodic)

    def _table(self, months: npt.NDArray[np.int64], levels: Floats) -> npt.NDArray[np.float32]:
        """Filled values at `levels`, one row per month and cell, shape (m * nlat * nlon, L)."""
        own = self.grid.levels
        place = np.interp(levels, own, np.arange(own.size))
        upper = np.floor(place).astype(np.int64)
        share = (place - upper).astype(np.float32)
        table = np.full((months.size, self.grid.mask[0].size, levels.size), np.nan, np.float32)
        for j in np.flatnonzero(levels <= own[-1]):
            lower = min(upper[j] + 1, own.size - 1)
            field = _blend(self._filled[months, upper[j]], self._filled[months, lower], share[j])
            table[:, :, j] = field.reshape(months.size, -1)
        return table.reshape(-1, levels.size)

    def _months(self, times: Times) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
        """Index of two months per time and the weight of the second, each of shape (n,)."""
        start = times.astype("datetime64[M]")
        month = start.astype(np.int64) % 12
        if self.values.shape[0] == 1:
            return np.zeros_like(month), np.zeros_like(month), np.zeros(times.size)
        if not self.linear_in_time:
            return month, month, np.zeros(times.size)
        begin = start.astype(times.dtype)
        length = (start + 1).astype(times.dtype) - begin
        place = month - 0.5 + (times - begin) / length
        before = np.floor(place).astype(np.int64)
        return before % 12, (before + 1) % 12, place - before


@functools.cache
def load_climatology() -> Climatology:
    """The shipped monthly temperature of the World Ocean Atlas, 0 to 1000 m, 2-degree cells, degC.

    >>> load_climatology().grid.shape
    (19, 90, 180)
    """
    dataset = open_grid("ocean_temperature_monthly")
    epoch = read_card("ocean_temperature_monthly").epoch
    return Climatology.from_dataset(dataset, epoch=epoch, uncovered=(_BLACK_SEA,))


@functools.cache
def load_annual(name: str = "temperature") -> Climatology:
    """The shipped annual mean of Levitus (1982), 0 to 5000 m, 1-degree cells.

    Args:
        name: `temperature` (degC, in situ) or `salinity` (practical).

    >>> load_annual("salinity").at("2016-01-15", [0.0], [-140.0], [4000.0]).round(1).tolist()
    [[34.7]]
    """
    dataset, epoch = open_grid("ocean_annual"), read_card("ocean_annual").epoch
    return Climatology.from_dataset(dataset, name=name, epoch=epoch, uncovered=(_BLACK_SEA,))


def _levels(depth_levels: npt.ArrayLike) -> Floats:
    levels = np.atleast_1d(np.asarray(depth_levels, dtype=np.float64))
    if levels.ndim != 1 or not (levels >= 0.0).all():
        raise InputError(
            f"the depths {np.array2string(levels, threshold=8)} are not understood: "
            "give depths in m, positive down, in one dimension and without NaN."
        )
    return levels


def _times(time: npt.ArrayLike, n: int) -> Times:
    """One time per point, shape (n,)."""
    times = np.asarray(time, dtype="datetime64[ns]")
    if times.ndim > 1 or (times.ndim == 1 and times.size not in (1, n)):
        raise InputError(f"{times.size} times for {n} points: give one time, or one per point.")
    missing = np.isnat(times)
    if missing.any():
        raise InputError(
            f"{np.count_nonzero(missing)} of {times.size} times are missing: "
            "drop those profiles first."
        )
    return np.broadcast_to(times.reshape(-1), (n,))


def _blend(
    first: npt.NDArray[np.floating], second: npt.NDArray[np.floating], share: npt.ArrayLike
) -> npt.NDArray[np.floating]:
    """`(1 - share) first + share second`, and `first` where the share is zero, be second NaN."""
    weight = np.asarray(share, dtype=first.dtype)
    return np.where(weight == 0.0, first, (1.0 - weight) * first + weight * second)


def _parts(n: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, n, _CHUNK))


def _find_field(dataset: xr.Dataset, name: str | None) -> tuple[xr.DataArray, Variable]:
    """The variable to read and what it is."""
    known: dict[str, Variable] = {}
    for key, field in dataset.data_vars.items():
        for label in (str(field.attrs.get("standard_name", "")), str(key)):
            try:
                known.setdefault(str(key), lookup(label))
            except InputError:
                continue
    if name is None and len(known) == 1:
        name = next(iter(known))
    if name is None or name not in dataset.data_vars:
        found = ", ".join(map(str, dataset.data_vars)) or "none"
        raise InputError(
            f"the climatology's variable {name or ''!r} cannot be told among those of the file "
            f"({found}): give the name of one."
        )
    return dataset[name], known[name] if name in known else lookup(name)


def _months_first(field: xr.DataArray, axes: list[str]) -> xr.DataArray:
    """The field with a first dimension `_month` of length 12 in calendar order, or 1."""
    others = [str(dim) for dim in field.dims if dim not in axes]
    if not others:
        return field.expand_dims("_month")
    if len(others) > 1 or field.sizes[others[0]] not in (1, 12):
        sizes = ", ".join(f"{dim} = {field.sizes[dim]}" for dim in others)
        raise InputError(
            f"the climatology has the dimensions {sizes} beside its axes: "
            "give one of 12 calendar months, or none for an annual mean."
        )
    if others[0] in field.coords and field.sizes[others[0]] == 12:
        number = _calendar_month(field[others[0]])
        if sorted(number) == list(range(1, 13)):
            field = field.isel({others[0]: np.argsort(number)})
    return field.rename({others[0]: "_month"}).drop_vars("_month", errors="ignore")


def _calendar_month(coordinate: xr.DataArray) -> list[int]:
    """Month numbers of a coordinate of times, or its values as they are."""
    dated = coordinate.dtype.kind == "M" or coordinate.dtype == object
    values = coordinate.dt.month.values if dated else coordinate.values
    return [int(v) if float(v).is_integer() else 0 for v in values]


def _check_plausible(values: Floats, variable: Variable) -> None:
    wrong = values[np.isfinite(values) & ~variable.plausible(values)]
    if wrong.size:
        raise InputError(
            f"the climatology holds {variable.long_name} {wrong.flat[0]:g} {variable.units}, "
            f"outside {variable.valid_min:g} to {variable.valid_max:g}: "
            "check the unit and the fill value."
        )
