"""`isopleth evaluate twin RECIPE`: a contest of methods in a world whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

__all__ = ["Evaluate", "evaluate"]


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Tune every assimilation method with the same number of trials and score it once.

    The world is a three-level quasi-geostrophic atmosphere; truth, networks and errors are
    simulated, and called so. It is made once, and what was done is kept: if the command is
    stopped, the same command goes on.
    """

    study: Annotated[Literal["twin"], Positional]
    """What to evaluate."""

    recipe: Annotated[Literal["smoke", "full"], Positional] = "smoke"
    """smoke: everything once, about five minutes of one core, proves only that it runs; full: the
    experiment behind docs/systems/workbench.md, some two hours."""

    tasks: Annotated[tuple[Literal["one-shot", "window", "cycling"], ...], arg()] = (
        "one-shot",
        "window",
        "cycling",
    )
    """Which tasks to run."""

    networks: Annotated[tuple[str, ...], arg(metavar="NAME...", help_behavior_hint="")] = ()
    """Which networks, by name (default: all of the recipe)."""

    folder: Annotated[Path, arg(metavar="DIR")] = Path("twin")
    """Where the world and all outcomes lie."""


def evaluate(asked: Evaluate) -> None:
    """Run the contest and print its table.

    Raises:
        IsoplethError: If a network is not one of the recipe's, or a file was damaged.
    """
    from isopleth.studies.twin import RECIPES, TwinWorld
    from isopleth.studies.twin.contest import Contest
    from isopleth.studies.twin.statistics import Statistics
    from isopleth.studies.twin.table import rows_of

    screen = Console(stderr=True)
    recipe = RECIPES[asked.recipe]
    said = Contest.check(recipe, asked.tasks, asked.networks)
    screen.print(f"{said}; everything is simulated")

    def made(fraction: float) -> None:
        screen.print(f"world {100.0 * fraction:3.0f} %", highlight=False)

    world = TwinWorld.frozen(recipe, asked.folder, made)
    screen.print(f"world frozen, sha256 {world.sha256}", highlight=False)
    contest = Contest(Statistics(world), asked.folder / asked.recipe, screen.print)
    outcomes = list(contest.outcomes(asked.tasks, asked.networks or None))
    table = Table("setting", "method", "metric", "value", "95 % interval")
    for row in rows_of(recipe, outcomes):
        ends = "" if row.ci95 is None else f"{row.ci95[0]:.3f} to {row.ci95[1]:.3f}"
        table.add_row(row.setting, row.method, row.metric, f"{row.value:.3f} {row.unit}", ends)
    Console().print(table)
