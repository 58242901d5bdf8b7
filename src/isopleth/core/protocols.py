"""Protocols: how the layers know one another without importing one another.

`y = A(x) + e`: an operator is `A`, an observation is `y` with `A` and the covariance of `e`, and
an analysis answers with members of `x | y`. Axes of x: `(..., level, lat, lon)`. A codec says the
same x in other, mostly fewer, numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

__all__ = ["Analysis", "Codec", "LinearOperator", "Observed", "Operator"]


@runtime_checkable
class Operator(Protocol):
    """`A`: what an instrument would read if the field were `x`; differentiable."""

    @property
    def valid(self) -> Tensor:
        """Which observations the grid can predict, boolean, shape `obs`."""
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """From `(..., level, lat, lon)` to `(..., *obs)`; 0 where not valid."""
        ...


@runtime_checkable
class LinearOperator(Operator, Protocol):
    """An operator with `A(a x + z) = a A(x) + A(z)`, and its adjoint."""

    def adjoint(self, y: Tensor) -> Tensor:
        """From `(..., *obs)` to `(..., level, lat, lon)`, with `<A x, y> = <x, A' y>`."""
        ...


@runtime_checkable
class Observed(Protocol):
    """`y`, `A` and `R`, where `R` is diagonal."""

    @property
    def values(self) -> Tensor:
        """`y`, shape `obs`, NaN = missing."""
        ...

    @property
    def variance(self) -> Tensor:
        """Diagonal of `R`, shape `obs`."""
        ...

    @property
    def operator(self) -> Operator:
        """`A`."""
        ...

    def log_likelihood(self, x: Tensor) -> Tensor:
        """`log p(y | x)`, shape of the leading axes of `x`."""
        ...


@runtime_checkable
class Analysis(Protocol):
    """Settings live in the object, data come in the call."""

    def __call__(self, background: Tensor, observations: Sequence[Observed]) -> Tensor:
        """Members of `x | y`, shape `(member, ..., level, lat, lon)`."""
        ...


@runtime_checkable
class Codec(Protocol):
    """A latent description z of states x: `x ~ decode(encode(x))`; both ways differentiable.

    Rows of the leading axes do not see one another. The shapes of a state and of a latent are the
    codec's own.
    """

    def encode(self, x: Tensor) -> Tensor:
        """From `(..., *state)` to the latent, or its mean, `(..., *latent)`."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """From `(..., *latent)` to `(..., *state)`."""
        ...
