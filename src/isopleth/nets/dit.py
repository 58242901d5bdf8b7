"""A diffusion transformer for global fields, Peebles and Xie 2023, on the circle of longitude.

Tokens are patches. Latitude is told by sines added to them, longitude only by rotating queries
and keys with whole wave numbers (Su et al. 2021), so that turning the globe by a patch turns the
answer. The noise level acts through adaLN-zero. A condition is added to the tokens of its place,
or has tokens of its own that every block looks at (cross-attention, Rombach et al. 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from isopleth.core.errors import InputError
from isopleth.nets.layers import FourierEmbedding, zero_init
from isopleth.nets.patches import check_channels, patches, unpatched

__all__ = ["DiT", "DiTConfig", "latitude_features", "rotate"]


@dataclass(frozen=True, kw_only=True)
class DiTConfig:
    """Sizes of a `DiT`; `dataclasses.asdict` of it goes on the weights' card and back.

    `width` is channels of a token, `depth` the number of blocks, `expansion` how many times wider
    the inside of a block's perceptron is. With `cross` the condition is attended to: it may then
    have another grid than the field.

    Raises:
        InputError: a size is below 1, `width` is not a multiple of twice the `heads`, or there is
            nothing to attend to.
    """

    in_channels: int
    out_channels: int
    condition_channels: int = 0
    width: int = 192
    depth: int = 6
    heads: int = 4
    patch: int = 4
    embedding: int = 128
    expansion: int = 4
    periodic: bool = True
    cross: bool = False

    def __post_init__(self) -> None:
        sizes = (self.in_channels, self.out_channels, self.width, self.depth, self.heads)
        if min(*sizes, self.patch, self.expansion, self.embedding - 1) < 1:
            raise InputError(f"{self} has a size below 1: every size counts something.")
        if self.width % (2 * self.heads):
            raise InputError(
                f"width {self.width} does not split into pairs for {self.heads} heads: "
                f"make it a multiple of {2 * self.heads}."
            )
        if self.cross and self.condition_channels < 1:
            raise InputError("cross-attention to 0 condition channels sees nothing: give some.")


def latitude_features(rows: int, width: int) -> Tensor:
    """Cosines cos(pi w s), (rows, width), s in (0, 1) from the first row to the last.

    Wave numbers w run from 0 to 16, so grids of any number of rows share them.
    """
    place = (torch.arange(rows) + 0.5) / rows
    return torch.cos(math.pi * place[:, None] * torch.linspace(0, 16, width))


def rotate(x: Tensor, longitude: Tensor) -> Tensor:
    """Pair k of the last axis (..., tokens, 2 m) turned by k * longitude, k = 0 ... m - 1.

    `longitude` (tokens,) is in radians: dot products of turned vectors depend on differences of
    longitude only, with period 2 pi.
    """
    half = x.shape[-1] // 2
    angle = longitude[:, None] * torch.arange(half, device=x.device)
    cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


class DiT(nn.Module):
    """F: (B, in, lat, lon), noise (B,), condition (B or 1, K, lat, lon) -> (B, out, lat, lon).

    The output is 0 before training. Nothing is masked here: `condition` carries the land mask.

    >>> net = DiT(DiTConfig(in_channels=2, out_channels=2, width=16, depth=1))
    >>> net(torch.ones(3, 2, 9, 13), torch.zeros(3)).shape
    torch.Size([3, 2, 9, 13])
    """

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.config = config
        width, cells = config.width, config.patch**2
        self.embed = FourierEmbedding(config.embedding)
        self.stem = nn.Linear(config.in_channels * cells, width)
        self.conditions = (
            nn.Linear(config.condition_channels * cells, width)
            if config.condition_channels
            else None
        )
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.modulation = zero_init(nn.Linear(config.embedding, 2 * width))
        self.head = zero_init(nn.Linear(width, config.out_channels * cells))

    def forward(self, x: Tensor, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """See the class; `noise` is of order one, such as log(sigma) / 4.

        Raises:
            InputError: a number of channels is not the configured one.
        """
        config = self.config
        check_channels(x, condition, (config.in_channels, config.condition_channels))
        grid = self._patches(x)
        tokens, longitude = self._placed(self.stem(grid.flatten(2).mT), grid)
        told = None
        if self.conditions is not None and condition is not None:
            known = self._patches(condition)
            told = self.conditions(known.flatten(2).mT)
            if config.cross:
                told = _Told(*self._placed(told.expand(len(x), -1, -1), known))
            else:
                tokens, told = tokens + told, None
        tokens = self._blocks(tokens, self.embed(noise), longitude, told)
        h = self.head(tokens).mT.unflatten(-1, grid.shape[-2:])
        return unpatched(h, config.patch, x)

    def _placed(self, tokens: Tensor, grid: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens that know the latitude of their place in `grid`, and their longitudes."""
        rows, columns = grid.shape[-2:]
        latitude = latitude_features(rows, self.config.width).to(tokens)
        circle = 2 * math.pi if self.config.periodic else math.pi
        longitude = torch.arange(columns, device=tokens.device).repeat(rows) * (circle / columns)
        return tokens + latitude.repeat_interleave(columns, dim=0), longitude

    def _blocks(
        self, tokens: Tensor, embedding: Tensor, longitude: Tensor, told: _Told | None
    ) -> Tensor:
        for block in self.blocks:
            tokens = block(tokens, embedding, longitude, told)
        shift, scale = self.modulation(functional.silu(embedding))[:, None].chunk(2, dim=-1)
        return _modulated(tokens, shift, scale)

    def _patches(self, x: Tensor) -> Tensor:
        return patches(x, self.config.patch, periodic=self.config.periodic)


class _Told(NamedTuple):
    """Tokens of a condition, (B, tokens, width), and their longitudes in radians, (tokens,)."""

    tokens: Tensor
    longitude: Tensor


class _Block(nn.Module):
    """Attention and a perceptron, each shifted, scaled and gated by the noise; starts closed.

    Between them, where there is a condition to look at, stands cross-attention.
    """

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width, inside = config.width, config.expansion * config.width
        self.heads = config.heads
        self.modulation = zero_init(
            nn.Linear(config.embedding, (9 if config.cross else 6) * width)
        )
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, inside), nn.GELU(approximate="tanh"), nn.Linear(inside, width)
        )
        self.look = _Look(config) if config.cross else None

    def forward(
        self, tokens: Tensor, embedding: Tensor, longitude: Tensor, told: _Told | None = None
    ) -> Tensor:
        parts = 6 if self.look is None else 9
        signals = self.modulation(functional.silu(embedding))[:, None].chunk(parts, dim=-1)
        mixed = self._attention(_modulated(tokens, *signals[:2]), longitude)
        tokens = torch.addcmul(tokens, signals[2], mixed)
        if self.look is not None and told is not None:
            seen = self.look(_modulated(tokens, *signals[6:8]), longitude, told)
            tokens = torch.addcmul(tokens, signals[8], seen)
        inner = self.perceptron(_modulated(tokens, *signals[3:5]))
        return torch.addcmul(tokens, signals[5], inner)

    def _attention(self, tokens: Tensor, longitude: Tensor) -> Tensor:
        qkv = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = rotate(qkv[:2], longitude)
        mixed = functional.scaled_dot_product_attention(q, k, qkv[2])
        return self.out(mixed.transpose(1, 2).flatten(2))


class _Look(nn.Module):
    """Cross-attention: queries of the field, keys and values of a condition."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(config.width, config.width)
        self.pair = nn.Linear(config.width, 2 * config.width)
        self.out = nn.Linear(config.width, config.width)

    def forward(self, tokens: Tensor, longitude: Tensor, told: _Told) -> Tensor:
        normed = functional.layer_norm(told.tokens, told.tokens.shape[-1:])
        q = self.query(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.pair(normed).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, longitude), rotate(k, told.longitude)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        looked: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return looked


def _modulated(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm without weights of its own, then scale and shift (B, 1, width)."""
    return torch.addcmul(shift, functional.layer_norm(tokens, tokens.shape[-1:]), 1 + scale)
