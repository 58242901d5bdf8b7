"""A training, put down so that it goes on exactly: one safetensors file, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from isopleth.core.errors import DataMissingError, InputError, IntegrityError
from isopleth.training.average import MovingAverage

__all__ = ["Counters", "Trained", "averaged_weights", "read_counters", "restore", "store"]


@dataclass
class Counters:
    """How far a training has come.

    Args:
        step: Updates made.
        seconds: Wall time used, all sittings together.
        samples: Fields seen.
        loss_sum: Sum of the losses since the last line of the log.
        loss_count: How many they are.
        finished: Whether the recipe's steps or seconds are used up.
        recipe: What may not change between two sittings (`TrainingRecipe.what_decides`).
    """

    step: int = 0
    seconds: float = 0.0
    samples: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    finished: bool = False
    recipe: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """The three things that training changes."""

    module: nn.Module
    optimizer: Optimizer
    average: MovingAverage


def store(path: Path, trained: Trained, counters: Counters) -> Path:
    """Write beside `path`, then rename: a reader finds the old file or the new one, whole."""
    parts = {
        "module": trained.module.state_dict(),
        "average": trained.average.state_dict(),
        "optimizer": _flat(trained.optimizer),
    }
    tensors = {
        f"{part}.{name}": value.detach().cpu().contiguous().clone()
        for part, content in parts.items()
        for name, value in content.items()
    }
    partial = path.with_name(f"{path.name}.partial")
    save_file(tensors, partial, metadata={"counters": json.dumps(asdict(counters))})
    return partial.replace(path)


def restore(path: Path, trained: Trained, recipe: Mapping[str, Any]) -> Counters:
    """Load a checkpoint into a module, its optimiser and its average, in place.

    Raises:
        InputError: If the recipe is another one or the network has other weights.
        IntegrityError: If the file cannot be read.
    """
    counters = read_counters(path)
    _check_recipe(path, counters.recipe, json.loads(json.dumps(dict(recipe))))
    tensors = _read(path)
    _load_module(path, trained.module, _part(tensors, "module"))
    trained.average.load_state_dict(_part(tensors, "average"))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer").items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    groups = trained.optimizer.state_dict()["param_groups"]
    trained.optimizer.load_state_dict({"state": state, "param_groups": groups})
    return counters


def read_counters(path: Path) -> Counters:
    """How far the training had come that wrote this checkpoint.

    Raises:
        DataMissingError: There is no such file.
        IntegrityError: It is not a checkpoint.
    """
    if not Path(path).is_file():
        raise DataMissingError(f"{path} is not a file: train first, or check the path.")
    try:
        with safe_open(path, "pt") as file:
            return Counters(**json.loads((file.metadata() or {})["counters"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{path} is not a checkpoint of a training: {error}.") from error


def averaged_weights(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """Averaged weights of a checkpoint, those whose name starts with `prefix`, without it."""
    read_counters(path)
    average = _part(_read(path), "average")
    return {k.removeprefix(prefix): v for k, v in average.items() if k.startswith(prefix)}


def _flat(optimizer: Optimizer) -> dict[str, Tensor]:
    """Moments and step counts as `index.key`."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{key}": torch.as_tensor(value)
        for index, entry in state.items()
        for key, value in entry.items()
    }


def _read(path: Path) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _part(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    start = f"{part}."
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def _check_recipe(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    changed = [key for key in {*old, *new} if old.get(key) != new.get(key)]
    if changed:
        key = min(changed)
        raise InputError(
            f"{key} = {new.get(key)} is not the {old.get(key)} that {path} was trained with: "
            "train into another folder, or keep the recipe."
        )


def _load_module(path: Path, module: nn.Module, state: dict[str, Tensor]) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            f"{path} holds the weights of another network: train into another folder ({error})."
        ) from error
