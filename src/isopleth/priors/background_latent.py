"""Latents of a state whose background is known: the error of its estimate, or the state itself.

Either way `latents.given(known)` knows the backgrounds of C cases and codes R rows of states, row
r of case `r mod C`, so that members stand on an outer axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from isopleth.core.errors import InputError
from isopleth.core.protocols import Codec
from isopleth.priors.background_regression import BackgroundRegression, Estimate
from isopleth.priors.eof_codec import EofCodec

__all__ = [
    "BackgroundLatents",
    "ErrorLatents",
    "ErrorsGiven",
    "InUnits",
    "LatentsGiven",
    "StateLatents",
    "StatesGiven",
    "rows_of",
]


class LatentsGiven(Protocol):
    """A codec that knows the backgrounds of C cases."""

    @property
    def condition(self) -> Tensor:
        """What a denoiser is told of each case, fields (C, k, rows, columns) of order one."""
        ...

    @property
    def linear(self) -> bool:
        """Whether `decode` is affine in z."""
        ...

    def encode(self, x: Tensor) -> Tensor:
        """From (R, *state) to (R, *latent)."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """From (R, *latent) to (R, *state); differentiable."""
        ...


class BackgroundLatents(Protocol):
    """A kind of latents; a module."""

    latent_shape: tuple[int, ...]

    @property
    def weights(self) -> Tensor:
        """How much a squared error of each latent number counts, broadcastable to `latent`."""
        ...

    def given(self, known: Tensor) -> LatentsGiven:
        """From backgrounds (C, channel + extra, lat, lon), channels of earlier times behind."""
        ...

    def field(self, z: Tensor) -> Tensor:
        """Latents as the field a network works on, (R, *latent) to (R, c, rows, columns)."""
        ...

    def project(self, F: Tensor) -> Tensor:
        """A field as latents: `project(field(z)) = z`."""
        ...


def rows_of(cases: Tensor, rows: int) -> Tensor:
    """The value of each row's case, (C, ...) to (rows, ...): row r has case `r mod C`.

    Raises:
        InputError: If the rows are no multiple of the cases.

    >>> rows_of(torch.tensor([1.0, 2.0]), 4)
    tensor([1., 2., 1., 2.])
    """
    if not len(cases) or rows % len(cases):
        raise InputError(
            f"there are {rows} rows and backgrounds of {len(cases)} cases: give every case as "
            "many rows, members on the outer axis."
        )
    return cases.repeat(rows // len(cases), *(1 for _ in cases.shape[1:]))


class ErrorLatents(nn.Module):
    """EOFs of the standardised error: `z = E(e)`, `e = (x - mu(x_b)) / s(x_b)`.

    With white EOFs `x | x_b` is about N(0, I) in z: what of it is not Gaussian is left to a
    diffusion, and what the EOFs leave out is `unresolved`.

    Args:
        regression: mu and s.
        codec: Of e, white.
        unresolved: Variance of e that the modes leave out, per cell, shape (channel, lat, lon).

    Raises:
        InputError: If the codec is not white, or shapes differ.
    """

    unresolved: Tensor

    def __init__(
        self, regression: BackgroundRegression, codec: EofCodec, unresolved: Tensor
    ) -> None:
        super().__init__()
        shape = regression.state_shape
        if not codec.white or codec.mean.shape != shape or unresolved.shape != shape:
            raise InputError(
                f"a codec of states {tuple(codec.mean.shape)}, white: {codec.white}, does not go "
                f"with a regression of {shape}: fit white modes to its standardised errors."
            )
        self.regression, self.codec = regression, codec
        self.latent_shape: tuple[int, ...] = tuple(codec.spread.shape)
        self.register_buffer("unresolved", unresolved)

    @property
    def weights(self) -> Tensor:
        """`lambda`: then the sum of squares is that of the field, weighted by area."""
        return self.codec.variances

    @property
    def channels(self) -> tuple[int, int]:
        """Of `field` and of `condition`."""
        channel = self.regression.state_shape[0]
        told = channel + self.regression.extra + 2 * channel
        return channel, told + len(self.regression.features)

    def given(self, known: Tensor) -> ErrorsGiven:
        """See `BackgroundLatents`; raises as `BackgroundRegression.background`."""
        return ErrorsGiven(self, known, self.regression(known))

    def field(self, z: Tensor) -> Tensor:
        """`S z = sum_k sqrt(lambda_k) z_k v_k`, of unit variance where z is white."""
        return self.codec.decode(z) - self.codec.mean

    def project(self, F: Tensor) -> Tensor:
        """`<v_k, F> / sqrt(lambda_k)`."""
        return self.codec.encode(F + self.codec.mean)


@dataclass(frozen=True, eq=False)
class ErrorsGiven:
    """Latents of errors around the estimates of C cases; see `LatentsGiven`.

    Args:
        latents: Of which they are.
        known: Backgrounds, and what stands behind them, (C, channel + extra, lat, lon).
        estimate: mu and s of each case.
    """

    latents: ErrorLatents
    known: Tensor
    estimate: Estimate
    linear: bool = True

    @property
    def condition(self) -> Tensor:
        """`x_b`, what is behind it, `ln s / s_0`, `(mu - x_b) / s_0`, and the static fields."""
        regression = self.latents.regression
        known, origin = self.known.to(regression.origin), regression.origin
        shift = (self.estimate.mean - regression.background(known)) / origin.exp()
        static = regression.features.expand(len(known), -1, -1, -1)
        return torch.cat([known, self.estimate.log_spread - origin, shift, static], 1)

    @property
    def unresolved(self) -> Tensor:
        """Variance of x that no z describes, per cell, (C, channel, lat, lon)."""
        return self.estimate.spread.square() * self.latents.unresolved

    def encode(self, x: Tensor) -> Tensor:
        """`E((x - mu) / s)`, from (R, *state) to (R, k)."""
        mean, spread = (rows_of(v, len(x)) for v in (self.estimate.mean, self.estimate.spread))
        return self.latents.codec.encode((x.to(mean) - mean) / spread)

    def decode(self, z: Tensor) -> Tensor:
        """`mu + s D(z)`, from (R, k) to (R, *state), in the precision of the codec."""
        mean, spread = (rows_of(v, len(z)) for v in (self.estimate.mean, self.estimate.spread))
        return torch.addcmul(mean, spread, self.latents.codec.decode(z.to(mean)))


class StateLatents(nn.Module):
    """Latents of the state itself; the background is told as its own latent, `z_b = E(x_b)`.

    Args:
        codec: E and D, a module; its latents are fields (c, rows, columns) of about unit variance
            over the climate (`priors.Whitened`).
        area: Weights of the state's rows, (lat,).
        channel: Of a state.
        latent_shape: (c, rows, columns).
        extra: Channels that are known beside the background: whole states of earlier times.

    Raises:
        InputError: If a latent is no field, or what is known beside no whole states.
    """

    area: Tensor

    def __init__(
        self,
        codec: Codec,
        area: Tensor,
        channel: int,
        latent_shape: tuple[int, ...],
        *,
        extra: int = 0,
    ) -> None:
        super().__init__()
        if len(latent_shape) != 3 or extra % channel:
            raise InputError(
                f"latents of shape {latent_shape} and {extra} channels beside a background of "
                f"{channel}: give latents that are fields, and whole states."
            )
        self.codec, self.channel, self.extra = codec, channel, extra
        self.latent_shape = tuple(latent_shape)
        self.register_buffer("area", area)

    @property
    def weights(self) -> Tensor:
        """The mean area of the rows of the state that a row of the latent stands for."""
        pooled = functional.adaptive_avg_pool1d(self.area[None], self.latent_shape[1])
        return pooled[0, :, None]

    @property
    def channels(self) -> tuple[int, int]:
        """Of `field` and of `condition`."""
        c = self.latent_shape[0]
        return c, c * (1 + self.extra // self.channel)

    def given(self, known: Tensor) -> StatesGiven:
        """See `BackgroundLatents`.

        Raises:
            InputError: If `known` is not (C, channel + extra, lat, lon), or as the codec.
        """
        if known.ndim != 4 or known.shape[1] != self.channel + self.extra:
            raise InputError(
                f"what is known has shape {tuple(known.shape)}: give (case, {self.channel} + "
                f"{self.extra}, lat, lon), the background first."
            )
        z = [self.codec.encode(state) for state in known.split(self.channel, 1)]
        return StatesGiven(self.codec, torch.cat(z, 1))

    def field(self, z: Tensor) -> Tensor:
        """The same: z is a field already."""
        return z

    def project(self, F: Tensor) -> Tensor:
        """The same: F is a latent already."""
        return F


@dataclass(frozen=True, eq=False)
class StatesGiven:
    """Latents of states, and those of the backgrounds of C cases; see `LatentsGiven`.

    Args:
        codec: E and D.
        condition: `z_b`, and those of earlier states behind it, (C, k, rows, columns).
    """

    codec: Codec
    condition: Tensor
    linear: bool = False

    def encode(self, x: Tensor) -> Tensor:
        """`E(x)`, from (R, *state) to (R, *latent)."""
        return self.codec.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        """`D(z)`, from (R, *latent) to (R, *state)."""
        return self.codec.decode(z)


class InUnits(nn.Module):
    """A codec of standardised states, made from one of states in their unit: `E(m + s x)`.

    Args:
        codec: Of states in their unit, such as a shipped one.
        mean: m, shape (channel, lat, lon) or one that broadcasts to it.
        spread: s, likewise, positive.

    Raises:
        InputError: If a spread is not positive and finite.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, codec: Codec, mean: Tensor, spread: Tensor) -> None:
        super().__init__()
        if not bool((torch.isfinite(spread) & (spread > 0)).all()):
            raise InputError(f"a spread of {spread.min():g} cannot scale: give positive numbers.")
        self.codec = codec
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)

    def encode(self, x: Tensor) -> Tensor:
        """From (..., *state), standardised, to (..., *latent)."""
        return self.codec.encode(torch.addcmul(self.mean, x, self.spread))

    def decode(self, z: Tensor) -> Tensor:
        """From (..., *latent) to (..., *state), standardised."""
        return (self.codec.decode(z) - self.mean) / self.spread
