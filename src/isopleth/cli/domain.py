"""Where to map: the climatology that anomalies are taken from, and the grid with its ocean."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isopleth.cli.request import Request
from isopleth.core.coordinates import LEVEL, find_axis
from isopleth.core.errors import DataMissingError, InputError
from isopleth.core.grid import Grid
from isopleth.core.region import Region
from isopleth.data import Climatology
from isopleth.data.bathymetry import ocean_mask
from isopleth.data.cf import find_field, open_lazily
from isopleth.data.climatology import load_annual
from isopleth.systems.kriging import demo, load

__all__ = ["Domain", "climatology_of", "domain_of", "extent"]

_DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*deg(?:rees?)?", re.IGNORECASE)

_USUAL = "1deg"

_MOST_CELLS = 200_000_000
"""Cells on all levels; this many take tens of gigabytes."""


@dataclass(frozen=True)
class Domain:
    """The grid to map on.

    Args:
        grid: Cells, levels and ocean.
        notes: What was decided about it that a person should know.
    """

    grid: Grid
    notes: tuple[str, ...] = ()


def climatology_of(request: Request) -> Climatology:
    """The shipped climatology of the variable, or the user's file.

    Raises:
        InputError: If the file is not a climatology of the variable.
        DataMissingError: If there is no such file.
    """
    asked = request.asked
    if asked.climatology is None:
        if asked.variable == "salinity":
            return load_annual("salinity")
        return load().climatology
    path, name = _file_and_name(asked.climatology)
    with open_lazily(path) as dataset:
        if name is None:
            name, _ = find_field(dataset, asked.variable)
        epoch = str(
            dataset.attrs.get("epoch", f"the years of {path.name}, which it does not state")
        )
        read = Climatology.from_dataset(dataset, name=name, epoch=epoch)
    # As for the shipped one: a step at the turn of the month would be taken for a signal.
    return replace(read, linear_in_time=read.values.shape[0] == 12)


def domain_of(request: Request, climatology: Climatology, own: Grid | None = None) -> Domain:
    """The grid that was asked for.

    Args:
        request: Checked words.
        climatology: What anomalies are taken from.
        own: Of a method that knows these levels only, and maps these cells unless told otherwise.

    Raises:
        InputError: If no such grid can be made, or the climatology or the method does not know a
            level.
        DataMissingError: If there is no such grid file.
    """
    usual = np.array(demo.LEVELS) if request.asked.demo else climatology.grid.levels
    if own is not None:
        usual = own.levels
    levels = usual if request.levels is None else np.array(request.levels)
    text = request.asked.grid
    if text is None and own is not None:
        _check_known(levels, own)
        return Domain(_cut(own, levels, request.region))
    match = _DEGREES.fullmatch((_USUAL if text is None else text).strip())
    domain = (
        _from_file(request, Path(text or ""), levels)
        if match is None
        else Domain(_masked(_regular(float(match[1]), levels, request.region)))
    )
    if own is not None:
        _check_known(domain.grid.levels, own)
    return _within_climatology(domain, float(climatology.grid.levels[-1]), request)


def _check_known(levels: NDArray[np.float64], own: Grid) -> None:
    other = levels[~np.isin(levels, own.levels)]
    if other.size:
        known = ", ".join(f"{level:g}" for level in own.levels)
        raise InputError(
            f"the level {other[0]:g} m is not one that the prior knows: choose among {known} m, "
            "or use --method kriging."
        )


def _cut(grid: Grid, levels: NDArray[np.float64], region: Region | None) -> Grid:
    """Some levels of a grid, and the cells whose centres lie in a region."""
    at = np.searchsorted(grid.levels, levels)
    if region is None:
        return Grid(grid.latitude, grid.longitude, levels, grid.mask[at])
    rows = np.flatnonzero((grid.latitude >= region.south) & (grid.latitude <= region.north))
    east = (grid.longitude - region.west) % 360.0
    order = np.argsort(east)
    columns = order[east[order] <= region.width]
    if rows.size < 2 or columns.size < 2:
        raise InputError(
            f"the region {region} holds {rows.size} x {columns.size} cells of the prior: choose a "
            "larger region, or a --grid."
        )
    longitude = region.west + east[columns]
    longitude = longitude - 360.0 * (longitude[0] >= 360.0)
    mask = grid.mask[np.ix_(at, rows, columns)]
    return Grid(grid.latitude[rows], longitude, levels, _some_ocean(mask))


def _regular(step: float, levels: NDArray[np.float64], region: Region | None) -> Grid:
    """Cells of one size; too many are refused before there is an array of them."""
    box = Region(-90.0, 90.0, 0.0, 360.0) if region is None else region
    cells = (box.north - box.south) * box.width * levels.size
    if step > 0.0 and cells > _MOST_CELLS * step**2:
        raise InputError(
            f"a grid of {step:g} degrees would have {cells / step**2:.1g} cells on all levels, "
            f"more than {_MOST_CELLS:.0e}: choose a coarser --grid, a smaller --region or fewer "
            "--levels."
        )
    return Grid.regular(step, levels=levels, region=region)


def extent(grid: Grid) -> Region:
    """The box that a grid's cells cover.

    >>> str(extent(Grid.regular(10.0, levels=[0.0], region=Region.parse("20N:60N,80W:0"))))
    '20N:60N,80W:0E'
    """
    west, east = float(grid.longitude_edges[0]), float(grid.longitude_edges[-1])
    south, north = float(grid.latitude_edges[-1]), float(grid.latitude_edges[0])
    if grid.periodic:
        west, east = 0.0, 360.0
    return Region(south, north, west, east)


def _file_and_name(text: str) -> tuple[Path, str | None]:
    """A path, or a path and the name of a variable after the last colon."""
    path, colon, name = text.rpartition(":")
    if not colon or Path(text).exists() or not Path(path).exists():
        return Path(text), None
    return Path(path), name


def _within_climatology(domain: Domain, deepest: float, request: Request) -> Domain:
    """The levels that the climatology reaches; one asked for by name is not dropped in silence."""
    grid = domain.grid
    kept = grid.levels <= deepest
    if kept.all():
        return domain
    below = grid.levels[~kept]
    if request.levels is not None or not kept.any():
        raise InputError(
            f"the level {below[0]:g} m lies below the climatology, which ends at {deepest:g} m: "
            "leave it out, or give a deeper --climatology."
        )
    cut = Grid(grid.latitude, grid.longitude, grid.levels[kept], grid.mask[kept])
    note = f"{below.size} levels below {deepest:g} m were left out: the climatology ends there"
    return Domain(cut, (*domain.notes, note))


def _from_file(request: Request, path: Path, levels: NDArray[np.float64]) -> Domain:
    """The grid of a file; the shipped bathymetry says what is ocean where the file does not."""
    if not path.exists():
        raise DataMissingError(
            f"--grid {request.asked.grid!r} is neither a cell size such as 1deg nor a file: "
            "write one of the two."
        )
    if request.region is not None:
        raise InputError(
            f"--region cannot cut the grid of {path.name}: leave --region out, or give a cell "
            "size such as --grid 1deg."
        )
    with open_lazily(path) as dataset:
        grid = Grid.from_dataset(dataset)
        own_levels = find_axis(dataset, LEVEL) is not None and request.levels is None
    return _on_levels(grid, grid.levels if own_levels else levels, path.name)


def _on_levels(grid: Grid, levels: NDArray[np.float64], name: str) -> Domain:
    if not grid.mask.all():
        if np.array_equal(levels, grid.levels):
            return Domain(grid)
        column = np.broadcast_to(grid.mask.any(axis=0), (levels.size, *grid.shape[1:]))
        wet = Grid(grid.latitude, grid.longitude, levels, column)
        note = f"the mask of {name} was used at the surface, the shipped bathymetry below it"
        return Domain(_deep_enough(wet), (note,))
    everywhere = np.ones((levels.size, *grid.shape[1:]), dtype=bool)
    note = f"{name} has no mask: the shipped bathymetry says what is ocean"
    return Domain(_masked(Grid(grid.latitude, grid.longitude, levels, everywhere)), (note,))


def _masked(grid: Grid) -> Grid:
    return grid.with_mask(
        grid.mask & _some_ocean(ocean_mask(grid.latitude, grid.longitude, grid.levels))
    )


def _deep_enough(grid: Grid) -> Grid:
    """The grid's own ocean where the sea floor lies below the level; the surface is its own."""
    floor = ocean_mask(grid.latitude, grid.longitude, grid.levels)
    floor[grid.levels == 0.0] = True
    return grid.with_mask(_some_ocean(grid.mask & floor))


def _some_ocean(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if not mask.any():
        raise InputError("there is no ocean on this grid at these levels: choose another region.")
    return mask
