"""Departures: what was seen, linearised about a state; one shape for fields and for latents.

    y - H(x + dx) ~ d - J dx - e,   d = y - H(x),   e ~ N(0, R)

A method of guidance asks for `d`, `R` and products with `J` and `J'`, and so works on fields with
linear operators (`Stacked`) and on latents with any (`LatentReadings`, where `R = 1`) alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed
from isopleth.inference.variational.tangent import along
from isopleth.observe.stacked import Stacked

__all__ = ["Departures", "LatentReader", "Linearised", "Seen", "departures"]


class LatentReader(Protocol):
    """What was seen of a batch of latents, as `latent_readings.LatentReadings`."""

    values: Tensor
    """`R^-1/2 y`, shape (C, n), 0 where padded; row r belongs to case `r mod C`."""
    linear: bool
    """Whether reading latents is affine."""

    def __call__(self, z: Tensor, /) -> Tensor:
        """`R^-1/2 H(D(z))`, from (R, *latent) to (R, n), differentiable, 0 where padded."""
        ...


_ROWS = 1024
"""Most latents that are read at once for a derivative."""

Seen = Sequence[Observed] | LatentReader
"""Linear observations of a field, the same for every row; or readings of latents, case by case."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Linearised:
    """Observations about one state of every row.

    Args:
        residual: `d`, shape (B, n).
        variance: Diagonal of `R`, (n,) or ().
        push: `J`, from (B, *state) to (B, n).
        pull: `J'`, from (B, n) to (B, *state).
    """

    residual: Tensor
    variance: Tensor
    push: Callable[[Tensor], Tensor]
    pull: Callable[[Tensor], Tensor]


class Departures(Protocol):
    """Observations that can be linearised."""

    def about(self, x: Tensor) -> Linearised:
        """Linearised about every row of x, (B, *state)."""
        ...

    def spread(self, x: Tensor) -> Tensor:
        """Variance of every reading if x were N(0, I), (1, n) or (B, n); x brings its shape."""
        ...


def departures(seen: Seen, probes: int) -> Departures:
    """The observations in this shape.

    Args:
        seen: Of fields or of latents.
        probes: How many directions `spread` looks along, where reading latents is not affine.

    Raises:
        InputError: If there is no observation of a field, or its operator is not linear.
    """
    if isinstance(seen, Sequence):
        return _OfFields(Stacked(seen))
    return _OfAffineLatents(seen) if seen.linear else _OfLatents(seen, probes)


class _OfFields:
    """Observations that all rows share."""

    def __init__(self, stacked: Stacked) -> None:
        self._stacked = stacked

    def about(self, x: Tensor) -> Linearised:
        A = self._stacked
        return Linearised(
            residual=A.residual(x), variance=A.variance.to(x), push=A, pull=A.adjoint
        )

    def spread(self, x: Tensor) -> Tensor:
        """By the sum of weights: cells that are read together are taken as one."""
        return self._stacked(torch.ones_like(x[:1])).square()


class _OfLatents:
    """Readings of every case, in units of their errors, by any operator and decoder."""

    def __init__(self, reader: LatentReader, probes: int) -> None:
        self._reader, self._probes = reader, probes
        self._spread: Tensor | None = None

    def about(self, x: Tensor) -> Linearised:
        values = _for_rows(self._reader.values.to(x), x)
        with torch.enable_grad():
            at = x.detach().requires_grad_()
            read = self._reader(at)

        def push(dx: Tensor) -> Tensor:
            return along(self._reader, x.detach(), dx)

        def pull(v: Tensor) -> Tensor:
            if not read.requires_grad:  # nothing was seen
                return torch.zeros_like(x)
            return torch.autograd.grad(read, at, v, retain_graph=True)[0]

        residual = values - read.detach()
        return Linearised(residual=residual, variance=x.new_ones(()), push=push, pull=pull)

    def spread(self, x: Tensor) -> Tensor:
        """Diagonal of `J J'` at z = 0: it belongs to the cases, not to the steps of a sampler.

        The mean of `(J v)^2` over random signs v, or all of it along as many unit vectors.
        """
        if self._spread is None:
            vectors = _directions(x[0].numel(), self._probes)
            self._spread = _pushed(self._reader, x, vectors).square().sum(-1)
        return _for_rows(self._spread.to(x), x)


class _OfAffineLatents:
    """The same where reading is affine: its derivative is made once, and no state is decoded."""

    def __init__(self, reader: LatentReader) -> None:
        self._reader = reader
        self._known: tuple[Tensor, Tensor] | None = None

    def about(self, x: Tensor) -> Linearised:
        J, d = self._system(x)
        cases = len(J)

        def push(dx: Tensor) -> Tensor:
            rows = dx.reshape(-1, cases, J.shape[2])
            return torch.einsum("mck,cnk->mcn", rows, J).flatten(0, 1)

        def pull(v: Tensor) -> Tensor:
            rows = v.unflatten(0, (-1, cases))
            return torch.einsum("mcn,cnk->mck", rows, J).reshape(x.shape)

        residual = _for_rows(d, x) - push(x)
        return Linearised(residual=residual, variance=x.new_ones(()), push=push, pull=pull)

    def spread(self, x: Tensor) -> Tensor:
        """Diagonal of `J J'`."""
        return _for_rows(self._system(x)[0].square().sum(-1), x)

    def _system(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`J` (C, n, k) and what was seen less what is read of z = 0, (C, n)."""
        if self._known is None:
            reader, units = self._reader, torch.eye(x[0].numel())
            with torch.no_grad():
                d = reader.values.to(x) - reader(x.new_zeros(len(reader.values), *x.shape[1:]))
            self._known = _pushed(reader, x, units), d
        J, d = self._known
        return J.to(x), d.to(x)


def _for_rows(each: Tensor, x: Tensor) -> Tensor:
    """One of C cases for every row of x."""
    times, left = divmod(len(x), len(each))
    if left:
        raise InputError(
            f"there are {len(x)} latents and observations of {len(each)} cases: give the same "
            "number of members for every case."
        )
    return each.repeat(times, 1)


def _pushed(reader: LatentReader, x: Tensor, vectors: Tensor) -> Tensor:
    """`J v` at z = 0 for p vectors (p, k) and all cases, (C, n, p)."""
    shape, cases = x.shape[1:], len(reader.values)
    parts = []
    for part in vectors.to(x).split(max(1, _ROWS // cases)):
        each = part.repeat_interleave(cases, 0).unflatten(1, shape)
        parts.append(along(reader, torch.zeros_like(each), each).unflatten(0, (-1, cases)))
    return torch.cat(parts).permute(1, 2, 0).contiguous()


def _directions(size: int, probes: int) -> Tensor:
    """(p, size) with `E[sum_p v_p v_p'] = I`: unit vectors, or scaled random signs."""
    if size <= probes:
        return torch.eye(size)
    signs = torch.randint(0, 2, (probes, size), generator=torch.Generator().manual_seed(0))
    return (2.0 * signs - 1.0) / probes**0.5
