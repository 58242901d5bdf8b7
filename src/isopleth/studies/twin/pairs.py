"""Pairs of a truth and its background, as many as a network wants: the world's cycle goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.lib.format import open_memmap
from safetensors.torch import load_file, save_file

from isopleth.core.errors import InputError, IntegrityError
from isopleth.studies.results import replacing
from isopleth.studies.twin.background import BackgroundCycle, CycleCovariance, Moment

__all__ = ["CycledWorld", "write_pairs"]

_NAMES = ("truth", "known")
_STATE, _FACTS = "state.safetensors", "facts.json"
_APART = {"train": 0, "validation": 1_000_000}
"""Cycles that keep the draws of one kind apart from those of the other."""

Progress = Callable[[float], None]


class CycledWorld(Protocol):
    """A frozen world whose cycle can go on."""

    @property
    def sha256(self) -> str:
        """Of its file."""
        ...

    @property
    def cycle(self) -> BackgroundCycle:
        """That made its backgrounds."""
        ...

    @property
    def assumed(self) -> CycleCovariance:
        """What the analyses of the cycle take for the covariance of background errors."""
        ...

    def last(self, kind: str) -> Moment:
        """Where the trajectories of a kind end."""
        ...


@torch.no_grad()
def write_pairs(
    world: CycledWorld,
    kind: str,
    cycles: int,
    folder: Path,
    *,
    every: int = 8,
    progress: Progress | None = None,
) -> Path:
    """Continue the cycle of the training or validation trajectories and keep every background.

    What a case knows is its background `b` and `b - o`, where `o` is the forecast for the same
    time that was made a cycle earlier: the two channels groups of `known.npy`. `truth.npy` has the
    truth; both in climatological standard deviations, float16, cycle by cycle and in each all
    trajectories in their order. An interrupted run goes on.

    Args:
        world: Whose cycle it is; it ends where these pairs begin.
        kind: "train" or "validation"; the test has no pairs.
        cycles: Pairs of each trajectory.
        folder: Gets the files; written beside under another name first.
        every: Cycles between two states to go on from.
        progress: Gets the fraction made.

    Returns:
        The folder.

    Raises:
        InputError: If there is no cycle to run, or of another kind.
        IntegrityError: If the folder holds pairs of another world or number of cycles.
    """
    if kind not in _APART or cycles < 1:
        raise InputError(
            f"{cycles} cycles of {kind!r} make no pairs: give at least 1 of train or validation."
        )
    facts = {"world": world.sha256, "kind": kind, "cycles": cycles}
    if folder.is_dir():
        _check(folder, facts)
        return folder
    partial = folder.with_name(folder.name + ".partial")
    if not partial.is_dir():
        partial.mkdir(parents=True)
        (partial / _FACTS).write_text(json.dumps(facts))
    _check(partial, facts)
    now = _start(world, kind, partial)
    first = world.last(kind).number + _APART[kind]
    arrays = _opened(partial, cycles, now)
    cycle, B = world.cycle, world.assumed
    while (done := now.number - first) < cycles:
        for moment in cycle.run(B, now, min(every, cycles - done)):
            now = moment
            if now.number - first < cycles:
                _keep(cycle, arrays, now, now.number - first)
                if progress is not None:
                    progress((now.number - first + 1) / cycles)
        for array in arrays:
            array.flush()
        _save(partial / _STATE, now)
    (partial / _STATE).unlink()
    partial.rename(folder)
    return folder


def _check(folder: Path, facts: dict[str, object]) -> None:
    path = folder / _FACTS
    found = json.loads(path.read_text()) if path.is_file() else None
    if found != facts:
        raise IntegrityError(
            f"{folder} holds {found}, but {facts} is asked for: remove it or name another folder."
        )


def _start(world: CycledWorld, kind: str, folder: Path) -> Moment:
    path, last = folder / _STATE, world.last(kind)
    if not path.is_file():
        return replace(last, number=last.number + _APART[kind])
    state = load_file(path)
    return Moment(number=int(state.pop("number")), **state)


def _save(path: Path, now: Moment) -> None:
    state = {name: getattr(now, name) for name in ("truth", "background", "older")}
    with replacing(path) as temporary:
        save_file(state | {"number": torch.tensor(now.number)}, temporary)


def _opened(folder: Path, cycles: int, now: Moment) -> tuple[np.memmap, np.memmap]:
    count, shape = cycles * len(now.background), now.background.shape[1:]
    truth, known = (folder / f"{name}.npy" for name in _NAMES)
    if truth.is_file() and known.is_file():
        return open_memmap(truth, mode="r+"), open_memmap(known, mode="r+")
    grid = shape[1:]
    return (
        open_memmap(truth, mode="w+", dtype=np.float16, shape=(count, shape[0], *grid)),
        open_memmap(known, mode="w+", dtype=np.float16, shape=(count, 2 * shape[0], *grid)),
    )


def _keep(
    cycle: BackgroundCycle, arrays: tuple[np.memmap, np.memmap], now: Moment, number: int
) -> None:
    rows = slice(number * len(now.background), (number + 1) * len(now.background))
    known = torch.cat([now.background, now.background - now.older], 1)
    for array, values in zip(arrays, (cycle.flow.anomalies(now.truth), known), strict=True):
        array[rows] = values.numpy().astype(np.float16)
