"""`isopleth train SYSTEM RECIPE`: states, training, gate, weights and card in one folder."""

from __future__ import annotations

import math
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from isopleth.cli.arguments import Train
from isopleth.cli.screen import Screen, show
from isopleth.core.errors import InputError
from isopleth.data import load_climatology
from isopleth.studies import device_description, git_commit
from isopleth.systems import reconmost
from isopleth.systems.reconmost import GateTable, Learning, OceanDenoiser, Recipe
from isopleth.training import read_counters

__all__ = ["RECIPES", "train"]

RECIPES: dict[str, Recipe] = {"small": reconmost.small, "smoke": reconmost.smoke}
"""Name on the command line -> recipe: the only place where a word selects one."""


def train(asked: Train) -> None:
    """Train, judge and keep; the last line names the card, or says how to go on.

    Raises:
        InputError: If the folder holds the training of another recipe, or the hours are not
            positive.
    """
    if asked.hours is not None and not asked.hours > 0.0:
        raise InputError(f"--hours {asked.hours:g} is not possible: give a time above 0.")
    recipe, climatology = RECIPES[asked.recipe], load_climatology()
    sitting = math.inf if asked.hours is None else 3600.0 * asked.hours
    with Screen() as screen:
        told = screen.progress()
        states = reconmost.prepare(
            recipe.ocean,
            climatology,
            asked.folder,
            progress=lambda done: told("making the training states", done),
        )
        learning = Learning(climatology, states, asked.folder / asked.recipe)
        denoiser, checkpoint = reconmost.train(
            recipe,
            learning,
            progress=lambda done: told("training", done),
            sitting_seconds=sitting,
        )
        counters = read_counters(checkpoint)
        if not counters.finished:
            print(
                f"not finished: {counters.step:,} steps in {counters.seconds / 3600.0:.1f} hours "
                "so far; the same command goes on",
                flush=True,
            )
            return
        with screen.step("judging it on states it has not seen"):
            table = reconmost.gate(denoiser, recipe, climatology, states)
        card = _kept(asked, denoiser, states, table, counters.seconds)
    show(_drawn(table))
    print(f"card: {card}", flush=True)


def _kept(
    asked: Train, denoiser: OceanDenoiser, states: Path, table: GateTable, seconds: float
) -> Path:
    recipe = RECIPES[asked.recipe]
    facts = {
        "seed": recipe.training.seed,
        "commit": git_commit(Path(__file__).parent),
        "device": device_description(),
        "wall_time_s": round(seconds, 1),
        "metrics": table.metrics(),
    }
    return reconmost.keep(denoiser, states, recipe, asked.folder / asked.recipe, facts)


def _drawn(table: GateTable) -> Table:
    """The gate for a terminal."""
    title = f"Error of denoising {table.states} unseen states (variances of a cell)"
    drawn = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    for head in ("noise", "network", "Wiener filter", "ratio"):
        drawn.add_column(head, justify="right", no_wrap=True)
    rows = zip(table.sigmas, table.network, table.wiener, table.ratio, strict=True)
    for sigma, ours, theirs, ratio in rows:
        drawn.add_row(f"{sigma:g}", f"{ours:.4f}", f"{theirs:.4f}", f"{ratio:.3f}")
    return drawn
