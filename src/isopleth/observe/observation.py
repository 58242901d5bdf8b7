"""Observation: `y = A(x) + e` with `e ~ N(0, R)`, R diagonal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Operator

__all__ = ["Observation"]


@dataclass(frozen=True, eq=False)
class Observation:
    """What was seen, through which operator, and how far off it may be.

    Args:
        values: `y`, shape `obs`, NaN = missing; in the unit of the field.
        operator: `A`, from `(..., level, lat, lon)` to `(..., *obs)`, differentiable.
        variance: Diagonal of `R`, one number or shape `obs`, unit squared; covers the instrument
            and what the grid cannot represent.
        time: When, UTC; one time, or one a value or profile; None when it does not matter.

    Raises:
        InputError: If shapes differ or a value has no positive, finite variance.

    >>> from isopleth.core.grid import Grid
    >>> from isopleth.observe.point import PointOperator
    >>> grid = Grid.regular(90.0, levels=[0.0])
    >>> at = PointOperator(grid, [0.0, 10.0], [30.0, 40.0])
    >>> seen = Observation(torch.tensor([2.0, float("nan")]), at, torch.tensor(0.25))
    >>> seen.residual(torch.ones(grid.shape)).tolist()
    [1.0, 0.0]
    """

    values: Tensor
    operator: Operator
    variance: Tensor
    time: npt.NDArray[np.datetime64] | None = None

    def __post_init__(self) -> None:
        """Check the shapes and the variances."""
        shape = tuple(self.values.shape)
        if tuple(self.operator.valid.shape) != shape:
            raise InputError(
                f"there are values of shape {shape}, but the operator gives "
                f"{tuple(self.operator.valid.shape)}: make both from the same table."
            )
        if tuple(self.variance.shape) not in ((), shape):
            raise InputError(
                f"the variance has shape {tuple(self.variance.shape)}, the values {shape}: "
                "give one number, or one a value."
            )
        object.__setattr__(self, "variance", self.variance.expand(shape))
        bad = ~(torch.isfinite(self.variance) & (self.variance > 0)) & torch.isfinite(self.values)
        if bad.any():
            raise InputError(
                f"an observation error variance is {self.variance[bad][0].item():g}: "
                "give a positive number for every value."
            )

    @property
    def valid(self) -> Tensor:
        """Which values count: finite, and within reach of the operator; shape `obs`."""
        return torch.isfinite(self.values) & self.operator.valid.to(self.values.device)

    def residual(self, x: Tensor) -> Tensor:
        """`y - A(x)`, shape `(..., *obs)`; 0 where a value does not count."""
        valid = self.valid.to(x.device)
        y = torch.where(valid, self.values.to(x), 0.0)
        return torch.where(valid, y - self.operator(x), 0.0)

    def log_likelihood(self, x: Tensor) -> Tensor:
        """`log p(y | x) = -1/2 sum_i [(y - A x)_i^2 / R_i + log(2 pi R_i)]`, valid i only.

        Args:
            x: Shape `(..., level, lat, lon)`.

        Returns:
            Shape `(...)`.
        """
        valid = self.valid.to(x.device)
        variance = torch.where(valid, self.variance.to(x), 1.0)
        norm = torch.where(valid, torch.log(2.0 * math.pi * variance), 0.0)
        terms = self.residual(x).square() / variance + norm
        return -0.5 * terms.flatten(terms.ndim - self.values.ndim).sum(-1)
