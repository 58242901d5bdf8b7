"""Claim: a prior that learned the background's own error beats the best static analysis.

Two commands come first, each of which goes on where it stopped::

    isopleth prepare losda qg3 --pairs 100000 --out build/losda/pairs
    isopleth train losda small --earlier --pairs build/losda/pairs --folder build/losda
    make bench NAME=losda_qg3              # or some methods: BENCH_ARGS="--methods DPS"
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch

import isopleth
from isopleth.inference.variational import latent_variance
from isopleth.priors import load_codec
from isopleth.priors.background_latent import InUnits
from isopleth.studies.provenance import code_digest, sha256_of, stamp
from isopleth.studies.results import Result, judged, write_cases
from isopleth.studies.rows import headline_fields
from isopleth.studies.twin import TwinWorld
from isopleth.studies.twin.linear import Moments
from isopleth.studies.twin.variations import Met, Variations
from isopleth.studies.twin.variations_table import rows_of
from isopleth.systems.losda.evaluation import (
    CELLS_ONLY,
    LEVELS,
    NETWORKS,
    REFERENCES,
    WORLD,
    contenders,
    headlines,
)
from isopleth.systems.losda.learned import LearnedStatistics
from isopleth.systems.losda.pairs import Pairs
from isopleth.systems.losda.prepare import Prepared
from isopleth.systems.losda.weights import found_card, read_whole

ROOT = Path(__file__).resolve().parent.parent
NAME, WORK = "losda_qg3", ROOT / "build" / "losda"
PRIOR = "losda_qg3_t21_earlier"
DAYS = (2, 3, 4, 5)
SOURCE = Path(isopleth.__file__).parent


def statistics(world: TwinWorld, pairs: Pairs, card: Path) -> LearnedStatistics:
    """The prior, and the baselines' covariances from the same pairs."""
    path = WORK / "moments.safetensors"
    if not path.is_file():
        Moments.of(world.climate, pairs.parts(1024)).write(path)
    climate = world.climate
    codec = InUnits(load_codec("codec_qg3_t21_conv"), climate.mean, climate.sd[:, None, None])
    truth, known = next(pairs.parts(512, 512))
    return LearnedStatistics(
        world,
        denoiser=read_whole(card)[0],
        moments=Moments.read(path),
        older=True,
        codec=codec,
        latent_variance=latent_variance(codec, truth, known[:, : truth.shape[1]]),
    )


def fingerprint(world: TwinWorld, card: Path) -> str:
    """Of all that decides an outcome besides the settings."""
    folders = ("inference", "inference/variational", "inference/kalman", "priors", "nets")
    files = [path for name in folders for path in sorted((SOURCE / name).glob("*.py"))]
    files += sorted((SOURCE / "studies" / "twin").glob("*.py"))
    files += [SOURCE / "systems" / "losda" / f"{name}.py" for name in ("cases", "contenders")]
    told = [world.sha256, sha256_of(card.with_suffix(".safetensors")), code_digest(*files)]
    return hashlib.sha256("".join(told).encode()).hexdigest()


def played(stats: LearnedStatistics, code: str, only: list[str]) -> list[Met]:
    """Everyone's analyses with every network they can read."""
    met: list[Met] = []
    for method in contenders():
        if only and method.name not in only:
            continue
        few = method.name in CELLS_ONLY
        networks = [n for n in NETWORKS if not few or (n.cells and n.quantity == "streamfunction")]
        study = Variations(
            stats, code, WORK / "met", trials=WORLD.trials, networks=networks, days=DAYS
        )
        met += study([method])
    return met


def result(world: TwinWorld, card: Path, met: list[Met]) -> Result:
    """The file, with the verdict its targets give."""
    rows = rows_of(met, REFERENCES, days=DAYS, levels=LEVELS)
    draft = Result(
        name=NAME,
        what="One analysis of a 48-hour forecast of the quasi-geostrophic world (T21), columns "
        "of the streamfunction seen: RMSE in climatological standard deviations. "
        f"Every method: {WORLD.trials} trials on 32 validation cases with the first network, then "
        "every network as it stands. Baselines' covariances and regressions are of the pairs the "
        "networks were trained on. Intervals resample trajectories.",
        command=f"make bench NAME={NAME}",
        seeds=WORLD.seeds,
        n_cases=WORLD.cases,
        data={"frozen world": world.sha256, "prior": sha256_of(card.with_suffix(".safetensors"))},
        rows=tuple(rows),
        verdict="falls short: draft",
        **stamp(ROOT),
        **headline_fields(rows, headlines(rows)),
    )
    return judged(draft)


def main() -> None:
    """Score everyone; write the result when everyone took part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=[], help="names; all by default")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    prepared, card = Prepared.read(WORK / "pairs"), found_card(WORK / PRIOR)
    world = TwinWorld.frozen(WORLD, prepared.folder)
    stats = statistics(world, prepared.learned, card)
    met = played(stats, fingerprint(world, card), asked.methods)
    if asked.methods:
        return
    found = result(world, card, met)
    kept = {f"{m.network} | {m.method}": np.float32(m.scores["square_error"]) for m in met}
    write_cases(ROOT / "results" / f"{NAME}.cases.npz", kept)
    found.write(ROOT / "results" / f"{NAME}.json")
    print(found.verdict, found.headline)


if __name__ == "__main__":
    main()
