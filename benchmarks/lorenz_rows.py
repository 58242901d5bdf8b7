"""Rows, headline and verdict of the Lorenz-96 comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isopleth.studies.bootstrap import mean_interval
from isopleth.studies.provenance import stamp
from isopleth.studies.results import Result, targets_met, write_cases
from isopleth.studies.rows import Headline, Row, headline_fields, largest, select

NAME = "lorenz_golden"
OURS, THEIRS = "Isopleth", "DAPPER 1.7.1"
Table = dict[tuple[str, str, str], NDArray[np.float64]]
"""RMSE (seeds,) by method, setting and program."""


def rows_of(table: Table) -> list[Row]:
    """Mean RMSE with its interval over the seeds, and how far the two programs are apart."""
    rows = []
    for (method, setting, program), rmse in table.items():
        name = f"{method}, {program}" if program else method
        mean = mean_interval(rmse, np.arange(len(rmse)))
        ends = {"value": mean.value, "ci95": mean.ends}
        rows.append(Row(method=name, setting=setting, metric="rmse", unit="1", **ends))
        if program == OURS:
            apart = abs(mean.value / float(table[method, setting, THEIRS].mean()) - 1.0)
            where = {"method": name, "setting": setting, "unit": "1"}
            rows.append(Row(**where, metric="rel_diff_dapper", value=apart))
    return rows


def write(folder: Path, root: Path, table: Table, seeds: Sequence[int], cycles: int) -> None:
    """Write `lorenz_golden.json` and its cases."""
    rows = rows_of(table)
    apart = [select(*row.key) for row in rows if row.metric == "rel_diff_dapper"]
    headline = {"max_rel_diff_dapper": Headline(largest(*apart), ("<=", 0.05))}
    draft = Result(
        name=NAME,
        what="Lorenz-96 (40 variables, F = 8, step 0.05, seen every step with error variance 1): "
        "time-mean RMSE of the analysis of five methods and of DAPPER's with the same truth, "
        f"values, start, settings and random draws; {cycles} cycles a seed, "
        "the first fifth not counted.",
        command=f"make bench NAME={NAME}",
        seeds=tuple(seeds),
        n_cases=len(seeds),
        data={},
        rows=tuple(rows),
        verdict="falls short: draft",
        **stamp(root),
        **headline_fields(rows, headline),
    )
    good = all(targets_met(draft).values())
    verdict = (
        "reproduces: every method scores as DAPPER's does"
        if good
        else "falls short: a method and DAPPER's differ by more than the target"
    )
    kept = {" | ".join(key): rmse for key, rmse in table.items()}
    write_cases(folder / f"{NAME}.cases.npz", kept)
    replace(draft, verdict=verdict).write(folder / f"{NAME}.json")
    for row in rows:
        print(f"{row.setting:24}{row.method:26}{row.metric:18}{row.value:.5f}")
    print(verdict, draft.headline)
