"""Nature: the truths of all runs, as standardised anomalies that are mapped and not loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor

from isopleth.core.errors import DataMissingError, InputError, IntegrityError
from isopleth.studies.provenance import sha256_of
from isopleth.studies.results import replacing
from isopleth.studies.twin.speedy.climate import SpeedyClimate, Store
from isopleth.studies.twin.speedy.recipe import Run, SpeedyRecipe

__all__ = ["Nature", "prepare", "states_of"]

Progress = Callable[[float], None]

_CLIMATE = "climate.safetensors"
_LARGEST = 6.0e4


def prepare(
    recipe: SpeedyRecipe, stores: Path, folder: Path, progress: Progress | None = None
) -> SpeedyClimate:
    """Climate and states of all runs of a recipe, made from their stores; kept if already there.

    `folder/NAME.npy` has the anomalies of a run, (1, time, channel, nlat, nlon), float16: rounding
    is a thousandth of them, and makes the truth what it is. `folder/NAME.json` says of what.

    Args:
        recipe: Which runs and levels.
        stores: Has `NAME.zarr` of every run.
        folder: Gets the files.
        progress: Gets the fraction made.

    Returns:
        The climate, without a model.

    Raises:
        DataMissingError: If a store is not there.
        InputError: If it is too short, or as `Store`.
        IntegrityError: If the folder holds states of another run or level.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _CLIMATE
    if not path.is_file():
        store = _store(recipe, recipe.train_run, stores)
        SpeedyClimate.of(store, recipe.sigma, recipe.truncation).write(path)
    climate = SpeedyClimate.read(path, recipe.truncation)
    if not np.allclose(climate.sigma.numpy(), recipe.sigma):
        raise IntegrityError(
            f"{path} is of the levels {climate.sigma.tolist()}, not {list(recipe.sigma)}: name "
            "another folder."
        )
    told = progress or (lambda _: None)
    for number, run in enumerate(recipe.runs):
        if not states_of(run, folder).is_file():
            _write(climate, _store(recipe, run, stores), states_of(run, folder))
        _check(recipe, run, folder)
        told((number + 1) / len(recipe.runs))
    return climate


def states_of(run: Run, folder: Path) -> Path:
    """Where the states of a run lie."""
    return folder / f"{run.name}.npy"


@dataclass(frozen=True, eq=False)
class Nature:
    """Truths by number: states of all given runs, one run behind the other.

    Args:
        states: Of every run, (time, channel, nlat, nlon).
        sha256: Of every run's file.
    """

    states: tuple[NDArray[np.floating], ...]
    sha256: tuple[str, ...]

    @classmethod
    def of(cls, runs: tuple[Run, ...], folder: Path) -> Nature:
        """What `prepare` made.

        Raises:
            DataMissingError: If a run is not there.
        """
        paths = [states_of(run, folder) for run in runs]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise DataMissingError(f"{missing[0]} is missing: prepare the nature runs first.")
        arrays = [np.load(path, mmap_mode="r", allow_pickle=False)[0] for path in paths]
        facts = [json.loads(path.with_suffix(".json").read_text()) for path in paths]
        return cls(tuple(arrays), tuple(fact["sha256"] for fact in facts))

    @property
    def first(self) -> tuple[int, ...]:
        """Number of every run's first state, and of the one after all."""
        return tuple(np.cumsum([0, *map(len, self.states)]).tolist())

    def __call__(self, number: Tensor) -> Tensor:
        """The states of these numbers (n,), float32, (n, channel, nlat, nlon).

        Raises:
            InputError: If there is no such state.
        """
        first = self.first
        if len(number) and not 0 <= int(number.min()) <= int(number.max()) < first[-1]:
            raise InputError(
                f"states {int(number.min())} to {int(number.max())} are asked of {first[-1]}: "
                "make the nature runs longer, or run fewer cycles."
            )
        found = []
        for n in number.tolist():
            run = int(np.searchsorted(first, n, side="right")) - 1
            found.append(self.states[run][n - first[run]])
        return torch.from_numpy(np.stack(found).astype(np.float32))

    def later(self, number: Tensor, steps: int) -> Tensor:
        """Numbers of the states so many steps later, of the same runs.

        Raises:
            InputError: If a run ends before.
        """
        first = torch.tensor(self.first)
        ends = first[torch.searchsorted(first, number, right=True)]
        if bool((number + steps >= ends).any()):
            raise InputError(
                f"a nature run ends within {steps} steps of its state {int(number.max())}: make "
                "it longer, or run fewer cycles."
            )
        return number + steps


def _store(recipe: SpeedyRecipe, run: Run, stores: Path) -> Store:
    store = Store(stores / f"{run.name}.zarr", recipe.sigma)
    if len(store) < 4 * run.days:
        raise InputError(
            f"{store.path} has {len(store)} states of the {4 * run.days} that the recipe wants: "
            f"go on with `isopleth prepare speedy --days {run.days} --seed {run.seed}`."
        )
    return store


def _write(climate: SpeedyClimate, store: Store, path: Path) -> None:
    grid = climate.sphere.grid
    shape = (1, len(store), climate.channels, *grid.shape)
    done = 0
    with replacing(path) as temporary:
        array = open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
        for states in store.parts():
            x = climate.standardised(torch.from_numpy(states).float())
            if not bool(torch.isfinite(x).all()) or float(x.abs().max()) > _LARGEST:
                raise InputError(f"{store.path} has states that are not finite: remake it.")
            array[0, done : done + len(x)] = x.numpy().astype(np.float16)
            done += len(x)
        array.flush()
        facts = {"run": store.identity, "sha256": sha256_of(temporary)}
        with replacing(path.with_suffix(".json")) as beside:
            beside.write_text(json.dumps(facts))


def _check(recipe: SpeedyRecipe, run: Run, folder: Path) -> None:
    path = states_of(run, folder)
    shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
    told = json.loads(path.with_suffix(".json").read_text())
    seed = json.loads(told["run"])["seed"]
    if shape[2] != recipe.channels or seed != run.seed:
        raise IntegrityError(
            f"{path} holds {shape[2]} channels of the run of seed {seed}, not {recipe.channels} "
            f"of seed {run.seed}: name another folder."
        )
