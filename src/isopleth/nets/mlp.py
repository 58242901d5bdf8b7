"""A small perceptron for short vectors, conditioned on features that come once a point."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from isopleth.nets.layers import zero_init

__all__ = ["ConditionalMlp", "ConditionalMlpConfig"]


@dataclass(frozen=True, kw_only=True)
class ConditionalMlpConfig:
    """Sizes.

    Args:
        channels: Numbers of an input vector.
        out_channels: Numbers of an output vector.
        condition: Features of a point.
        width: Of the hidden layers.
        depth: Hidden layers, at least 1.
        dropout: Share of hidden numbers dropped in training.
    """

    channels: int
    out_channels: int
    condition: int
    width: int = 64
    depth: int = 2
    dropout: float = 0.1


class ConditionalMlp(nn.Module):
    """Hidden layers of SiLU over `A x + B f + e(noise)`; the last layer starts at 0.

    The features `f` pass through their layer once, however many noisy vectors ask: `embed` is
    separate from `forward`.
    """

    def __init__(self, config: ConditionalMlpConfig) -> None:
        super().__init__()
        width = config.width
        self.config = config
        self.from_x = nn.Linear(config.channels, width)
        self.from_condition = nn.Linear(config.condition, width, bias=False)
        self.from_noise = nn.Linear(2, width, bias=False)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(config.depth - 1))
        self.head = zero_init(nn.Linear(width, config.out_channels))

    def embed(self, condition: Tensor) -> Tensor:
        """Features (n, condition) to hidden numbers (n, width)."""
        embedded: Tensor = self.from_condition(condition)
        return embedded

    def forward(self, x: Tensor, noise: Tensor, embedded: Tensor) -> Tensor:
        """Vectors (..., n, channels) to (..., n, out_channels).

        Args:
            x: Noisy vectors of n points.
            noise: The level's logarithm, in a shape that broadcasts to (..., n).
            embedded: From `embed`, (n, width).
        """
        level = torch.stack([noise, noise.square()], dim=-1)
        h = functional.silu(self.from_x(x) + embedded + self.from_noise(level))
        for layer in self.hidden:
            h = functional.silu(layer(self._dropped(h)))
        out: Tensor = self.head(self._dropped(h))
        return out

    def _dropped(self, h: Tensor) -> Tensor:
        return functional.dropout(h, self.config.dropout, self.training)
