"""A (variational) autoencoder of the globe made of transformer blocks on patches.

The shape of VAEformer (Han et al. 2024, arXiv:2405.03376): patches in, blocks, a linear map to a
diagonal Gaussian for each token, and the same way back; only that the decoder's first layer sees
the latents next to each token. Nothing normalises before the linear maps, so it starts as a linear
codec of patches, once it is shown some fields.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from isopleth.core.errors import InputError
from isopleth.nets.autoencoder import DiagonalGaussian, check_field
from isopleth.nets.autoencoder_start import PatchStart, as_identity
from isopleth.nets.layers import PeriodicConv2d, zero_init
from isopleth.nets.vit import ViTBlock, sphere_features

__all__ = ["ViTAutoencoder", "ViTAutoencoderConfig"]

_FEATURES = 4


@dataclass(frozen=True, kw_only=True)
class ViTAutoencoderConfig:
    """Sizes of a `ViTAutoencoder`; `dataclasses.asdict` of it goes on the weights' card and back.

    `latent_channels` numbers stand for every patch of `patch` x `patch` cells; `depth` blocks of
    `width` channels stand on either side.

    Raises:
        InputError: a size is below 1, or `width` is not a multiple of twice the `heads`.
    """

    channels: int
    latent_channels: int
    width: int = 96
    depth: int = 2
    heads: int = 4
    patch: int = 4
    expansion: int = 2

    def __post_init__(self) -> None:
        sizes = (self.channels, self.latent_channels, self.width, self.depth, self.heads)
        if min(*sizes, self.patch, self.expansion) < 1:
            raise InputError(f"{self} has a size below 1: every size counts something.")
        if self.width % (2 * self.heads):
            raise InputError(
                f"width {self.width} does not split into pairs for {self.heads} heads: "
                f"make it a multiple of {2 * self.heads}."
            )


class ViTAutoencoder(nn.Module):
    """`q(z | x)` and `D(z)`: (B, channels, lat, lon) to (B, latent, lat / p, lon / p) and back.

    >>> net = ViTAutoencoder(ViTAutoencoderConfig(channels=3, latent_channels=5, width=16))
    >>> z = net.encode(torch.ones(2, 3, 8, 16))
    >>> z.shape, net.decode(z).shape
    (torch.Size([2, 5, 2, 4]), torch.Size([2, 3, 8, 16]))
    """

    def __init__(self, config: ViTAutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        cells = config.channels * config.patch**2
        self.stem = nn.Linear(cells, config.width)
        self.mix_in = _Mixing(config)
        self.posterior_head = nn.Linear(config.width, 2 * config.latent_channels)
        self.root = PeriodicConv2d(config.latent_channels, config.width)
        self.mix_out = _Mixing(config)
        self.head = nn.Linear(config.width, cells)
        for layer in (self.stem, self.head):
            as_identity(layer)

    def start_from(self, x: Tensor, weights: Tensor) -> None:
        """Make the latents principal components of patches, and D their best 3x3 decoder.

        Args:
            x: Standardised fields (n, channels, lat, lon), with many more patches than numbers in
                nine latents.
            weights: Of cells, broadcastable to (lat, lon).

        Raises:
            InputError: the fields do not go through the network, they vary in too few directions,
                or `width` has no room for the cells of a patch.
        """
        check_field(x, self.config.channels, self.config.patch)
        cells, share = (
            functional.pixel_unshuffle(field, self.config.patch)
            for field in (x, weights.expand_as(x[:1]))
        )
        start = PatchStart.of(cells, share, self.config.latent_channels, self.config.width)
        start.give(self.posterior_head, self.root)

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        """`q(z | x)` of standardised fields (B, channels, lat, lon).

        Raises:
            InputError: another number of channels, or a grid that the patch does not divide.
        """
        check_field(x, self.config.channels, self.config.patch)
        grid = functional.pixel_unshuffle(x, self.config.patch)
        tokens = self.mix_in(self.stem(grid.flatten(2).mT), (grid.shape[-2], grid.shape[-1]))
        both: Tensor = self.posterior_head(tokens).mT
        return DiagonalGaussian.of(both.unflatten(-1, grid.shape[-2:]))

    def encode(self, x: Tensor) -> Tensor:
        """The mean of `q(z | x)`; errors as there."""
        return self.posterior(x).mean

    def decode(self, z: Tensor) -> Tensor:
        """`D(z)`, standardised fields.

        Raises:
            InputError: another number of latent channels.
        """
        check_field(z, self.config.latent_channels, 1)
        tokens = self.mix_out(self.root(z).flatten(2).mT, (z.shape[-2], z.shape[-1]))
        cells: Tensor = self.head(tokens).mT
        return functional.pixel_shuffle(cells.unflatten(-1, z.shape[-2:]), self.config.patch)


class _Mixing(nn.Module):
    """Blocks over tokens that know their place, with nothing after them."""

    def __init__(self, config: ViTAutoencoderConfig) -> None:
        super().__init__()
        self.place = nn.Sequential(
            nn.Linear(_FEATURES, config.width),
            nn.GELU(approximate="tanh"),
            zero_init(nn.Linear(config.width, config.width)),
        )
        self.blocks = nn.ModuleList(
            ViTBlock(config.width, config.heads, config.expansion) for _ in range(config.depth)
        )

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        rows, columns = grid
        tokens = tokens + self.place(sphere_features(rows, columns).to(tokens))
        turns = torch.arange(columns, device=tokens.device) * (2 * math.pi / columns)
        for block in self.blocks:
            tokens = block(tokens, turns.repeat(rows))
        return tokens
