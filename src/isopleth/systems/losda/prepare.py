"""Pairs of the quasi-geostrophic twin world, with the standard of their states beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from isopleth.core.channels import PRESSURE
from isopleth.core.errors import DataMissingError, InputError
from isopleth.studies.twin.pairs import write_pairs
from isopleth.studies.twin.recipe import TwinRecipe, smoke
from isopleth.studies.twin.world import TwinWorld
from isopleth.systems.losda.evaluation import WORLD
from isopleth.systems.losda.pairs import Pairs
from isopleth.systems.losda.standard import Standard, channels_of

__all__ = ["WORLDS", "Prepared", "narrowed", "prepare"]

WORLDS: dict[str, TwinRecipe] = {"qg3": WORLD, "smoke": smoke}
"""Name -> recipe of the world that pairs are made in."""

_LEVELS = (200.0, 500.0, 800.0)
"""Of the quasi-geostrophic world, hPa."""

_KINDS = ("train", "validation")

Told = Callable[[str, float], None]


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared:
    """Pairs that are ready.

    Args:
        folder: With `train`, `validation`, `standard.safetensors` and the world.
        learned: Of the training trajectories.
        validation: Of others.
        standard: Of their states.
        world: SHA-256 of the world they come from.
    """

    folder: Path
    learned: Pairs
    validation: Pairs
    standard: Standard
    world: str

    @classmethod
    def read(cls, folder: Path) -> Prepared:
        """What `prepare` made.

        Raises:
            DataMissingError: If it is not there or not finished.
            IntegrityError: If it is damaged.
        """
        folder = Path(folder)
        facts = folder / _KINDS[0] / "facts.json"
        if not facts.is_file():
            raise DataMissingError(
                f"{folder} holds no finished pairs: make them with `isopleth prepare losda qg3 "
                f"--out {folder}`."
            )
        return cls(
            folder=folder,
            learned=Pairs(folder / _KINDS[0]),
            validation=Pairs(folder / _KINDS[1]),
            standard=Standard.read(folder / "standard.safetensors"),
            world=str(json.loads(facts.read_text())["world"]),
        )


def prepare(recipe: TwinRecipe, folder: Path, count: int, told: Told | None = None) -> Prepared:
    """Make a world, unless the folder has it, and pairs in it; what was interrupted goes on.

    Every trajectory gives one pair a cycle, so that the validation gets as many cycles as the
    training and fewer pairs, of trajectories that the training does not see.

    Args:
        recipe: Of the world.
        folder: Gets everything.
        count: Training pairs, rounded up to whole cycles.
        told: Gets the name of a step and the part of it that is done.

    Raises:
        InputError: If no pair is asked for.
        IntegrityError: If the folder holds pairs of another world or number of cycles.
    """
    if count < 1:
        raise InputError(f"{count} pairs teach nothing: ask for at least 1, better ten thousands.")
    tell = told or _silent
    world = TwinWorld.frozen(recipe, folder, partial(tell, "making the world"))
    tell("making the world", 1.0)
    cycles = -(-count // recipe.train)
    for kind in _KINDS:
        write_pairs(world, kind, cycles, folder / kind, progress=partial(tell, f"{kind} pairs"))
    _standard_of(world).write(folder / "standard.safetensors")
    return Prepared.read(folder)


def narrowed(pairs: Pairs, extra: int) -> Pairs:
    """The same with no more known beside the background than a recipe wants.

    Args:
        pairs: As made.
        extra: Channels beside the background.

    Raises:
        InputError: If the pairs have fewer.
    """
    if extra > pairs.extra:
        raise InputError(
            f"{pairs.folder} has {pairs.extra} channels beside the background and {extra} are "
            "wanted: make pairs that have them."
        )
    less = Pairs(pairs.folder)
    less.known = less.known[:, : pairs.state_shape[0] + extra]
    return less


def _standard_of(world: TwinWorld) -> Standard:
    climate = world.climate
    grid = climate.grid
    return Standard(
        channels=channels_of(
            {"streamfunction": list(_LEVELS)}, PRESSURE, grid.latitude, grid.longitude
        ),
        mean=climate.mean,
        sd=climate.sd,
        area=climate.world.sphere.weights.to(torch.float64),
    )


def _silent(name: str, part: float) -> None:
    """Tells nobody."""
