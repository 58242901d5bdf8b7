"""`isopleth prepare`: a nature run of SPEEDY as a Zarr store; pairs for losda in a folder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from tyro.conf import Positional, arg

from isopleth.core.errors import InputError

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
    precipitation, cloud cover and outgoing long-wave radiation. losda makes pairs of a truth and
    its 48-hour forecast from a cycled analysis in a quasi-geostrophic atmosphere. If it is
    stopped, the same command goes on. All of it is synthetic.
    """

    world: Annotated[Literal["speedy", "losda"], Positional]
    """What to make: a nature run, or pairs for `isopleth train losda`."""

    recipe: Annotated[Literal["qg3", "smoke"] | None, Positional, arg(help_behavior_hint="")] = (
        None
    )
    """For losda, qg3 (default): the world that methods are compared in; smoke: a tiny one, to try
    it out."""

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

    pairs: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """For losda: pairs to learn from, rounded up to whole cycles (default: 20,000)."""

    out: Annotated[Path | None, arg(metavar="STORE.zarr|DIR", help_behavior_hint="")] = None
    """Store to write, the model's own state lies beside it as STORE.run (default: nature.zarr);
    for losda the folder (default: losda_pairs)."""

    python: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Python interpreter that has jcm (default: the one that runs this)."""


def prepare(asked: Prepare) -> None:
    """Run the model, or make the pairs, to the end; the last line names what was made.

    Raises:
        IsoplethError: If something given cannot be used, or the model stops.
    """
    if asked.world == "losda":
        from isopleth.cli.prepare_losda import prepare_pairs

        return prepare_pairs(asked.recipe, asked.pairs, asked.out)
    if asked.recipe is not None or asked.pairs is not None:
        option = "--pairs" if asked.recipe is None else asked.recipe
        raise InputError(f"{option} is for losda: leave it out, or prepare that.")
    return _nature_run(asked, asked.out or Path("nature.zarr"))


def _nature_run(asked: Prepare, out: Path) -> None:
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
            f"up to {speedy.remaining_bytes(run, out) / 1e9:.2f} GB to be written"
        )
        if run.spinup < speedy.CALM_DAYS:
            screen.say(
                f"a spin-up of {run.spinup} days is short: the model takes about "
                f"{speedy.CALM_DAYS} days to forget that it began at rest and dry"
            )
        store = speedy.make(
            run,
            out,
            interpreter=interpreter,
            listener=speedy.Listener(says=screen.say, moves=screen.move),
        )
    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) / 1e9
    print(f"nature run (synthetic): {out}, {len(store):,} states, {size:.2f} GB", flush=True)


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
