"""Forward-mode derivatives: what a small change becomes, without a graph and without memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

__all__ = ["along"]


def along(function: Callable[[Tensor], Tensor], x: Tensor, dx: Tensor) -> Tensor:
    """`f'(x) dx`, shape of `f(x)`; zero where f does not depend on x.

    Reference: Griewank and Walther (2008), Evaluating Derivatives, sec. 3.1.

    Args:
        function: Differentiable.
        x: Where.
        dx: Direction, shape of x.

    >>> along(torch.square, torch.tensor([3.0, 1.0]), torch.tensor([1.0, 0.5])).tolist()
    [6.0, 1.0]
    """
    # Fused attention has no forward derivative; the plain one is the same function.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        pushed: Tensor = torch.func.jvp(function, (x.contiguous(),), (dx.contiguous(),))[1]
    return pushed
