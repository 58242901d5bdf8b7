"""How good a prior is on pairs that it never saw, each figure beside what it has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.priors.background_latent import ErrorLatents
from isopleth.priors.background_regression import BackgroundRegression, Estimate
from isopleth.priors.codec import floor
from isopleth.priors.conditional import ConditionalDenoiser, WhiteGaussian
from isopleth.systems.losda.pairs import Pairs
from isopleth.systems.losda.statistics import LinearRegression, area_weights
from isopleth.training.background_denoising import LatentTest
from isopleth.training.regression import normals_nll

__all__ = [
    "SIGMAS",
    "Measured",
    "RegressionScores",
    "denoising_test",
    "measure",
    "regression_scores",
    "white",
]

SIGMAS = (0.1, 0.3, 0.6, 1.0, 2.0, 4.0, 10.0)
"""Noise levels of the gate, standard deviations of a white latent."""

_PART = 128
"""Pairs at once."""


def white(z: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
    """The denoiser of N(0, I), which hears no condition: what training has to beat."""
    return WhiteGaussian()(z, sigma)


@dataclass(frozen=True, kw_only=True)
class RegressionScores:
    """Of a regression on unseen pairs; errors and likelihoods are means over area and channels.

    Args:
        nll: Nats a number without the constant.
        climate_nll: The same of (x_b, s_0).
        rmse: Of the mean.
        background_rmse: Of `x_b`.
        linear_rmse: Of a linear regression, if one was given.
    """

    nll: float
    climate_nll: float
    rmse: float
    background_rmse: float
    linear_rmse: float | None = None

    @property
    def ratio(self) -> float:
        """Error of the mean over that of the background."""
        return self.rmse / self.background_rmse


@torch.no_grad()
def regression_scores(
    regression: BackgroundRegression,
    pairs: Pairs,
    area: Tensor,
    most: int | None = None,
    linear: LinearRegression | None = None,
) -> RegressionScores:
    """Scores on the device of the regression.

    Args:
        regression: mu and s.
        pairs: Unseen.
        area: Of rows, (lat,).
        most: Of so many pairs.
        linear: To be compared with.
    """
    device = regression.origin.device
    weights = area_weights(area, pairs.state_shape[-1]).to(device)
    share = weights / weights.sum() / pairs.state_shape[0]
    rows = []
    for x, known in pairs.parts(_PART, most):
        x, known = x.to(device), known.to(device)
        estimate, background = regression(known), regression.background(known)
        climate = Estimate(background, regression.origin.expand(background.shape))
        means = [estimate.mean, background] + ([linear(known)] if linear else [])
        row = [normals_nll(normals, x, weights) for normals in (estimate, climate)]
        row += [((mean - x).square() * share).sum((-3, -2, -1)) for mean in means]
        rows.append(torch.stack(row))
    total = torch.cat(rows, 1).double().mean(1)
    nll, climate_nll, *squares = total.tolist()
    rmse = [square**0.5 for square in squares]
    return RegressionScores(
        nll=nll, climate_nll=climate_nll, rmse=rmse[0], background_rmse=rmse[1],
        linear_rmse=rmse[2] if linear else None,
    )  # fmt: skip


@torch.no_grad()
def denoising_test(
    denoiser: ConditionalDenoiser,
    pairs: Pairs,
    sigmas: Sequence[float] = SIGMAS,
    most: int | None = None,
) -> LatentTest:
    """Latents of unseen truths with their conditions, weighted as in training."""
    z, condition = [], []
    for x, known in pairs.parts(_PART, most):
        given = denoiser.latents.given(known)
        z.append(given.encode(x))
        condition.append(given.condition)
    weights = denoiser.latents.weights
    return LatentTest(torch.cat(z), torch.cat(condition), weights, tuple(sigmas))


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """A prior on unseen pairs.

    Args:
        sigmas: Noise levels.
        network: Weighted mean square error of the denoiser at each.
        filter: The same of the denoiser of N(0, I).
        floor_rmse: Of `D(E(truth))`, which no analysis in these latents undercuts by itself.
        background_rmse: Of `x_b`.
        variance: Weighted mean square of a latent number; 1 where latents are white.
        regression: Where there is one.
    """

    sigmas: tuple[float, ...]
    network: tuple[float, ...]
    filter: tuple[float, ...]
    floor_rmse: float
    background_rmse: float
    variance: float
    regression: RegressionScores | None

    @property
    def ratio(self) -> tuple[float, ...]:
        """Network over filter; below 1 is better."""
        return tuple(a / b for a, b in zip(self.network, self.filter, strict=True))

    def metrics(self) -> list[dict[str, object]]:
        """The figures as the metrics of a card."""
        sd = "standard deviations of the climate"
        rows = [
            (
                f"denoising error at noise {sigma:g}",
                "variance of a latent",
                ours,
                "N(0, I)",
                theirs,
            )
            for sigma, ours, theirs in zip(self.sigmas, self.network, self.filter, strict=True)
        ]
        rows.append(("error of D(E(truth))", sd, self.floor_rmse, "background",
                     self.background_rmse))  # fmt: skip
        rows.append(("mean square of a latent", "1", self.variance, "white", 1.0))
        if (known := self.regression) is not None:
            rows.append(("negative log-likelihood", "nats a number", known.nll,
                         "background with its climate of errors", known.climate_nll))  # fmt: skip
            rows.append(("error of the mean", sd, known.rmse, "background", known.background_rmse))
            if known.linear_rmse is not None:
                rows.append(("error of the mean, against a linear one", sd, known.rmse,
                             "linear regression", known.linear_rmse))  # fmt: skip
        keys = ("name", "unit", "value", "baseline", "baseline_value")
        return [dict(zip(keys, row, strict=True)) for row in rows]


@torch.no_grad()
def measure(
    denoiser: ConditionalDenoiser,
    pairs: Pairs,
    area: Tensor,
    *,
    linear: LinearRegression | None = None,
    sigmas: Sequence[float] = SIGMAS,
    most: int | None = None,
) -> Measured:
    """Gate, floor and regression on unseen pairs.

    Args:
        denoiser: Trained.
        pairs: Unseen.
        area: Of rows, (lat,).
        linear: Regression to compare with.
        sigmas: Noise levels of the gate.
        most: Of so many pairs.
    """
    latents = denoiser.latents
    test = denoising_test(denoiser, pairs, sigmas, most)
    network, filtered = test.mean(denoiser), test.mean(white)
    floors, backgrounds = [], []
    for x, known in pairs.parts(_PART, most):
        floors.append(floor(latents.given(known), x, area[:, None], batch=len(x)))
        away = known[:, : x.shape[1]] - x
        share = area_weights(area, x.shape[-1])
        backgrounds.append((away.square() * share / share.sum()).sum((-2, -1)))
    scored = None
    if isinstance(latents, ErrorLatents):
        scored = regression_scores(latents.regression, pairs, area, most, linear)
    return Measured(
        sigmas=tuple(sigmas),
        network=tuple(network.tolist()),
        filter=tuple(filtered.tolist()),
        floor_rmse=float(torch.cat(floors).mean().sqrt()),
        background_rmse=float(torch.cat(backgrounds).mean().sqrt()),
        variance=float(test.variance()),
        regression=scored,
    )
