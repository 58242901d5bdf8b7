"""The U-Net of improved diffusion, Nichol and Dhariwal 2021, in the size ReconMOST publishes.

Names of parameters are those of that network, so its published weights load. It pads with zeros,
has a seam at the edge of the grid and no conditions: for new work use `isopleth.nets.unet`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from isopleth.core.errors import InputError
from isopleth.nets.layers import zero_init
from isopleth.nets.patches import check_channels

__all__ = ["ImprovedDiffusionConfig", "ImprovedDiffusionUNet", "timestep_embedding"]

_GROUPS = 32


@dataclass(frozen=True, kw_only=True)
class ImprovedDiffusionConfig:
    """Sizes of an `ImprovedDiffusionUNet`; the defaults are ReconMOST's: 159.8 M parameters.

    `multipliers` times `channels` is the width of each scale. `attention` holds the factors of
    downsampling at which cells are mixed; ReconMOST's setting, "16,8" of an image of 180, names
    none that occurs, so only the middle block mixes them.

    Raises:
        InputError: a width cannot be split into groups of norm or heads of attention.
    """

    in_channels: int = 42
    out_channels: int = 42
    channels: int = 128
    multipliers: tuple[int, ...] = (1, 2, 2, 2, 4, 4)
    blocks: int = 3
    heads: int = 4
    attention: tuple[int, ...] = ()
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("multipliers", "attention"):  # a card read from JSON holds lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.channels < 1 or self.channels % _GROUPS or self.channels % self.heads:
            raise InputError(
                f"channels {self.channels} is not a multiple of {_GROUPS} and of the "
                f"{self.heads} heads: choose one that is."
            )


def timestep_embedding(steps: Tensor, width: int) -> Tensor:
    """[cos(t w_i), sin(t w_i)], w_i = 10000^(-2 i / width), from (B,) to (B, width)."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half, device=steps.device) * (-math.log(1e4) / half))
    angles = steps.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class ImprovedDiffusionUNet(nn.Module):
    """epsilon(x_t, t): (B, in, lat, lon), steps of diffusion (B,) in [0, 1000) -> (B, out, ...).

    Before each block on the way down an odd number of rows or columns gets one more of zeros; on
    the way up fields are cut to the size they had.
    """

    def __init__(self, config: ImprovedDiffusionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ImprovedDiffusionConfig()
        width, signal = config.channels, 4 * config.channels
        self.time_embed = nn.Sequential(
            nn.Linear(width, signal), nn.SiLU(), nn.Linear(signal, signal)
        )
        skips = list(_down(config))
        self.input_blocks = nn.ModuleList(stage for stage, _ in skips)
        widths = [channels for _, channels in skips]
        deepest = widths[-1]
        self.middle_block = _Stage(
            _Residual(deepest, deepest, config),
            _Attention(deepest, config.heads),
            _Residual(deepest, deepest, config),
        )
        self.output_blocks = nn.ModuleList(_up(config, widths))
        self.out = nn.Sequential(
            nn.GroupNorm(_GROUPS, width * config.multipliers[0]),
            nn.SiLU(),
            zero_init(nn.Conv2d(width * config.multipliers[0], config.out_channels, 3, padding=1)),
        )

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """See the class; `noise` is the step t of 1000, not a standard deviation.

        Raises:
            InputError: the number of channels is not the configured one.
        """
        check_channels(x, None, (self.config.in_channels, 0))
        signal = self.time_embed(timestep_embedding(noise, self.config.channels).to(x.dtype))
        h, skips = x, []
        for stage in self.input_blocks:
            h = stage(_even(h), signal)
            skips.append(h)
        h = self.middle_block(h, signal)
        for stage in self.output_blocks:
            skip = skips.pop()
            h = stage(torch.cat([_cut(h, skip), skip], dim=1), signal)
        return _cut(self.out(h), x)


def _down(config: ImprovedDiffusionConfig) -> Iterator[tuple[nn.Module, int]]:
    """The stages on the way down, each with the width it gives."""
    width = config.channels
    yield _Stage(nn.Conv2d(config.in_channels, width, 3, padding=1)), width
    for scale, multiplier in enumerate(config.multipliers):
        for _ in range(config.blocks):
            wider = multiplier * config.channels
            yield _Stage(_Residual(width, wider, config), *_mixing(config, scale, wider)), wider
            width = wider
        if scale + 1 < len(config.multipliers):
            yield _Stage(_Downsample(width)), width


def _up(config: ImprovedDiffusionConfig, skips: list[int]) -> Iterator[nn.Module]:
    """The stages on the way up, each taking the last of the widths `skips` beside its input."""
    remaining, width = list(skips), skips[-1]
    for scale, multiplier in reversed(list(enumerate(config.multipliers))):
        for block in range(config.blocks + 1):
            narrower = multiplier * config.channels
            layers = [_Residual(width + remaining.pop(), narrower, config)]
            width = narrower
            last = [_Upsample(width)] if scale and block == config.blocks else []
            yield _Stage(*layers, *_mixing(config, scale, width), *last)


def _mixing(config: ImprovedDiffusionConfig, scale: int, width: int) -> list[nn.Module]:
    return [_Attention(width, config.heads)] if 2**scale in config.attention else []


def _even(h: Tensor) -> Tensor:
    return functional.pad(h, (0, h.shape[-1] % 2, 0, h.shape[-2] % 2))


def _cut(h: Tensor, like: Tensor) -> Tensor:
    return h[..., : like.shape[-2], : like.shape[-1]]


class _Stage(nn.Sequential):
    """Layers in sequence; the residual blocks among them are given the time's signal too."""

    def forward(self, h: Tensor, signal: Tensor) -> Tensor:  # type: ignore[override]
        for layer in self:
            h = layer(h, signal) if isinstance(layer, _Residual) else layer(h)
        return h


class _Residual(nn.Module):
    """skip(x) + conv(act(norm(conv(act(norm(x)))) (1 + scale) + shift))."""

    def __init__(self, width: int, new: int, config: ImprovedDiffusionConfig) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(_GROUPS, width), nn.SiLU(), nn.Conv2d(width, new, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(4 * config.channels, 2 * new))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(_GROUPS, new),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            zero_init(nn.Conv2d(new, new, 3, padding=1)),
        )
        same = width == new
        self.skip_connection = nn.Identity() if same else nn.Conv2d(width, new, 1)

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        scale, shift = self.emb_layers(signal)[..., None, None].chunk(2, dim=1)
        h = self.out_layers[0](self.in_layers(x)) * (1 + scale) + shift
        return self.skip_connection(x) + self.out_layers[1:](h)


class _Attention(nn.Module):
    """x + W attention(norm(x)) over all cells; of `qkv`'s rows the head comes first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.qkv = nn.Conv1d(width, 3 * width, 1)
        self.proj_out = zero_init(nn.Conv1d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.qkv(self.norm(x).flatten(2)).unflatten(1, (self.heads, 3, -1))
        q, k, v = tokens.mT.unbind(dim=2)  # each (B, head, cell, channel)
        mixed = functional.scaled_dot_product_attention(q, k, v).mT.flatten(1, 2)
        return x + self.proj_out(mixed).view_as(x)


class _Downsample(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        return self.op(h)


class _Upsample(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        return self.conv(functional.interpolate(h, scale_factor=2, mode="nearest"))
