"""What a background says of the truth, cell by cell: its mean and how far off that may be."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError

__all__ = ["BackgroundRegression", "Estimate"]

_REACH = 3.0
"""Most that a spread may differ from its climate, in nats: a factor of 20 either way."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """`x | x_b ~ N(mean, spread^2)` in every cell.

    Args:
        mean: `mu(x_b)`, shape (C, channel, lat, lon).
        log_spread: `ln s(x_b)`, same shape.
    """

    mean: Tensor
    log_spread: Tensor

    @property
    def spread(self) -> Tensor:
        """`s(x_b)`, in the unit of x."""
        return self.log_spread.exp()


class BackgroundRegression(nn.Module):
    """Mean and spread of the truth given the background, from one pass of a network.

        mu = x_b + s_0 F_1(x_b),   ln s = ln s_0 + c tanh(F_2(x_b) / c)

    With a last layer of 0 it says (x_b, s_0): the background, and the climate of its error.
    What is known may have more channels than the state: the background first, then earlier ones.
    Reference: Nix and Weigend (1994), Estimating the mean and variance of the target probability
    distribution, for the two outputs.

    Args:
        net: F, `net(known (C, channel + extra, lat, lon), zeros (C,), features (1, k, lat, lon))`
            to (C, 2 channel, lat, lon): those of `F_1`, then those of `F_2`.
        spread: `s_0`, root mean square of `x - x_b`, positive, shape (channel, lat, lon).
        static: Fields that never change and are of order one, shape (n, lat, lon); `ln s_0` less
            its mean is put behind them, so `k = n + channel`.
        extra: Channels that are known beside the background.
        mixed: Whether the network computes in bfloat16.

    Raises:
        InputError: If a spread is not positive and finite, or the grids differ.
    """

    origin: Tensor
    features: Tensor

    def __init__(
        self,
        net: nn.Module,
        spread: Tensor,
        static: Tensor,
        *,
        extra: int = 0,
        mixed: bool = False,
    ) -> None:
        super().__init__()
        if not bool((torch.isfinite(spread) & (spread > 0)).all()):
            raise InputError(
                f"a climate of errors has spreads from {spread.min():g} to {spread.max():g}: "
                "give the root mean square of x - x_b, and more pairs if a cell has no error."
            )
        if spread.ndim != 3 or static.ndim != 3 or static.shape[1:] != spread.shape[1:]:
            raise InputError(
                f"a spread of shape {tuple(spread.shape)} and static fields of shape "
                f"{tuple(static.shape)} are not on one grid: give (channel, lat, lon) and "
                "(n, lat, lon)."
            )
        self.net, self.extra, self.mixed = net, extra, mixed
        log = spread.log()
        self.register_buffer("origin", log)
        self.register_buffer("features", torch.cat([static.to(log), log - log.mean()]))

    @property
    def state_shape(self) -> tuple[int, int, int]:
        """(channel, lat, lon)."""
        channel, lat, lon = self.origin.shape
        return channel, lat, lon

    def background(self, known: Tensor) -> Tensor:
        """The background of what is known, (C, channel, lat, lon), in this module's precision.

        Raises:
            InputError: If `known` is not (C, channel + extra, lat, lon).
        """
        channel, lat, lon = self.state_shape
        if known.ndim != 4 or known.shape[1:] != (channel + self.extra, lat, lon):
            raise InputError(
                f"what is known has shape {tuple(known.shape)}: give (case, {channel} + "
                f"{self.extra}, {lat}, {lon}), the background first."
            )
        return known[:, :channel].to(self.origin)

    def forward(self, known: Tensor) -> Estimate:
        """From (C, channel + extra, lat, lon) to mean and spread; errors as `background`."""
        background, known = self.background(known), known.to(self.origin)
        with torch.autocast(known.device.type, torch.bfloat16, enabled=self.mixed):
            F = self.net(known, known.new_zeros(len(known)), self.features[None])
        shift, stretch = F.to(background).chunk(2, dim=1)
        return Estimate(
            background + self.origin.exp() * shift,
            self.origin + _REACH * torch.tanh(stretch / _REACH),
        )
