"""Train the shipped codecs of QG3's streamfunction, and write weights and cards.

A convolutional and a transformer VAE, latent 16 x 8 x 16, on a state a day of 64 nature runs; the
errors on the cards are those on states and 48-hour forecasts of other runs, beside those of EOFs.

    make bench NAME=qg3_codecs_train BENCH_ARGS=conv        # or vit
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isopleth.core.weights import save_weights
from isopleth.nets.autoencoder import ConvAutoencoderConfig
from isopleth.nets.autoencoder_vit import ViTAutoencoderConfig
from isopleth.priors.autoencoder import SHIPPED_CODECS, AutoencoderCodec
from isopleth.priors.codec import Whitened, apart, floor
from isopleth.priors.eof_codec import EofCodec
from isopleth.studies.provenance import sha256_of, stamp
from isopleth.training import TrainingRecipe, fit, read_counters
from isopleth.training.autoencoding import AutoencodingLoss
from isopleth.training.fit import CHECKPOINT
from qg3_codecs_states import (
    CLIMATE,
    ROOT,
    TEST,
    TRAINING,
    VALIDATION,
    WORK,
    Climate,
    eofs,
    pairs,
    world,
)

ASSETS = ROOT / "src" / "isopleth" / "data" / "assets" / "weights"
LATENT = (16, 8, 16)
BATCH, BETA, MODES = 16, 1e-5, 1024
Metrics = list[dict[str, Any]]
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "conv": asdict(ConvAutoencoderConfig(channels=3, latent_channels=LATENT[0], widths=(32, 64))),
    "vit": asdict(ViTAutoencoderConfig(channels=3, latent_channels=LATENT[0], width=80)),
}
RECIPE = TrainingRecipe(
    steps=800, rate=1e-3, warmup=50, average=0.99, accelerator="cpu", validate_every=200
)


def train(name: str, climate: Climate, states: Tensor, other: Tensor, steps: int) -> Whitened:
    """A whitened codec; `states` are (n, 3, 32, 64) in m2 s-1, and so is `other`."""
    torch.manual_seed(RECIPE.seed)
    net = SHIPPED_CODECS[f"codec_qg3_t21_{name}"](CONFIGS[name])
    codec = AutoencoderCodec(net, climate.mean, climate.spread)
    net.start_from(codec.standardise(states[:: max(1, len(states) // 500)]), climate.area)
    objective = AutoencodingLoss(net, climate.area, BETA)

    def batch(draw: int) -> Tensor:
        stream = torch.Generator().manual_seed(draw)
        return codec.standardise(states[torch.randint(len(states), (BATCH,), generator=stream)])

    def validate(_: nn.Module) -> dict[str, float]:
        return {"share": float((floor(codec, other, climate.area) / variance(climate)).mean())}

    recipe = TrainingRecipe(**{**asdict(RECIPE), "steps": steps})
    fit(objective, batch, recipe, WORK / f"training_{name}_{steps}", validate=validate)
    codec.eval().requires_grad_(False)
    return Whitened.fit(codec, states[:: max(1, len(states) // 4000)])


def variance(climate: Climate) -> Tensor:
    """Of each level, m4 s-2."""
    return climate.spread.square()


def stored(codec: Whitened) -> Whitened:
    """The codec with its network rounded to half precision, as it will be read."""
    for parameter in codec.codec.net.parameters():  # type: ignore[union-attr]
        parameter.data = parameter.data.half().float()
    return codec


def metrics(codec: Whitened, few: EofCodec, on: Callable[..., float]) -> Metrics:
    """Errors of a codec beside those of the EOFs."""
    names = {"clean state": floor, "state minus its 48-h forecast": apart}
    return [
        {
            "name": f"reconstruction error, {setting}",
            "unit": "share of climatological variance",
            "value": on(score, codec),
            "baseline": f"{len(few.modes)} EOFs of 64 runs of 240 days (1451 are exact at T21)",
            "baseline_value": on(score, few),
        }
        for setting, score in names.items()
    ]


def card(
    name: str, climate: Climate, seconds: float, found: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the weights are."""
    facts = stamp(ROOT)
    return {
        "what": f"{name} autoencoder of the streamfunction of the three-level quasi-geostrophic "
        "world at T21; mean field, spreads and the whitening of its latents are with the weights",
        "config": {"net": CONFIGS[name], "state": list(climate.mean.shape), "latent": LATENT},
        "grid": {"kind": "Gaussian", "rows": 32, "columns": 64, "levels_hpa": [200, 500, 800]},
        "variables": ["streamfunction, m2 s-1"],
        "data": [{"name": f"{TRAINING}", "sha256": sha256_of(TRAINING.path)}],
        "recipe": {**finite(asdict(RECIPE)), "batch": BATCH, "beta": BETA},
        "seed": RECIPE.seed,
        "commit": facts["commit"],
        "device": facts["device"],
        "wall_time_s": round(seconds, 1),
        "metrics": found,
        "licence": "Apache-2.0; the world's boundary has its own, see NOTICE_qg3",
        "limits": [
            "states of this world at T21 only; they have 1451 degrees of freedom, a latent 2048",
            "synthetic: no observation of the real atmosphere was used",
        ],
    }


def finite(settings: dict[str, Any]) -> dict[str, Any]:
    """What JSON can hold: infinite seconds are no seconds."""
    return {key: None if value == float("inf") else value for key, value in settings.items()}


def main() -> None:
    """Train one network, score it and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(CONFIGS))
    parser.add_argument("--steps", type=int, default=RECIPE.steps)
    parser.add_argument("--folder", type=Path, default=ASSETS, help="of weights and card")
    arguments = parser.parse_args()
    planet = world()
    run = TRAINING.coefficients(planet)
    climate = Climate.of(planet, run)
    other = planet.sphere.synthesis(VALIDATION.coefficients(planet))
    states = planet.sphere.synthesis(run)
    codec = stored(train(arguments.name, climate, states, other, arguments.steps))
    path = WORK / f"training_{arguments.name}_{arguments.steps}" / CHECKPOINT
    seconds = read_counters(path).seconds
    long = CLIMATE.coefficients(planet)
    climate = Climate.of(planet, long)
    truth, forecast = pairs(planet, TEST, climate)
    few = eofs(planet, long, climate, MODES)

    def on(score: Callable[..., Tensor], tried: nn.Module) -> float:
        given = (truth,) if score is floor else (truth, forecast)
        return float((score(tried, *given, climate.area) / variance(climate)).mean())

    found = metrics(codec, few, on)
    print(found, flush=True)
    codec.codec.net.half()  # type: ignore[union-attr]
    whole = card(arguments.name, climate, seconds, found)
    print(save_weights(codec, arguments.folder, f"codec_qg3_t21_{arguments.name}", whole))


if __name__ == "__main__":
    main()
