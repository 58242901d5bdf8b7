"""Stacked: several linear observations as one vector, with only the values that count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import LinearOperator, Observed
from isopleth.observe.counted import counted

__all__ = ["Stacked"]


@dataclass(frozen=True, eq=False)
class Stacked:
    """`y = A(x) + e` with every valid value of every observation in one vector of length n.

    Missing values and those the grid cannot predict are left out, so that what is computed with
    the vector costs only what was seen.

    Args:
        observations: At least one; their operators are linear, on one grid.
        values: `y`, shape (n,).
        variance: Diagonal of `R`, shape (n,).

    Raises:
        InputError: If there is no observation, or an operator has no adjoint.

    >>> from isopleth.core.grid import Grid
    >>> from isopleth.observe import Observation, PointOperator
    >>> grid = Grid.regular(90.0, levels=[0.0])
    >>> at = PointOperator(grid, [45.0, 45.0], [0.0, 90.0])
    >>> seen = Stacked([Observation(torch.tensor([2.0, float("nan")]), at, torch.tensor(0.25))])
    >>> seen(torch.ones(grid.shape)).tolist(), seen.residual(torch.ones(grid.shape)).tolist()
    ([1.0], [1.0])
    """

    observations: Sequence[Observed]
    values: Tensor = field(init=False)
    variance: Tensor = field(init=False)
    _kept: tuple[Tensor, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Find the values that count."""
        if not self.observations:
            raise InputError("there is no observation to condition on: give at least one.")
        for seen in self.observations:
            if not isinstance(seen.operator, LinearOperator):
                raise InputError(
                    f"{type(seen.operator).__name__} has no adjoint: give a linear operator."
                )
        kept = tuple(counted(seen) for seen in self.observations)
        rows = list(zip(self.observations, kept, strict=True))
        object.__setattr__(self, "_kept", kept)
        object.__setattr__(self, "values", torch.cat([o.values.flatten()[k] for o, k in rows]))
        variance = torch.cat([o.variance.flatten()[k] for o, k in rows])
        object.__setattr__(self, "variance", variance)

    def __call__(self, x: Tensor) -> Tensor:
        """`A x`, from `(..., level, lat, lon)` to `(..., n)`."""
        rows = zip(self.observations, self._kept, strict=True)
        lead = x.ndim - 3
        return torch.cat([o.operator(x).flatten(lead)[..., k.to(x.device)] for o, k in rows], -1)

    def adjoint(self, v: Tensor) -> Tensor:
        """`A' v`, from `(..., n)` to `(..., level, lat, lon)`."""
        lead = v.shape[:-1]
        parts = v.split([len(k) for k in self._kept], -1)
        fields = []
        for seen, kept, part in zip(self.observations, self._kept, parts, strict=True):
            assert isinstance(seen.operator, LinearOperator)
            shape = seen.values.shape
            y = v.new_zeros(*lead, math.prod(shape)).index_copy(-1, kept.to(v.device), part)
            fields.append(seen.operator.adjoint(y.reshape(*lead, *shape)))
        return torch.stack(fields).sum(0)

    def residual(self, x: Tensor) -> Tensor:
        """`y - A x`, from `(..., level, lat, lon)` to `(..., n)`."""
        return self.values.to(x) - self(x)
