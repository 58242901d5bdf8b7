"""Claim: the filters and variational methods score on Lorenz-96 as DAPPER's do, side by side.

Truth, values, start and the draws of the stochastic filter are handed over, so that all methods
agree to rounding but the LETKF (DAPPER drops weights under 0.001). DAPPER 1.7.1 runs in an
environment of its own:

    python3.11 -m venv build/dapper && build/dapper/bin/pip install dapper==1.7.1

(or set DAPPER_PYTHON to its interpreter). Finished runs are kept in build/lorenz, so that an
interrupted benchmark goes on where it stopped; `--smoke` is short and writes there as well.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from isopleth.core.errors import DataMissingError
from isopleth.studies.provenance import sha256_of
from isopleth.studies.results import replacing
from lorenz_rows import OURS, THEIRS, Table, write
from lorenz_world import METHODS, Floats, Method, Twin, analysed, climate, draws

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "lorenz"
SEEDS, CYCLES = tuple(range(10)), 1000
SMOKE_SEEDS, SMOKE_CYCLES = (0,), 200
CODE = (
    "src/isopleth/inference/kalman/*.py",
    "src/isopleth/inference/cycle.py",
    "src/isopleth/dynamics/lorenz.py",
    "benchmarks/lorenz_*.py",
)


def interpreter() -> Path:
    """Of the environment that has DAPPER."""
    path = Path(os.environ.get("DAPPER_PYTHON", ROOT / "build" / "dapper" / "bin" / "python"))
    if not path.is_file():
        raise DataMissingError(f"{path} is not there: make DAPPER's environment, see {__file__}.")
    return path


def theirs(twin: Twin, method: Method, seed: int) -> Floats:
    """DAPPER's analysis, (cycles, 40), by a process of its own."""
    paths = {name: WORK / f"{os.getpid()}.{name}" for name in ("twin.npz", "json", "answer.npz")}
    twin.write(paths["twin.npz"], draws(twin, method, seed))
    paths["json"].write_text(json.dumps(asdict(method)), encoding="utf-8")
    script = Path(__file__).with_name("lorenz_dapper.py")
    command = [interpreter(), script, paths["twin.npz"], paths["json"], seed, paths["answer.npz"]]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"DAPPER failed: {done.stderr[-2000:]}")
    with np.load(paths["answer.npz"], allow_pickle=False) as stored:
        mean = stored["mean"]
    for path in paths.values():
        path.unlink()
    return np.asarray(mean)


PROGRAMS: dict[str, Callable[[Twin, Method, int], Floats]] = {OURS: analysed, THEIRS: theirs}


def rmse(truth: Floats, mean: Floats) -> float:
    """Mean over time of the RMS over the variables, without the first fifth."""
    by_time = np.sqrt(np.square(mean - truth[1:]).mean(1))
    return float(by_time[len(by_time) // 5 :].mean())


def scored(setting: str, name: str, program: str, seed: int, cycles: int) -> float:
    """The RMSE of one run, from the store where it was made before."""
    method = METHODS[setting][name]
    key = f"{code()} {setting} {method} {program} {seed} {cycles}"
    path = WORK / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.txt"
    if not path.is_file():
        start = time.process_time()
        twin = Twin.of(setting, seed, cycles)
        found = rmse(twin.truth, PROGRAMS[program](twin, method, seed))
        seconds = time.process_time() - start
        print(
            f"{setting}, seed {seed}, {name}, {program}: {found:.5f}, {seconds:.0f} s", flush=True
        )
        with replacing(path) as temporary:
            temporary.write_text(repr(found))
    return float(path.read_text())


def code() -> str:
    """Of all that decides a score."""
    files = [path for pattern in CODE for path in sorted(ROOT.glob(pattern))]
    return "".join(sha256_of(path) for path in files if path.name != "lorenz_rows.py")


def main() -> None:
    """Run every method of both programs and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="one seed, 200 cycles")
    smoke = parser.parse_args().smoke
    torch.set_num_threads(1)
    WORK.mkdir(parents=True, exist_ok=True)
    seeds, cycles = (SMOKE_SEEDS, SMOKE_CYCLES) if smoke else (SEEDS, CYCLES)
    table: Table = {}
    for setting, methods in METHODS.items():
        spread = np.sqrt(np.trace(climate()) / len(climate()))
        table["climatology", setting, ""] = np.full(len(seeds), spread)
        for name in methods:
            for program in PROGRAMS:
                scores = [scored(setting, name, program, seed, cycles) for seed in seeds]
                table[name, setting, program] = np.array(scores)
    write(WORK if smoke else ROOT / "results", ROOT, table, seeds, cycles)


if __name__ == "__main__":
    main()
