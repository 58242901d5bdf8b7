"""Claim: QG3 in real matrix products runs 20 times faster than pyshqg, and so does its adjoint.

CPU seconds of one thread for a day of T21 in steps of 1800 s (RK4), single precision, same fields,
each program in a process of its own and in turns; pyshqg 1.0.1 needs its own environment::

    python3.11 -m venv ENV && ENV/bin/pip install pyshqg==1.0.1 'numpy<2' 'astropy<6.2' \
        'pandas<2.3' 'zarr<3' 'xarray<2024.8' 'scipy<1.14' 'matplotlib<3.10' 'numcodecs<0.14'
    make bench NAME=qg3_speed BENCH_ARGS="--pyshqg ENV/bin/python"      # or ISOPLETH_PYSHQG=...
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from isopleth.studies.provenance import sha256_of, stamp
from isopleth.studies.results import Result, judged
from isopleth.studies.rows import Headline, Row, headline_fields, largest, ratio_of, select

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
ASSET = ROOT / "src" / "isopleth" / "data" / "assets" / "qg3_boundary.npz"
NAME, OURS, THEIRS = "qg3_speed", "isopleth", "pyshqg 1.0.1"
BATCHES, LARGE, DAY = (1, 16, 64), 64, 48
RADII = (4000, 8000)
VARIABLE = "ISOPLETH_PYSHQG"


def at(batch: int) -> str:
    """Setting of the rows of a batch."""
    return f"T21, RK4 1800 s, batch {batch}, one thread"


def near(radius: int) -> str:
    """Setting of the rows of an analysis."""
    return f"T21, 32 members, 5 % of the cells seen, radius {radius} km, two threads"


def apart(
    python: str, script: str, *arguments: object, threads: int = 1
) -> dict[str, list[float]]:
    """Run a sibling in its own process on so many threads; what it prints last."""
    count = str(threads)
    environment = {**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
    command = [python, str(HERE / script), *map(str, arguments)]
    out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(out.stdout.splitlines()[-1])) if out.stdout else {}


def reference(given: str | None) -> str:
    """The interpreter of pyshqg's environment, after it was tried."""
    python = given or os.environ.get(VARIABLE)
    if not python:
        raise SystemExit(f"pyshqg is not here: name its interpreter by --pyshqg or {VARIABLE}.")
    tried = subprocess.run([python, "-c", "import pyshtools, pyshqg"], capture_output=True)
    if tried.returncode:
        raise SystemExit(f"{python} cannot import pyshqg: {tried.stderr.decode()[-500:]}")
    return python


class Rows(list[Row]):
    """Rows of the result, printed as they come."""

    def add(self, method: str, setting: str, metric: str, unit: str, values: list[float]) -> None:
        """The fastest of repeated runs, whose noise is all on one side, and their range."""
        ends = (min(values), max(values)) if len(values) > 1 else None
        row = Row(method=method, setting=setting, metric=metric, unit=unit, n=len(values),
                  value=min(values), ci95=ends)  # fmt: skip
        self.append(row)
        print(f"{method:14s} {setting:45s} {metric:28s} {row.value:12.4g} {unit}", flush=True)


def timings(rows: Rows, python: str, steps: int, repeats: int) -> None:
    """Milliseconds a member-day of both programs, and of our gradient."""
    for batch in BATCHES:
        scale = 1000.0 * DAY / steps / batch
        found: dict[str, list[float]] = {}
        for _ in range(repeats):
            theirs = apart(python, "qg3_speed_pyshqg.py", "time", batch, steps, 1)
            ours = apart(sys.executable, "qg3_speed_jobs.py", "time", batch, steps)
            for name, seconds in (ours | {THEIRS: theirs["seconds"]}).items():
                found.setdefault(name, []).extend(seconds)
        for name in (THEIRS, "forward", "gradient", "checkpointed gradient"):
            method = THEIRS if name == THEIRS else OURS
            metric = "forward" if name == THEIRS else name
            rows.add(method, at(batch), metric, "ms/member-day", [scale * s for s in found[name]])


def agreement(rows: Rows, python: str) -> None:
    """Relative rms difference of the two programs a day after the shipped start."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "golden.npz")
        apart(python, "qg3_speed_pyshqg.py", "golden", path)
        found = apart(sys.executable, "qg3_speed_jobs.py", "compare", path)
    for name, values in found.items():
        rows.add(OURS, f"T21, RK4 1800 s, {name}", "difference_after_one_day", "1", values)


def accelerated(rows: Rows, steps: int) -> None:
    """The same on a GPU, where there is one: seconds of the wall clock."""
    found = apart(sys.executable, "qg3_speed_jobs.py", "cuda", 1024, steps)
    if found:
        values = [1000.0 * DAY / steps / 1024 * seconds for seconds in found["forward"]]
        setting = "T21, RK4 1800 s, batch 1024, GPU"
        rows.add(OURS, setting, "wall clock", "ms/member-day", values)


def analyses(rows: Rows, repeats: int) -> None:
    """Wall seconds of a local analysis, near and far."""
    for radius in RADII:
        found = apart(sys.executable, "qg3_speed_jobs.py", "letkf", radius, repeats, threads=2)
        rows.add("LETKF", near(radius), "analysis", "s", found["seconds"])


def headlines() -> dict[str, Headline]:
    """What the issue asks for."""
    ours, theirs = (select(name, at(LARGE), "forward") for name in (OURS, THEIRS))
    ratios = [
        ratio_of(select(OURS, at(b), "gradient"), select(OURS, at(b), "forward")) for b in BATCHES
    ]
    kept = select(OURS, at(LARGE), "checkpointed gradient")
    return {
        "over_pyshqg": Headline(ratio_of(theirs, ours), (">=", 20.0)),
        "ms_member_day": Headline(ours),
        "adjoint_over_forward": Headline(ratios[-1], ("<=", 3.0)),
        "adjoint_over_forward_any_batch": Headline(largest(*ratios)),
        "checkpointed_adjoint_over_forward": Headline(ratio_of(kept, ours)),
        "letkf_seconds": Headline(
            largest(*(select("LETKF", near(radius), "analysis") for radius in RADII)), ("<=", 1.0)
        ),
    }


def result(rows: Rows, repeats: int) -> Result:
    """The file, with the verdict its targets give."""
    draft = Result(
        name=NAME, what="CPU milliseconds a member-day of the three-level quasi-geostrophic model "
        "against pyshqg with the same grid, step, scheme and precision, and of its gradient "
        "(forward run included), and of a local analysis: the fastest of repeated runs; "
        "intervals are their range.",
        command=f'make bench NAME={NAME} BENCH_ARGS="--pyshqg ENV/bin/python"', seeds=(0,),
        n_cases=repeats, data={ASSET.name: sha256_of(ASSET)}, rows=tuple(rows),
        verdict="falls short: draft", **stamp(ROOT), **headline_fields(rows, headlines()),
    )  # fmt: skip
    return judged(draft)


def main() -> None:
    """Time everything; write results/qg3_speed.json unless it is only a trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pyshqg", help=f"interpreter with pyshqg; else the variable {VARIABLE}")
    parser.add_argument("--smoke", action="store_true", help="two steps, once; writes nothing")
    arguments = parser.parse_args()
    python = reference(arguments.pyshqg)
    steps, repeats = (2, 1) if arguments.smoke else (DAY, 9)
    rows = Rows()
    agreement(rows, python)
    timings(rows, python, steps, repeats)
    analyses(rows, repeats)
    accelerated(rows, steps)
    found = result(rows, repeats)
    if not arguments.smoke:
        found.write(ROOT / "results" / f"{NAME}.json")
    print(found.verdict, found.headline)


if __name__ == "__main__":
    main()
