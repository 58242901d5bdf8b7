"""What pairs say before any network: the climate of errors, their EOFs, a linear regression."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.priors.background_latent import ErrorLatents
from isopleth.priors.background_regression import BackgroundRegression
from isopleth.priors.eof_codec import EofCodec
from isopleth.systems.losda.pairs import Pairs

__all__ = [
    "LinearRegression",
    "area_weights",
    "error_climate",
    "fit_error_latents",
    "leading_eofs",
]

_PART = 512
"""Pairs that are read at once."""

_DENSE = 8192
"""Numbers in a state up to which their whole covariance is decomposed."""

_GATHERED = 16_384
"""Most states in memory where a state has more numbers than that."""


def area_weights(area: Tensor, columns: int) -> Tensor:
    """Weights of cells with a mean of 1, shape (lat, columns), from those of rows, (lat,)."""
    return (area / area.mean()).float()[:, None].expand(-1, columns)


def error_climate(pairs: Pairs, most: int | None = None) -> Tensor:
    """`s_0 = sqrt(mean (x - x_b)^2)` of every cell, shape (channel, lat, lon)."""
    total, count = torch.zeros(pairs.state_shape, dtype=torch.float64), 0
    for x, known in pairs.parts(_PART, most):
        total += (x - known[:, : x.shape[1]]).double().square().sum(0)
        count += len(x)
    return (total / count).sqrt().float()


def leading_eofs(parts: Iterable[Tensor], weights: Tensor, modes: int) -> tuple[EofCodec, Tensor]:
    """White EOFs of states that come in parts, and the variance that they leave in every cell.

    States of at most 8192 numbers are never all in memory: their covariance is.

    Args:
        parts: Each (n, *state).
        weights: Positive, broadcastable to `state`.
        modes: k.

    Returns:
        The codec, and the variance of `x - D(E(x))`, shape `state`.

    Raises:
        InputError: If there are no states, or they do not vary in so many directions.
    """
    stream = iter(parts)
    first = next(stream, None)
    if first is None:
        raise InputError("0 parts have no EOFs: give states.")
    if first[0].numel() > _DENSE:
        return _gathered_eofs(first, stream, weights, modes)
    mean, covariance = _moments(first, stream)
    root = weights.to(first).expand(first.shape[1:]).reshape(-1).double().sqrt()
    values, vectors = torch.linalg.eigh(covariance * root[:, None] * root)
    if not 1 <= modes <= len(root) or not bool(values[-modes] > 1e-10 * values[-1]):
        raise InputError(
            f"{modes} modes of states of {len(root)} numbers: ask for 1 or more, and for no more "
            "than the directions in which the states vary."
        )
    V, variances = vectors.flip(1)[:, :modes].mT / root, values.flip(0)[:modes]
    unresolved = covariance.diagonal() - (variances[:, None] * V.square()).sum(0)
    total, kept = float(values.sum()), float(variances.sum())
    shape = first.shape[1:]
    codec = EofCodec(
        mean.float().reshape(shape), V.float().unflatten(1, shape), variances.float(),
        weights, left=max(total - kept, 0.0), total=total,
    )  # fmt: skip
    return codec, unresolved.clamp_min(0.0).float().reshape(shape)


def _moments(first: Tensor, rest: Iterator[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and covariance of flat states, float64."""
    cells = first[0].numel()
    total = torch.zeros(cells, dtype=torch.float64)
    second = torch.zeros(cells, cells, dtype=torch.float64)
    count = 0
    part: Tensor | None = first
    while part is not None:
        X = part.flatten(1)
        total += X.double().sum(0)
        second += (X.mT @ X).double()
        count += len(X)
        part = next(rest, None)
    mean = total / count
    return mean, second / count - mean[:, None] * mean


def _gathered_eofs(
    first: Tensor, rest: Iterator[Tensor], weights: Tensor, modes: int
) -> tuple[EofCodec, Tensor]:
    states = [first]
    while sum(map(len, states)) < _GATHERED and (part := next(rest, None)) is not None:
        states.append(part)
    codec = EofCodec.fit(torch.cat(states), weights, modes)
    left = [(part - codec.decode(codec.encode(part))).square().sum(0) for part in states]
    return codec, torch.stack(left).sum(0) / sum(map(len, states))


@torch.no_grad()
def fit_error_latents(
    regression: BackgroundRegression, pairs: Pairs, area: Tensor, modes: int, most: int
) -> ErrorLatents:
    """EOFs of `e = (x - mu(x_b)) / s(x_b)` over pairs, weighted by area.

    Args:
        regression: mu and s.
        pairs: Those that it was trained on will do, if it knows others about as well.
        area: Of rows, (lat,).
        modes: K.
        most: Of so many pairs.

    Raises:
        InputError: As `leading_eofs`.
    """

    def errors() -> Iterator[Tensor]:
        for x, known in pairs.parts(_PART, most):
            estimate = regression(known)
            yield (x - estimate.mean) / estimate.spread

    weights = area_weights(area, pairs.state_shape[-1])
    codec, unresolved = leading_eofs(errors(), weights, modes)
    return ErrorLatents(regression, codec, unresolved)


class LinearRegression(nn.Module):
    """`E[x | known]` as a linear map: `x_b + A E(known) + a`, the bar of any network.

    E are the leading white EOFs of all that is known; A minimises the squared error with a ridge
    (Hoerl and Kennard 1970).

    Args:
        codec: E.
        coefficients: A, shape (k, *state).
        offset: a, shape `state`.
    """

    coefficients: Tensor
    offset: Tensor

    def __init__(self, codec: EofCodec, coefficients: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.codec = codec
        self.register_buffer("coefficients", coefficients)
        self.register_buffer("offset", offset)

    @classmethod
    def fit(
        cls, pairs: Pairs, weights: Tensor, modes: int, *, ridge: float, most: int | None = None
    ) -> LinearRegression:
        """From pairs.

        Args:
            pairs: Truths and what is known.
            weights: Of cells, (lat, lon).
            modes: Predictors, the leading EOFs of what is known.
            ridge: In variances of a predictor, not negative.
            most: Of so many pairs.

        Raises:
            InputError: If the ridge is negative, or as `leading_eofs`.
        """
        if not ridge >= 0.0:
            raise InputError(f"a ridge of {ridge} cannot damp: give 0 or more.")
        codec, _ = leading_eofs((k for _, k in pairs.parts(_PART, most)), weights, modes)
        shape = pairs.state_shape
        total = torch.zeros(shape, dtype=torch.float64)
        cross = torch.zeros(modes, total.numel(), dtype=torch.float64)
        square, count = torch.zeros(modes, modes, dtype=torch.float64), 0
        for x, known in pairs.parts(_PART, most):
            f, error = codec.encode(known), x - known[:, : shape[0]]
            total += error.double().sum(0)
            cross += (f.mT @ error.flatten(1)).double()  # predictors have mean 0
            square += (f.mT @ f).double()
            count += len(x)
        damped = square / count + ridge * torch.eye(modes, dtype=torch.float64)
        A = torch.linalg.solve(damped, cross / count)
        return cls(codec, A.float().unflatten(1, shape), (total / count).float())

    def forward(self, known: Tensor) -> Tensor:
        """The mean (C, channel, lat, lon) given what is known, (C, channel + extra, lat, lon)."""
        correction = self.codec.encode(known) @ self.coefficients.flatten(1)
        background = known[:, : len(self.offset)]
        return background + self.offset + correction.unflatten(1, self.offset.shape)
