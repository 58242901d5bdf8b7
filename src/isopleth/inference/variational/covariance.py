"""Background covariances with a root, and the strongest static one: the full sample covariance."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.priors.eof import leading_modes

__all__ = [
    "Covariance",
    "Crossed",
    "ExplicitCovariance",
    "MatrixCovariance",
    "RootedCovariance",
    "SampleCovariance",
    "check_amplitude",
    "draw",
]

Linear = Callable[[Tensor], Tensor]

_NULL = 1e-10
"""Directions with less than this share of the largest variance carry none."""


@runtime_checkable
class Covariance(Protocol):
    """`B`, symmetric and not negative, as products."""

    def product(self, x: Tensor) -> Tensor:
        """`B x`, shape of x, `(..., *state)`."""
        ...


@runtime_checkable
class RootedCovariance(Covariance, Protocol):
    """`B = U U'`: what a control variable `v ~ N(0, I)` becomes, `U v ~ N(0, B)`."""

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of a state."""
        ...

    @property
    def control_shape(self) -> tuple[int, ...]:
        """Shape of a control variable."""
        ...

    def sqrt(self, v: Tensor) -> Tensor:
        """`U v`, from `(..., *control)` to `(..., *state)`."""
        ...

    def sqrt_adjoint(self, x: Tensor) -> Tensor:
        """`U' x`, from `(..., *state)` to `(..., *control)`."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Crossed:
    """A covariance as n observations see it.

    Attributes:
        HBH: `H B H'`, shape (n, n).
        left: Shape (n, k); `H B = left right`. None = the identity.
        right: Shape (k, *state).
    """

    HBH: Tensor
    left: Tensor | None
    right: Tensor

    @property
    def HB(self) -> Tensor:  # noqa: N802 - the symbol of the page
        """`H B`, shape (n, *state)."""
        return self.right if self.left is None else torch.tensordot(self.left, self.right, 1)

    def increment(self, z: Tensor) -> Tensor:
        """`B H' z`, from (r, n) to (r, *state), without `H B` where it is a product."""
        z = z.to(self.right)
        return torch.tensordot(z if self.left is None else z @ self.left, self.right, 1)


@runtime_checkable
class ExplicitCovariance(Protocol):
    """A covariance held as numbers, so that its columns can be observed one after the other."""

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of a state."""
        ...

    @property
    def variance(self) -> Tensor:
        """Diagonal of `B`, shape `state`."""
        ...

    def cross(self, H: Linear, like: Tensor) -> Crossed:
        """What `H` sees of `B`.

        Args:
            H: Linear, from `(k, *state)` to `(k, n)`.
            like: Brings precision and device.
        """
        ...


@dataclass(frozen=True, eq=False)
class SampleCovariance:
    """`B = amplitude^2 X' X` from rows X: deviations of samples over `sqrt(n - 1)`, or EOFs.

    Args:
        root: `X`, shape (k, *state).
        amplitude: Factor of the standard deviation, to be tuned.

    Raises:
        InputError: If a row is not finite, or the amplitude not positive.

    >>> B = SampleCovariance.fit(torch.tensor([[1.0, 2.0], [3.0, 6.0], [2.0, 4.0]]))
    >>> B.variance.tolist(), B.product(torch.tensor([1.0, 0.0])).tolist()
    ([1.0, 4.0], [1.0, 2.0])
    """

    root: Tensor
    amplitude: float = 1.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_amplitude(self.amplitude)
        if self.root.ndim < 2 or not bool(torch.isfinite(self.root).all()):
            raise InputError(
                f"a root of shape {tuple(self.root.shape)} has values that are not finite, or no "
                "axis of rows: give (k, *state)."
            )

    @classmethod
    def fit(cls, samples: Tensor, *, modes: int | None = None) -> SampleCovariance:
        """The covariance of samples about their mean, dividing by n - 1.

        With more samples than cells the rows become the EOFs, which is exact.

        Args:
            samples: Of background errors, or of states, shape (n, *state).
            modes: Keep the leading ones only, unweighted; None = everything.

        Raises:
            InputError: If there are fewer than 2 samples, one is not finite, or more modes are
                wanted than there can be.
        """
        X = _deviations(samples)
        n, cells = X.shape
        if modes is not None:
            V, lam = leading_modes(X, modes, torch.ones_like(X[0]))
            X = V * (lam * n).sqrt()[:, None]
        elif n > cells:
            values, V = torch.linalg.eigh(X.double().T @ X.double())
            real = values > _NULL * values[-1]
            X = (V[:, real] * values[real].sqrt()).T.to(X)
        return cls(X.reshape(-1, *samples.shape[1:]))

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of a state."""
        return tuple(self.root.shape[1:])

    @property
    def control_shape(self) -> tuple[int, ...]:
        """(k,)."""
        return (len(self.root),)

    @property
    def variance(self) -> Tensor:
        """Diagonal of `B`, shape `state`."""
        return self.amplitude**2 * self.root.square().sum(0)

    def sqrt(self, v: Tensor) -> Tensor:
        """`U v`, from `(..., k)` to `(..., *state)`."""
        x = v @ self.root.to(v).flatten(1)
        return self.amplitude * x.reshape(*v.shape[:-1], *self.state_shape)

    def sqrt_adjoint(self, x: Tensor) -> Tensor:
        """`U' x`, from `(..., *state)` to `(..., k)`."""
        flat = x.flatten(x.ndim - len(self.state_shape))
        return self.amplitude * (flat @ self.root.to(x).flatten(1).T)

    def product(self, x: Tensor) -> Tensor:
        """`B x`, shape of x."""
        return self.sqrt(self.sqrt_adjoint(x))

    def cross(self, H: Linear, like: Tensor) -> Crossed:
        """What `H` sees of `B`; as many products as rows, not as cells."""
        root = self.root.to(like)
        S = H(root)
        scale = self.amplitude**2
        return Crossed(HBH=scale * (S.T @ S), left=scale * S.T, right=root)

    def scaled(self, amplitude: float) -> SampleCovariance:
        """The same statistics with another amplitude."""
        return replace(self, amplitude=amplitude)


@dataclass(frozen=True, eq=False)
class MatrixCovariance:
    """`B` as a matrix of all cells: the exact covariance of many samples of a small state.

    The root, where it is asked for, is the symmetric one; it costs an eigendecomposition once.

    Args:
        matrix: Shape (cells, cells), symmetric.
        state_shape: Shape of a state.
        amplitude: Factor of the standard deviation, to be tuned.

    Raises:
        InputError: If the matrix is not symmetric, of another size or has a negative variance, or
            the amplitude is not positive.

    >>> MatrixCovariance(torch.tensor([[2.0, 1.0], [1.0, 2.0]]), (2,)).product(torch.ones(2))
    tensor([3., 3.])
    """

    matrix: Tensor
    state_shape: tuple[int, ...]
    amplitude: float = 1.0

    def __post_init__(self) -> None:
        """Check the matrix."""
        check_amplitude(self.amplitude)
        cells = math.prod(self.state_shape)
        if tuple(self.matrix.shape) != (cells, cells):
            raise InputError(
                f"the matrix has shape {tuple(self.matrix.shape)}, but a state {self.state_shape}:"
                f" give ({cells}, {cells})."
            )
        if not torch.allclose(self.matrix, self.matrix.T):
            raise InputError("the matrix is not symmetric: give a covariance.")
        least = float(self.matrix.diagonal().min())
        if least < 0.0:
            raise InputError(f"the matrix has a variance of {least:g}: give a covariance.")

    @classmethod
    def fit(cls, samples: Tensor) -> MatrixCovariance:
        """The covariance of samples `(n, *state)` about their mean, dividing by n - 1.

        Raises:
            InputError: If there are fewer than 2 samples, or one is not finite.
        """
        X = _deviations(samples)
        return cls(X.T @ X, tuple(samples.shape[1:]))

    @property
    def control_shape(self) -> tuple[int, ...]:
        """That of a state."""
        return self.state_shape

    @property
    def variance(self) -> Tensor:
        """Diagonal of `B`, shape `state`."""
        return self.amplitude**2 * self.matrix.diagonal().reshape(self.state_shape)

    @cached_property
    def symmetric_root(self) -> Tensor:
        """`B^1/2` without the amplitude, shape (cells, cells)."""
        values, V = torch.linalg.eigh(self.matrix.double())
        return ((V * values.clamp_min(0.0).sqrt()) @ V.T).to(self.matrix)

    def sqrt(self, v: Tensor) -> Tensor:
        """`B^1/2 v`, shape of v."""
        return self.amplitude * self._times(self.symmetric_root, v)

    def sqrt_adjoint(self, x: Tensor) -> Tensor:
        """The same: the root is symmetric."""
        return self.sqrt(x)

    def product(self, x: Tensor) -> Tensor:
        """`B x`, shape of x."""
        return self.amplitude**2 * self._times(self.matrix, x)

    def cross(self, H: Linear, like: Tensor) -> Crossed:
        """What `H` sees of `B`."""
        B = self.amplitude**2 * self.matrix.to(like)
        HB = H(B.reshape(-1, *self.state_shape)).T.reshape(-1, *self.state_shape)
        system = H(HB)
        return Crossed(HBH=0.5 * (system + system.T), left=None, right=HB)

    def scaled(self, amplitude: float) -> MatrixCovariance:
        """The same statistics with another amplitude."""
        return replace(self, amplitude=amplitude)

    def _times(self, matrix: Tensor, x: Tensor) -> Tensor:
        flat = x.flatten(x.ndim - len(self.state_shape))
        return (flat @ matrix.to(x)).reshape(x.shape)


def draw(covariance: RootedCovariance, count: int, generator: torch.Generator) -> Tensor:
    """Draws of `N(0, B)`, float64, shape `(count, *state)`, on the generator's device."""
    shape = (count, *covariance.control_shape)
    v = torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float64)
    return covariance.sqrt(v)


def check_amplitude(amplitude: float) -> None:
    """Refuse a factor of the standard deviation that is none.

    Raises:
        InputError: If it is not positive and finite.
    """
    if not 0.0 < amplitude < math.inf:
        raise InputError(f"amplitude is {amplitude}: give a positive number.")


def _deviations(samples: Tensor) -> Tensor:
    """From the mean, over `sqrt(n - 1)`, shape (n, cells)."""
    if samples.ndim < 2 or len(samples) < 2:
        raise InputError(
            f"samples of shape {tuple(samples.shape)} have no covariance: give at least 2, "
            "(n, *state)."
        )
    bad = torch.nonzero(~torch.isfinite(samples).flatten(1).all(1)).flatten().tolist()
    if bad:
        raise InputError(
            f"{len(bad)} of {len(samples)} samples are not finite, the first is number {bad[0]}: "
            "leave them out."
        )
    X = samples.flatten(1)
    return (X - X.mean(0)) / math.sqrt(len(X) - 1)
