"""Controls: how a white control variable moves a background, in its own space or in a latent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Codec
from isopleth.inference.variational.covariance import RootedCovariance

__all__ = ["Codec", "Control", "Increment", "Latent", "LatentIncrement", "latent_variance"]


class Control(Protocol):
    """A background and `v ~ N(0, I)` make a state."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of v."""
        ...

    @property
    def state_axes(self) -> int:
        """Number of axes of a state."""
        ...

    def around(self, background: Tensor) -> Callable[[Tensor], Tensor]:
        """From v `(R, *shape)` to states `(R, *state)`, differentiable; rows independent."""
        ...


@dataclass(frozen=True, eq=False)
class Increment:
    """`x = x_b + U v`: a background error of covariance `B = U U'`.

    Args:
        covariance: `B`.
    """

    covariance: RootedCovariance

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the covariance's control."""
        return self.covariance.control_shape

    @property
    def state_axes(self) -> int:
        """Number of axes of a state."""
        return len(self.covariance.state_shape)

    def around(self, background: Tensor) -> Callable[[Tensor], Tensor]:
        """From v to states.

        Raises:
            InputError: If the background is not of the covariance's state.
        """
        if tuple(background.shape[1:]) != self.covariance.state_shape:
            raise InputError(
                f"a background of shape {tuple(background.shape[1:])} does not go with a "
                f"covariance of states {self.covariance.state_shape}: bring both to one grid."
            )
        return lambda v: background + self.covariance.sqrt(v)


@dataclass(frozen=True, eq=False)
class Latent:
    """`x = D(E(x_b) + B_z^1/2 v)`: the error of the background is white in a latent space.

    With `v = 0` this is `D(E(x_b))`, not `x_b`: what the codec cannot say is lost.
    Reference: Melinc and Zaplotnik (2024), Q. J. R. Meteorol. Soc. 150, 2273; with 4D-Var, Sci.
    Adv. (2026), aea4248.

    Args:
        codec: `E` and `D`.
        variance: Diagonal of `B_z`, shape `latent`; see `latent_variance`.
        state_axes: Of a state: 3 for (channel, lat, lon).

    Raises:
        InputError: If a variance is negative or not finite.
    """

    codec: Codec
    variance: Tensor
    state_axes: int = 3

    def __post_init__(self) -> None:
        """Check the variances."""
        bad = ~(torch.isfinite(self.variance) & (self.variance >= 0))
        if bad.any():
            raise InputError(
                f"a latent variance is {float(self.variance[bad][0]):g}: give finite numbers "
                "that are not negative."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """That of a latent."""
        return tuple(self.variance.shape)

    def around(self, background: Tensor) -> Callable[[Tensor], Tensor]:
        """From v to states; the background is encoded once.

        Raises:
            InputError: If the latents have another shape than the variances.
        """
        with torch.no_grad():
            z = self.codec.encode(background)
        if tuple(z.shape[1:]) != self.shape:
            raise InputError(
                f"the codec gives latents of shape {tuple(z.shape[1:])}, but there are variances "
                f"of shape {self.shape}: fit them with this codec."
            )
        deviation = self.variance.to(z).sqrt()
        return lambda v: self.codec.decode(z + deviation * v)


@dataclass(frozen=True, eq=False)
class LatentIncrement:
    """`x = x_b + s D(v)`: a generative model of background errors, `v ~ N(0, I)`.

    Reference: Xiao, Jia, Chen et al. (2024), VAE-Var, arXiv:2405.13711.

    Args:
        codec: Only its `decode` is used: a decoder of standardised errors.
        scale: `s`, broadcastable to a state.
        shape: Of a latent.
        state_axes: Of a state: 3 for (channel, lat, lon).
    """

    codec: Codec
    scale: Tensor
    shape: tuple[int, ...]
    state_axes: int = 3

    def around(self, background: Tensor) -> Callable[[Tensor], Tensor]:
        """From v to states."""
        scale = self.scale.to(background)
        return lambda v: background + scale * self.codec.decode(v)


@torch.no_grad()
def latent_variance(codec: Codec, first: Tensor, second: Tensor) -> Tensor:
    """Mean square of `E(a) - E(b)`, shape `latent`: of backgrounds and truths, or NMC pairs.

    Args:
        codec: `E`.
        first: `a`, shape (n, *state).
        second: `b`, same shape.

    Raises:
        InputError: If the shapes differ.
    """
    if first.shape != second.shape:
        raise InputError(
            f"states of shapes {tuple(first.shape)} and {tuple(second.shape)} are no pairs: give "
            "one of each for every case."
        )
    return (codec.encode(first) - codec.encode(second)).square().mean(0)
