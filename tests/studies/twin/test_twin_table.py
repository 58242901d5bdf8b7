"""From outcomes to rows: ratios, blocks of days, the reference and the verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isopleth.studies.twin.contest import Outcome
from isopleth.studies.twin.recipe import TwinRecipe, full
from isopleth.studies.twin.table import reference_of, result_of, rows_of

ONE = replace(full, networks=full.networks[:1])


def outcome(method: str, task: str, square: float, validation: float = 1.0) -> Outcome:
    times = {"one-shot": 1, "window": 5, "cycling": 80}[task]
    return Outcome(
        task=task,
        network="2 % points",
        method=method,
        settings={},
        validation=validation,
        trials=6,
        tuning_seconds=1800.0,
        test_seconds=1800.0,
        square_error=np.full((12, times), square),
        trajectory=np.arange(12.0),
    )


def every(fourdvar: float = 0.01, letkf: float = 0.01) -> list[Outcome]:
    return [
        outcome("3D-Var", "one-shot", 0.04),
        outcome("hybrid EnVar", "one-shot", 0.01),
        outcome("3D-Var, FGAT", "window", 0.09, validation=0.3),
        outcome("3D-Var, sequential", "window", 0.04, validation=0.2),
        outcome("4D-Var", "window", fourdvar),
        outcome("3D-Var", "cycling", 0.04),
        outcome("LETKF", "cycling", letkf),
    ]


def value(rows: list, method: str, setting: str, metric: str) -> float:
    return next(row.value for row in rows if row.key == (method, setting, metric))


def test_ratios_are_of_root_mean_squares_and_hours_of_all_runs() -> None:
    rows = rows_of(ONE, every())
    assert value(rows, "4D-Var", "window, 2 % points", "over_3dvar") == pytest.approx(0.5)
    assert value(rows, "4D-Var", "window, 2 % points", "rmse_end") == pytest.approx(0.1)
    assert value(rows, "LETKF", "cycling, 2 % points", "rmse") == pytest.approx(0.1)
    assert value(rows, "LETKF", "cycling, 2 % points", "cpu_hours") == pytest.approx(1.0)


def test_the_reference_of_a_window_is_the_better_on_the_validation() -> None:
    group = [o for o in every() if o.task == "window"]
    assert reference_of(group).method == "3D-Var, sequential"


def test_a_case_of_cycling_is_a_block_of_days() -> None:
    rows = rows_of(ONE, every())
    row = next(r for r in rows if r.key == ("LETKF", "cycling, 2 % points", "rmse"))
    assert row.n == 12 * 80 // (2 * ONE.cycling_block)


def test_analyses_that_a_method_does_not_make_are_left_out_of_both() -> None:
    outcomes = every()
    square = np.where(np.arange(80) % 2 == 1, 0.01, np.nan) * np.ones((12, 1))
    fourd = replace(outcome("4D-Var", "cycling", 0.0), square_error=square)
    # 3D-Var is worse at the times that are left out.
    worse = np.where(np.arange(80) % 2 == 1, 0.04, 1.0) * np.ones((12, 1))
    outcomes[5] = replace(outcomes[5], square_error=worse)
    rows = rows_of(ONE, [*outcomes, fourd])
    assert value(rows, "4D-Var", "cycling, 2 % points", "over_3dvar") == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("fourdvar", "letkf", "verdict"),
    [
        (0.01, 0.01, "beats: targets are met"),
        (0.03, 0.01, "falls short: fourdvar_over_3dvar_window missed"),
        (0.01, 0.03, "falls short: letkf_over_3dvar_cycled missed"),
    ],
)
def test_the_verdict_follows_from_the_targets(
    fourdvar: float, letkf: float, verdict: str, tmp_path: Path
) -> None:
    found = result_of("trial", ONE, every(fourdvar, letkf), "0" * 64, tmp_path)
    assert found.verdict == verdict
    assert found.n_cases == TwinRecipe().cases == 72
