"""`isopleth train losda`: from pairs to the weights of a prior, with their card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from isopleth.cli.arguments import Train
from isopleth.cli.screen import Screen
from isopleth.core.errors import InputError
from isopleth.studies import device_description, git_commit
from isopleth.systems import losda
from isopleth.systems.losda.prepare import Prepared, narrowed
from isopleth.systems.losda.weights import keep_whole
from isopleth.training import read_counters

__all__ = ["PRIORS", "train_losda"]

PRIORS: dict[str, losda.Recipe] = {"small": losda.small, "smoke": losda.smoke}
"""Name on the command line -> recipe: the only place where a word selects one."""

_JUDGED = 2048
"""Most validation pairs that the weights are judged by."""

_LIMITS = (
    "learned in a dry, synthetic world of three levels with the climate of a perpetual winter",
    "backgrounds of another system, network or lead time err in other ways",
)


def train_losda(asked: Train, recipe: losda.Recipe, sitting: float) -> None:
    """Train, judge and keep; the last line names the card, or says how to go on.

    Raises:
        InputError: If there are no pairs or the folder holds the training of another recipe.
    """
    if asked.pairs is None:
        raise InputError(
            "--pairs is missing: name the folder that `isopleth prepare losda qg3` made."
        )
    found = Prepared.read(asked.pairs)
    if asked.earlier:
        recipe = replace(recipe, name=f"{recipe.name}_earlier", extra=found.learned.extra)
    folder = asked.folder / recipe.name
    learned, validation = (narrowed(p, recipe.extra) for p in (found.learned, found.validation))
    grid, area = found.standard.channels.grid, found.standard.area.float()
    sine = losda.sine_of_latitude(torch.from_numpy(grid.latitude.copy()), len(grid.longitude))
    learning = losda.Learning(
        pairs=learned, validation=validation, folder=folder, area=area, static=sine
    )
    with Screen() as screen:
        told = screen.progress()
        prior = losda.learn(
            recipe,
            learning,
            progress=lambda done: told("training", done),
            sitting_seconds=sitting,
        )
        if prior is None:
            print("not finished; the same command goes on", flush=True)
            return
        with screen.step("judging it on pairs it has not seen"):
            measured = losda.measure(prior, validation, area, most=_JUDGED)
        facts = {**_facts(recipe, found, folder), "metrics": measured.metrics()}
        card = keep_whole(prior, found.standard, recipe, folder, facts)
    for row in measured.metrics():
        print(f"{row['name']}: {row['value']:.4g} ({row['baseline']} {row['baseline_value']:.4g})")
    print(f"card: {card}", flush=True)


def _facts(recipe: losda.Recipe, found: Prepared, folder: Path) -> dict[str, object]:
    stages = [folder / "regression", folder / "denoiser"]
    seconds = sum(read_counters(stage / "checkpoint.safetensors").seconds for stage in stages)
    told = " and its difference to the forecast of a cycle before" if recipe.extra else ""
    return {
        "what": f"latent diffusion prior of the truth given the background{told}, of "
        f"{len(found.learned):,} synthetic pairs",
        "data": [{"name": "world of the pairs", "sha256": found.world}],
        "seed": recipe.training.seed,
        "commit": git_commit(Path(__file__).parent),
        "device": device_description(),
        "wall_time_s": round(seconds, 1),
        "licence": "Apache-2.0; the forcing of the world is MIT, see NOTICE_qg3",
        "limits": list(_LIMITS),
    }
