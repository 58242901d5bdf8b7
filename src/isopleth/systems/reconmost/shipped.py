"""Weights of the prior as files: written after a training, found and checked before a job."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from safetensors.torch import load, save
from torch import Tensor

from isopleth.core.errors import DataMissingError, IntegrityError
from isopleth.core.grid import Grid
from isopleth.core.weights import load_weights, read_card, save_weights
from isopleth.data.cards import read_card as read_data_card
from isopleth.data.climatology import load_climatology
from isopleth.systems.reconmost.learn import build
from isopleth.systems.reconmost.prior import OceanDenoiser
from isopleth.systems.reconmost.recipe import Ocean, Recipe
from isopleth.systems.reconmost.states import ocean_grid

__all__ = ["SHIPPED", "keep", "load_denoiser"]

SHIPPED = Path(__file__).parent / "cards" / "small.json"
"""The card that comes with the package."""

_ATLAS = "ocean_temperature_monthly"


def load_denoiser(path: Path | None = None) -> tuple[OceanDenoiser, Tensor, Grid]:
    """The denoiser, the spread of its cells in K, (level, lat, lon), and its grid.

    Args:
        path: Card or weights of a training; those of the package by default.

    Raises:
        DataMissingError: If a file is not there.
        IntegrityError: If a file is damaged.
    """
    if path is None and not SHIPPED.is_file():
        raise DataMissingError(
            "no weights come with this package: train some with `isopleth train reconmost small` "
            "and name them with --weights, or use --method kriging."
        )
    path = SHIPPED if path is None else Path(path)
    card = read_card(path)
    spread = _spread(path, card)
    climatology = load_climatology()

    def built(config: Mapping[str, Any]) -> OceanDenoiser:
        return build(_recipe(config), climatology, spread)

    denoiser = load_weights(path, built).requires_grad_(False)
    return denoiser, spread, ocean_grid(climatology, _recipe(card["config"]).ocean.levels)


def keep(
    denoiser: OceanDenoiser, states: Path, recipe: Recipe, place: Path, facts: Mapping[str, Any]
) -> Path:
    """Write weights, card and spread.

    Args:
        denoiser: With its final weights.
        states: Path that `prepare` returned; its spread goes along.
        recipe: That it was made by.
        place: Folder and name, without a suffix.
        facts: seed, commit, device, wall_time_s and metrics, see `core.weights.save_weights`.

    Returns:
        Path of the card.
    """
    store = zarr.open_group(states, mode="r")
    content = save({"spread": torch.from_numpy(np.asarray(store["spread"]))})
    name = _spread_name(place.name)
    place.parent.mkdir(parents=True, exist_ok=True)
    (place.parent / name).write_bytes(content)
    climatology, atlas = load_climatology(), read_data_card(_ATLAS)
    rows, columns = ocean_grid(climatology, recipe.ocean.levels).shape[1:]
    card = {
        "what": "diffusion prior of monthly ocean temperature anomalies, trained on perturbed "
        "climatology",
        "config": {
            "levels": list(recipe.ocean.levels),
            "widths": list(recipe.widths),
            "blocks": recipe.blocks,
            "patch": recipe.patch,
        },
        "grid": {"rows": rows, "columns": columns, "levels_m": list(recipe.ocean.levels)},
        "variables": ["temperature"],
        "data": [
            {"name": name, "sha256": hashlib.sha256(content).hexdigest()},
            {"name": atlas.file, "sha256": atlas.sha256},
        ],
        "recipe": _plain(asdict(recipe)),
        "licence": "Apache-2.0; the atlas has its own, see NOTICE",
        "limits": [
            "learned from perturbed climatology, not from observations or a numerical ocean",
            "in-situ temperature on these levels and this grid only",
        ],
        **facts,
    }
    return save_weights(denoiser, place.parent, place.name, card, torch.bfloat16)


def _recipe(config: Mapping[str, Any]) -> Recipe:
    return Recipe(
        ocean=Ocean(levels=tuple(config["levels"])),
        widths=tuple(config["widths"]),
        blocks=config["blocks"],
        patch=config["patch"],
    )


def _spread_name(name: str) -> str:
    return f"{name}_spread.safetensors"


def _spread(path: Path, card: Mapping[str, Any]) -> Tensor:
    """The spread beside the weights, if it is the one that the card means."""
    name = _spread_name(card["name"])
    file = path.parent / name
    if not file.is_file():
        raise DataMissingError(f"{file} is missing: install or train the weights again.")
    content = file.read_bytes()
    promised = {entry["name"]: entry["sha256"] for entry in card["data"]}.get(name)
    if hashlib.sha256(content).hexdigest() != promised:
        raise IntegrityError(
            f"{name} is not the file that its card promises: install or train the weights again."
        )
    return load(content)["spread"]


def _plain(value: Any) -> Any:
    """What JSON can hold: infinite seconds are no seconds."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float) and value == float("inf"):
        return None
    return value
