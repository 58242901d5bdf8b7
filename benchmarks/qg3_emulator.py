"""Claim: learned emulators of QG3 forecast it for days better than any method without a network.

Normalised error and anomaly correlation at days 1 to 10 from independent starts, against
persistence, damped persistence, a linear inverse model and climatology, all tuned on a validation
run; then speed beside the model itself, the energy spectrum after ten days and a free run of 60
days. The runs of the world are made first, once, in `--folder`::

    make bench NAME=qg3_emulator BENCH_ARGS="--folder build/qg3_emulator"
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from isopleth.core.sphere import Sphere
from isopleth.dynamics import T21, load_emulator
from isopleth.dynamics.learned import CARDS, SHIPPED, Emulator
from isopleth.studies.bootstrap import mean_interval, ratio_of_rmse, rmse_interval
from isopleth.studies.provenance import sha256_of, stamp
from isopleth.studies.results import Result, judged, write_cases
from isopleth.studies.rows import Headline, Row, headline_fields, ratio_of, select
from isopleth.systems.forecast import (
    DAYS,
    Climatology,
    Emulated,
    Forecaster,
    Persistence,
    Run,
    Scores,
    fit_damping,
    prepare,
    read_states,
    score,
    tuned_linear_inverse,
    unet,
)
from qg3_emulator_free import FREE, SPEED, drift, speeds

ROOT = Path(__file__).resolve().parents[1]
NAME = "qg3_emulator"
TEST = Run(seed=4003, members=64, days=60.0)
SETTING = "T21, {} d"
WORDS = {"qg3_unet": "U-Net", "qg3_vit": "ViT"}
SIMPLE = ("persistence", "damped persistence", "linear inverse model", "climatology")


@dataclass(frozen=True, eq=False)
class Data:
    """Coefficients of three independent runs, (member, time, 3, 484), and the learned climate."""

    learned: Tensor
    validation: Tensor
    test: Tensor

    @property
    def mean(self) -> Tensor:
        """Of the climate, (3, 484)."""
        return self.learned.mean((0, 1))

    @property
    def sd(self) -> Tensor:
        """Of each level, (3,)."""
        return (self.learned - self.mean).square().sum(-1).mean((0, 1)).sqrt()


def runs(folder: Path, smoke: bool) -> Data:
    """Made where they are not there yet."""
    wanted = {"learned": unet.learned, "validation": unet.validation, "test": TEST}
    if smoke:
        wanted = {
            name: replace(run, members=3, days=12.0, spin_up_days=20.0)
            for name, run in wanted.items()
        }
    return Data(**{name: read_states(prepare(run, folder)) for name, run in wanted.items()})


def forecasters(data: Data, emulators: dict[str, Emulator]) -> dict[str, Forecaster]:
    """Every method, those that learn tuned on the validation run."""
    mean, sphere = data.mean, Sphere(T21.truncation, T21.grid)
    linear = tuned_linear_inverse(data.learned, data.validation, mean, data.sd)
    print(f"linear inverse model: {len(linear.modes)} modes, lag {6 * linear.lag} h", flush=True)
    simple = (
        Persistence(),
        fit_damping(data.validation, mean, [4 * day for day in DAYS]),
        linear,
        Climatology(mean),
    )
    learned = {WORDS[name]: Emulated(model, sphere) for name, model in emulators.items()}
    return {**learned, **dict(zip(SIMPLE, simple, strict=True))}


def score_rows(found: dict[str, Scores]) -> list[Row]:
    """Both scores of every method and lead, and the ratio to the best simple method of all."""
    rows = []
    for method, scores in found.items():
        for k, day in enumerate(DAYS):
            blocks = np.arange(scores.nmse.shape[1])
            error = rmse_interval(scores.nmse[k].numpy(), blocks)
            acc = mean_interval(scores.acc[k].numpy(), blocks)
            against = ratio_of_rmse(
                scores.nmse[k].numpy(), found["linear inverse model"].nmse[k].numpy(), blocks
            )
            for metric, interval in (
                ("nrmse", error), ("acc", acc), ("nrmse_over_linear_inverse", against)
            ):  # fmt: skip
                rows.append(Row(method=method, setting=SETTING.format(day), metric=metric,
                                unit="1", value=interval.value, ci95=interval.ends))  # fmt: skip
    return rows


def headlines() -> dict[str, Headline]:
    """Error at three days over the linear inverse model; speed over that of the world."""

    def at(method: str, day: int) -> dict[str, object]:
        return select(method, SETTING.format(day), "nrmse")

    world = select("QG3", SPEED, "forward")
    return {
        "unet_over_linear_inverse_3d": Headline(
            ratio_of(at("U-Net", 3), at("linear inverse model", 3)), ("<=", 1.0)
        ),
        "unet_over_damped_persistence_3d": Headline(
            ratio_of(at("U-Net", 3), at("damped persistence", 3)), ("<=", 1.0)
        ),
        "vit_over_unet_3d": Headline(ratio_of(at("ViT", 3), at("U-Net", 3))),
        "unet_acc_5d": Headline(select("U-Net", SETTING.format(5), "acc")),
        "unet_over_qg3_time": Headline(ratio_of(select("U-Net", SPEED, "forward"), world)),
        "unet_sd_ratio_60d": Headline(select("U-Net", FREE, "sd_ratio"), ("in", (0.8, 1.25))),
    }


def result(rows: list[Row], cases: int) -> Result:
    """The file, with the verdict its targets give."""
    cards = [CARDS / f"{name}.safetensors" for name in SHIPPED]
    draft = Result(
        name=NAME, what="Forecasts of the three-level quasi-geostrophic world at T21 by networks "
        "that step it six hours ahead: root mean square error in climatological standard "
        "deviations and anomaly correlation, beside forecasts without a network.",
        command=f'make bench NAME={NAME} BENCH_ARGS="--folder build/{NAME}"',
        seeds=(unet.learned.seed, unet.validation.seed, TEST.seed), n_cases=cases,
        data={path.name: sha256_of(path) for path in cards}, rows=tuple(rows),
        verdict="falls short: draft", **stamp(ROOT), **headline_fields(rows, headlines()),
    )  # fmt: skip
    return judged(draft)


def main() -> None:
    """Score everything; write results/qg3_emulator.json unless it is only a trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / NAME, help="of the runs")
    parser.add_argument("--smoke", action="store_true", help="3 short runs; writes nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = runs(arguments.folder, arguments.smoke)
    emulators = {name: load_emulator(name) for name in SHIPPED}
    leads = [4 * day for day in DAYS]
    start, truth = data.test[:, 0], data.test[:, leads].transpose(0, 1)
    found = {
        name: score(method(start, leads), truth, data.mean, data.sd)
        for name, method in forecasters(data, emulators).items()
    }
    named = {WORDS[name]: model for name, model in emulators.items()}
    rows = [*score_rows(found), *drift(named, data.test), *speeds(named)]
    for row in rows:
        print(f"{row.method:22s} {row.setting:32s} {row.metric:28s} {row.value:10.4g} {row.unit}")
    whole = result(rows, len(start))
    if not arguments.smoke:
        whole.write(ROOT / "results" / f"{NAME}.json")
        arrays = {
            f"{m}/{k}": getattr(s, k).numpy() for m, s in found.items() for k in ("nmse", "acc")
        }
        write_cases(ROOT / "results" / f"{NAME}.cases.npz", arrays)
    print(whole.verdict, whole.headline)


if __name__ == "__main__":
    main()
