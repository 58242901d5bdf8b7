"""What a person sees while a job runs: progress and remarks on standard error, results on output.

On a terminal the steps are bars; elsewhere each finished step is one plain line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from isopleth.report.summary import pooled

__all__ = ["Screen", "score_lines"]

_DONE = 0.9999


class Screen:
    """Progress of one job; a context, so that the terminal is left as it was found.

    Args:
        console: Where progress goes; standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        """Wall time of every finished step, s."""

    def __enter__(self) -> Screen:
        """Draw bars if there is a terminal to draw them on."""
        if self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                console=self._console,
            )
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bars where they are."""
        if self._bars is not None:
            self._bars.stop()

    def say(self, text: str) -> None:
        """A remark."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A step that cannot tell how far it is."""
        self._begin(name, total=None)
        yield
        self._end(name)

    def progress(self, stage: str = "") -> Callable[[str, float], None]:
        """What a system reports its steps to: `progress(step, fraction)`.

        Args:
            stage: Put before the names of the steps.
        """

        def report(step: str, fraction: float) -> None:
            name = f"{stage}: {step}" if stage else step
            if name in self.seconds:
                return
            if name not in self._started:
                self._begin(name, total=1.0)
            if self._bars is not None:
                self._bars.update(self._tasks[name], completed=fraction)
            if fraction >= _DONE:
                self._end(name)

        return report

    def _begin(self, name: str, *, total: float | None) -> None:
        self._started[name] = time.monotonic()
        if self._bars is not None:
            self._tasks[name] = self._bars.add_task(name, total=total)

    def _end(self, name: str) -> None:
        self.seconds[name] = time.monotonic() - self._started[name]
        if self._bars is not None:
            self._bars.update(self._tasks[name], total=1.0, completed=1.0)
            self._bars.stop_task(self._tasks[name])
        else:
            self.say(f"{name}: {self.seconds[name]:.1f} s")


def score_lines(scores: pd.DataFrame, unit: str) -> Table:
    """The score table for a terminal of 80 columns."""
    title = f"Score at the profiles held back{f' ({unit})' if unit else ''}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    heads = ("depth", "values", "RMSE", "climat.", "ratio", "bias", "CRPS", "climat.", "in 90%")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for _, row in scores[scores["n"] > 0].iterrows():
        table.add_row(f"{row['depth']:g} m", *_cells(row))
    table.add_section()
    table.add_row("all", *_cells(pooled(scores)))
    return table


def show(table: Table) -> None:
    """A table on standard output."""
    Console(file=sys.stdout).print(table)


def _cells(row: Mapping[str, float] | pd.Series) -> list[str]:
    ratio = row["rmse"] / row["rmse_climatology"] if row["rmse_climatology"] else float("nan")
    return [
        f"{row['n']:,.0f}",
        f"{row['rmse']:.3f}",
        f"{row['rmse_climatology']:.3f}",
        f"{ratio:.2f}",
        f"{row['bias']:+.3f}",
        f"{row['crps']:.3f}",
        f"{row['crps_climatology']:.3f}",
        f"{100.0 * row['coverage90']:.1f} %",
    ]
