"""A small U-Net for global fields: patches in, patches out, periodic in longitude.

The shape is that of Ronneberger et al. 2015, the residual blocks are those of Ho et al. 2020 with
the scale-shift normalisation and zero-initialised outputs of Nichol and Dhariwal 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from isopleth.core.errors import InputError
from isopleth.nets.globe import resample
from isopleth.nets.layers import (
    FourierEmbedding,
    PeriodicConv2d,
    ResidualBlock,
    SelfAttention,
    group_norm,
    zero_init,
)
from isopleth.nets.patches import check_channels, patches, unpatched

__all__ = ["UNet", "UNetConfig"]


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Sizes of a `UNet`; `dataclasses.asdict` of it goes on the weights' card and back.

    `widths` are channels from the finest scale to the coarsest, each half as fine as the last;
    `blocks` is residual blocks per scale and side; `attention` says after which scales' blocks
    all cells are mixed.

    Raises:
        InputError: `attention` is not as long as `widths`, or a size is below 1.
    """

    in_channels: int
    out_channels: int
    condition_channels: int = 0
    widths: tuple[int, ...] = (48, 96, 192)
    blocks: int = 1
    patch: int = 2
    embedding: int = 128
    attention: tuple[bool, ...] = (False, False, True)
    periodic: bool = True

    def __post_init__(self) -> None:
        for name in ("widths", "attention"):  # a card read from JSON holds lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.attention) != len(self.widths):
            raise InputError(
                f"attention has {len(self.attention)} entries for {len(self.widths)} widths: "
                "give one for each."
            )
        sizes = (self.in_channels, self.out_channels, self.blocks, self.patch, *self.widths)
        if min(sizes) < 1 or self.embedding < 2 or self.condition_channels < 0:
            raise InputError(f"{self} has a size below 1: every size counts something.")


class UNet(nn.Module):
    """F: (B, in, lat, lon), noise (B,), condition (B or 1, K, lat, lon) -> (B, out, lat, lon).

    The output is 0 before training. Nothing is masked here: `condition` carries the land mask.

    >>> net = UNet(UNetConfig(in_channels=2, out_channels=2, condition_channels=1, widths=(16,),
    ...                       attention=(False,)))
    >>> net(torch.ones(3, 2, 9, 13), torch.zeros(3), torch.ones(1, 1, 9, 13)).shape
    torch.Size([3, 2, 9, 13])
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, cells = config.widths, config.patch**2
        self.embed = FourierEmbedding(config.embedding)
        self.stem = self._conv(config.in_channels * cells, widths[0])
        self.conditions = (
            self._conv(config.condition_channels * cells, widths[0])
            if config.condition_channels
            else None
        )
        self.down = nn.ModuleList(_Scale(config, i) for i in range(len(widths)))
        self.coarser = nn.ModuleList(map(_pointwise, widths[:-1], widths[1:]))
        self.middle = _Scale(config, len(widths) - 1, attend=False)
        self.finer = nn.ModuleList(map(_pointwise, widths[1:], widths[:-1]))
        self.merge = nn.ModuleList(_pointwise(2 * width, width) for width in widths[:-1])
        self.up = nn.ModuleList(_Scale(config, i) for i in range(len(widths) - 1))
        self.norm = group_norm(widths[0])
        self.head = zero_init(self._conv(widths[0], config.out_channels * cells))

    def forward(self, x: Tensor, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """See the class; `noise` is of order one, such as log(sigma) / 4.

        Raises:
            InputError: a number of channels is not the configured one.
        """
        config = self.config
        check_channels(x, condition, (config.in_channels, config.condition_channels))
        embedding = self.embed(noise)
        h = self.stem(self._patches(x))
        if self.conditions is not None and condition is not None:
            h = h + self.conditions(self._patches(condition))
        h = self._scales(h, embedding)
        h = self.head(functional.silu(self.norm(h)))
        return unpatched(h, config.patch, x)

    def _scales(self, h: Tensor, embedding: Tensor) -> Tensor:
        skips = []
        periodic = self.config.periodic
        for scale, coarser in zip(self.down, self.coarser, strict=False):
            h = scale(h, embedding)
            skips.append(h)
            half = (-(-h.shape[-2] // 2), -(-h.shape[-1] // 2))
            h = coarser(resample(h, half, periodic=periodic))
        h = self.middle(self.down[-1](h, embedding), embedding)
        for i in reversed(range(len(skips))):
            size = (skips[i].shape[-2], skips[i].shape[-1])
            h = resample(self.finer[i](h), size, periodic=periodic)
            h = self.up[i](self.merge[i](torch.cat([h, skips[i]], dim=1)), embedding)
        return h

    def _conv(self, channels: int, out_channels: int) -> PeriodicConv2d:
        return PeriodicConv2d(channels, out_channels, periodic=self.config.periodic)

    def _patches(self, x: Tensor) -> Tensor:
        return patches(x, self.config.patch, periodic=self.config.periodic)


class _Scale(nn.Module):
    """The residual blocks of one scale, and attention where the configuration asks for it."""

    def __init__(self, config: UNetConfig, scale: int, *, attend: bool = True) -> None:
        super().__init__()
        width = config.widths[scale]
        self.blocks = nn.ModuleList(
            ResidualBlock(width, config.embedding, periodic=config.periodic)
            for _ in range(config.blocks)
        )
        attention: Callable[[int], nn.Module] = (
            SelfAttention if attend and config.attention[scale] else nn.Identity
        )
        self.attention = attention(width)

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        for block in self.blocks:
            h = block(h, embedding)
        return self.attention(h)


def _pointwise(channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, out_channels, 1)
