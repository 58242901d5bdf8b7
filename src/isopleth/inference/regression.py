"""Regression with its own error: a network reads sparse cells and answers with mean and variance.

The field's distribution given the observations is taken as independent normals whose parameters
one pass of a network gives; training draws the observations anew for every state. No prior, no
sampling: the direct competitor of guided diffusion.
Reference: Barth, Alvera-Azcárate, Licer and Beckers (2020), Geosci. Model Dev. 13, 1609 (DINCAE).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError

__all__ = [
    "MaskedLikelihood",
    "Predictive",
    "Regression",
    "SparseSampling",
    "negative_log_likelihood",
]

_LOG_PRECISION = (-7.0, 10.0)
"""Bounds of `log 1/s^2`, after DINCAE's (standard deviations of 33 and 0.007 in units of x)."""


@dataclass(frozen=True)
class Predictive:
    """Independent normals: `mean` and `variance`, each of shape `(B, level, lat, lon)`."""

    mean: Tensor
    variance: Tensor


@dataclass(frozen=True, eq=False)
class Regression:
    """`p(x | y) = prod_i N(m_i, s_i^2)` with `(m / s^2, log 1 / s^2) = F(y w, w)`.

    `w` is the precision of an observation relative to a perfect one, 0 where nothing was seen.
    A network whose last layer is zero answers `m = 0, s = 1`, the climatology.

    Args:
        net: `F(inputs, noise, *condition)`, from `(B, 2 level, lat, lon)` to the same shape; the
            noise it is given is 0.
        mask: True = ocean, shape `(level, lat, lon)`; mean and variance are 0 on land.

    Raises:
        InputError: At the call, if the shapes of values and precision differ or the network
            answers with another number of channels.
    """

    net: Callable[..., Tensor]
    mask: Tensor

    def __call__(self, values: Tensor, precision: Tensor, *condition: Tensor) -> Predictive:
        """Mean and variance of the whole field.

        Args:
            values: Standardised anomalies, `(B, level, lat, lon)`; read only where precision > 0.
            precision: `w` in `[0, 1]`, same shape: 1 for an exact value, `1 / (1 + r)` with error
                variance `r` in units of x squared, 0 where nothing was seen.
            condition: What the network is told besides.
        """
        if values.shape != precision.shape or values.shape[1:] != self.mask.shape:
            raise InputError(
                f"values of shape {tuple(values.shape)} and precision {tuple(precision.shape)} do "
                f"not fit an ocean of {tuple(self.mask.shape)}: give both a batch of its fields."
            )
        ocean = self.mask.to(values.device)
        w = torch.where(ocean, precision, 0.0)
        y = torch.where(w > 0, values, 0.0)
        out = self.net(torch.cat([y * w, w], 1), values.new_zeros(len(values)), *condition)
        if out.shape[1] != 2 * self.mask.shape[0]:
            raise InputError(
                f"the network answers with {out.shape[1]} channels for {self.mask.shape[0]} "
                "levels: build it with two for each level."
            )
        scaled, log_precision = out.float().chunk(2, dim=1)
        variance = torch.exp(-log_precision.clamp(*_LOG_PRECISION))
        return Predictive(
            torch.where(ocean, scaled * variance, 0.0), torch.where(ocean, variance, 0.0)
        )


@dataclass(frozen=True, kw_only=True)
class SparseSampling:
    """Random observation networks: single cells, or whole columns, in any density of a range.

    Args:
        low: Least fraction of the ocean seen.
        high: Largest; the logarithm of the fraction is uniform between them.
        profiles: Share of the networks that see whole columns.

    Raises:
        InputError: If a fraction is out of order or out of range.
    """

    low: float = 0.005
    high: float = 0.15
    profiles: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not (0.0 < self.low <= self.high <= 1.0 and 0.0 <= self.profiles <= 1.0):
            raise InputError(
                f"networks from {self.low} to {self.high} with {self.profiles} of profiles are "
                "not possible: give 0 < low <= high <= 1 and a share from 0 to 1."
            )

    def __call__(self, mask: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Which cells are seen, boolean, shape `(count, level, lat, lon)`; False on land."""

        def draw(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator, device=generator.device)

        fraction = self.low * (self.high / self.low) ** draw(count, 1, 1, 1)
        whole = draw(count, 1, 1, 1) < self.profiles
        cells, columns = draw(count, *mask.shape), draw(count, 1, *mask.shape[1:])
        return (torch.where(whole, columns, cells) < fraction) & mask.to(generator.device)


def negative_log_likelihood(
    predictive: Predictive, truth: Tensor, mask: Tensor, weights: Tensor | None = None
) -> Tensor:
    """`1/2 mean[(x - m)^2 / s^2 + log s^2]` over the ocean, a scalar; the constant is left out.

    Args:
        predictive: Of shape `(B, level, lat, lon)`.
        truth: `x`, same shape; not looked at outside the mask.
        mask: True = counts, broadcastable to `x`.
        weights: Of the mean, broadcastable to `x` (area weights, for instance).
    """
    s2 = torch.where(mask, predictive.variance, 1.0)
    square = torch.where(mask, truth - predictive.mean, 0.0).square()
    w = mask.expand(truth.shape) * (1.0 if weights is None else weights)
    return 0.5 * (w * (square / s2 + s2.log())).sum() / w.sum()


class MaskedLikelihood(nn.Module):
    """Training objective: hide most of a state at random, predict all of it.

    Observations carry an error drawn with standard deviation `noise`, so that the network learns
    to interpolate rather than to copy.

    Args:
        regression: What is trained; its network is a module.
        sampling: How the observations are drawn.
        weights: Of the cells in the mean, broadcastable to `(level, lat, lon)`.
        noise: Standard deviation of the observations' error, in units of x.

    Raises:
        InputError: If the network is not a module.
    """

    mask: Tensor
    weights: Tensor | None

    def __init__(
        self,
        regression: Regression,
        sampling: SparseSampling | None = None,
        *,
        weights: Tensor | None = None,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        if not isinstance(regression.net, nn.Module):
            raise InputError(f"{regression.net} has no weights to train: give a torch module.")
        self.net = regression.net
        self.sampling = sampling or SparseSampling()
        self.noise = noise
        self.register_buffer("mask", regression.mask, persistent=False)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, batch: Tensor | tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Loss of one batch, a scalar.

        Args:
            batch: States `(B, level, lat, lon)`, or these and what the network is told besides.
            generator: Of the observations and their errors, on the device of the batch.
        """
        x, *condition = (batch,) if isinstance(batch, Tensor) else batch
        seen = self.sampling(self.mask, len(x), generator)
        error = torch.empty_like(x).normal_(generator=generator)
        precision = seen / (1.0 + self.noise**2)
        regression = Regression(self.net, self.mask)
        predictive = regression(x + self.noise * error, precision, *condition)
        return negative_log_likelihood(predictive, x, self.mask, self.weights)
