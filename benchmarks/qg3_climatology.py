"""Claim: after 180 days of spin-up the QG3 world at T21 has the climate its reference has.

Runs T21 and T42, once: states are kept in build/qg3_climatology and a stopped run goes on. Then
measures jets, storm tracks, spectra, skewness, growth of errors and the length of the spin-up,
and draws docs/images/qg3_*.png::

    make bench NAME=qg3_climatology
    make bench NAME=qg3_climatology BENCH_ARGS=--only-t21        # without the slow one
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.figure import Figure
from PIL import Image

import qg3_climatology_maps as maps
from isopleth.dynamics import T21, T42
from isopleth.report.figures import to_png
from isopleth.studies.provenance import sha256_of, stamp
from isopleth.studies.results import Result, judged, replacing
from isopleth.studies.rows import headline_fields
from qg3_climatology_curves import FIGURES
from qg3_climatology_rows import Rows, headlines, rows_of
from qg3_climatology_runs import Plan, Runs
from qg3_climatology_statistics import Climate, climate
from qg3_climatology_store import ASSET

ROOT = Path(__file__).resolve().parent.parent
NAME = "qg3_climatology"
BUILD, IMAGES = ROOT / "build" / NAME, ROOT / "docs" / "images"
PLANS = (
    Plan(name="T21", recipe=T21, members=32, spin_up=180, kept=240, small=50, grown=40),
    Plan(name="T42", recipe=T42, members=6, spin_up=180, kept=120, small=30, grown=20, seed=1),
)
SMOKE = (replace(PLANS[0], members=2, spin_up=0.5, kept=30.0, small=20.5, grown=10.0),)
PICTURES = FIGURES | {"jets": maps.jets, "storm_tracks": maps.storm_tracks, "day": maps.day}
DPI, COLOURS = 110, 255


def draw(climates: Sequence[Climate], folder: Path) -> None:
    """All pictures."""
    for name, figure in PICTURES.items():
        write(figure(climates), folder / f"qg3_{name}.png")


def write(figure: Figure, path: Path) -> None:
    """A PNG of few colours: pages load faster, and nobody sees the difference."""
    image = Image.open(io.BytesIO(to_png(figure, dpi=DPI))).convert("RGB")
    small = image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    with replacing(path) as temporary:
        small.save(temporary, format="PNG", optimize=True)


def result(climates: Sequence[Climate], rows: Rows) -> Result:
    """The file, with the verdict its targets give."""
    plans = [c.runs.plan for c in climates]
    words = "" if len(plans) == len(PLANS) else " BENCH_ARGS=--only-t21"
    length = ", ".join(f"{p.name}: {p.members} x {p.kept:g}" for p in plans)
    draft = Result(
        name=NAME, what="Climate of the quasi-geostrophic world on its shipped forcing, after a "
        f"spin-up of {plans[0].spin_up:g} days (members x days kept; {length}). Targets are the "
        "values of an earlier, independent program for the same equations, within 15 %, jets "
        "within a row of the grid, and a standard deviation of psi that does not drift: its "
        "second half over its first. sd is the root of the area mean of the variance; storm track "
        "is the largest zonal mean sd of psi at 500 hPa in periods of 2.5 to 6 days; skewness is "
        "that of sign(f) psi at 500 hPa. Intervals are over trajectories.",
        command=f"make bench NAME={NAME}" + words, seeds=tuple(p.seed for p in plans),
        n_cases=sum(p.members for p in plans), data={ASSET.name: sha256_of(ASSET)},
        rows=tuple(rows), verdict="falls short: draft", **stamp(ROOT),
        **headline_fields(rows, headlines(climates)),
    )  # fmt: skip
    good = "reproduces: the reference climate within 15 %, and it does not drift"
    return judged(draft, good)


def main() -> None:
    """Run what is missing, measure, draw; write the result unless it is only a trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--smoke", action="store_true", help="two members, 3 weeks; writes nothing"
    )
    parser.add_argument("--only-t21", action="store_true", help="leave T42 out")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    plans = SMOKE if arguments.smoke else PLANS[:1] if arguments.only_t21 else PLANS
    climates = [climate(Runs.of(plan, BUILD)) for plan in plans]
    rows = rows_of(climates)
    if arguments.smoke:
        draw(climates, BUILD / "smoke")
        return
    found = result(climates, rows)
    draw(climates, IMAGES)
    found.write(ROOT / "results" / f"{NAME}.json")
    print(found.verdict, found.headline)


if __name__ == "__main__":
    main()
