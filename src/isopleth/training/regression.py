"""What a regression with a spread minimises: the likelihood of independent normals, by area."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError

__all__ = ["Normals", "NormalsLoss", "normals_nll"]


class Normals(Protocol):
    """`N(mean, exp(log_spread)^2)`, cell by cell."""

    @property
    def mean(self) -> Tensor:
        """Shape (B, channel, lat, lon)."""
        ...

    @property
    def log_spread(self) -> Tensor:
        """Logarithm of the standard deviation, same shape."""
        ...


def normals_nll(normals: Normals, x: Tensor, weights: Tensor) -> Tensor:
    """`sum_i w_i [ ln s_i + (x_i - m_i)^2 / (2 s_i^2) ] / sum_i w_i`, nats a number, shape (B,).

    The constant `ln(2 pi) / 2` is left out. No other mean than `E[x]` and no other spread than
    the standard deviation around it has a smaller expectation, with whatever positive weights.

    Args:
        normals: m and ln s.
        x: What came true, shape (B, channel, lat, lon).
        weights: Such as areas, broadcastable to (channel, lat, lon).

    Raises:
        InputError: If x has another shape than the mean.
    """
    if x.shape != normals.mean.shape:
        raise InputError(
            f"truth of shape {tuple(x.shape)} is not of the normals' {tuple(normals.mean.shape)}: "
            "give both for the same cases and the same grid."
        )
    share = weights.to(x).expand(x.shape[1:])
    departure = (x - normals.mean) * (-normals.log_spread).exp()
    nats = normals.log_spread + 0.5 * departure.square()
    return (nats * (share / share.sum())).sum((-3, -2, -1))


class NormalsLoss(nn.Module):
    """`E[ -log N(x; m(k), diag s(k)^2) ]` a number, for pairs of a truth x and what is known, k.

    Args:
        net: `net(known) -> Normals`, a module.
        weights: Such as areas, broadcastable to (channel, lat, lon), not negative.

    Raises:
        InputError: If no weight is positive or one is negative.
    """

    weights: Tensor

    def __init__(self, net: nn.Module, weights: Tensor) -> None:
        super().__init__()
        if bool((weights < 0).any()) or not bool(weights.sum() > 0):
            raise InputError("no cell has a positive weight, or one is negative: give areas.")
        self.net = net
        self.register_buffer("weights", weights.float(), persistent=False)

    def forward(self, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        """Mean over a batch of pairs (x, known), a scalar; nothing is random."""
        x, known = batch
        return normals_nll(self.net(known), x, self.weights).mean()
