"""ComposedOperator: a linear reading of a field that is linear in the state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.protocols import LinearOperator

__all__ = ["ComposedOperator"]


@dataclass(frozen=True, eq=False)
class ComposedOperator:
    """`(A g)(x) = A(g(x))` with a linear g, such as winds from a streamfunction; the adjoint too.

    `Derived` does the same for a g that is not linear, and promises no adjoint.

    Args:
        function: g, linear, from `(..., *state_shape)` to `(..., level, lat, lon)`.
        operator: A, of that field.
        state_shape: (level, lat, lon) of the state.

    >>> from isopleth.core.grid import Grid
    >>> from isopleth.observe.point import PointOperator
    >>> at = PointOperator(Grid.regular(90.0, levels=[0.0]), [45.0], [45.0])
    >>> twice = ComposedOperator(lambda x: 2.0 * x, at, (1, 2, 4))
    >>> twice(torch.ones(1, 2, 4)).tolist(), twice.adjoint(torch.ones(1)).sum().item()
    ([2.0], 2.0)
    """

    function: Callable[[Tensor], Tensor]
    operator: LinearOperator
    state_shape: tuple[int, ...]

    @property
    def valid(self) -> Tensor:
        """Which observations the field can predict, shape `obs`."""
        return self.operator.valid

    def __call__(self, x: Tensor) -> Tensor:
        """From the state to `(..., *obs)`; 0 where not valid."""
        return self.operator(self.function(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """From `(..., *obs)` to `(..., *state_shape)`, by automatic differentiation of g."""
        g = self.operator.adjoint(y)
        lead = g.shape[:-3]
        with torch.enable_grad():
            x = g.new_zeros(*lead, *self.state_shape, requires_grad=True)
            return torch.autograd.grad(self.function(x), x, g)[0]
