"""Stations: a network that crowds on land, and there around towns of very unequal size."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe.networks import Columns, Reads, read_at
from isopleth.observe.positions import (
    Positions,
    cell_of,
    draw_cells,
    scatter_within,
    uniform,
)
from isopleth.observe.sphere import destination

__all__ = ["LandStations"]

Floats = npt.NDArray[np.float64]

_ROUNDS = 200
"""Draws around the towns before it is said that they have no land about them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LandStations:
    """Synthetic stations: most on land, clustered as people are, the rest on islands and ships.

    Towns are scattered uniformly over the land; the k-th has a population proportional to 1/k
    (the rank-size rule of cities: Zipf 1949, Human Behavior and the Principle of Least Effort).
    A town station lies at a Gaussian displacement from a town chosen by population, again on
    land; rural stations are uniform over the land, those at sea uniform over the sea. How many
    lie in the northern hemisphere follows from the mask and the towns. Each call draws new towns:
    keep one draw with `FixedNetwork.drawn`.

    Args:
        count: Stations in all.
        land: Land fraction of every cell of the grid, in [0, 1], shape (nlat, nlon); set it to 0
            where nobody lives, such as ice sheets, and stations there count as at sea.
        land_share: Share of the stations on land, met to the nearest station.
        towns: Number of towns.
        spread: Standard deviation of the displacement from the town along each axis, m.
        rural_share: Share of the land stations that are not near a town.
        reads: Channels of a station.

    Raises:
        InputError: If a number is out of range or the mask is not a fraction.

    >>> grid = Grid.regular(30.0, levels=[0.0])
    >>> land = np.zeros((6, 12))
    >>> land[1, 3:6] = 1.0
    >>> network = LandStations(count=20, land=land, land_share=0.8, towns=3)
    >>> at = network(grid, torch.Generator().manual_seed(0))
    >>> int((land.ravel()[cell_of(grid, at.latitude, at.longitude)] == 1.0).sum())
    16
    """

    count: int
    land: Floats
    land_share: float = 0.9
    towns: int = 200
    spread: float = 200e3
    rural_share: float = 0.2
    reads: Reads = field(default_factory=Columns)

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.count < 1:
            raise InputError(f"a network of {self.count} stations sees nothing: ask for one.")
        if self.towns < 1 or not self.spread > 0.0:
            raise InputError(
                f"{self.towns} towns of spread {self.spread:g} m: give positive numbers."
            )
        for name in ("land_share", "rural_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(f"{name} is {getattr(self, name):g}: give a share in [0, 1].")
        fraction = np.array(self.land, dtype=np.float64)
        if not ((fraction >= 0.0) & (fraction <= 1.0)).all():
            raise InputError(
                f"the land fraction goes from {fraction.min():g} to {fraction.max():g}: "
                "give 1 for land, 0 for sea, and fractions between."
            )
        fraction.flags.writeable = False
        object.__setattr__(self, "land", fraction)

    def __call__(self, grid: Grid, generator: torch.Generator) -> Positions:
        """Stations, towns first, then rural ones, then those at sea.

        Raises:
            InputError: If the mask has another shape than the grid, there is no land or no sea
                for the stations that belong there, or a channel is not one of the grid's.
        """
        if self.land.shape != grid.shape[1:]:
            raise InputError(
                f"the land mask has shape {self.land.shape}, the grid {grid.shape[1:]}: "
                "bring the mask to the grid."
            )
        on_land = round(self.count * self.land_share)
        rural = round(on_land * self.rural_share)
        parts = [
            self._around_towns(grid, on_land - rural, generator),
            _uniform_over(grid, self.land, rural, generator),
            _uniform_over(grid, 1.0 - self.land, self.count - on_land, generator),
        ]
        latitude, longitude = (np.concatenate(axis) for axis in zip(*parts, strict=True))
        return read_at(grid, self.reads, latitude, longitude, generator)

    def _around_towns(
        self, grid: Grid, count: int, generator: torch.Generator
    ) -> tuple[Floats, Floats]:
        """Stations near towns, drawn again until they are on land."""
        towns = _uniform_over(grid, self.land, self.towns if count else 0, generator)
        population = 1.0 / np.arange(1, self.towns + 1)
        kept_lat, kept_lon = np.empty(0), np.empty(0)
        for _ in range(_ROUNDS):
            if kept_lat.size >= count:
                return kept_lat[:count], kept_lon[:count]
            town = draw_cells(population, count, generator)
            turn, far, chance = (uniform(count, generator) for _ in range(3))
            # Polar form of two normal displacements (Box and Muller 1958).
            bearing, away = 360.0 * turn, self.spread * np.sqrt(-2.0 * np.log1p(-far))
            lat, lon = destination(towns[0][town], towns[1][town], bearing, away)
            cell = cell_of(grid, lat, lon)
            taken = (cell >= 0) & (chance < self.land.ravel()[cell])
            kept_lat = np.concatenate([kept_lat, lat[taken]])
            kept_lon = np.concatenate([kept_lon, lon[taken]])
        raise InputError(
            f"of {count} stations only {kept_lat.size} found land within {self.spread:g} m of "
            "their town: make the spread smaller."
        )


def _uniform_over(
    grid: Grid, fraction: Floats, count: int, generator: torch.Generator
) -> tuple[Floats, Floats]:
    """Points by area times a fraction of every cell."""
    if count == 0:
        return np.empty(0), np.empty(0)
    if not fraction.any():
        raise InputError(
            f"{count} stations or towns find no cell to lie in: "
            "the mask needs both land and sea, or a land_share of 0 or 1."
        )
    cell = draw_cells(fraction * grid.cell_area(), count, generator)
    return scatter_within(grid, cell, generator)
