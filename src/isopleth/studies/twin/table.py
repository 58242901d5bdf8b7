"""Outcomes of a contest as rows of a result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from isopleth.studies.bootstrap import Interval, ratio_of_rmse, rmse_interval
from isopleth.studies.provenance import stamp
from isopleth.studies.results import Result, judged
from isopleth.studies.rows import Headline, Row, headline_fields, largest, select
from isopleth.studies.twin.contest import Outcome
from isopleth.studies.twin.recipe import TwinRecipe

__all__ = ["reference_of", "result_of", "rows_of"]

Group = Sequence[Outcome]

_REFERENCE = "3D-Var"
_SECONDS_AN_HOUR = 3600.0


def reference_of(group: Group) -> Outcome:
    """The 3D-Var that the others are compared with: of several the best on the validation."""
    full = [o for o in group if o.method == _REFERENCE]
    several = [o for o in group if o.method.startswith(f"{_REFERENCE}, ")]
    return full[0] if full else min(several, key=lambda o: o.validation)


def rows_of(recipe: TwinRecipe, outcomes: Sequence[Outcome]) -> list[Row]:
    """Error, error over 3D-Var's, and cost of every method, task and network."""
    rows: list[Row] = []
    for group in _groups(outcomes):
        reference = reference_of(group)
        for outcome in group:
            rows += _rows(recipe, outcome, reference)
    return rows


def result_of(
    name: str, recipe: TwinRecipe, outcomes: Sequence[Outcome], sha256: str, root: Path
) -> Result:
    """The file, with the verdict its targets give.

    Args:
        name: Of the result.
        recipe: What was run; its first network is that of the headlines.
        outcomes: Of all tasks and networks.
        sha256: Of the frozen world.
        root: Of the repository, for the stamp.
    """
    rows = rows_of(recipe, outcomes)
    draft = Result(
        name=name,
        what=_what(recipe),
        command=f"make bench NAME={name}",
        seeds=recipe.seeds,
        n_cases=recipe.cases,
        data={"frozen world": sha256},
        rows=tuple(rows),
        verdict="falls short: draft",
        **stamp(root),
        **headline_fields(rows, _headlines(recipe, rows)),
    )
    return judged(draft)


def _what(recipe: TwinRecipe) -> str:
    return (
        "Classical assimilation in the three-level quasi-geostrophic world (T21, selective "
        "damping 2 days, perfect model): root-mean-square error of the streamfunction in "
        "climatological standard deviations, area mean over three levels. One analysis from a "
        f"{recipe.cycle_hours:g}-hour forecast; a window of {recipe.window_hours[-1]} hours seen "
        f"{len(recipe.window_hours)} times (over all times, and at its end); {recipe.cycling_days}"
        f" days of cycling every {recipe.cycling_hours:g} hours (days {recipe.cycling_discarded} "
        f"to {recipe.cycling_days}, in blocks of {recipe.cycling_block} days). Every method: "
        f"{recipe.trials} trials on validation trajectories, then the test once; "
        f"{recipe.members} members, {recipe.cycling_members} where they are cycled; networks "
        "drawn anew for every case and time, errors of a "
        "tenth of the climatological standard deviation. `over_3dvar` in the window is over the "
        "better of two 3D-Vars (FGAT, sequential) by validation. Intervals resample trajectories."
    )


def _headlines(recipe: TwinRecipe, rows: Sequence[Row]) -> dict[str, Headline]:
    name, keys = recipe.networks[0].name, {row.key for row in rows}

    def worst(method: str, task: str) -> Headline:
        all_ = [(method, f"{task}, {n.name}", "over_3dvar") for n in recipe.networks]
        return Headline(largest(*(select(*key) for key in all_ if key in keys)))

    fourdvar = select("4D-Var", f"window, {name}", "over_3dvar")
    letkf = select("LETKF", f"cycling, {name}", "over_3dvar")
    return {
        "fourdvar_over_3dvar_window": Headline(fourdvar, ("<=", 0.75)),
        "letkf_over_3dvar_cycled": Headline(letkf, ("<=", 0.7)),
        "fourdvar_over_3dvar_window_worst": worst("4D-Var", "window"),
        "letkf_over_3dvar_cycled_worst": worst("LETKF", "cycling"),
        "hybrid_over_3dvar_one_shot": Headline(
            select("hybrid EnVar", f"one-shot, {name}", "over_3dvar")
        ),
    }


def _groups(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    found: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault((outcome.task, outcome.network), []).append(outcome)
    return list(found.values())


def _rows(recipe: TwinRecipe, outcome: Outcome, reference: Outcome) -> Iterator[Row]:
    error, trajectory = _cases(recipe, outcome)
    base, _ = _cases(recipe, reference)

    def row(metric: str, found: Interval) -> Row:
        return replace(blank, metric=metric, value=found.value, ci95=found.ends, n=len(error))

    setting = f"{outcome.task}, {outcome.network}"
    blank = Row(method=outcome.method, setting=setting, metric="cpu_hours", unit="1", value=0.0)
    yield row("rmse", rmse_interval(error, trajectory))
    if outcome is not reference:
        yield row("over_3dvar", ratio_of_rmse(error, base, trajectory))
    if outcome.task == "window":
        yield row("rmse_end", rmse_interval(error[:, -1], trajectory))
    seconds = outcome.tuning_seconds + outcome.test_seconds
    yield replace(blank, unit="h", value=seconds / _SECONDS_AN_HOUR)


def _cases(recipe: TwinRecipe, outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """Square errors by case, and the trajectories: of cycling, a case is a block of days."""
    error, trajectory = outcome.square_error, outcome.trajectory
    if outcome.task != "cycling":
        return error, trajectory
    size = round(24 * recipe.cycling_block / recipe.cycling_hours)
    blocks = error.reshape(len(error), -1, size).reshape(-1, size)
    return blocks, np.repeat(trajectory, error.shape[1] // size)
