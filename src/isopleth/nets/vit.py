"""A vision transformer on the globe: patches are tokens that know where on the sphere they lie.

Pre-norm blocks as in Dosovitskiy et al. 2021 (arXiv:2010.11929). Positions are sines and cosines
of latitude and longitude, and queries and keys are turned by whole wave numbers of longitude, so
the first column is as near the last as any two neighbours. `PatchEmbedding`, `GlobeTransformer`
and `PatchHead` are the parts: an autoencoder takes them one by one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from isopleth.core.errors import InputError
from isopleth.nets.dit import rotate
from isopleth.nets.layers import zero_init
from isopleth.nets.patches import check_channels, patches, unpatched

__all__ = [
    "GlobeTransformer",
    "PatchEmbedding",
    "PatchHead",
    "ViT",
    "ViTBlock",
    "ViTConfig",
    "sphere_features",
]

_FEATURES = 4


@dataclass(frozen=True, kw_only=True)
class ViTConfig:
    """Sizes of a `ViT`; `dataclasses.asdict` of it goes on the weights' card and back.

    `width` is channels of a token, `depth` the number of blocks, `expansion` how many times wider
    the inside of a block's perceptron is.

    Raises:
        InputError: a size is below 1, or `width` is not a multiple of twice the `heads`.
    """

    in_channels: int
    out_channels: int
    condition_channels: int = 0
    width: int = 128
    depth: int = 4
    heads: int = 4
    patch: int = 4
    expansion: int = 4

    def __post_init__(self) -> None:
        sizes = (self.in_channels, self.out_channels, self.width, self.depth, self.heads)
        if min(*sizes, self.patch, self.expansion) < 1 or self.condition_channels < 0:
            raise InputError(f"{self} has a size below 1: every size counts something.")
        if self.width % (2 * self.heads):
            raise InputError(
                f"width {self.width} does not split into pairs for {self.heads} heads: "
                f"make it a multiple of {2 * self.heads}."
            )


def sphere_features(rows: int, columns: int) -> Tensor:
    """sin(lat), cos(lat), cos(lon), sin(lon) of every token, (rows * columns, 4).

    Rows run from north to south and divide the meridian evenly, columns the circle from 0.

    >>> sphere_features(2, 4)[0]
    tensor([0.7071, 0.7071, 1.0000, 0.0000])
    """
    latitude = math.pi * (0.5 - (torch.arange(rows) + 0.5) / rows).repeat_interleave(columns)
    longitude = _longitude(rows, columns)
    pair = [latitude.sin(), latitude.cos(), longitude.cos(), longitude.sin()]
    return torch.stack(pair, dim=-1)


class PatchEmbedding(nn.Module):
    """Linear in the cells of a patch: (B, channels, lat, lon) to (B, tokens, width)."""

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.linear = nn.Linear(channels * patch**2, width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens in rows from north to south; a last patch that is not whole is filled up."""
        tokens: Tensor = self.linear(patches(x, self.patch).flatten(2).mT)
        return tokens

    def grid(self, x: Tensor) -> tuple[int, int]:
        """Rows and columns of tokens that a field makes."""
        return -(-x.shape[-2] // self.patch), -(-x.shape[-1] // self.patch)


class PatchHead(nn.Module):
    """The way back: (B, tokens, width) to (B, channels, lat, lon); 0 before training."""

    def __init__(self, width: int, channels: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.linear = zero_init(nn.Linear(width, channels * patch**2))

    def forward(self, tokens: Tensor, like: Tensor) -> Tensor:
        """Cut to the (lat, lon) of the field `like`."""
        rows = -(-like.shape[-2] // self.patch)
        return unpatched(self.linear(tokens).mT.unflatten(-1, (rows, -1)), self.patch, like)


class ViTBlock(nn.Module):
    """t + attention(norm(t)), then t + perceptron(norm(t)); starts as the identity."""

    def __init__(self, width: int, heads: int = 4, expansion: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm_mix, self.norm_inner = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = zero_init(nn.Linear(width, width))
        self.inner = nn.Linear(width, expansion * width)
        self.outer = zero_init(nn.Linear(expansion * width, width))

    def forward(self, tokens: Tensor, longitude: Tensor) -> Tensor:
        """(B, tokens, width) to the same; `longitude` (tokens,) in radians."""
        qkv = self.qkv(self.norm_mix(tokens)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        q, k = rotate(q, longitude), rotate(k, longitude)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        tokens = tokens + self.out(mixed.transpose(1, 2).flatten(2))
        inner = functional.gelu(self.inner(self.norm_inner(tokens)), approximate="tanh")
        return tokens + self.outer(inner)


class GlobeTransformer(nn.Module):
    """Blocks over tokens whose place was added to them, and a last normalisation.

    The place is a perceptron of `sphere_features`, so one set of weights serves any resolution.

    >>> mix = GlobeTransformer(width=16, depth=1, heads=2)
    >>> mix(torch.ones(3, 8, 16), (2, 4)).shape
    torch.Size([3, 8, 16])
    """

    def __init__(self, width: int, depth: int, heads: int = 4, expansion: int = 4) -> None:
        super().__init__()
        self.place = nn.Sequential(
            nn.Linear(_FEATURES, width), nn.GELU(approximate="tanh"), nn.Linear(width, width)
        )
        self.blocks = nn.ModuleList(ViTBlock(width, heads, expansion) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """(B, rows * columns, width) to the same, on a grid of (rows, columns) tokens.

        Raises:
            InputError: the tokens do not fill the grid.
        """
        rows, columns = grid
        if tokens.shape[1] != rows * columns:
            raise InputError(
                f"{tokens.shape[1]} tokens do not fill {rows} rows of {columns}: check the patch."
            )
        tokens = tokens + self.place(sphere_features(rows, columns).to(tokens))
        longitude = _longitude(rows, columns).to(tokens.device)
        for block in self.blocks:
            tokens = block(tokens, longitude)
        normed: Tensor = self.norm(tokens)
        return normed


class ViT(nn.Module):
    """F: (B, in, lat, lon), condition (B or 1, K, lat, lon) -> (B, out, lat, lon).

    The output is 0 before training.

    >>> net = ViT(ViTConfig(in_channels=2, out_channels=3, width=16, depth=1))
    >>> net(torch.ones(5, 2, 9, 13)).shape
    torch.Size([5, 3, 9, 13])
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        width, patch = config.width, config.patch
        self.stem = PatchEmbedding(config.in_channels, width, patch)
        self.conditions = (
            PatchEmbedding(config.condition_channels, width, patch)
            if config.condition_channels
            else None
        )
        self.mix = GlobeTransformer(width, config.depth, config.heads, config.expansion)
        self.head = PatchHead(width, config.out_channels, patch)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """See the class.

        Raises:
            InputError: a number of channels is not the configured one.
        """
        config = self.config
        check_channels(x, condition, (config.in_channels, config.condition_channels))
        tokens = self.stem(x)
        if self.conditions is not None and condition is not None:
            tokens = tokens + self.conditions(condition)
        field: Tensor = self.head(self.mix(tokens, self.stem.grid(x)), x)
        return field


def _longitude(rows: int, columns: int) -> Tensor:
    return (torch.arange(columns) * (2 * math.pi / columns)).repeat(rows)
