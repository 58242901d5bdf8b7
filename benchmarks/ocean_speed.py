"""Claim: a global month in two minutes on 2 cores, a million observations in 4 GB, and PyKrige.

Positions are those of real Argo profiles of January 2016; the temperatures are the January
climatology plus random anomalies (SYNTHETIC: only time and memory are measured, never skill).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import numpy as np

from argo_boxes import ROOT
from isopleth.studies.provenance import sha256_of, stamp
from isopleth.studies.results import Result, judged
from isopleth.studies.rows import Headline, Row, headline_fields, ratio_of, select
from speed_jobs import LEVELS, PROFILES, WINDOW, against_pykrige, million, month

NAME, REPEATS = "ocean_speed", 3
ASSET = ROOT / "src" / "isopleth" / "data" / "assets" / "argo_positions_201601.csv.gz"


def apart(job: str, threads: int) -> dict[str, float]:
    """Run one job in its own process; its seconds and peak memory."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, job]
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(out.stdout.splitlines()[-1]))


def main() -> None:
    """Time everything and write results/ocean_speed.json."""
    rows = []

    def add(method: str, setting: str, metric: str, unit: str, values: list[float]) -> None:
        ends = (min(values), max(values)) if len(values) > 1 else None
        middle = float(np.median(values))
        rows.append(Row(method=method, setting=setting, metric=metric, unit=unit, value=middle,
                        ci95=ends, n=len(values)))  # fmt: skip
        print(f"{method:10s} {setting:40s} {metric:12s} {middle:10.3f} {unit}")

    job = f"global month, {PROFILES} profiles, {len(LEVELS)} levels, 16 members"
    months = [apart("month", 2) for _ in range(REPEATS)]
    add("kriging", job, "seconds", "s", [one["seconds"] for one in months])
    add("kriging", job, "peak_memory", "GB", [one["memory_gb"] for one in months])
    big = apart("million", 2)
    add("kriging", "global month, 1e6 observations", "seconds", "s", [big["seconds"]])
    add("kriging", "global month, 1e6 observations", "peak_memory", "GB", [big["memory_gb"]])
    same = f"2-degree ocean, 4 levels, {WINDOW} neighbours, one thread"
    pairs = [apart("pykrige", 1) for _ in range(2)]
    add("PyKrige", same, "seconds", "s", [one["theirs"] for one in pairs])
    add("kriging", same, "seconds", "s", [one["ours"] for one in pairs])
    add("kriging", same, "rms_difference", "K", [one["difference"] for one in pairs])
    heads = {
        "seconds_global_month": Headline(select("kriging", job, "seconds"), ("<=", 120.0)),
        "memory_gb_million": Headline(
            select("kriging", "global month, 1e6 observations", "peak_memory"), ("<=", 4.0)
        ),
        "over_pykrige": Headline(
            ratio_of(select("PyKrige", same, "seconds"), select("kriging", same, "seconds")),
            (">=", 20.0),
        ),
    }
    draft = Result(
        name=NAME, what="Time and memory of kriging on real Argo positions with SYNTHETIC "
        "temperatures; intervals are the range of repeated runs.",
        command=f"make bench NAME={NAME}", seeds=(0,), n_cases=PROFILES,
        data={ASSET.name: sha256_of(ASSET)}, rows=tuple(rows), verdict="falls short: draft",
        **stamp(ROOT), **headline_fields(rows, heads),
    )  # fmt: skip
    found = judged(draft, "beats: every target is met")
    found.write(ROOT / "results" / f"{NAME}.json")
    print(found.verdict, found.headline)


def one(job: str) -> dict[str, float]:
    """What a subprocess prints."""
    if job == "pykrige":
        theirs, ours, difference = against_pykrige()
        return {"theirs": theirs, "ours": ours, "difference": difference}
    seconds = month() if job == "month" else million()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"seconds": seconds, "memory_gb": peak}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(one(sys.argv[1])))
    else:
        main()
