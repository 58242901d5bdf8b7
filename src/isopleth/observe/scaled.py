"""Standardised: observations of a field, told as observations of its standardised anomaly."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.normalise import Standardise
from isopleth.observe.observation import Observation
from isopleth.observe.sparse import SparseOperator

__all__ = ["ScaledOperator", "standardised"]


class ScaledOperator(SparseOperator):
    """`A' = A diag(scale)`: reads, in its own unit, a field given in units of `scale`.

    Args:
        operator: `A`.
        scale: Positive, broadcastable to `(level, lat, lon)`.
    """

    def __init__(self, operator: SparseOperator, scale: Tensor) -> None:
        each = scale.double().cpu().expand(operator.grid_shape).flatten()
        weight = operator._weight * each[operator._index]
        shapes = operator.grid_shape, operator.out_shape
        super().__init__(operator._index.numpy(), weight.numpy(), *shapes)


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

    >>> import torch
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
    if not isinstance(operator, SparseOperator):
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
