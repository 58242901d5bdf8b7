"""train: from a recipe to the weights of the ocean prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.data.climatology import Climatology
from isopleth.systems.reconmost.prior import OceanDenoiser, Setting, conditions
from isopleth.systems.reconmost.recipe import Recipe
from isopleth.systems.reconmost.states import TrainingStates, ocean_grid
from isopleth.training.fit import Validate, fit
from isopleth.training.objectives import DenoisingLoss, LogNormal

__all__ = ["Learning", "build", "monthly_settings", "train"]


def monthly_settings(climatology: Climatology, grid: Grid) -> list[Setting]:
    """The twelve months of a climatology on a grid's levels."""
    index = np.searchsorted(climatology.grid.levels, grid.levels)
    values = torch.from_numpy(np.nan_to_num(climatology.values[:, index]))
    return [Setting(value, month + 1) for month, value in enumerate(values)]


def build(recipe: Recipe, climatology: Climatology, spread: Tensor) -> OceanDenoiser:
    """The denoiser of a recipe with untrained weights, on the climatology's grid."""
    grid = ocean_grid(climatology, recipe.ocean.levels)
    settings = monthly_settings(climatology, grid)
    table = torch.stack([conditions(setting, grid, spread) for setting in settings])
    return OceanDenoiser(recipe.net(table.shape[1]), torch.tensor(grid.mask), table)


@dataclass(frozen=True, eq=False)
class Learning:
    """What a training needs beside its recipe.

    Args:
        climatology: Monthly, global.
        states: Path that `prepare` returned.
        folder: Gets checkpoint and log.
    """

    climatology: Climatology
    states: Path
    folder: Path


def train(
    recipe: Recipe,
    learning: Learning,
    *,
    validate: Validate | None = None,
    progress: Callable[[float], None] | None = None,
    sitting_seconds: float = float("inf"),
) -> tuple[OceanDenoiser, Path]:
    """Train, or go on; return the denoiser with averaged weights, and its checkpoint."""
    states = TrainingStates(learning.states, recipe.batch, recipe.training.seed)
    torch.manual_seed(recipe.training.seed)
    denoiser = build(recipe, learning.climatology, states.spread)
    grid = ocean_grid(learning.climatology, recipe.ocean.levels)
    area = torch.from_numpy(grid.weights.astype(np.float32))
    objective = DenoisingLoss(denoiser, denoiser.mask, area, levels=LogNormal(*recipe.log_sigma))
    path = fit(
        objective,
        states,
        recipe.training,
        learning.folder,
        validate=validate,
        progress=progress,
        sitting_seconds=sitting_seconds,
    )
    return denoiser, path
