"""Claim: with the same data 4D-Var beats 3D-Var in a window, and an LETKF beats it in cycling.

The contest of `isopleth.studies.twin`: about two hours of one core. What is done is kept in
build/twin, so that an interrupted run goes on where it stopped, and two runs may share the work::

    make bench NAME=qg3_workbench BENCH_ARGS="--tasks cycling" &
    make bench NAME=qg3_workbench
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from isopleth.studies.results import write_cases
from isopleth.studies.twin import RECIPES, TwinWorld
from isopleth.studies.twin.contest import TASKS, Contest
from isopleth.studies.twin.statistics import Statistics
from isopleth.studies.twin.table import result_of

ROOT = Path(__file__).resolve().parent.parent
NAME, WORK = "qg3_workbench", ROOT / "build" / "twin"


def main() -> None:
    """Run what is asked for; write the result when that was everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--networks", nargs="+", help="names; all by default")
    parser.add_argument("--smoke", action="store_true", help="everything once; writes nothing")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    recipe = RECIPES["smoke" if asked.smoke else "full"]
    world = TwinWorld.frozen(recipe, WORK)
    contest = Contest(Statistics(world), WORK / ("smoke" if asked.smoke else "full"))
    networks = tuple(asked.networks) if asked.networks else None
    outcomes = list(contest.outcomes(tuple(asked.tasks), networks))
    if asked.networks or len(asked.tasks) < len(TASKS):
        return
    result = result_of(NAME, recipe, outcomes, world.sha256, ROOT)
    if not asked.smoke:
        kept = {f"{o.task} | {o.network} | {o.method}": o.square_error for o in outcomes}
        write_cases(
            ROOT / "results" / f"{NAME}.cases.npz",
            {key: np.float32(value) for key, value in kept.items()},
        )
        result.write(ROOT / "results" / f"{NAME}.json")
    print(result.verdict, result.headline)


if __name__ == "__main__":
    main()
