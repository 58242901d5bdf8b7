"""Claim: guided samplers reach the exact posterior of a Gaussian ocean, with 50 evaluations or so.

The prior is Gaussian (200 modes and a rest, fitted to 2500 states of perturbed climatology, five
biased models, 6 levels of 6-degree means), so its denoiser and its posterior are known. Cases are
64 of its own draws, seen at 7.5 % of the cells in 3 ways, and 64 states of the unbiased perturbed
climatology seen at 7.5 % of the columns, where the prior is only an approximation. Each method was
given 4 settings on 8 other draws: ensembles are judged by CRPS, single answers by RMSE.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch

from closed_form_methods import (
    SCORES,
    Answers,
    Case,
    climatology,
    dps,
    exact,
    mmps,
    published_dps,
    reconmost,
    repaint,
    scored,
)
from closed_form_rows import EXACT, GAUSSIAN, PERTURBED, Table, write
from closed_form_world import World
from isopleth.inference.reconmost import Dynamic, Fixed
from isopleth.studies.provenance import sha256_of

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "closed_form"
CASES, VALIDATION, SEEDS, SHARE, MEMBERS = 64, 8, (0, 1, 2), 0.075, 64

TRIALS: dict[str, dict[str, Answers]] = {
    "MMPS": {
        f"{steps} steps, {its} iterations": mmps(steps, its, 16)
        for steps, its in ((8, 3), (10, 6), (12, 4), (16, 4))
    },
    "DPS": {f"gamma {g:g}": dps(g, 16) for g in (1.0, 5.0, 10.0, 30.0)},
    "DPS as published": {f"zeta {z:g}": published_dps(z, 16) for z in (0.3, 1.0, 3.0, 10.0)},
    "RePaint": {f"resampling {r}": repaint(r, 8) for r in (1, 3, 6, 12)},
    "ReconMOST": {
        f"s = {s:g}, 50 steps": reconmost(gradient=Fixed(s), steps=50) for s in (1, 2, 4, 8)
    },
}
"""Four settings a method; the MMPS that is then scored has 64 members."""

VARIANTS: dict[str, Answers] = {
    "ReconMOST s = 4, 250 steps": reconmost(steps=250),
    "ReconMOST s = 4, soft, 1000 steps": reconmost(gradient=Fixed(soft=True)),
    "ReconMOST s = 4, noise, 250 steps": reconmost(4, steps=250, noise=True),
    "ReconMOST dynamic, 250 steps": reconmost(gradient=Dynamic(), steps=250),
    "ReconMOST dynamic, noise, 250 steps": reconmost(4, gradient=Dynamic(), steps=250, noise=True),
    "ReconMOST dynamic ahead, 250 steps": reconmost(gradient=Dynamic(ahead=True), steps=250),
}
FAITHFUL = {f"ReconMOST s = 4, {n} steps": reconmost(steps=n) for n in (1000, 50)}


def cases(world: World, setting: str, count: int, seed: int, truths: int) -> list[Case]:
    """Truths drawn with the seed `truths`, seen with the seed `seed`."""
    draw, network = (
        (world.gaussian, world.cells) if setting == GAUSSIAN else (world.perturbed, world.profiles)
    )
    rng = [np.random.default_rng([truths, seed, number]) for number in range(count)]
    return [
        Case.of(world, truth, network(SHARE, rng[number]), 10_000 * seed + number)
        for number, truth in enumerate(draw(count, truths))
    ]


def tuned(world: World) -> dict[str, Answers]:
    """The best setting of every method on the validation draws, by its name and setting."""
    judged, best = cases(world, GAUSSIAN, VALIDATION, 9, 2), {}
    for method, settings in TRIALS.items():
        by = "squared" if method == "ReconMOST" else "crps"
        score = {}
        for name, answers in settings.items():
            path = cached("validation", method, name, VALIDATION)
            if not path.is_file():
                np.save(path, scored(world, judged, answers, 9))
            score[name] = float(np.load(path)[:, SCORES.index(by)].mean())
        print(method, {name: round(value, 4) for name, value in score.items()}, flush=True)
        chosen = min(score, key=lambda name: (not np.isfinite(score[name]), score[name]))
        if np.isfinite(score[chosen]):
            best[f"{method}, {chosen}"] = settings[chosen]
    return best


def run(world: World, setting: str, methods: Mapping[str, Answers], seeds: Sequence[int]) -> Table:
    """Scores (seeds, cases, SCORES) of every method; one that is not finite is left out."""
    table: Table = {}
    for seed in seeds:
        several = cases(world, setting, CASES, seed, 1)
        for name, answers in methods.items():
            path = cached(setting, name, seed)
            if not path.is_file():
                np.save(path, scored(world, several, answers, seed))
                print(f"{time.process_time():.0f} s: {setting}, {seed}: {name}", flush=True)
            found = np.load(path)
            if np.isfinite(found).all():
                old = table.get((name, setting), np.empty((0, *found.shape)))
                table[name, setting] = np.concatenate([old, found[None]])
    return table


def cached(*what: object) -> Path:
    """Where the scores of a method lie; other code has other places."""
    key = f"{code()} {what} {CASES} {SHARE} {MEMBERS}"
    WORK.mkdir(parents=True, exist_ok=True)
    return WORK / f"scores_{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"


@cache
def code() -> str:
    """Of all that decides a score."""
    layers = {
        "benchmarks": ("closed_form_world", "closed_form_methods"),
        "src/isopleth/inference": ("mmps", "dps", "repaint", "reconmost"),
        "src/isopleth/priors": ("gaussian", "eof", "samplers", "schedules"),
        "src/isopleth/data": ("perturbed_climatology", "random_fields"),
    }
    paths = (ROOT / folder / f"{name}.py" for folder, names in layers.items() for name in names)
    return "".join(sha256_of(path) for path in paths)


def main() -> None:
    """Tune, run and write results/reconmost_closed_form.json."""
    torch.set_num_threads(1)
    world = World.build(WORK)
    chosen = tuned(world)
    name = next(name for name in chosen if name.startswith("MMPS"))
    steps, its = (int(word) for word in name.split() if word.isdigit())
    best = {f"{name}, {MEMBERS} members": mmps(steps, its, MEMBERS)}
    rest = {other: answers for other, answers in chosen.items() if other != name}
    plain: dict[str, Answers] = {"climatology": climatology, EXACT: exact}
    table = run(world, GAUSSIAN, plain | best | FAITHFUL, SEEDS)
    table |= run(world, GAUSSIAN, rest | VARIANTS, SEEDS[:1])
    table |= run(world, PERTURBED, plain | best | rest | FAITHFUL, SEEDS[:1])
    write(ROOT, table, (*best, *FAITHFUL), SEEDS)


if __name__ == "__main__":
    main()
