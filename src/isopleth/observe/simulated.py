"""Simulated observations: a known truth, read with errors of known size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Operator
from isopleth.observe.observation import Observation

__all__ = ["observed"]


def observed(
    operator: Operator,
    truth: Tensor,
    variance: float | Tensor,
    generator: torch.Generator,
    *,
    time: npt.NDArray[np.datetime64] | None = None,
) -> Observation:
    """`y = A(x) + e` with `e ~ N(0, R)`: what an instrument with a known error reads of a truth.

    Every value gets its own error, whether the grid can predict it or not, so that the errors of
    one value do not depend on the others' validity. What is not valid is missing, NaN.

    Args:
        operator: `A`.
        truth: `x`, one field, shape `(level, lat, lon)`.
        variance: Diagonal of `R`, one number or shape `obs`, unit squared.
        generator: Of the errors; the next call draws others.
        time: As in `Observation`.

    Raises:
        InputError: If a variance is not positive and finite, its shape does not fit, or there is
            more than one truth.

    >>> from isopleth.core.grid import Grid
    >>> from isopleth.observe.point import PointOperator
    >>> at = PointOperator(Grid.regular(90.0, levels=[0.0]), [0.0, 10.0], [0.0, 5.0])
    >>> seen = observed(at, torch.ones(1, 2, 4), 0.25, torch.Generator().manual_seed(0))
    >>> seen.variance.tolist(), bool((seen.values != 1.0).all())
    ([0.25, 0.25], True)
    """
    exact = operator(truth)
    shape = tuple(operator.valid.shape)
    if tuple(exact.shape) != shape:
        raise InputError(
            f"a truth of shape {tuple(truth.shape)} gives readings of shape "
            f"{tuple(exact.shape)}: give one field, and draw every case by itself."
        )
    R = torch.as_tensor(variance, dtype=exact.dtype, device=exact.device)
    if tuple(R.shape) not in ((), shape):
        raise InputError(
            f"the variance has shape {tuple(R.shape)}, the readings {shape}: "
            "give one number, or one a value."
        )
    bad = ~(torch.isfinite(R) & (R > 0.0))
    if bad.any():
        raise InputError(
            f"an observation error variance is {R[bad][0].item():g}: "
            "give a positive number for every value."
        )
    noise = torch.randn(shape, generator=generator, device=generator.device, dtype=torch.float64)
    y = exact + R.sqrt() * noise.to(exact)
    return Observation(torch.where(operator.valid.to(y.device), y, torch.nan), operator, R, time)
