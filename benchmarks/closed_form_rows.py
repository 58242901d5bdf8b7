"""Rows, headlines and verdict of the closed-form benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from closed_form_methods import SCORES
from closed_form_world import MODES, SD
from isopleth.data.cards import read_card
from isopleth.studies.bootstrap import mean_interval, ratio_of_rmse, rmse_interval
from isopleth.studies.provenance import stamp
from isopleth.studies.results import Result, targets_met, write_cases
from isopleth.studies.rows import Headline, Row, headline_fields, ratio_of, select

NAME = "reconmost_closed_form"
EXACT = "exact posterior"
GAUSSIAN, PERTURBED = "gaussian, 7.5 % cells", "perturbed, 7.5 % profiles"
Table = dict[tuple[str, str], NDArray[np.float64]]
"""Scores (seeds, cases, SCORES) by method and setting."""


def rows_of(table: Table) -> list[Row]:
    """RMSE of the mean and of one member, spread, distance, CRPS; intervals over truths."""
    rows = []
    roots = {"squared": "rmse", "one": "rmse_one_member", "spread": "spread",
             "distance": "distance_to_exact", "observed": "rmse_observed"}  # fmt: skip
    for (method, setting), score in table.items():
        by_case = dict(zip(SCORES, score.mean(0).T, strict=True))
        blocks = np.arange(score.shape[1])
        where = {"method": method, "setting": setting, "n": len(blocks)}
        if method == EXACT:
            by_case |= {name: by_case[f"exact_{name}"] for name in ("spread", "crps")}
        for key, metric in roots.items():
            if by_case[key].any():
                value = rmse_interval(by_case[key], blocks)
                ends = {"value": value.value, "ci95": value.ends}
                rows.append(Row(**where, **ends, metric=metric, unit="K"))
        crps = mean_interval(by_case["crps"], blocks)
        rows.append(Row(**where, metric="crps", unit="K", value=crps.value, ci95=crps.ends))
        reference = table[EXACT, setting][: len(score)].mean(0)[:, SCORES.index("squared")]
        ratio = ratio_of_rmse(by_case["squared"], reference, blocks)
        over = {"metric": "rmse_over_exact", "unit": "1"}
        rows.append(Row(**where, **over, value=ratio.value, ci95=ratio.ends))
        calls = float(by_case["calls"].mean())
        rows.append(Row(**where, metric="prior_calls", unit="1", value=calls))
    return rows


def headlines(best: str, thousand: str, fifty: str) -> dict[str, Headline]:
    """The four numbers of the claim, all on the prior's own draws."""

    def over(method: str, other: str, metric: str = "rmse") -> dict[str, object]:
        return ratio_of(*(select(m, GAUSSIAN, metric) for m in (method, other)))

    return {
        "mmps_over_exact": Headline(over(best, EXACT), ("<=", 1.02)),
        "reconmost_over_exact": Headline(over(thousand, EXACT), ("<=", 1.02)),
        "nfe50_over_nfe1000": Headline(over(fifty, thousand), ("in", (0.99, 1.01))),
        "mmps_spread_over_exact": Headline(over(best, EXACT, "spread"), ("in", (0.9, 1.1))),
    }


def write(root: Path, table: Table, claimed: tuple[str, str, str], seeds: Sequence[int]) -> None:
    """Write the result and its cases; `claimed` are MMPS and ReconMOST with 1000 and 50 steps."""
    rows = rows_of(table)
    whole = {key: value for key, value in table.items() if len(value) == len(seeds)}
    cards = [read_card(name) for name in ("ocean_temperature_monthly", "sst_anomaly_1979_2013")]
    draft = Result(
        name=NAME,
        what="A Gaussian prior whose posterior is known: 64-member means and spread of MMPS, and "
        "ReconMOST with 1000 and 50 evaluations, against the exact posterior, at the unseen "
        f"cells. {MODES} modes and a rest fitted to perturbed climatology (synthetic) of 6-degree "
        f"means; observation errors of {SD:g} standard deviations; other ensembles have 16 "
        f"members, RePaint 8; rows of {len(seeds)} seeds: "
        f"{', '.join(sorted({method for method, _ in whole}))}; others of one.",
        command=f"make bench NAME={NAME}",
        seeds=tuple(seeds),
        n_cases=next(iter(table.values())).shape[1],
        data={card.file: card.sha256 for card in cards},
        rows=tuple(rows),
        verdict="falls short: draft",
        **stamp(root),
        **headline_fields(rows, headlines(*claimed)),
    )
    missed = [name for name, good in targets_met(draft).items() if not good]
    verdict = (
        f"falls short: the target of {', '.join(missed)} is missed"
        if missed
        else "reproduces: guided samplers reach the exact posterior, ReconMOST in 50 evaluations"
    )
    kept = {f"{m} | {s}": score.astype(np.float32) for (m, s), score in table.items()}
    write_cases(root / "results" / f"{NAME}.cases.npz", kept)
    replace(draft, verdict=verdict).write(root / "results" / f"{NAME}.json")
    print(verdict, draft.headline)
