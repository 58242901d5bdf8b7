"""Channels: several variables on several levels as one axis `(..., channel, lat, lon)`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.quantities import Quantity

__all__ = ["DEPTH", "HEIGHT", "PRESSURE", "Channel", "Channels", "Vertical"]

Floats = npt.NDArray[np.float64]

_SAME = 1e-6
"""Relative difference below which two levels are one."""


@dataclass(frozen=True)
class Vertical:
    """A vertical coordinate.

    Args:
        name: Of the dimension in our files.
        standard_name: CF standard name.
        units: Of its values.
        positive: Direction in which they grow, "up" or "down".
        logarithmic: Whether fields are interpolated linearly in its logarithm.
    """

    name: str
    standard_name: str
    units: str
    positive: str
    logarithmic: bool = False

    def scaled(self, level: npt.ArrayLike) -> Floats:
        """What fields are linear in: `log p`, or the coordinate itself."""
        values = np.asarray(level, np.float64)
        return np.log(values) if self.logarithmic else values

    def coordinate(self, levels: npt.ArrayLike) -> xr.Variable:
        """Levels with their CF attributes."""
        attrs = {"standard_name": self.standard_name, "units": self.units}
        return xr.Variable(self.name, levels, {**attrs, "positive": self.positive, "axis": "Z"})


PRESSURE = Vertical("pressure", "air_pressure", "hPa", "down", logarithmic=True)
DEPTH = Vertical("depth", "depth", "m", "down")
HEIGHT = Vertical("height", "height", "m", "up")


@dataclass(frozen=True)
class Channel:
    """One map of a state.

    Args:
        quantity: What it is of.
        level: In the unit of the vertical coordinate; None for a field without levels.
    """

    quantity: Quantity
    level: float | None = None


@dataclass(frozen=True, eq=False)
class Channels:
    """Which map is where on the channel axis, and where its cells are.

    Args:
        grid: Latitude, longitude and mask; its levels are the numbers of the channels, no depths,
            and its mask says where each has a value.
        items: In order; the levels of a quantity stand together and increase.
        vertical: Coordinate of the levels; None where no channel has one.

    >>> lat, lon = [30.0, 0.0, -30.0], [0.0, 90.0, 180.0, 270.0]
    >>> t = xr.DataArray(np.zeros((2, 3, 4)), {"pressure": [500.0, 850.0], "lat": lat, "lon": lon})
    >>> from isopleth.core.quantities import named_quantity
    >>> channels = Channels.of({named_quantity("t"): t}, PRESSURE)
    >>> [channels.label(i) for i in range(len(channels.items))]
    ['air temperature at 500 hPa', 'air temperature at 850 hPa']
    """

    grid: Grid
    items: tuple[Channel, ...]
    vertical: Vertical | None = None

    @classmethod
    def of(cls, fields: Mapping[Quantity, xr.DataArray], vertical: Vertical | None) -> Channels:
        """The channels of fields with dimensions ([level], lat, lon) in canonical order.

        Args:
            fields: By quantity; NaN = no value, the same in every member.
            vertical: Its name is the level dimension of those that have one.

        Raises:
            InputError: If there is no field, or no cell has a value.
        """
        if not fields:
            raise InputError(
                "there is no field: give at least one variable on latitude-longitude."
            )
        items, masks = [], []
        for quantity, field in fields.items():
            levelled = vertical is not None and vertical.name in field.dims
            levels = field[vertical.name].values if vertical and levelled else [None]
            items += [Channel(quantity, None if z is None else float(z)) for z in levels]
            mask = np.isfinite(field.transpose(..., "lat", "lon").values)
            masks.append(mask.reshape(-1, *mask.shape[-2:]))
        first = next(iter(fields.values()))
        whole = np.concatenate(masks)
        grid = Grid(
            first["lat"].values,
            first["lon"].values,
            np.arange(len(items), dtype=np.float64),
            whole,
        )
        return cls(grid, tuple(items), vertical)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channel, lat, lon)."""
        return self.grid.shape

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Each once, in order."""
        return tuple(dict.fromkeys(item.quantity for item in self.items))

    def where(self, quantity: Quantity) -> npt.NDArray[np.int64]:
        """Numbers of the channels of a quantity, by level."""
        return np.array([i for i, c in enumerate(self.items) if c.quantity == quantity], np.int64)

    def levels(self, quantity: Quantity) -> Floats | None:
        """Levels of a quantity, increasing; None where it has none."""
        found = [c.level for c in self.items if c.quantity == quantity]
        return None if None in found else np.array(found, np.float64)

    def label(self, channel: int) -> str:
        """What a channel is, in words."""
        item = self.items[channel]
        if item.level is None or self.vertical is None:
            return item.quantity.long_name
        return f"{item.quantity.long_name} at {item.level:g} {self.vertical.units}"

    def tensor(self, fields: Mapping[Quantity, xr.DataArray]) -> Tensor:
        """Fields on these channels, float64, `(*leading, channel, lat, lon)`, 0 without a value.

        Args:
            fields: By quantity, `(*leading, [level], lat, lon)` with this grid; more are ignored.

        Raises:
            InputError: If a quantity or level is missing, the grid is another, or a cell has no
                value where it should.
        """
        parts = [self._maps(quantity, fields) for quantity in self.quantities]
        whole = np.concatenate(parts, axis=-3)
        bad = ~np.isfinite(whole) & self.grid.mask
        if bad.any():
            lead, channel = np.argwhere(bad)[0][:-3].tolist(), int(np.argwhere(bad)[0][-3])
            which = f" of member {lead[0]}" if lead else ""
            raise InputError(
                f"{int(bad.sum())} values are missing or not finite where there should be one, "
                f"the first in {self.label(channel)}{which}: leave that file or member out, or "
                "fill it."
            )
        return torch.from_numpy(np.where(self.grid.mask, whole, 0.0))

    def fields(self, x: Tensor, lead: str | None = None) -> dict[Quantity, xr.DataArray]:
        """A state by quantity, with coordinates, NaN where there is no value.

        Args:
            x: `([lead], channel, lat, lon)`.
            lead: Name of the first axis where there is one.
        """
        values = np.where(self.grid.mask, x.detach().cpu().numpy(), np.nan)
        coords = self.grid.to_coords()
        found = {}
        for quantity in self.quantities:
            levels = self.levels(quantity)
            part = values[..., self.where(quantity), :, :]
            here: dict[str, xr.Variable] = {name: coords[name] for name in ("lat", "lon")}
            dims = ["lat", "lon"]
            if levels is None or self.vertical is None:
                part = part[..., 0, :, :]
            else:
                here[self.vertical.name] = self.vertical.coordinate(levels)
                dims.insert(0, self.vertical.name)
            dims = [lead, *dims] if lead else dims
            found[quantity] = xr.DataArray(part, here, dims, attrs=quantity.attrs)
        return found

    def _maps(self, quantity: Quantity, fields: Mapping[Quantity, xr.DataArray]) -> Floats:
        """`(*leading, levels of the quantity, lat, lon)`."""
        if quantity not in fields:
            has = ", ".join(q.long_name for q in fields) or "nothing"
            raise InputError(
                f"there is no {quantity.long_name} in it, but {has}: give the variables of the "
                "background."
            )
        field = fields[quantity]
        _check_axis("latitude", field["lat"].values, self.grid.latitude)
        _check_axis("longitude", field["lon"].values, self.grid.longitude)
        levels = self.levels(quantity)
        if levels is None or self.vertical is None:
            return field.transpose(..., "lat", "lon").values[..., None, :, :]
        if self.vertical.name not in field.dims:
            raise InputError(f"the {quantity.long_name} has no {self.vertical.name} levels in it.")
        at = [_level(field[self.vertical.name].values, z, quantity, self.vertical) for z in levels]
        cut = field.isel({self.vertical.name: at})
        return np.asarray(cut.transpose(..., self.vertical.name, "lat", "lon").values, np.float64)


def _check_axis(words: str, found: Floats, wanted: Floats) -> None:
    if found.shape != wanted.shape or np.abs(found - wanted).max() > 1e-3:
        raise InputError(
            f"it is on another grid ({found.size} values of {words} from {found[0]:g} to "
            f"{found[-1]:g}) than the background ({wanted.size} from {wanted[0]:g} to "
            f"{wanted[-1]:g}): bring both to one grid."
        )


def _level(levels: Floats, wanted: float, quantity: Quantity, vertical: Vertical) -> int:
    apart = np.abs(levels - wanted)
    if apart.min() > _SAME * max(abs(wanted), 1.0):
        raise InputError(
            f"it has no {quantity.long_name} at {wanted:g} {vertical.units}, which the background "
            "has: give the same levels."
        )
    return int(apart.argmin())
