"""learn: from nature runs of the world to the weights of an emulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.sphere import Sphere
from isopleth.core.weights import load_weights, save_weights
from isopleth.data.cards import read_card
from isopleth.dynamics.learned import Emulator, unet_emulator, vit_emulator
from isopleth.dynamics.nature import load_world, nature_run, spun_up
from isopleth.dynamics.qg3_recipe import T21
from isopleth.dynamics.qg3_surface import load_forcing, load_surface
from isopleth.nets.unet import UNetConfig
from isopleth.systems.forecast.recipe import STATIC, Recipe, Run
from isopleth.training.checkpoint import read_counters
from isopleth.training.fit import Validate, fit
from isopleth.training.stepping import RolloutLoss, Segments

__all__ = [
    "Climate",
    "Learning",
    "build",
    "climate",
    "keep",
    "load",
    "prepare",
    "rollout_loss",
    "static_fields",
    "train",
]

_EVERY_HOURS = 6.0
_THIN = 8
"""Climate from every 8th state: those between are nearly the same."""
_KEPT = torch.bfloat16
"""Precision of the shipped weights."""


def prepare(run: Run, folder: Path, *, progress: Callable[[float], None] | None = None) -> Path:
    """Write the streamfunction of a run to `folder/NAME.npy`; kept if it is there already.

    Float32, m2 s-1, coefficients of `Sphere`, shape (member, time, 3, 484), a state every 6 hours,
    the first one included.

    Returns:
        Path of the file.
    """
    path = Path(folder) / f"{run.name}.npy"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    world = load_world()
    generator = torch.Generator().manual_seed(run.seed)
    z = spun_up(world, run.members, generator, run.spin_up_days)
    states, count = [world.invert(z)], round(run.days * 24.0 / _EVERY_HOURS)
    for state in nature_run(world, z, every_hours=_EVERY_HOURS, days=run.days):
        states.append(world.invert(state))
        if progress is not None:
            progress(min(1.0, len(states) / count))
    partial = path.with_suffix(".partial.npy")
    np.save(partial, torch.stack(states, 1).numpy(), allow_pickle=False)
    return partial.replace(path)


def rollout_loss(emulator: Emulator, sphere: Sphere, *, mixed: bool = False) -> RolloutLoss:
    """The loss of steps in a row over batches of coefficients (B, n + 1, 3, 484)."""
    area = sphere.weights[:, None] / sphere.grid.nlon
    return RolloutLoss(emulator, area, sphere.synthesis, mixed=mixed)


@dataclass(frozen=True, eq=False)
class Climate:
    """What the climate of a run is, m2 s-1.

    Rounded to the precision that weights are kept in, so that training knows what is shipped.

    Args:
        mean: Shape (3, nlat, nlon).
        sd: Standard deviation of the anomalies, mean over the sphere, (3,).
        residual_sd: Root mean square of the changes in 6 hours, (3,).
    """

    mean: Tensor
    sd: Tensor
    residual_sd: Tensor


def climate(path: Path, sphere: Sphere) -> Climate:
    """Of a prepared run; standard deviations are means over the sphere."""
    states = np.load(path, mmap_mode="r", allow_pickle=False)
    now = torch.from_numpy(np.ascontiguousarray(states[:, :-1:_THIN]))
    after = torch.from_numpy(np.ascontiguousarray(states[:, 1::_THIN]))
    mean = now.mean((0, 1))
    spread = [
        difference.square().sum(-1).mean((0, 1)).sqrt()  # harmonics have mean square 1
        for difference in (now - mean, after - now)
    ]
    return Climate(_rounded(sphere.synthesis(mean)), *map(_rounded, spread))


def static_fields(known: Climate) -> Tensor:
    """sin(lat), share of land, orography in km, forcing and mean streamfunction, (9, nlat, nlon).

    The forcing is in standard deviations of its own, the mean in those of its anomalies and
    without the mean of each level.
    """
    grid = T21.grid
    surface, forcing = load_surface(grid), torch.from_numpy(load_forcing(grid))
    flow = known.mean - known.mean.mean((-2, -1), keepdim=True)
    fields = [
        torch.from_numpy(grid.sine)[:, None].expand(grid.shape)[None],
        torch.tensor(surface.land)[None],
        torch.tensor(surface.orography)[None] / 1000.0,
        forcing / forcing.std((-2, -1), keepdim=True),
        flow / known.sd[:, None, None],
    ]
    return _rounded(torch.cat([field.float() for field in fields]))


def build(recipe: Recipe, known: Climate) -> Emulator:
    """The emulator of a recipe with untrained weights, seeded by its training."""
    torch.manual_seed(recipe.training.seed)
    emulator = _blank(recipe)
    emulator.mean.copy_(known.mean)
    emulator.static.copy_(static_fields(known))
    emulator.sd.copy_(known.sd.reshape(-1, 1, 1))
    emulator.residual_sd.copy_(known.residual_sd.reshape(-1, 1, 1))
    return emulator


@dataclass(frozen=True, eq=False)
class Learning:
    """What a training needs beside its recipe.

    Args:
        states: Path of the learned run, from `prepare`.
        folder: Gets `single` and `rollout`, each with checkpoint and log.
    """

    states: Path
    folder: Path


def train(
    recipe: Recipe,
    learning: Learning,
    *,
    validate: Validate | None = None,
    progress: Callable[[float], None] | None = None,
    sitting_seconds: float = float("inf"),
) -> tuple[Emulator, Path]:
    """Train single steps, then steps in a row, or go on; the emulator has averaged weights.

    `validate` is given the loss (a `RolloutLoss`, with the emulator in it). Returned beside the
    emulator is the checkpoint of the part that was reached: `training.read_counters` of it tells
    whether that is done.
    """
    sphere = Sphere(T21.truncation, T21.grid)
    emulator = build(recipe, climate(learning.states, sphere))
    loss = rollout_loss(emulator, sphere, mixed=recipe.mixed)
    parts = [("single", recipe.training, recipe.batch, 1)]
    if recipe.tuning is not None:
        parts.append(("rollout", recipe.tuning, recipe.tuning_batch, recipe.rollout))
    path = learning.folder
    for name, training, batch, steps in parts:
        segments = Segments(learning.states, batch, steps, training.seed)
        path = fit(
            loss, segments, training, learning.folder / name,
            progress=progress, validate=validate, sitting_seconds=sitting_seconds,
        )  # fmt: skip
        if not read_counters(path).finished:
            break
    return emulator.eval(), path


def keep(emulator: Emulator, recipe: Recipe, place: Path, facts: Mapping[str, Any]) -> Path:
    """Write weights and card, in bfloat16.

    Args:
        emulator: With its final weights.
        recipe: That it was made by.
        place: Folder.
        facts: seed, commit, device, wall_time_s and metrics, see `core.weights.save_weights`.

    Returns:
        Path of the card.
    """
    boundary = read_card("qg3_boundary")
    rows, columns = T21.grid.shape
    card = {
        "what": "emulator of the three-level quasi-geostrophic world at T21: the streamfunction "
        "six hours later",
        "config": _config(recipe),
        "grid": {"rows": rows, "columns": columns, "levels_hPa": [200, 500, 800]},
        "variables": ["streamfunction, m2 s-1"],
        "data": [{"name": boundary.file, "sha256": boundary.sha256}],
        "recipe": _plain(asdict(recipe)),
        "licence": "Apache-2.0",
        "limits": [
            "learned from a model, not from the atmosphere",
            "the model has a perpetual season, three levels and no moisture",
            "Gaussian grid of 32 x 64, T21, steps of 6 hours only",
        ],
        **facts,
    }
    return save_weights(emulator, Path(place), recipe.name, card, _KEPT)


def load(card: Path, recipe: Recipe) -> Emulator:
    """The emulator that `keep` wrote for a recipe."""
    return load_weights(card, lambda config: _builder(recipe)(config)).requires_grad_(False)


def _blank(recipe: Recipe) -> Emulator:
    return _builder(recipe)(_config(recipe))


def _builder(recipe: Recipe) -> Callable[[Mapping[str, Any]], Emulator]:
    return unet_emulator if isinstance(recipe.net, UNetConfig) else vit_emulator


def _config(recipe: Recipe) -> dict[str, Any]:
    if recipe.net.condition_channels != len(STATIC):
        raise InputError(
            f"the network takes {recipe.net.condition_channels} conditions, but there are "
            f"{len(STATIC)} static fields: set condition_channels to that."
        )
    return {"net": _plain(asdict(recipe.net)), "grid": list(T21.grid.shape)}


def _rounded(x: Tensor) -> Tensor:
    return x.to(_KEPT).float()


def _plain(value: Any) -> Any:
    """What JSON can hold: infinite seconds are no seconds."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if value == float("inf") else value
