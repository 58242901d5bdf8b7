"""`isopleth prepare speedy`: a nature run of the atmosphere, from the model to a Zarr store."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from tyro.conf import Positional, arg

if TYPE_CHECKING:
    from isopleth.data.speedy import Moment, NatureRun

__all__ = ["Prepare", "prepare"]

_BETWEEN_LINES = 30.0
"""Seconds between two lines where there is no terminal to draw a bar on."""


@dataclass(frozen=True, kw_only=True)
class Prepare:
    """Make the data of a world whose truth is known, or go on with making them.

    speedy runs an atmospheric general circulation model (SPEEDY physics, T31 with 8 levels, real
    orography and sea-surface temperatures; the package jcm, extra `worlds`) in a process of its
    own, and keeps wind, temperature, humidity, geopotential height, surface pressure,
    precipitation, cloud cover and outgoing long-wave radiation. If it is stopped, the same command
    goes on. All of it is synthetic.
    """

    world: Annotated[Literal["speedy"], Positional]
    """What to run."""

    years: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Length in calendar years (this or --days)."""

    days: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Length in days. A longer run goes on from a finished one."""

    every: Annotated[str, arg(metavar="6h|1d|...")] = "6h"
    """Interval between the states kept; it divides a day."""

    spinup: Annotated[int, arg(metavar="DAYS")] = 60
    """Days run before the first state kept: the model begins at rest and dry."""

    levels: Annotated[str, arg(metavar="sigma|HPA,...")] = "sigma"
    """sigma: the model's own eight levels, p = sigma * ps; or pressures in hPa, as 850,500,200, 30
    to 1100, to which they are interpolated."""

    seed: Annotated[int, arg(metavar="N")] = 0
    """Seed of the initial state's perturbation: another seed is an independent run."""

    out: Annotated[Path, arg(metavar="STORE.zarr")] = Path("nature.zarr")
    """Store to write; the model's own state lies beside it as STORE.run."""

    python: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Python interpreter that has jcm (default: the one that runs this)."""


def prepare(asked: Prepare) -> None:
    """Run the model to its end; the last line names the store.

    Raises:
        IsoplethError: If something given cannot be used, or the model stops.
    """
    from isopleth.data import speedy

    run = speedy.NatureRun(
        days=speedy.days_of(asked.years, asked.days),
        minutes=speedy.every_of(asked.every),
        spinup=asked.spinup,
        levels=speedy.levels_of(asked.levels),
        seed=asked.seed,
    )
    interpreter = speedy.Interpreter(python=asked.python) if asked.python else None
    with _Screen(run) as screen:
        screen.say(
            f"{run.intervals:,} states of {run.days:,} days after {run.spinup} days of spin-up; "
            f"up to {speedy.remaining_bytes(run, asked.out) / 1e9:.2f} GB to be written"
        )
        if run.spinup < speedy.CALM_DAYS:
            screen.say(
                f"a spin-up of {run.spinup} days is short: the model takes about "
                f"{speedy.CALM_DAYS} days to forget that it began at rest and dry"
            )
        store = speedy.make(
            run,
            asked.out,
            interpreter=interpreter,
            listener=speedy.Listener(says=screen.say, moves=screen.move),
        )
    size = sum(p.stat().st_size for p in asked.out.rglob("*") if p.is_file()) / 1e9
    print(f"nature run (synthetic): {asked.out}, {len(store):,} states, {size:.2f} GB", flush=True)


class _Screen:
    """Simulated date, pace and time left, on standard error: a bar, or a line now and then."""

    def __init__(self, run: NatureRun) -> None:
        self._total = float(run.days + run.spinup)
        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
            TextColumn("{task.fields[words]}"), console=self._console, transient=True,
        )  # fmt: skip
        self._task = self._bars.add_task("starting the model", total=self._total, words="")
        self._pace: _Pace | None = None
        self._line = time.monotonic()

    def __enter__(self) -> _Screen:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def move(self, moment: Moment) -> None:
        if self._pace is None:
            # The first interval after this one holds the compilation and is no measure of pace.
            self._pace = _Pace()
            self._bars.update(self._task, description="compiling", completed=moment.days)
            return
        stage = "spin-up" if moment.spinning_up else "nature run"
        words = f"{moment.date:%Y-%m-%d}, {self._pace(moment.days, self._total)}"
        self._bars.update(self._task, description=stage, completed=moment.days, words=words)
        last = moment.days >= self._total
        if not self._console.is_terminal and (
            last or time.monotonic() - self._line > _BETWEEN_LINES
        ):
            self._line = time.monotonic()
            self.say(f"{stage}: {moment.days:,.0f} of {self._total:,.0f} days, {words}")


class _Pace:
    """Days a minute since the first day told, and the time left at that pace."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None

    def __call__(self, days: float, total: float) -> str:
        now = time.monotonic()
        if self._first is None:
            self._first = days, now
        begin, then = self._first
        if days <= begin or now <= then:
            return "measuring the pace"
        pace = (days - begin) / (now - then) * 60.0
        left = (total - days) / pace
        return f"{pace:.0f} days a minute, {_duration(left)} left"


def _duration(minutes: float) -> str:
    """In the unit that suits it.

    >>> _duration(0.4), _duration(12.3), _duration(150.0)
    ('24 s', '12 min', '2.5 h')
    """
    if minutes < 1.0:
        return f"{60.0 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes < 90.0 else f"{minutes / 60.0:.1f} h"
