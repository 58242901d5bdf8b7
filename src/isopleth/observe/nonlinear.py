"""Nonlinear operators: a function of linear readings, or a reading of a function of the field.

Nothing here interpolates: positions, masks and adjoints are those of the operators inside, and
derivatives are those of autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Operator

__all__ = ["Combined", "Derived", "LogPrecipitation", "speed", "wind_speed"]


@dataclass(frozen=True, eq=False)
class Combined:
    """A value made of several readings at the same place: `A(x) = f(A_1(x), ..., A_k(x))`.

    Args:
        function: f, of k tensors of one shape, elementwise; finite wherever they are.
        operators: `A_1, ..., A_k`, of one shape of observations.

    Raises:
        InputError: If there is no operator or their shapes differ.

    >>> from isopleth.core.grid import Grid
    >>> from isopleth.observe.point import PointOperator
    >>> grid = Grid.regular(90.0, levels=[0.0, 1.0])
    >>> u, v = (PointOperator(grid, [0.0], [0.0], level=level) for level in (0, 1))
    >>> product = Combined(torch.mul, (u, v))
    >>> product(torch.full(grid.shape, 3.0)).tolist()
    [9.0]
    """

    function: Callable[..., Tensor]
    operators: Sequence[Operator]

    def __post_init__(self) -> None:
        """Check the shapes."""
        shapes = [tuple(operator.valid.shape) for operator in self.operators]
        if not shapes or len(set(shapes)) > 1:
            raise InputError(
                f"the operators read {shapes}: give at least one, all at the same positions."
            )

    @property
    def valid(self) -> Tensor:
        """Where every reading can be predicted, shape `obs`."""
        return torch.stack([operator.valid for operator in self.operators]).all(0)

    def __call__(self, x: Tensor) -> Tensor:
        """From `(..., level, lat, lon)` to `(..., *obs)`; 0 where not valid."""
        y = self.function(*(operator(x) for operator in self.operators))
        return torch.where(self.valid.to(x.device), y, 0.0)


@dataclass(frozen=True, eq=False)
class Derived:
    """A reading of a field that follows from the state: `(A g)(x) = A(g(x))`.

    For a state that is standardised (`g` = back to units) or a streamfunction (`g` = to winds).

    Args:
        function: g, differentiable, from the state to `(..., level, lat, lon)`.
        operator: A, of that field.

    >>> from isopleth.core.grid import Grid
    >>> from isopleth.observe.point import PointOperator
    >>> at = PointOperator(Grid.regular(90.0, levels=[0.0]), [0.0], [0.0])
    >>> Derived(torch.exp, at)(torch.zeros(1, 2, 4)).tolist()
    [1.0]
    """

    function: Callable[[Tensor], Tensor]
    operator: Operator

    @property
    def valid(self) -> Tensor:
        """Which observations the derived field can predict, shape `obs`."""
        return self.operator.valid

    def __call__(self, x: Tensor) -> Tensor:
        """From the state to `(..., *obs)`; 0 where not valid."""
        return self.operator(self.function(x))


def speed(u: Tensor, v: Tensor) -> Tensor:
    """`sqrt(u^2 + v^2)`, with the derivative 0 where both are 0.

    Autograd of the plain formula gives NaN there; of all directions of the cone's tip, 0 is the
    mean.

    Args:
        u: Eastward component, m s-1.
        v: Northward component, m s-1, same shape.

    >>> speed(torch.tensor([3.0, 0.0]), torch.tensor([-4.0, 0.0])).tolist()
    [5.0, 0.0]
    """
    square = u.square() + v.square()
    moving = square > 0.0
    return torch.where(moving, torch.where(moving, square, 1.0).sqrt(), 0.0)


def wind_speed(u: Operator, v: Operator) -> Combined:
    """The speed of a wind whose components are read at the same positions.

    Components are interpolated before the speed is taken, as for an instrument at a point; the
    speed of a mean wind is less than the mean speed.

    Args:
        u: Reads the eastward component, m s-1.
        v: Reads the northward component, at the same positions.

    Raises:
        InputError: If the two read different shapes.

    >>> from isopleth.core.grid import Grid
    >>> from isopleth.observe.point import PointOperator
    >>> grid = Grid.regular(90.0, levels=[0.0, 1.0])
    >>> u, v = (PointOperator(grid, [0.0], [0.0], level=level) for level in (0, 1))
    >>> x = torch.tensor([3.0, 4.0])[:, None, None].expand(grid.shape)
    >>> wind_speed(u, v)(x).tolist()
    [5.0]
    """
    return Combined(speed, (u, v))


@dataclass(frozen=True)
class LogPrecipitation:
    """`f(P) = log(e + P)`, for use in `Combined`; continued by its tangent below no rain.

    An analysis can make P negative. There `f = log(e) + P / e`, so that values and derivatives
    are continuous and the gradient leads back up.

    Args:
        epsilon: `e`, in the unit of P: what counts as dry.

    Raises:
        InputError: If it is not positive.

    >>> LogPrecipitation(1.0)(torch.tensor([0.0, -2.0])).tolist()
    [0.0, -2.0]
    """

    epsilon: float

    def __post_init__(self) -> None:
        """Check the number."""
        if not self.epsilon > 0.0:
            raise InputError(
                f"log({self.epsilon:g} + P) has no value without rain: give a positive epsilon."
            )

    def __call__(self, precipitation: Tensor) -> Tensor:
        """Logarithm of precipitation in its unit, same shape."""
        wet = precipitation > 0.0  # clamp would pass its gradient at 0 on both sides
        fallen, lacking = (torch.where(side, precipitation, 0.0) for side in (wet, ~wet))
        return torch.log(self.epsilon + fallen) + lacking / self.epsilon
