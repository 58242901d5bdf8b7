"""A convolutional (variational) autoencoder on the globe: two halvings in, two doublings out.

Kingma and Welling 2014 (arXiv:1312.6114), with a diagonal Gaussian posterior. Everything on the
way is `h + correction(h)` and no layer normalises, so the network starts as a linear map between
fields and latents: principal components of its patches, once it is shown some fields.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from isopleth.core.errors import InputError
from isopleth.nets.autoencoder_start import PatchStart, as_identity
from isopleth.nets.dit import latitude_features
from isopleth.nets.layers import PeriodicConv2d, zero_init

__all__ = [
    "ConvAutoencoder",
    "ConvAutoencoderConfig",
    "DiagonalGaussian",
    "check_field",
]

_HALVING, _STAGES = 2, 2
_LATITUDES = 16
_LOG_VARIANCES = (-20.0, 4.0)


@dataclass(frozen=True, eq=False)
class DiagonalGaussian:
    """`q(z | x) = N(mean, diag(exp(log_variance)))`, one of each for every latent number.

    >>> q = DiagonalGaussian(torch.zeros(2, 3), torch.zeros(2, 3))
    >>> q.divergence().tolist()
    [0.0, 0.0]
    """

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def of(cls, both: Tensor) -> DiagonalGaussian:
        """From (B, 2 K, ...): K means, then K log variances, kept within [-20, 4]."""
        mean, log_variance = both.chunk(2, dim=1)
        return cls(mean, log_variance.clamp(*_LOG_VARIANCES))

    def sample(self, generator: torch.Generator) -> Tensor:
        """`mean + sd n`, differentiable in both; n ~ N(0, I) from a generator on their device."""
        noise = torch.empty_like(self.mean).normal_(generator=generator)
        return torch.addcmul(self.mean, torch.exp(0.5 * self.log_variance), noise)

    def divergence(self) -> Tensor:
        """`KL(q || N(0, I))` in nats a latent number, (B,): their mean, so no size enters beta."""
        log_variance = self.log_variance
        each = 0.5 * (self.mean.square() + log_variance.exp() - 1.0 - log_variance)
        return each.flatten(1).mean(1)


@dataclass(frozen=True, kw_only=True)
class ConvAutoencoderConfig:
    """Sizes of a `ConvAutoencoder`; `dataclasses.asdict` of it goes on the weights' card and back.

    `latent_channels` numbers stand for every 4x4 cells; `widths` are channels at half and at a
    quarter of the resolution, `blocks` corrections at each, on either side.

    Raises:
        InputError: a size is below 1, or there are not two widths.
    """

    channels: int
    latent_channels: int
    widths: tuple[int, ...] = (48, 96)
    blocks: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        for name in ("widths", "blocks"):  # a card read from JSON holds lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.widths) != _STAGES or len(self.blocks) != _STAGES:
            raise InputError(
                f"widths {self.widths} and blocks {self.blocks} are not those of two halvings: "
                "give two numbers of each, the finer scale first."
            )
        if min(self.channels, self.latent_channels, *self.widths, *self.blocks) < 1:
            raise InputError(f"{self} has a size below 1: every size counts something.")


class ConvAutoencoder(nn.Module):
    """`q(z | x)` and `D(z)`: (B, channels, lat, lon) to (B, latent, lat / 4, lon / 4) and back.

    Turning the globe by four columns turns the latent by one; latitude is told by cosines.

    >>> net = ConvAutoencoder(ConvAutoencoderConfig(channels=3, latent_channels=5))
    >>> z = net.encode(torch.ones(2, 3, 8, 16))
    >>> z.shape, net.decode(z).shape
    (torch.Size([2, 5, 2, 4]), torch.Size([2, 3, 8, 16]))
    """

    def __init__(self, config: ConvAutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        (fine, coarse), cells = config.widths, _HALVING**2
        more, most = config.blocks
        self.stem = PeriodicConv2d(config.channels * cells, fine)
        self.fine_in = _Corrections(fine, more)
        self.coarser = PeriodicConv2d(fine * cells, coarse)
        self.coarse_in = _Corrections(coarse, most)
        self.posterior_head = nn.Conv2d(coarse, 2 * config.latent_channels, 1)
        self.root = PeriodicConv2d(config.latent_channels, coarse)
        self.coarse_out = _Corrections(coarse, most)
        self.finer = nn.Conv2d(coarse, fine * cells, 1)
        self.fine_out = _Corrections(fine, more)
        self.head = PeriodicConv2d(fine, config.channels * cells)
        for layer in (self.stem, self.coarser, self.finer, self.head):
            as_identity(layer)

    def start_from(self, x: Tensor, weights: Tensor) -> None:
        """Make the latents principal components of 4x4 patches, and D their best 3x3 decoder.

        Args:
            x: Standardised fields (n, channels, lat, lon), with many more patches than numbers in
                nine latents.
            weights: Of cells, broadcastable to (lat, lon).

        Raises:
            InputError: the fields do not go through the network, they vary in too few directions,
                or a width has no room for the cells of its patches.
        """
        check_field(x, self.config.channels, _HALVING**_STAGES)
        fine, coarse = self.config.widths
        room = coarse if fine >= self.config.channels * _HALVING**2 else 0
        cells, share = (
            functional.pixel_unshuffle(functional.pixel_unshuffle(field, _HALVING), _HALVING)
            for field in (x, weights.expand_as(x[:1]))
        )
        start = PatchStart.of(cells, share, self.config.latent_channels, room)
        start.give(self.posterior_head, self.root)

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        """`q(z | x)` of standardised fields (B, channels, lat, lon).

        Raises:
            InputError: another number of channels, or rows or columns that 4 does not divide.
        """
        check_field(x, self.config.channels, _HALVING**_STAGES)
        h = self.fine_in(self.stem(functional.pixel_unshuffle(x, _HALVING)))
        h = self.coarse_in(self.coarser(functional.pixel_unshuffle(h, _HALVING)))
        return DiagonalGaussian.of(self.posterior_head(h))

    def encode(self, x: Tensor) -> Tensor:
        """The mean of `q(z | x)`; errors as there."""
        return self.posterior(x).mean

    def decode(self, z: Tensor) -> Tensor:
        """`D(z)`, standardised fields.

        Raises:
            InputError: another number of latent channels.
        """
        check_field(z, self.config.latent_channels, 1)
        h = self.finer(self.coarse_out(self.root(z)))
        h = self.head(self.fine_out(functional.pixel_shuffle(h, _HALVING)))
        return functional.pixel_shuffle(h, _HALVING)


def check_field(x: Tensor, channels: int, patch: int) -> None:
    """Compare a batch with what an autoencoder was built for.

    Raises:
        InputError: it is not (B, channels, lat, lon), or `patch` does not divide lat and lon.
    """
    if x.ndim != 4 or x.shape[1] != channels or x.shape[2] % patch or x.shape[3] % patch:
        raise InputError(
            f"a batch of shape {tuple(x.shape)} does not go through this autoencoder: give "
            f"(B, {channels}, lat, lon) with rows and columns that {patch} divides."
        )


class _Corrections(nn.Module):
    """`h + W2 silu(W1 h + latitude)`, several times; starts as the identity."""

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.first = nn.ModuleList(PeriodicConv2d(width, width) for _ in range(count))
        self.place = nn.ModuleList(nn.Linear(_LATITUDES, width) for _ in range(count))
        self.second = nn.ModuleList(zero_init(PeriodicConv2d(width, width)) for _ in range(count))

    def forward(self, h: Tensor) -> Tensor:
        rows = latitude_features(h.shape[-2], _LATITUDES).to(h)
        for first, place, second in zip(self.first, self.place, self.second, strict=True):
            inner = first(h) + place(rows).mT[..., None]
            h = h + second(functional.silu(inner))
        return h
