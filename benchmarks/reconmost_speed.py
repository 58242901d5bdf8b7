"""Claim: 50 evaluations of the network give what the published 1000 give, 15 times faster.

The same shipped network and the same noise-free chain, on columns of an unbiased perturbed
climatology (SYNTHETIC); and a global month with 16 members at real Argo positions with SYNTHETIC
temperatures, where only time and memory are measured.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import numpy as np

from argo_boxes import ROOT
from isopleth.studies.bootstrap import ratio_of_rmse, rmse_interval
from isopleth.studies.provenance import sha256_of, stamp
from isopleth.studies.results import Result, judged
from isopleth.studies.rows import Headline, Row, headline_fields, ratio_of, select
from isopleth.systems.reconmost.shipped import SHIPPED
from speed_chains import CASES, MEMBERS, chains, month
from speed_jobs import PROFILES

NAME, PAPER, OURS = "reconmost_speed", 1000, 50
COLUMNS = "one global analysis, 12 levels at 2 degrees, 7.5 % of columns seen, 2 threads"
MONTH = f"global month, {PROFILES} profiles, {MEMBERS} members, 2 threads"


def apart(job: str) -> dict[str, list[float]]:
    """Run one job in its own process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, __file__, job]
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(out.stdout.splitlines()[-1]))


def one(job: str) -> dict[str, list[float]]:
    """What a subprocess prints: a number of steps, or the month."""
    found = month() if job == "month" else chains(int(job))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {**found, "memory_gb": [peak]}


def main() -> None:
    """Time everything and write results/reconmost_speed.json."""
    rows: list[Row] = []

    def add(method: str, setting: str, metric: str, unit: str, values: list[float]) -> None:
        ends = (min(values), max(values)) if len(values) > 1 else None
        middle = float(np.median(values))
        rows.append(Row(method=method, setting=setting, metric=metric, unit=unit, value=middle,
                        ci95=ends, n=len(values)))  # fmt: skip
        print(f"{method:26s} {metric:12s} {middle:10.3f} {unit}")

    found = {steps: apart(str(steps)) for steps in (OURS, PAPER)}
    for steps, scored in found.items():
        method = f"ReconMOST, {steps} steps"
        add(method, COLUMNS, "seconds", "s", scored["seconds"])
        add(method, COLUMNS, "peak_memory", "GB", scored["memory_gb"])
        error = rmse_interval(np.square(scored["rmse"]), np.arange(CASES))
        rows.append(Row(method=method, setting=COLUMNS, metric="rmse", unit="K",
                        value=error.value, ci95=error.ends, n=CASES))  # fmt: skip
    pair = (np.square(found[steps]["rmse"]) for steps in (OURS, PAPER))
    print("RMSE of 50 steps over 1000:", ratio_of_rmse(*pair, np.arange(CASES)))
    whole = apart("month")
    add("MMPS", MONTH, "seconds", "s", whole["seconds"])
    add("MMPS", MONTH, "peak_memory", "GB", whole["memory_gb"])
    ours, paper = (f"ReconMOST, {steps} steps" for steps in (OURS, PAPER))
    heads = {
        "speedup_vs_1000": Headline(
            ratio_of(select(paper, COLUMNS, "seconds"), select(ours, COLUMNS, "seconds")),
            (">=", 15.0),
        ),
        "rmse_50_over_1000": Headline(
            ratio_of(select(ours, COLUMNS, "rmse"), select(paper, COLUMNS, "rmse")),
            ("<=", 1.01),
        ),
        "seconds_global_month": Headline(select("MMPS", MONTH, "seconds"), ("<=", 60.0)),
    }
    draft = Result(
        name=NAME, what="Seconds of 50 steps against the published 1000 with the same network, "
        "and of a global month with 16 members; intervals of times are the range of the cases.",
        command=f"make bench NAME={NAME}", seeds=tuple(range(CASES)), n_cases=CASES,
        data={name: sha256_of(SHIPPED.with_name(name))
              for name in ("small.safetensors", "small_spread.safetensors")},
        rows=tuple(rows), verdict="falls short: draft",
        **stamp(ROOT), **headline_fields(rows, heads),
    )  # fmt: skip
    found = judged(draft, "beats: every target is met")
    found.write(ROOT / "results" / f"{NAME}.json")
    print(found.verdict, found.headline)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(one(sys.argv[1])))
    else:
        main()
