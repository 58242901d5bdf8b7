"""The frozen world behind losda_speedy: nature runs of SPEEDY, an emulator, backgrounds, pairs.

Every stage keeps what it made and goes on where it was stopped. The nature runs come first, each a
process of its own with the extra `worlds` (any number side by side); `--stage runs` prints their
commands::

    python benchmarks/speedy_world.py --stage runs
    python benchmarks/speedy_world.py --stage states
    python benchmarks/speedy_world.py --stage emulator
    python benchmarks/speedy_world.py --stage world
    python benchmarks/speedy_world.py --stage pairs
    python benchmarks/speedy_world.py --stage contest
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch

from isopleth.studies.provenance import device_description, git_commit
from isopleth.studies.twin.pairs import write_pairs
from isopleth.studies.twin.speedy import (
    ONE_SHOT,
    RECIPES,
    Nature,
    Sources,
    SpeedyRecipe,
    SpeedyWorld,
    prepare,
)
from isopleth.studies.twin.speedy import emulator as learning
from isopleth.studies.twin.statistics import Statistics
from isopleth.studies.twin.variations import Variations

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "speedy"
DAY = 4


def runs(recipe: SpeedyRecipe, folder: Path) -> None:
    """Print the commands that make the nature runs."""
    for run in recipe.runs:
        print(
            f"isopleth prepare speedy --days {run.days} --seed {run.seed} --every 6h "
            f"--levels sigma --spinup 60 --out {folder / 'runs' / run.name}.zarr"
        )


def states(recipe: SpeedyRecipe, folder: Path) -> None:
    """Climate and standardised states of all runs."""
    prepare(recipe, folder / "runs", folder / "states", told("states"))


def emulator(recipe: SpeedyRecipe, folder: Path) -> None:
    """Train the emulator; print and keep its errors on the validation run."""
    climate = prepare(recipe, folder / "runs", folder / "states")
    start = time.monotonic()
    found = learning.train(
        recipe, climate, folder / "states", folder / "emulator", progress=told("emulator")
    )
    assert found is not None, "no sitting was limited"
    ours, still = learning.forecast_errors(
        found, climate, recipe.validation_run, folder / "states", steps=5 * DAY
    )
    metrics = []
    for day in range(1, 6):
        pair = [float(e[day * DAY - 1].square().mean().sqrt()) for e in (ours, still)]
        print(f"day {day}: {pair[0]:.3f} sd, no change {pair[1]:.3f}")
        name = {"name": f"rmse, day {day}, mean over channels", "unit": "sd"}
        metrics.append(
            {**name, "value": pair[0], "baseline": "no change", "baseline_value": pair[1]}
        )
    learned = Nature.of((recipe.learned,), folder / "states")
    facts = {
        "data": [{"name": f"SPEEDY, seed {recipe.learned.seed}", "sha256": learned.sha256[0]}],
        "seed": recipe.emulator.training.seed,
        "commit": git_commit(ROOT),
        "device": device_description(),
        "wall_time_s": time.monotonic() - start,
        "metrics": metrics,
    }
    print(learning.keep(found, recipe, folder, facts))


def frozen(recipe: SpeedyRecipe, folder: Path) -> SpeedyWorld:
    """The world, made if it is not there."""
    climate = prepare(recipe, folder / "runs", folder / "states")
    model = learning.load(folder / "speedy_unet")
    sources = Sources.of(recipe, folder / "states", climate, model)
    return SpeedyWorld.frozen(recipe, sources, folder, told("world"))


def world(recipe: SpeedyRecipe, folder: Path) -> None:
    """Freeze it and print the size of background errors."""
    made = frozen(recipe, folder)
    variance = made.errors.variance.mean((-2, -1))
    for kind in ("validation", "test"):
        cases = made.cases(kind)
        error = (cases.truth[:, 0] - cases.background).square().mean()
        spread = cases.members.var(1).mean()
        print(f"{kind}: {len(cases)} cases, error variance {error:.4f}, spread {spread:.4f}")
    print("sha256", made.sha256, "error variance by channel", variance.tolist())


def pairs(recipe: SpeedyRecipe, folder: Path) -> None:
    """Pairs of truth and background for training, and others for its validation."""
    made = frozen(recipe, folder)
    most = recipe.pair_cycles
    for kind, cycles in (("train", most), ("validation", max(1, 2 * most // 5))):
        write_pairs(made, kind, cycles, folder / f"pairs-{kind}", progress=told(kind))


def contest(recipe: SpeedyRecipe, folder: Path) -> None:
    """Tune every contender on the first network; then it meets all others."""
    made = frozen(recipe, folder)
    study = Variations(
        Statistics(made),
        made.sha256,
        folder / "contest",
        trials=recipe.trials,
        networks=recipe.networks,
        days=recipe.forecast_days,
    )
    for _ in study([kind() for kind in ONE_SHOT]):
        pass


STAGES: dict[str, Callable[[SpeedyRecipe, Path], None]] = {
    "runs": runs,
    "states": states,
    "emulator": emulator,
    "world": world,
    "pairs": pairs,
    "contest": contest,
}


def told(what: str) -> Callable[[float], None]:
    """Prints every full percent."""
    last = [-1]

    def progress(fraction: float) -> None:
        if int(100 * fraction) > last[0]:
            last[0] = int(100 * fraction)
            print(f"{what} {last[0]} %, {time.process_time():.0f} CPU-s", flush=True)

    return progress


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", required=True, choices=STAGES)
    parser.add_argument("--recipe", default="full", choices=RECIPES)
    parser.add_argument("--folder", type=Path, default=WORK)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    STAGES[asked.stage](RECIPES[asked.recipe], asked.folder)


if __name__ == "__main__":
    main()
