"""The classical Runge-Kutta method: from an equation to a step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["runge_kutta"]


def runge_kutta(tendency: Callable[[Tensor], Tensor], x: Tensor, seconds: float) -> Tensor:
    """One step of fourth order for `dx/dt = tendency(x)`, shape of x.

    Args:
        tendency: `dx/dt`, shape of x.
        x: State, any shape.
        seconds: Length of the step, in the unit of time of the tendency.

    Reference: Kutta (1901), Z. Math. Phys. 46, 435.

    >>> x = runge_kutta(lambda x: -x, torch.ones(1, dtype=torch.float64), 0.1)
    >>> round(float(x), 6), round(torch.tensor(-0.1).exp().item(), 6)
    (0.904838, 0.904837)
    """
    slope = tendency(x)
    total = torch.add(x, slope, alpha=seconds / 6.0)
    for reach, share in ((0.5, 3.0), (0.5, 3.0), (1.0, 6.0)):
        slope = tendency(torch.add(x, slope, alpha=reach * seconds))
        total = torch.add(total, slope, alpha=seconds / share)
    return total
