"""From a nature run to its store: starts the model, keeps what it makes, goes on after a kill.

Beside STORE.zarr lies the folder STORE.run with the model's own saved state. Each saved state
belongs to a number of complete states in the store, so a run that was stopped anywhere goes on
from the last chunk with the same numbers as if it had not been stopped.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from isopleth.core.errors import DataMissingError, InputError
from isopleth.data.speedy.configuration import CHUNK, NatureRun
from isopleth.data.speedy.fields import bytes_of_a_state
from isopleth.data.speedy.pressure import on_pressure
from isopleth.data.speedy.process import Interpreter, ModelProcess
from isopleth.data.speedy.store import NatureStore
from isopleth.data.speedy.worker import Order

__all__ = ["Listener", "Moment", "make", "remaining_bytes"]


@dataclass(frozen=True)
class Moment:
    """How far the model is.

    Args:
        run: What it runs.
        number: Intervals done since the initial state, the spin-up's too.
    """

    run: NatureRun
    number: int

    @property
    def date(self) -> datetime:
        """Simulated date."""
        begin = datetime.combine(self.run.start, time())
        return begin + timedelta(minutes=self.run.minutes * self.number)

    @property
    def days(self) -> float:
        """Simulated days since the initial state."""
        return self.run.minutes * self.number / (24 * 60)

    @property
    def spinning_up(self) -> bool:
        """Whether what is made now is not kept."""
        return self.number <= self.run.spinup_intervals


@dataclass(frozen=True, kw_only=True)
class Listener:
    """Who is told how it goes.

    Args:
        says: Gets remarks in words.
        moves: Gets every `Moment`; the first is where the run begins.
    """

    says: Callable[[str], None] = lambda text: None
    moves: Callable[[Moment], None] = lambda moment: None


def remaining_bytes(run: NatureRun, path: Path) -> int:
    """Most that a run will still add to the disk: states to come, a chunk on its way, 50 MB."""
    done = len(_store(path, run) or ())
    states = max(run.intervals - done, 0)
    return bytes_of_a_state(run) * (states + min(states, CHUNK)) + 50_000_000 * (states > 0)


def make(
    run: NatureRun,
    path: Path,
    *,
    interpreter: Interpreter | None = None,
    listener: Listener | None = None,
) -> NatureStore:
    """Run the model until the store is complete; goes on with a store that is not.

    A longer run continues a finished one as long as the folder with its saved state is there.

    Args:
        run: Length, interval, levels, spin-up and seed.
        path: Store to write, `*.zarr`.
        interpreter: Who runs the model.
        listener: Who is told how it goes.

    Returns:
        The store.

    Raises:
        InputError: If the path holds something else, another process writes to it, or the disk
            is too small.
        DataMissingError: If `jcm`, or the saved state to go on from, is not there.
        ModelError: If the model stops.
    """
    listener = listener or Listener()
    if path.suffix != ".zarr":
        raise InputError(f"{path.name} has no known format: end it in .zarr.")
    store = _store(path, run)
    if store is not None and len(store) >= run.intervals:
        listener.says(f"{path} is complete already: {len(store):,} states")
        return store
    folder = path.with_suffix(".run")
    _check_space(run, path)
    with _locked(folder):
        number = _start(run, folder, store)
        job = _Job(run, path, _order(run, folder, number), listener, store)
        try:
            with ModelProcess(job.order, interpreter or Interpreter()) as process:
                for message in process:
                    job.hear(message)
        except DataMissingError:
            if job.store is None:
                shutil.rmtree(folder)
            raise
    if job.store is None or len(job.store) < run.intervals:
        raise RuntimeError("the model's process ended in order, but not all states came")
    return job.store


class _Job:
    """One sitting: what the model's messages lead to."""

    def __init__(
        self,
        run: NatureRun,
        path: Path,
        order: Order,
        listener: Listener,
        store: NatureStore | None,
    ) -> None:
        self.run, self.path, self.order = run, path, order
        self.listener, self.store = listener, store

    def hear(self, message: dict[str, Any]) -> None:
        if message["event"] == "ready":
            self._ready(message)
        elif message["event"] == "interval":
            self.listener.moves(Moment(self.run, message["number"]))
        elif message["event"] == "saved":
            self._saved(message["number"], message["kept"])

    def _ready(self, about: dict[str, Any]) -> None:
        fixed = _arrays(Path(self.order.folder) / "fixed.npz")
        if self.store is None:
            self.store = NatureStore.create(self.path, self.run, fixed, about)
        begun = self.store.attributes["jcm_version"]
        if begun != about["versions"]["jcm"]:
            raise InputError(
                f"{self.path} was begun with jcm {begun}, and this is {about['versions']['jcm']}: "
                f"install jcm=={begun}, or choose another --out."
            )
        self.sigma = fixed["sigma"]
        self.listener.says(f"jcm {begun} on {about['device']}")
        self.listener.moves(Moment(self.run, self.order.first))

    def _saved(self, number: int, kept: int) -> None:
        if kept and self.store is not None:
            path = self.order.kept(number)
            fields = _arrays(path)
            if self.run.levels:
                fields = dict(on_pressure(fields, self.sigma, np.array(self.run.levels)))
            self.store.append(fields, self.run.minutes)
            path.unlink()
        _forget(Path(self.order.folder), number)


def _store(path: Path, run: NatureRun) -> NatureStore | None:
    """The store of this run, or None if there is none yet."""
    if not path.exists():
        return None
    try:
        store = NatureStore(path)
    except FileNotFoundError:
        raise InputError(
            f"{path} is there already and is no nature run: remove it or choose another --out."
        ) from None
    begun = store.attributes.get("nature_run", "nothing known")
    if begun != run.identity():
        raise InputError(
            f"{path} holds another nature run ({begun}, not {run.identity()}): give its options, "
            "or choose another --out."
        )
    return store


def _start(run: NatureRun, folder: Path, store: NatureStore | None) -> int:
    """Intervals after which the model goes on; files of no use any more are removed."""
    done = len(store or ())
    last = run.spinup_intervals + done
    saved = {int(p.stem.removeprefix("state-")) for p in folder.glob("state-*.msgpack")}
    number = max((n for n in saved if n <= last and store is not None), default=0)
    if done and number != last:
        raise DataMissingError(
            f"the model's state after {done:,} states is not in {folder}: bring the folder "
            "back, or remove the store and begin anew."
        )
    _forget(folder, number, later=True)
    return number


def _forget(folder: Path, number: int, *, later: bool = False) -> None:
    """Remove saved states older than one; or `later`: all others, and chunks never taken over."""
    for path in folder.glob("state-*.msgpack"):
        other = int(path.stem.removeprefix("state-"))
        if other < number or (later and other != number):
            path.unlink()
    for path in folder.glob("kept-*.npz") if later else ():
        path.unlink()


def _order(run: NatureRun, folder: Path, number: int) -> Order:
    return Order(
        folder=str(folder.resolve()),
        start=run.start.isoformat(),
        minutes=run.minutes,
        first=number,
        spinup=run.spinup_intervals,
        total=run.spinup_intervals + run.intervals,
        chunk=CHUNK,
        seed=run.seed,
    )


def _check_space(run: NatureRun, path: Path) -> None:
    there = next(p for p in path.resolve().parents if p.exists())
    needed, free = remaining_bytes(run, path), shutil.disk_usage(there).free
    if needed > free:
        raise InputError(
            f"the run takes up to {needed / 1e9:.1f} GB and {there} has {free / 1e9:.1f} GB free: "
            "shorten it, make --every longer, or choose another --out."
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the folder goes again if nothing came of it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another process is writing to {folder}: wait for it, or choose another --out."
            ) from None
        yield


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
