"""Networks: where observations are taken, anew for every case or always at the same places.

A network is an object that holds its settings and is called with a grid and a generator:
`network(grid, generator) -> Positions`. Cells that the grid masks are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe.columns import chosen_channels
from isopleth.observe.positions import Positions, cell_of, draw_cells, scatter_within, uniform

__all__ = [
    "Columns",
    "FixedNetwork",
    "Network",
    "Percent",
    "RandomCells",
    "RandomPoints",
    "Reads",
    "Singles",
    "read_at",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Network(Protocol):
    """Where to measure: settings in the object, the grid and the randomness in the call."""

    def __call__(self, grid: Grid, generator: torch.Generator) -> Positions:
        """Positions on a grid."""
        ...


class Reads(Protocol):
    """What is read at a point: one of several groups of channels, each as likely."""

    def groups(self, grid: Grid) -> Ints:
        """Channels of every group, shape (groups, channels a group)."""
        ...


@dataclass(frozen=True)
class Columns:
    """Every chosen channel is read at every point.

    Args:
        channels: Indices into the level axis; None for all.

    >>> Columns((0, 2)).groups(Grid.regular(90.0, levels=[0.0, 1.0, 2.0])).tolist()
    [[0, 2]]
    """

    channels: tuple[int, ...] | None = None

    def groups(self, grid: Grid) -> Ints:
        """One group with every channel, shape (1, c).

        Raises:
            InputError: If a channel is not one of the grid's, or none or one twice is chosen.
        """
        return chosen_channels(grid, self.channels)[None, :]


@dataclass(frozen=True)
class Singles:
    """One of the chosen channels is read at a point, each as likely.

    Args:
        channels: Indices into the level axis; None for all.

    >>> Singles().groups(Grid.regular(90.0, levels=[0.0, 1.0])).tolist()
    [[0], [1]]
    """

    channels: tuple[int, ...] | None = None

    def groups(self, grid: Grid) -> Ints:
        """A group for every channel, shape (c, 1).

        Raises:
            InputError: If a channel is not one of the grid's, or none or one twice is chosen.
        """
        return chosen_channels(grid, self.channels)[:, None]


@dataclass(frozen=True)
class Percent:
    """A number of points as a share of the places that could be read.

    A place is a column where whole columns are read, and a cell of one channel where single
    channels are; masked ones are not counted.

    Args:
        percent: In (0, 100].

    Raises:
        InputError: If it is not in that range.

    >>> Percent(2.0).of(6144)
    123
    """

    percent: float

    def __post_init__(self) -> None:
        """Check the range."""
        if not 0.0 < self.percent <= 100.0:
            raise InputError(f"{self.percent:g} percent of the cells: give a share in (0, 100].")

    def of(self, places: int) -> int:
        """How many of so many places.

        Raises:
            InputError: If that is less than one.
        """
        count = round(0.01 * self.percent * places)
        if count < 1:
            raise InputError(
                f"{self.percent:g} percent of {places} places is less than one: ask for more."
            )
        return count


@dataclass(frozen=True)
class RandomPoints:
    """Independent points, uniform by area over the open cells of the grid.

    Args:
        count: How many points, or a `Percent` of the places.
        reads: `Columns` or `Singles`.

    Raises:
        InputError: If fewer than one point is asked for.

    >>> grid = Grid.regular(5.0, levels=[0.0, 1.0])
    >>> len(RandomPoints(10)(grid, torch.Generator().manual_seed(0)))
    20
    """

    count: int | Percent
    reads: Reads = Columns()

    def __post_init__(self) -> None:
        """Check the number."""
        _check_count(self.count)

    def __call__(self, grid: Grid, generator: torch.Generator) -> Positions:
        """Points of one case; other draws of the generator are other cases.

        Raises:
            InputError: If a channel is not one of the grid's, or no cell is open.
        """
        groups = self.reads.groups(grid)
        group, cell = _places(grid, groups, self.count, generator, distinct=False)
        latitude, longitude = scatter_within(grid, cell, generator)
        return _rows(latitude, longitude, groups[group])


@dataclass(frozen=True)
class RandomCells:
    """Centres of different cells, each the likelier the larger it is: no place is read twice.

    Args:
        count: How many cells, or a `Percent` of them.
        reads: `Columns` or `Singles`.

    Raises:
        InputError: If fewer than one cell is asked for.

    >>> grid = Grid.regular(5.0, levels=[0.0])
    >>> len(RandomCells(Percent(10.0))(grid, torch.Generator().manual_seed(0)))
    259
    """

    count: int | Percent
    reads: Reads = Columns()

    def __post_init__(self) -> None:
        """Check the number."""
        _check_count(self.count)

    def __call__(self, grid: Grid, generator: torch.Generator) -> Positions:
        """Cells of one case; other draws of the generator are other cases.

        Raises:
            InputError: If a channel is not one of the grid's, or there are not that many cells.
        """
        groups = self.reads.groups(grid)
        group, cell = _places(grid, groups, self.count, generator, distinct=True)
        row, column = np.divmod(cell, grid.longitude.size)
        return _rows(grid.latitude[row], grid.longitude[column], groups[group])


@dataclass(frozen=True)
class FixedNetwork:
    """The same positions every time, whatever the generator.

    Args:
        positions: Where.

    >>> grid, stream = Grid.regular(5.0, levels=[0.0]), torch.Generator().manual_seed(0)
    >>> fixed = FixedNetwork.drawn(RandomPoints(10), grid, stream)
    >>> fixed(grid, stream) is fixed(grid, stream)
    True
    """

    positions: Positions

    @classmethod
    def drawn(cls, network: Network, grid: Grid, generator: torch.Generator) -> FixedNetwork:
        """One draw of another network, kept for good."""
        return cls(network(grid, generator))

    def __call__(self, grid: Grid, generator: torch.Generator) -> Positions:
        """The positions.

        Raises:
            InputError: If one lies outside the grid or reads a channel that it has not.
        """
        at = self.positions
        outside = np.flatnonzero(cell_of(grid, at.latitude, at.longitude) < 0)
        if outside.size:
            lat, lon = at.latitude[outside[0]], at.longitude[outside[0]]
            raise InputError(
                f"{outside.size} of {len(at)} positions are outside the grid, the first at "
                f"latitude {lat:g}, longitude {lon:g}: drop them or choose a larger region."
            )
        chosen_channels(grid, tuple(np.unique(at.channel).tolist()))
        return at


def read_at(
    grid: Grid,
    reads: Reads,
    latitude: Floats,
    longitude: Floats,
    generator: torch.Generator,
) -> Positions:
    """Positions of what is read at given points.

    Args:
        grid: Brings the channels.
        reads: `Columns` or `Singles`.
        latitude: Degrees north, shape (n,).
        longitude: Degrees east, shape (n,).
        generator: Chooses the channel of a point where one is read.

    Raises:
        InputError: If a channel is not one of the grid's.
    """
    groups = reads.groups(grid)
    group = np.floor(uniform(latitude.size, generator) * len(groups)).astype(np.int64)
    return _rows(latitude, longitude, groups[group])


def _check_count(count: int | Percent) -> None:
    if isinstance(count, int) and count < 1:
        raise InputError(f"a network of {count} points sees nothing: ask for at least one.")


def _places(
    grid: Grid,
    groups: Ints,
    count: int | Percent,
    generator: torch.Generator,
    *,
    distinct: bool,
) -> tuple[Ints, Ints]:
    """Group of channels and flat cell of every point, by area of what is open."""
    opened = grid.mask[groups].any(axis=1)
    number = count.of(int(opened.sum())) if isinstance(count, Percent) else count
    drawn = draw_cells(opened * grid.cell_area(), number, generator, distinct=distinct)
    group, cell = np.divmod(drawn, grid.latitude.size * grid.longitude.size)
    return group, cell


def _rows(latitude: Floats, longitude: Floats, channel: Ints) -> Positions:
    """One row a value, from points and the channels of each, shape (n, c)."""
    each = channel.shape[1]
    return Positions(np.repeat(latitude, each), np.repeat(longitude, each), channel.ravel())
