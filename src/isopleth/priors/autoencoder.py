"""Trained autoencoders as codecs of fields in their own unit, and those that are shipped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

import isopleth.data
from isopleth.core.errors import DataMissingError, InputError
from isopleth.core.weights import load_weights
from isopleth.nets.autoencoder import ConvAutoencoder, ConvAutoencoderConfig
from isopleth.nets.autoencoder_vit import ViTAutoencoder, ViTAutoencoderConfig
from isopleth.priors.codec import Whitened

__all__ = ["SHIPPED_CODECS", "AutoencoderCodec", "EncoderDecoder", "build_codec", "load_codec"]

_FOLDER = Path(isopleth.data.__file__).parent / "assets" / "weights"


class EncoderDecoder(Protocol):
    """What a network of `nets.autoencoder` is: a codec of batches of standardised fields."""

    def encode(self, x: Tensor) -> Tensor:
        """From (B, channel, lat, lon) to (B, *latent)."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """From (B, *latent) to (B, channel, lat, lon)."""
        ...


class AutoencoderCodec(nn.Module):
    """`E(x) = encode((x - m) / s)`, `D(z) = m + s decode(z)` of a network for one grid.

    Args:
        net: A network that is an `EncoderDecoder`; latents have as many axes as `latent_axes`.
        mean: m, a field of the climate, shape (channel, lat, lon), in the state's unit.
        spread: s, one number a channel, shape (channel,), positive, same unit.
        latent_axes: Of one latent.

    Raises:
        InputError: If the shapes do not fit or a spread is not positive and finite.
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self, net: nn.Module, mean: Tensor, spread: Tensor, *, latent_axes: int = 3
    ) -> None:
        super().__init__()
        if mean.ndim != 3 or spread.shape != mean.shape[:1]:
            raise InputError(
                f"a mean of shape {tuple(mean.shape)} and spreads of {tuple(spread.shape)} do not "
                "standardise: give (channel, lat, lon) and one spread a channel."
            )
        if not bool((torch.isfinite(spread) & (spread > 0)).all()):
            raise InputError(f"a spread of {spread.tolist()} cannot scale: give positive numbers.")
        self.net, self.latent_axes = net, latent_axes
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)

    def standardise(self, x: Tensor) -> Tensor:
        """`(x - m) / s`, what the network is trained on.

        Raises:
            InputError: If the last axes of x are not those of a state.
        """
        if x.shape[-3:] != self.mean.shape:
            raise InputError(
                f"a field of shape {tuple(x.shape)} is no state of this autoencoder, "
                f"{tuple(self.mean.shape)}: bring it to its grid."
            )
        return (x - self.mean) / self.spread[:, None, None]

    def encode(self, x: Tensor) -> Tensor:
        """Mean latents (..., *latent) of states (..., channel, lat, lon); errors as above."""
        net: EncoderDecoder = self.net  # type: ignore[assignment]
        standard = self.standardise(x)
        z = net.encode(standard.reshape(-1, *self.mean.shape))
        return z.reshape(*x.shape[:-3], *z.shape[1:])

    def decode(self, z: Tensor) -> Tensor:
        """States (..., channel, lat, lon) of latents (..., *latent).

        Raises:
            InputError: If latents of this shape do not decode to a state of the grid.
        """
        net: EncoderDecoder = self.net  # type: ignore[assignment]
        leading = z.shape[: z.ndim - self.latent_axes]
        x = net.decode(z.reshape(-1, *z.shape[z.ndim - self.latent_axes :]))
        if x.shape[1:] != self.mean.shape:
            raise InputError(
                f"latents of shape {tuple(z.shape)} decode to {tuple(x.shape[1:])}, not to the "
                f"grid {tuple(self.mean.shape)}: encode states of that grid."
            )
        return (self.mean + self.spread[:, None, None] * x).reshape(*leading, *self.mean.shape)


def _conv(config: Mapping[str, Any]) -> nn.Module:
    return ConvAutoencoder(ConvAutoencoderConfig(**config))


def _vit(config: Mapping[str, Any]) -> nn.Module:
    return ViTAutoencoder(ViTAutoencoderConfig(**config))


SHIPPED_CODECS: Mapping[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    "codec_qg3_t21_conv": _conv,
    "codec_qg3_t21_vit": _vit,
}
"""Which network the weights of a name are for; the card beside them says how large it is."""


def build_codec(
    build: Callable[[Mapping[str, Any]], nn.Module], config: Mapping[str, Any]
) -> Whitened:
    """A whitened autoencoder without its numbers, for `core.weights.load_weights`.

    Args:
        build: Makes the network from `config["net"]`.
        config: `net`, and the shapes `state` (channel, lat, lon) and `latent`.
    """
    state, latent = tuple(config["state"]), tuple(config["latent"])
    codec = AutoencoderCodec(build(config["net"]), torch.zeros(state), torch.ones(state[0]))
    return Whitened(codec, torch.zeros(latent), torch.ones(latent))


def load_codec(name: str) -> Whitened:
    """A shipped codec: states in their unit to white latents, and back; not to be trained on.

    Args:
        name: One of `SHIPPED_CODECS`; its card tells the grid, the unit and the measured errors.

    Raises:
        DataMissingError: If nothing of this name is shipped, or a file is gone.
        IntegrityError: If a file is damaged.

    >>> codec = load_codec("codec_qg3_t21_conv")
    >>> codec.encode(torch.zeros(2, 5, 3, 32, 64)).shape[:2]
    torch.Size([2, 5])
    """
    if name not in SHIPPED_CODECS:
        raise DataMissingError(
            f"no shipped codec is named {name!r}: use one of {', '.join(sorted(SHIPPED_CODECS))}."
        )
    build = SHIPPED_CODECS[name]
    codec = load_weights(_FOLDER / name, lambda config: build_codec(build, config))
    return codec.requires_grad_(False)
