"""The model of this world's forecasts: a network that learned another nature run's six hours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isopleth.core.weights import load_weights, save_weights
from isopleth.dynamics.emulated_fields import FieldEmulator, field_emulator
from isopleth.dynamics.learned import UNetStep
from isopleth.nets.unet import UNet
from isopleth.studies.twin.speedy.climate import SpeedyClimate
from isopleth.studies.twin.speedy.nature import Nature, states_of
from isopleth.studies.twin.speedy.recipe import Run, SpeedyRecipe
from isopleth.training.checkpoint import read_counters
from isopleth.training.fit import fit
from isopleth.training.stepping import RolloutLoss, Segments

__all__ = ["build", "forecast_errors", "keep", "load", "train"]

_BATCH = 16


def build(recipe: SpeedyRecipe, climate: SpeedyClimate) -> FieldEmulator:
    """The untrained emulator, seeded by its training: it forecasts no change."""
    torch.manual_seed(recipe.emulator.training.seed)
    channels, static = climate.channels, climate.static
    net = replace(
        recipe.emulator.net,
        in_channels=channels,
        out_channels=channels,
        condition_channels=len(static),
    )
    return FieldEmulator(UNetStep(UNet(net)), climate.change_sd, static, recipe.truncation)


def train(
    recipe: SpeedyRecipe,
    climate: SpeedyClimate,
    states: Path,
    folder: Path,
    *,
    progress: Callable[[float], None] | None = None,
    sitting_seconds: float = float("inf"),
) -> FieldEmulator | None:
    """Train single steps, then steps in a row, or go on with what the folder holds.

    Args:
        recipe: The numbers.
        climate: Scales and statics.
        states: Folder of `prepare`, which has the learned run.
        folder: Gets `single` and `rollout`, each with checkpoint and log.
        progress: Is told the part done of each stage, in [0, 1].
        sitting_seconds: Stop, to be continued by another call, after this wall time a stage.

    Returns:
        The emulator with averaged weights; None if the sitting ended before it was finished.
    """
    emulator, own = build(recipe, climate), recipe.emulator
    area = climate.sphere.weights[:, None] / climate.sphere.grid.nlon
    loss = RolloutLoss(emulator, area, mixed=own.mixed)
    stages = [("single", own.training, own.batch, 1)]
    if own.tuning is not None:
        stages.append(("rollout", own.tuning, own.tuning_batch, own.rollout))
    for name, training, batch, steps in stages:
        segments = Segments(states_of(recipe.learned, states), batch, steps, training.seed)
        path = fit(
            loss, segments, training, folder / name,
            progress=progress, sitting_seconds=sitting_seconds,
        )  # fmt: skip
        if not read_counters(path).finished:
            return None
    return emulator.eval().requires_grad_(False)


@torch.no_grad()
def forecast_errors(
    emulator: FieldEmulator,
    climate: SpeedyClimate,
    run: Run,
    states: Path,
    *,
    steps: int,
    starts: int = 64,
) -> tuple[Tensor, Tensor]:
    """Root-mean-square errors of forecasts and of no change, in sd, each (steps, channel).

    Args:
        emulator: The model.
        climate: Brings areas.
        run: That it did not learn from.
        states: Folder of `prepare`.
        steps: Of six hours.
        starts: Forecasts, evenly apart in the run.

    Raises:
        InputError: If the run is shorter.
    """
    nature = Nature.of((run,), states)
    number = torch.linspace(0, nature.first[-1] - 1 - steps, starts).long()
    area = climate.sphere.weights[:, None] / climate.sphere.grid.nlon
    total = torch.zeros(2, steps, climate.channels)
    for rows in number.split(_BATCH):
        first = nature(rows)
        x = first
        for step in range(steps):
            x, truth = emulator.step(x), nature(rows + step + 1)
            for kind, guess in enumerate((x, first)):
                square = ((guess - truth).square() * area).sum((-2, -1))
                total[kind, step] += square.sum(0)
    errors = (total / starts).sqrt()
    return errors[0], errors[1]


def keep(
    emulator: FieldEmulator, recipe: SpeedyRecipe, folder: Path, facts: Mapping[str, Any]
) -> Path:
    """Write weights and card; bfloat16 would change forecasts, so numbers stay as they are.

    Args:
        emulator: With its final weights.
        recipe: That it was made by.
        folder: Gets `speedy_unet.safetensors` and its card.
        facts: data, seed, commit, device, wall_time_s and metrics, see
            `core.weights.save_weights`.

    Returns:
        Path of the card.
    """
    assert isinstance(emulator.net, UNetStep)
    rows, columns = emulator.static.shape[-2:]
    card = {
        "what": "emulator of the SPEEDY atmosphere at T31: standardised u, v, T, q and surface "
        "pressure six hours later",
        "config": {
            "net": asdict(emulator.net.net.config),
            "grid": [rows, columns],
            "truncation": recipe.truncation,
        },
        "grid": {"rows": rows, "columns": columns, "sigma": list(recipe.sigma)},
        "variables": ["ua", "va", "ta", "hus", "ps"],
        "recipe": {"net": asdict(recipe.emulator.net), "rollout": recipe.emulator.rollout},
        "licence": "Apache-2.0",
        "limits": [
            "learned from some levels of a model, not from the atmosphere",
            "no date: the season is what the state shows",
            f"Gaussian grid of {rows} x {columns}, steps of 6 hours only",
        ],
        **facts,
    }
    return save_weights(emulator, folder, "speedy_unet", card)


def load(path: Path) -> FieldEmulator:
    """The emulator that `keep` wrote; not to be trained on.

    Raises:
        DataMissingError: If a file is not there.
        IntegrityError: If a file is damaged.
    """
    return load_weights(path, field_emulator).requires_grad_(False)
