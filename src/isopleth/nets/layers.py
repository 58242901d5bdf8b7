"""Layers on a latitude-longitude grid: a convolution that closes round the globe, and blocks.

Tensors are (B, C, lat, lon). Every block starts as the identity: its last layer is 0.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from isopleth.nets.globe import pad_globe

__all__ = [
    "FourierEmbedding",
    "PeriodicConv2d",
    "ResidualBlock",
    "SelfAttention",
    "group_norm",
    "zero_init",
]

Layer = TypeVar("Layer", bound=nn.Module)


def zero_init(layer: Layer) -> Layer:
    """The same layer with all its parameters set to 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def group_norm(channels: int, groups: int = 16) -> nn.GroupNorm:
    """Group normalisation with the largest number of groups up to `groups` that divides."""
    return nn.GroupNorm(math.gcd(channels, groups), channels)


class PeriodicConv2d(nn.Conv2d):
    """A convolution of odd `kernel`, circular in longitude, that keeps (lat, lon).

    Beyond the edge rows stand copies of them, or zeros where `replicate` is false; where the grid
    is not `periodic` (a limited area) the same holds beyond the edge columns.
    """

    def __init__(
        self,
        channels: int,
        out_channels: int,
        kernel: int = 3,
        *,
        periodic: bool = True,
        replicate: bool = True,
    ) -> None:
        reach = kernel // 2
        zeros = (0 if replicate else reach, 0 if replicate or periodic else reach)
        super().__init__(channels, out_channels, kernel, padding=zeros)
        self.periodic = periodic
        self.rows = (reach - zeros[0],) * 2
        self.columns = (reach - zeros[1],) * 2

    def forward(self, input: Tensor) -> Tensor:
        """(B, channels, lat, lon) to (B, out_channels, lat, lon)."""
        return super().forward(pad_globe(input, self.rows, self.columns, periodic=self.periodic))


class FourierEmbedding(nn.Module):
    """Sines and cosines of a noise level of order one, such as log(sigma) / 4, then two layers.

    Angular frequencies are spaced geometrically from 1/4 to 64.
    """

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        frequencies = torch.logspace(-2, 6, width // 2, base=2.0)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.layers = nn.Sequential(
            nn.Linear(width // 2 * 2, width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, noise: Tensor) -> Tensor:
        """(B,) to (B, width)."""
        angles = noise.float()[:, None] * self.frequencies
        return self.layers(torch.cat([angles.cos(), angles.sin()], dim=-1))


class ResidualBlock(nn.Module):
    """x + conv(act(scale * norm(conv(act(norm(x)))) + shift)); zero at first: starts as identity.

    `scale - 1` and `shift` are linear in the noise embedding (B, embedding).
    """

    def __init__(self, channels: int, embedding: int, *, periodic: bool = True) -> None:
        super().__init__()
        self.norm_in = group_norm(channels)
        self.conv_in = PeriodicConv2d(channels, channels, periodic=periodic)
        self.film = nn.Linear(embedding, 2 * channels)
        self.norm_out = group_norm(channels)
        self.conv_out = zero_init(PeriodicConv2d(channels, channels, periodic=periodic))

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, channels, lat, lon) and (B, embedding) to (B, channels, lat, lon)."""
        scale, shift = self.film(functional.silu(embedding))[..., None, None].chunk(2, dim=1)
        h = self.conv_in(functional.silu(self.norm_in(x)))
        h = torch.addcmul(shift, self.norm_out(h), 1 + scale)
        return x + self.conv_out(functional.silu(h))


class SelfAttention(nn.Module):
    """x + W attention(norm(x)) over all cells, (B, channels, lat, lon); starts as identity."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = group_norm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = zero_init(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, lat, lon) to the same shape."""
        tokens = self.norm(x).flatten(2).mT
        qkv = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*qkv)
        return x + self.out(mixed.transpose(1, 2).flatten(2)).mT.unflatten(-1, x.shape[-2:])
