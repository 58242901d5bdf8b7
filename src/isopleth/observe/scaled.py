"""Standardised: observations of a field, told as observations of its standardised anomaly."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.normalise import Standardise
from isopleth.observe.matrix import MatrixOperator
from isopleth.observe.observation import Observation

__all__ = ["ScaledOperator", "standardised"]


class ScaledOperator:
    """`A' = A diag(scale)`: reads, in its own unit, a field given in units of `scale`.

    Args:
        operator: `A`.
        scale: Positive and finite, broadcastable to `(level, lat, lon)`.
    """

    def __init__(self, operator: MatrixOperator, scale: Tensor) -> None:
        self.grid_shape = operator.grid_shape
        self._operator = operator
        self._scale = scale.double().cpu().expand(operator.grid_shape)

    @property
    def valid(self) -> Tensor:
        """Which observations the grid can predict, boolean, shape `obs`."""
        return self._operator.valid

    def __call__(self, x: Tensor) -> Tensor:
        """`A (scale x)`, from `(..., level, lat, lon)` to `(..., *obs)`; 0 where not valid."""
        return self._operator(self._scale.to(x) * x)

    def adjoint(self, y: Tensor) -> Tensor:
        """`scale A' y`, from `(..., *obs)` to `(..., level, lat, lon)`."""
        return self._scale.to(y) * self._operator.adjoint(y)

    def matrix(self) -> Tensor:
        """A' as a sparse tensor of float64, shape (n, level * lat * lon)."""
        A = self._operator.matrix()
        terms = A.values() * self._scale.flatten()[A.indices()[1]]
        return torch.sparse_coo_tensor(
            A.indices(), terms, A.shape, check_invariants=True
        ).coalesce()


def standardised(observation: Observation, scaling: Standardise) -> Observation:
    """The same observation in the space of a prior of standardised anomalies.

        y = A x + e,  x = mean + std z   =>   y - A mean = (A diag(std)) z + e

    Values become anomalies and stay in their unit (K), as does the error variance (K^2), so
    `log p(y | x)` is unchanged and values of different spread keep their weights.

    Args:
        observation: Of a field x, through an operator of `isopleth.observe`.
        scaling: From x to z.

    Raises:
        InputError: If the operator is another one, or the scaling is not on the levels of x.

    >>> from isopleth.core.grid import Grid
    >>> from isopleth.observe.point import PointOperator
    >>> grid = Grid.regular(90.0, levels=[0.0])
    >>> at = PointOperator(grid, [45.0], [0.0])
    >>> seen = Observation(torch.tensor([14.0]), at, torch.tensor(0.25))
    >>> z = standardised(seen, Standardise(torch.tensor([10.0]), torch.tensor([2.0])))
    >>> z.values.tolist(), z.operator(torch.ones(grid.shape)).tolist()
    ([4.0], [2.0])
    """
    operator = observation.operator
    if not isinstance(operator, MatrixOperator):
        raise InputError(
            f"{type(operator).__name__} is not a weighted sum of cells: use one of the operators "
            "of isopleth.observe."
        )
    shape = operator.grid_shape
    if scaling.mean.shape not in (shape, (shape[0], 1, 1)):
        raise InputError(
            f"a scaling of shape {tuple(scaling.mean.shape)} does not fit a grid of {shape}: "
            "fit it on the same levels."
        )
    mean = scaling.mean.to(observation.values).expand(shape)
    return replace(
        observation,
        values=observation.values - operator(mean),
        operator=ScaledOperator(operator, scaling.std),
    )
