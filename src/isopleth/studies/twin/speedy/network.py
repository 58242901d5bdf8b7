"""Networks of the moist atmosphere: radiosondes, winds, speeds, humidity and stations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Operator
from isopleth.inference.kalman import Located
from isopleth.observe.networks import Columns, Percent, RandomCells, RandomPoints, Reads, Singles
from isopleth.observe.nonlinear import Combined, Derived, LogPrecipitation, wind_speed
from isopleth.observe.point import PointOperator
from isopleth.observe.positions import Positions
from isopleth.observe.simulated import observed
from isopleth.observe.stations import LandStations
from isopleth.studies.twin.network import stream
from isopleth.studies.twin.recipe import NetworkRecipe, Quantity
from isopleth.studies.twin.speedy.climate import SpeedyClimate

__all__ = ["SpeedyNetwork"]

_SOUTHERNMOST = -60.0
"""Degrees north of the southernmost towns."""


@dataclass(frozen=True, eq=False)
class SpeedyNetwork:
    """Observations of truths, with known errors that are shares of what weather varies by.

        state          any channel where a point reads one; all of them where it reads a column
        wind           u and v at one level, or at all
        speed          sqrt(u^2 + v^2) of the interpolated wind
        log humidity   log(q + 5e-5 kg/kg) of the interpolated q, below sigma = 0.5
        surface        u, v, T and q of the lowest level, and the surface pressure

    Args:
        recipe: How many and what.
        climate: Brings grid, units and sizes.

    Raises:
        InputError: If the quantity is none of these.
    """

    recipe: NetworkRecipe
    climate: SpeedyClimate

    def __post_init__(self) -> None:
        """Check the quantity."""
        if self.recipe.quantity not in _READERS:
            raise InputError(
                f"{self.recipe.quantity!r} is not read in this world: take one of "
                f"{', '.join(_READERS)}."
            )

    def __call__(self, truth: Tensor, *key: object) -> Located:
        """One truth's observations, drawn for this key; `truth` is (channel, nlat, nlon)."""
        draws = stream(self.recipe.name, *key)
        reader = _READERS[self.recipe.quantity]
        at = self._places(reader.channels(self.climate), reader.together, draws)
        operator, sd = reader.read(self.climate, at)
        seen = observed(operator, truth, (self.recipe.error * sd).square(), draws)
        turns = len(sd) // len(at)
        return Located.on_sphere(seen, np.tile(at.latitude, turns), np.tile(at.longitude, turns))

    def _places(
        self, channels: tuple[int, ...], together: bool, draws: torch.Generator
    ) -> Positions:
        grid, percent = self.climate.grid, Percent(self.recipe.percent)
        columns = self.recipe.columns or together
        reads: Reads = Columns(channels) if columns else Singles(channels)
        if not self.recipe.stations:
            kind = RandomCells if self.recipe.cells else RandomPoints
            return kind(percent, reads)(grid, draws)
        count = percent.of(grid.shape[1] * grid.shape[2] * len(reads.groups(grid)))
        return LandStations(count=count, land=self._inhabited(), reads=reads)(grid, draws)

    def _inhabited(self) -> np.ndarray:
        """Share of land, none south of 60 degrees."""
        latitude = self.climate.sphere.grid.latitude[:, None]
        return np.where(latitude > _SOUTHERNMOST, self.climate.land.numpy(), 0.0)


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """What a quantity reads: channels of its positions, then operator and sizes of its values."""

    channels: Callable[[SpeedyClimate], tuple[int, ...]]
    read: Callable[[SpeedyClimate, Positions], tuple[Operator, Tensor]]
    together: bool = False


def _first(climate: SpeedyClimate) -> tuple[int, ...]:
    return tuple(range(climate.levels))


def _all(climate: SpeedyClimate) -> tuple[int, ...]:
    return tuple(range(climate.channels))


def _lowest(climate: SpeedyClimate) -> tuple[int, ...]:
    n = climate.levels
    return (*(n * (variable + 1) - 1 for variable in range(4)), 4 * n)


def _humid(climate: SpeedyClimate) -> tuple[int, ...]:
    return tuple(3 * climate.levels + level for level in climate.moist)


def _channels(climate: SpeedyClimate, at: Positions) -> tuple[Operator, Tensor]:
    return at.operator(climate.grid), torch.ones(len(at))


def _wind(climate: SpeedyClimate, at: Positions) -> tuple[Operator, Tensor]:
    channel = np.concatenate([at.channel, at.channel + climate.levels])
    twice = np.tile(at.latitude, 2), np.tile(at.longitude, 2)
    return PointOperator(climate.grid, *twice, level=channel), torch.ones(2 * len(at))


def _speed(climate: SpeedyClimate, at: Positions) -> tuple[Operator, Tensor]:
    u, v = (
        PointOperator(climate.grid, at.latitude, at.longitude, level=at.channel + shift)
        for shift in (0, climate.levels)
    )
    operator = Derived(climate.units, wind_speed(u, v))
    return operator, climate.speed_sd[at.channel.tolist()]


def _log_humidity(climate: SpeedyClimate, at: Positions) -> tuple[Operator, Tensor]:
    q = PointOperator(climate.grid, at.latitude, at.longitude, level=at.channel)
    # The logarithm of precipitation is that of any water that an analysis may make negative.
    operator = Derived(climate.units, Combined(LogPrecipitation(climate.dry), (q,)))
    return operator, climate.humidity_sd[(at.channel - 3 * climate.levels).tolist()]


_READERS: Mapping[Quantity, _Reader] = {
    "state": _Reader(channels=_all, read=_channels),
    "wind": _Reader(channels=_first, read=_wind),
    "speed": _Reader(channels=_first, read=_speed),
    "log humidity": _Reader(channels=_humid, read=_log_humidity),
    "surface": _Reader(channels=_lowest, read=_channels, together=True),
}
