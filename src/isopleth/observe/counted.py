"""Which values of an observation count, and what their error variance is."""

from __future__ import annotations

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed

__all__ = ["counted", "counted_variance"]


def counted(seen: Observed) -> Tensor:
    """Flat places of the values that are finite and within reach of the operator, shape (p,).

    >>> from isopleth.core.grid import Grid
    >>> from isopleth.observe.observation import Observation
    >>> from isopleth.observe.point import PointOperator
    >>> at = PointOperator(Grid.regular(90.0, levels=[0.0]), [45.0, 45.0], [0.0, 90.0])
    >>> counted(Observation(torch.tensor([float("nan"), 2.0]), at, torch.tensor(0.25))).tolist()
    [1]
    """
    valid = torch.isfinite(seen.values) & seen.operator.valid.to(seen.values.device)
    return torch.nonzero(valid.flatten()).flatten()


def counted_variance(seen: Observed, at: Tensor, like: Tensor) -> Tensor:
    """Diagonal of `R` at the places that count, shape (p,).

    `Observation` refuses bad variances itself; other objects with the same attributes may not.

    Args:
        seen: One number, or one a value.
        at: As `counted` gives it.
        like: Brings precision and device.

    Raises:
        InputError: If one is not positive and finite.
    """
    variance = seen.variance.to(like).expand(seen.values.shape).flatten()[at]
    bad = ~(torch.isfinite(variance) & (variance > 0))
    if bad.any():
        raise InputError(
            f"an observation error variance is {float(variance[bad][0]):g}: "
            "give a positive number for every value."
        )
    return variance
