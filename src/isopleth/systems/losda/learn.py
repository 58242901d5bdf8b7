"""learn: from pairs of truth and background to a prior of `x | x_b`, in stages that go on."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.core.protocols import Codec
from isopleth.priors.background_latent import ErrorLatents, StateLatents
from isopleth.priors.background_regression import BackgroundRegression
from isopleth.priors.conditional import ConditionalDenoiser
from isopleth.priors.eof_codec import EofCodec
from isopleth.systems.losda.measure import denoising_test, regression_scores, white
from isopleth.systems.losda.pairs import PairBatches, Pairs
from isopleth.systems.losda.prior import build_denoiser, build_regression, orthonormal
from isopleth.systems.losda.recipe import Eofs, Recipe, States
from isopleth.systems.losda.statistics import area_weights, error_climate, fit_error_latents
from isopleth.training.background_denoising import BackgroundDenoising
from isopleth.training.checkpoint import read_counters
from isopleth.training.fit import Validate, fit
from isopleth.training.regression import NormalsLoss

__all__ = ["Learning", "learn", "sine_of_latitude"]

_WATCHED = 256
"""Validation pairs that are looked at while a network is trained."""


@dataclass(frozen=True, eq=False)
class Learning:
    """What a training needs beside its recipe.

    Args:
        pairs: That are learned from.
        validation: That are not; of other trajectories.
        folder: Gets `regression` and `denoiser`, each with checkpoint and log, and
            `latents.safetensors`.
        area: Weights of rows, (lat,).
        static: Fields (n, lat, lon) of order one that never change, see `sine_of_latitude`.
        codec: For latents of states, a module: standardised states to white latents.
    """

    pairs: Pairs
    validation: Pairs
    folder: Path
    area: Tensor
    static: Tensor
    codec: Codec | None = None


def sine_of_latitude(latitude: Tensor, columns: int) -> Tensor:
    """The static field that every grid has, (1, lat, columns), from degrees north, (lat,)."""
    return torch.sin(torch.deg2rad(latitude)).float()[None, :, None].expand(1, -1, columns)


def learn(
    recipe: Recipe,
    learning: Learning,
    *,
    progress: Callable[[float], None] | None = None,
    sitting_seconds: float = math.inf,
) -> ConditionalDenoiser | None:
    """Train, or go on from what the folder holds; each stage follows when the last is finished.

    Statistics of the errors, regression, EOFs of the standardised errors, denoiser; latents of
    states need the last one only. Weights are averages over the training.

    Args:
        recipe: The numbers.
        learning: The data.
        progress: Is told the part done, in [0, 1]; every network is an equal part.
        sitting_seconds: Stop, to be continued by another call, after about this wall time.

    Returns:
        The prior, in single precision; None if the sitting ended before it was finished.

    Raises:
        InputError: If pairs and recipe do not fit, or the folder holds another recipe's training.
    """
    _check(recipe, learning)
    end = time.monotonic() + sitting_seconds
    told = progress or _silent
    latents = _latents(recipe, learning, end, told)
    if latents is None:
        return None
    denoiser = build_denoiser(recipe, latents)
    half = 0.5 if isinstance(latents, ErrorLatents) else 0.0
    path = fit(
        BackgroundDenoising(denoiser, recipe.levels),
        PairBatches(learning.pairs, recipe.batch, recipe.training.seed),
        recipe.training,
        learning.folder / "denoiser",
        validate=_watch_denoiser(denoiser, learning.validation),
        progress=lambda part: told(half + (1.0 - half) * part),
        sitting_seconds=end - time.monotonic(),
    )
    if not read_counters(path).finished:
        return None
    denoiser.mixed = False
    return denoiser.eval().requires_grad_(False)


def _latents(
    recipe: Recipe, learning: Learning, end: float, told: Callable[[float], None]
) -> ErrorLatents | StateLatents | None:
    """None if the sitting ended before they were there."""
    if isinstance(recipe.latents, States):
        if learning.codec is None:
            raise InputError(f"{recipe.name} has latents of states: give the codec of them.")
        channel, latent = learning.pairs.state_shape[0], recipe.latents.latent
        return StateLatents(learning.codec, learning.area, channel, latent, extra=recipe.extra)
    spread = error_climate(learning.pairs, recipe.fitted)
    regression = build_regression(recipe, spread, learning.static)
    weights = area_weights(learning.area, spread.shape[-1])
    training = recipe.latents.training
    path = fit(
        NormalsLoss(regression, weights),
        PairBatches(learning.pairs, recipe.batch, training.seed),
        training,
        learning.folder / "regression",
        validate=_watch_regression(regression, learning),
        progress=lambda part: told(0.5 * part),
        sitting_seconds=end - time.monotonic(),
    )
    counters = read_counters(path)
    if not counters.finished:
        return None
    regression.mixed = False
    regression.eval().requires_grad_(False)
    return _error_latents(recipe, learning, regression, recipe.latents, counters.step)


def _error_latents(
    recipe: Recipe, learning: Learning, regression: BackgroundRegression, eofs: Eofs, step: int
) -> ErrorLatents:
    """From the folder, if they were fitted after as many steps of the regression; else anew."""
    path = learning.folder / "latents.safetensors"
    made_of = json.dumps({"step": step, "modes": eofs.modes, "pairs": len(learning.pairs)})
    if path.is_file():
        with safe_open(path, "pt") as file:
            facts = file.metadata() or {}
            if facts.get("made_of") == made_of:
                parts = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                unresolved = parts.pop("unresolved")
                left, total = json.loads(facts["left_total"])
                return ErrorLatents(
                    regression, EofCodec(**parts, left=left, total=total), unresolved
                )
    found = fit_error_latents(regression, learning.pairs, learning.area, eofs.modes, recipe.fitted)
    codec = orthonormal(found.codec)
    names = ("mean", "modes", "variances", "weights")
    tensors = {name: getattr(codec, name).contiguous() for name in names}
    facts = {"made_of": made_of, "left_total": json.dumps([codec.left, codec.total])}
    partial = path.with_suffix(".partial")
    save_file({**tensors, "unresolved": found.unresolved}, partial, metadata=facts)
    partial.replace(path)
    return found


def _watch_regression(regression: BackgroundRegression, learning: Learning) -> Validate:
    """Likelihood and error of unseen pairs, beside what the background alone would have."""

    def validate(_: nn.Module) -> Mapping[str, float]:
        scores = regression_scores(regression, learning.validation, learning.area, _WATCHED)
        return {"gain, nats": scores.climate_nll - scores.nll, "rmse ratio": scores.ratio}

    return validate


def _watch_denoiser(denoiser: ConditionalDenoiser, validation: Pairs) -> Validate:
    """Error of unseen latents at noise 1 over that of the filter of N(0, I)."""
    test = denoising_test(denoiser, validation, (1.0,), _WATCHED)

    def validate(_: nn.Module) -> Mapping[str, float]:
        there = test.to(next(denoiser.parameters()).device)
        return {"ratio at noise 1": float(there.ratio(denoiser, white).value)}

    return validate


def _check(recipe: Recipe, learning: Learning) -> None:
    for pairs in (learning.pairs, learning.validation):
        if pairs.extra != recipe.extra:
            raise InputError(
                f"{pairs.folder} has {pairs.extra} channels beside the background, the recipe "
                f"{recipe.name} wants {recipe.extra}: make pairs for the recipe."
            )
    rows = learning.pairs.state_shape[1]
    if learning.area.shape != (rows,) or learning.validation.state_shape[1] != rows:
        raise InputError(
            f"areas of shape {tuple(learning.area.shape)} do not weigh {rows} rows: give one "
            "for each."
        )


def _silent(part: float) -> None:
    """Tells nobody."""
