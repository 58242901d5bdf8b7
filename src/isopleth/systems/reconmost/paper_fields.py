"""The fields that the published prior is trained on: monthly `thetao` files of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from isopleth.core.coordinates import LATITUDE, LEVEL, LONGITUDE, match
from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.data.cmip6 import read_cmip6
from isopleth.systems.reconmost.paper import PaperRecipe

__all__ = ["MonthlyFields"]

_OPEN = 64
"""Files kept open at once."""


class MonthlyFields:
    """Months of potential temperature, read when they are asked for.

    A batch is a function of its number, the recipe and the order of the files: all months but
    those held back come once, in random order, before one comes again.

    Args:
        files: NetCDF with `thetao(time, lev, lat, lon)` on the rows, columns and levels of the
            recipe's grid, in any order, with their unit; one month a file or many, of one model
            or several.
        recipe: Grid, scaling, batch, seed, and how many of the last months are held back.
        progress: Is told the part of the files that were looked at, in [0, 1].

    Raises:
        DataMissingError: If a file does not exist.
        InputError: If there is no file, one is damaged, lacks `thetao`, is on another grid or has
            a unit that cannot be true, or fewer than two months are left to train on.
    """

    def __init__(
        self,
        files: Sequence[Path],
        recipe: PaperRecipe,
        *,
        progress: Callable[[float], None] | None = None,
    ) -> None:
        if not files:
            raise InputError(
                "the paper's prior learns from CMIP6, which cannot be shipped: give monthly "
                f"NetCDF files of thetao on {_words(recipe.grid)}."
            )
        self.files, self.recipe = tuple(files), recipe
        self._open = lru_cache(_OPEN)(lambda path: _field(path, recipe.grid))
        self._months: list[tuple[Path, int]] = []
        for done, path in enumerate(self.files, start=1):
            self._months += [(path, step) for step in range(self._open(path).sizes["time"])]
            if progress is not None:
                progress(done / len(self.files))
        if len(self) < 2:
            raise InputError(
                f"the files hold {len(self._months)} months, of which {recipe.held_back} are held "
                "back: give at least two more."
            )

    def __len__(self) -> int:
        """Months to train on."""
        return len(self._months) - self.recipe.held_back

    def __call__(self, number: int) -> Tensor:
        """Batch `number` in the network's units, float32, shape (B, level, lat, lon)."""
        batch, seed = self.recipe.batch, self.recipe.training.seed
        rounds, places = np.divmod(np.arange(number * batch, (number + 1) * batch), len(self))
        orders = {r: np.random.default_rng((seed, r)).permutation(len(self)) for r in set(rounds)}
        return self._stack([int(orders[r][p]) for r, p in zip(rounds, places, strict=True)])

    def known(self, count: int) -> Tensor:
        """At most `count` of the months trained on, evenly apart, shape (n, level, lat, lon)."""
        picked = np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int)
        return self._stack(picked.tolist())

    def unseen(self) -> Tensor:
        """The months held back, shape (n, level, lat, lon)."""
        return self._stack(range(len(self), len(self._months)))

    def _stack(self, numbers: Sequence[int]) -> Tensor:
        return torch.stack([self._month(number) for number in numbers])

    def _month(self, number: int) -> Tensor:
        path, step = self._months[number]
        celsius = torch.from_numpy(self._open(path).isel(time=step).values.astype(np.float32))
        if not torch.isfinite(celsius).any():
            raise InputError(f"{path.name} has no value in its month {step + 1}: leave it out.")
        return self.recipe.scaled(celsius)


def _field(path: Path, grid: Grid) -> xr.DataArray:
    """`thetao` in degC on the grid, lazily, dimensions (time, depth, lat, lon)."""
    try:
        field = read_cmip6(path)["potential_temperature"]
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error
    if "time" not in field.dims:
        field = field.expand_dims("time")
    if set(field.dims) != {"time", "depth", "lat", "lon"}:
        raise InputError(
            f"{path.name} has thetao along {', '.join(map(str, field.dims))}: give a file with "
            "depth, latitude and longitude, and time if there are several months."
        )
    try:
        places = {
            "depth": match(field["depth"].values, grid.levels, LEVEL),
            "lat": match(field["lat"].values, grid.latitude, LATITUDE),
            "lon": match(field["lon"].values, grid.longitude, LONGITUDE),
        }
    except InputError as error:
        raise InputError(
            f"{path.name} is not on {_words(grid)} ({error}): interpolate it to that first."
        ) from error
    return field.isel(places).transpose("time", "depth", "lat", "lon")


def _words(grid: Grid) -> str:
    """The grid as a person would say it."""
    levels, rows, columns = grid.shape
    return (
        f"the grid of the EN4 analyses ({levels} levels from {grid.levels[0]:.2f} to "
        f"{grid.levels[-1]:.0f} m, {rows} rows from {grid.latitude[-1]:g} to "
        f"{grid.latitude[0]:g} N, {columns} columns)"
    )
