"""Claim: latent spaces of QG3 cost at most 5 % of the error variance of a 48-hour forecast.

Codecs of the streamfunction at T21: 64 to 1024 EOFs, and the shipped convolutional and transformer
VAE (made by `qg3_codecs_train.py`). Scored on 96 independent runs that none of them has seen: a
state there and back, and what a codec does to the error of a 48-hour forecast for it. EOFs are
found in 64 runs of 240 days; the networks were trained on a sixth of that, of other runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from isopleth.core.protocols import Codec
from isopleth.priors.autoencoder import load_codec
from isopleth.studies.bootstrap import mean_interval, ratio_of_means
from isopleth.studies.provenance import sha256_of, stamp
from isopleth.studies.results import Result, judged, write_cases
from isopleth.studies.rows import Headline, Row, headline_fields, ratio_of, select
from qg3_codecs_states import (
    CLIMATE,
    DEGREES,
    ERROR,
    ROOT,
    SMOKE_CLIMATE,
    SMOKE_TEST,
    STATE,
    TEST,
    Cases,
    Climate,
    Run,
    eofs,
    pairs,
    world,
)

NAME = "qg3_codecs"
WEIGHTS = ROOT / "src" / "isopleth" / "data" / "assets" / "weights"
LEARNED = {"conv VAE 2048": "codec_qg3_t21_conv", "ViT VAE 2048": "codec_qg3_t21_vit"}
SIZES = (64, 128, 256, 512, 768, 1024)
LEVELS = ("200 hPa", "500 hPa", "800 hPa")
ALL = "all levels"
SHARE, OF_ERROR = "share_of_climate_variance", "share_of_forecast_error_variance"
REPEATS = 5


def rows_of(method: str, scores: Mapping[str, np.ndarray], error: np.ndarray) -> list[Row]:
    """Means over cases with bootstrap intervals; every case is a run of its own."""
    blocks, rows = np.arange(len(error)), []
    for setting in (STATE, ERROR):
        for level, name in enumerate((*LEVELS, ALL)):
            each = scores[setting]
            values = each.mean(1) if name == ALL else each[:, level]
            found = mean_interval(values, blocks)
            rows.append(Row(method=method, setting=f"{setting}, {name}", metric=SHARE, unit="1",
                            value=found.value, ci95=found.ends))  # fmt: skip
        found = ratio_of_means(scores[setting].mean(1), error.mean(1), blocks)
        rows.append(Row(method=method, setting=f"{setting}, {ALL}", metric=OF_ERROR, unit="1",
                        value=found.value, ci95=found.ends))  # fmt: skip
    for setting in DEGREES:
        found = ratio_of_means(scores[setting][:, 0], scores[setting][:, 1], blocks)
        rows.append(Row(method=method, setting=setting, metric="power_ratio", unit="1",
                        value=found.value, ci95=found.ends))  # fmt: skip
    return rows


@torch.no_grad()
def timings(method: str, codec: Codec, x: Tensor) -> list[Row]:
    """CPU milliseconds a state in a batch, one thread; the interval is the range of the runs."""
    z = codec.encode(x)
    jobs: dict[str, Callable[[], Tensor]] = {
        "encode": lambda: codec.encode(x), "decode": lambda: codec.decode(z)
    }  # fmt: skip
    rows = []
    for name, job in jobs.items():
        job()
        spent = []
        for _ in range(REPEATS):
            start = time.process_time()
            job()
            spent.append(1000 * (time.process_time() - start) / len(x))
        rows.append(Row(method=method, setting=f"batch {len(x)}, one thread", metric=name,
                        unit="ms/state", value=float(np.median(spent)),
                        ci95=(min(spent), max(spent)), n=REPEATS))  # fmt: skip
    return rows


def headlines() -> dict[str, Headline]:
    """The share of a forecast's error that is lost, and how the networks compare with EOFs."""
    found = {}
    for short, method in zip(("conv", "vit"), LEARNED, strict=True):
        for what, setting in (("state", STATE), ("error", ERROR)):
            row = select(method, f"{setting}, {ALL}", OF_ERROR)
            target = ("<=", 0.05) if what == "state" else None
            found[f"{short}_{what}_over_forecast_error"] = Headline(row, target)
            few = select("EOF 1024", f"{setting}, {ALL}", OF_ERROR)
            found[f"{short}_{what}_over_eof1024"] = Headline(ratio_of(row, few))
    return found


def result(rows: list[Row], cases: int, long: Run) -> Result:
    """The file, with the verdict its targets give."""
    files = {f"{name}.safetensors": WEIGHTS / f"{name}.safetensors" for name in LEARNED.values()}
    draft = Result(
        name=NAME, what="Error of states and of 48-hour forecast errors of QG3 T21 that went "
        "through a codec and back; the number behind a name counts its latents, a state has 1451 "
        "degrees of freedom.",
        command=f"make bench NAME={NAME}", seeds=(long.seed, TEST.seed), n_cases=cases,
        data={name: sha256_of(path) for name, path in files.items()}, rows=tuple(rows),
        verdict="falls short: draft", **stamp(ROOT), **headline_fields(rows, headlines()),
    )  # fmt: skip
    return judged(draft, "reproduces: aims are met")


def main() -> None:
    """Fit EOFs, score all codecs; write results/qg3_codecs.json unless it is only a trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few short runs; writes nothing")
    smoke = parser.parse_args().smoke
    long, test = (SMOKE_CLIMATE, SMOKE_TEST) if smoke else (CLIMATE, TEST)
    planet = world()
    run = long.coefficients(planet)
    climate = Climate.of(planet, run)
    cases = Cases(planet, climate, *pairs(planet, test, climate))
    error, rows, kept = cases.error(), [], {}
    whole = eofs(planet, run, climate, min(max(SIZES), len(run) - 1))
    sizes = [size for size in SIZES if size <= len(whole.modes)]
    codecs: dict[str, Codec] = {f"EOF {size}": whole.leading(size) for size in sizes}
    codecs |= {method: load_codec(name) for method, name in LEARNED.items()}
    for method, codec in codecs.items():
        scores = cases.scores(codec)
        kept |= {f"{method}: {setting}": values for setting, values in scores.items()}
        found = rows_of(method, scores, error) + timings(method, codec, cases.truth[:64])
        for row in found:
            print(f"{method:14s} {row.setting:40s} {row.metric:34s} {row.value:.5f} {row.ci95}")
        rows += found
    print("forecast error, share of climate variance:", error.mean())
    if not smoke:
        found = result(rows, len(error), long)
        write_cases(ROOT / "results" / f"{NAME}.cases.npz", kept | {"forecast error": error})
        found.write(ROOT / "results" / f"{NAME}.json")
        print(found.verdict, found.headline)


if __name__ == "__main__":
    main()
