"""`isopleth train SYSTEM RECIPE`: states, training, gate, weights and card in one folder."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from isopleth.cli.arguments import Train
from isopleth.cli.screen import Screen, show
from isopleth.cli.train_losda import PRIORS, train_losda
from isopleth.core.errors import InputError
from isopleth.data import load_climatology
from isopleth.studies import device_description, git_commit, sha256_of
from isopleth.systems import forecast, losda, reconmost
from isopleth.systems.reconmost import GateTable, Learning, PaperRecipe, Recipe
from isopleth.systems.reconmost import paper_training as published
from isopleth.systems.reconmost.paper_fields import MonthlyFields
from isopleth.training import read_counters

__all__ = ["EMULATORS", "RECIPES", "train"]

RECIPES: dict[str, Recipe | PaperRecipe] = {
    "small": reconmost.small,
    "paper": reconmost.paper,
    "smoke": reconmost.smoke,
}
"""Name on the command line -> recipe: the only place where a word selects one."""

EMULATORS: dict[str, forecast.Recipe] = {
    "unet": forecast.unet,
    "vit": forecast.vit,
    "smoke": forecast.smoke,
}
"""The same for the networks of a forecast."""

_SYSTEMS: dict[str, dict[str, Any]] = {
    "reconmost": RECIPES,
    "forecast": EMULATORS,
    "losda": PRIORS,
}


def train(asked: Train) -> None:
    """Train, judge and keep; the last line names the card, or says how to go on.

    Raises:
        InputError: If the folder holds the training of another recipe, the hours are not
            positive, or files are given to a recipe that reads none or missing where it does.
    """
    if asked.hours is not None and not asked.hours > 0.0:
        raise InputError(f"--hours {asked.hours:g} is not possible: give a time above 0.")
    known = _SYSTEMS[asked.system]
    name: Any = asked.recipe or next(iter(known))
    if name not in known:
        raise InputError(f"{asked.system} has no recipe {name}: choose from {', '.join(known)}.")
    asked, recipe = replace(asked, recipe=name), known[name]
    sitting = math.inf if asked.hours is None else 3600.0 * asked.hours
    if isinstance(recipe, PaperRecipe):
        return _from_files(asked, recipe, sitting)
    if asked.files:
        raise InputError(
            f"the recipe {asked.recipe} makes its own states and reads no --files: leave them "
            "out, or train the recipe paper."
        )
    if isinstance(recipe, losda.Recipe):
        return train_losda(asked, recipe, sitting)
    if asked.pairs is not None or asked.earlier:
        option = "--earlier" if asked.pairs is None else "--pairs"
        raise InputError(f"{option} is for losda: leave it out, or train that.")
    if isinstance(recipe, forecast.Recipe):
        return _emulator(asked, recipe, sitting)
    return _from_climatology(asked, recipe, sitting)


def _from_climatology(asked: Train, recipe: Recipe, sitting: float) -> None:
    climatology = load_climatology()
    with Screen() as screen:
        told = screen.progress()
        states = reconmost.prepare(
            recipe.ocean,
            climatology,
            asked.folder,
            progress=lambda done: told("making the training states", done),
        )
        learning = Learning(climatology, states, asked.folder / str(asked.recipe))
        denoiser, checkpoint = reconmost.train(
            recipe,
            learning,
            progress=lambda done: told("training", done),
            sitting_seconds=sitting,
        )
        if not _finished(checkpoint):
            return
        with screen.step("judging it on states it has not seen"):
            table = reconmost.gate(denoiser, recipe, climatology, states)
        facts = {**_facts(recipe, checkpoint), "metrics": table.metrics()}
        card = reconmost.keep(denoiser, states, recipe, asked.folder / str(asked.recipe), facts)
    show(_drawn(table, "variances of a cell"))
    print(f"card: {card}", flush=True)


def _from_files(asked: Train, recipe: PaperRecipe, sitting: float) -> None:
    with Screen() as screen:
        told = screen.progress()
        fields = MonthlyFields(
            asked.files, recipe, progress=lambda done: told("looking through the files", done)
        )
        prior, checkpoint = published.train(
            recipe,
            fields,
            asked.folder / str(asked.recipe),
            progress=lambda done: told("training", done),
            sitting_seconds=sitting,
        )
        if not _finished(checkpoint):
            return
        with screen.step("judging it on the months held back"):
            table = published.judge(prior, fields)
        facts = {
            **_facts(recipe, checkpoint),
            "metrics": [{**row, "unit": published.UNIT} for row in table.metrics()],
            "data": [{"name": path.name, "sha256": sha256_of(path)} for path in asked.files],
        }
        card = published.keep(prior, recipe, asked.folder / str(asked.recipe), facts)
    show(_drawn(table, published.UNIT))
    print(f"card: {card}", flush=True)


def _emulator(asked: Train, recipe: forecast.Recipe, sitting: float) -> None:
    with Screen() as screen:
        told = screen.progress()
        with screen.step("making nature runs, or reading them"):
            learned, judged = (
                forecast.prepare(run, asked.folder) for run in (recipe.learned, recipe.validation)
            )
        emulator, checkpoint = forecast.train(
            recipe,
            forecast.Learning(learned, asked.folder / recipe.name),
            progress=lambda done: told("training", done),
            sitting_seconds=sitting,
        )
        if not _finished(checkpoint):
            return
        with screen.step("judging it on states it has not seen"):
            metrics = forecast.judge(emulator, learned, judged)
        facts = {**_facts(recipe, checkpoint), "metrics": metrics}
        card = forecast.keep(emulator, recipe, asked.folder, facts)
    for row in metrics:
        print(f"{row['name']}: {row['value']:.3f} ({row['baseline']} {row['baseline_value']:.3f})")
    print(f"card: {card}", flush=True)


def _finished(checkpoint: Path) -> bool:
    """Whether the recipe is used up; says how to go on if not."""
    counters = read_counters(checkpoint)
    if not counters.finished:
        print(
            f"not finished: {counters.step:,} steps in {counters.seconds / 3600.0:.1f} hours "
            "so far; the same command goes on",
            flush=True,
        )
    return counters.finished


def _facts(recipe: Recipe | PaperRecipe | forecast.Recipe, checkpoint: Path) -> dict[str, object]:
    return {
        "seed": recipe.training.seed,
        "commit": git_commit(Path(__file__).parent),
        "device": device_description(),
        "wall_time_s": round(read_counters(checkpoint).seconds, 1),
    }


def _drawn(table: GateTable, unit: str) -> Table:
    """The gate for a terminal."""
    title = f"Error of denoising {table.states} unseen states in {unit}"
    drawn = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0)
    for head in ("noise", "network", "Wiener filter", "ratio"):
        drawn.add_column(head, justify="right", no_wrap=True)
    rows = zip(table.sigmas, table.network, table.wiener, table.ratio, strict=True)
    for sigma, ours, theirs, ratio in rows:
        drawn.add_row(f"{sigma:g}", f"{ours:.4f}", f"{theirs:.4f}", f"{ratio:.3f}")
    return drawn
