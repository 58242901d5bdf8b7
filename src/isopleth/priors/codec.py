"""Codecs that need no training, what whitens any other, and the error that none can undercut."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.core.protocols import Codec

__all__ = ["Identity", "Whitened", "apart", "floor"]


class Identity(nn.Module):
    """`z = x`: the codec of a method that works on the state itself.

    >>> codec = Identity()
    >>> codec.decode(codec.encode(torch.ones(2, 3, 4, 8))).shape
    torch.Size([2, 3, 4, 8])
    """

    def encode(self, x: Tensor) -> Tensor:
        """The state."""
        return x

    def decode(self, z: Tensor) -> Tensor:
        """The state."""
        return z


class Whitened(nn.Module):
    """A codec whose latents are shifted and scaled, each number by itself: `z = (E(x) - m) / s`.

    With `m` and `s` of a climate its latents have mean 0 and variance 1, which a diffusion wants;
    their correlations stay.

    Args:
        codec: `E` and `D`.
        mean: `m`, shape `latent`.
        spread: `s`, shape `latent`, positive.

    Raises:
        InputError: If the shapes differ or a spread is not positive and finite.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, codec: Codec, mean: Tensor, spread: Tensor) -> None:
        super().__init__()
        bad = ~(torch.isfinite(mean) & torch.isfinite(spread) & (spread > 0))
        if mean.shape != spread.shape or bool(bad.any()):
            raise InputError(
                f"means of shape {tuple(mean.shape)} and spreads of shape {tuple(spread.shape)}, "
                f"the least {float(spread.min()):g}, do not whiten: give one positive spread for "
                "every latent number, and drop numbers that never vary."
            )
        self.codec = codec
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)

    @classmethod
    def fit(cls, codec: Codec, states: Tensor, *, batch: int = 256) -> Whitened:
        """With the mean and the standard deviation of `E(states)`.

        Args:
            codec: `E`.
            states: Shape (n, *state), at least 2.
            batch: How many are encoded at once.

        Raises:
            InputError: If there are fewer than 2 states, or a latent number never varies.
        """
        if len(states) < 2:
            raise InputError(f"{len(states)} states have no spread: give at least 2, better 1000.")
        with torch.no_grad():
            z = torch.cat([codec.encode(part) for part in states.split(batch)])
        return cls(codec, z.mean(0), z.std(0))

    def encode(self, x: Tensor) -> Tensor:
        """`(E(x) - m) / s`, (..., *latent); errors are those of the codec."""
        return (self.codec.encode(x) - self.mean) / self.spread

    def decode(self, z: Tensor) -> Tensor:
        """`D(m + s z)` of (..., *latent).

        Raises:
            InputError: If the last axes are not those of a latent; or as the codec.
        """
        if z.shape[z.ndim - self.mean.ndim :] != self.mean.shape:
            raise InputError(
                f"a latent of shape {tuple(z.shape)} does not end in {tuple(self.mean.shape)}: "
                "give what this codec encodes."
            )
        return self.codec.decode(torch.addcmul(self.mean, z, self.spread))


@torch.no_grad()
def floor(codec: Codec, x: Tensor, weights: Tensor, *, batch: int = 256) -> Tensor:
    """Mean square of `D(E(x)) - x`, which no analysis in the latent space undercuts by itself.

    Args:
        codec: `E` and `D`.
        x: States, shape (n, channel, lat, lon).
        weights: Such as areas, broadcastable to (lat, lon); only their proportions matter.
        batch: How many states are coded at once.

    Returns:
        Shape (n, channel), in the square of the state's unit.

    Raises:
        InputError: If x is no batch of fields or no weight is positive.

    >>> floor(Identity(), torch.ones(2, 3, 4, 8), torch.ones(4, 1)).shape
    torch.Size([2, 3])
    """
    _check_batch(x)
    answers = torch.cat([codec.decode(codec.encode(part)) for part in x.split(batch)])
    return _mean_square(answers - x, weights)


@torch.no_grad()
def apart(codec: Codec, x: Tensor, other: Tensor, weights: Tensor, *, batch: int = 256) -> Tensor:
    """Mean square of `(D(E(x)) - D(E(x'))) - (x - x')`: what a codec does to a difference.

    Two states that are near one another share most of the error of the codec, so this is what
    counts for increments and errors of forecasts.

    Args:
        codec: `E` and `D`.
        x: States, shape (n, channel, lat, lon).
        other: `x'`, same shape.
        weights: As for `floor`.
        batch: How many states are coded at once.

    Returns:
        Shape (n, channel), in the square of the state's unit.

    Raises:
        InputError: If the shapes differ, x is no batch of fields or no weight is positive.
    """
    _check_batch(x)
    if x.shape != other.shape:
        raise InputError(
            f"states of shapes {tuple(x.shape)} and {tuple(other.shape)} are no pairs: give one "
            "of each for every case."
        )
    pairs = zip(x.split(batch), other.split(batch), strict=True)
    error = torch.cat(
        [codec.decode(codec.encode(a)) - codec.decode(codec.encode(b)) - (a - b) for a, b in pairs]
    )
    return _mean_square(error, weights)


def _check_batch(x: Tensor) -> None:
    if x.ndim != 4 or not len(x):
        raise InputError(
            f"states of shape {tuple(x.shape)} cannot be scored: give (n, channel, lat, lon) with "
            "at least one state."
        )


def _mean_square(error: Tensor, weights: Tensor) -> Tensor:
    share = weights.to(error).expand(error.shape[-2:])
    if not bool(share.sum() > 0) or bool((share < 0).any()):
        raise InputError("no cell has a positive weight, or one is negative: give areas.")
    return (error.square() * (share / share.sum())).sum((-2, -1))
