"""Conjugate gradients for many systems at once, each stopping by itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["conjugate_gradients"]


def conjugate_gradients(
    product: Callable[[Tensor], Tensor], b: Tensor, target: Tensor, iterations: int
) -> Tensor:
    """Solve `A x = b` for every row from `x = 0`, until `|b - A x| <= target`.

    A row that has arrived, has negative curvature along its direction, or a product that is not
    finite, moves no more; the result of a row does not depend on the others.
    Reference: Hestenes and Stiefel (1952), J. Res. Natl. Bur. Stand. 49, 409.

    Args:
        product: `A`, symmetric, from (R, m) to (R, m), rows independent.
        b: Shape (R, m).
        target: Norm of the residual at which to stop, shape (R,).
        iterations: The most products.

    Returns:
        x, shape of b.

    >>> A = torch.tensor([[4.0, 1.0], [1.0, 3.0]])
    >>> conjugate_gradients(lambda u: u @ A, torch.tensor([[1.0, 2.0]]), torch.zeros(1), 2)
    tensor([[0.0909, 0.6364]])
    """
    x, r, p = torch.zeros_like(b), b, b
    rho = r.square().sum(1, keepdim=True)
    enough = target.to(b).square()[:, None]
    going = rho > enough
    for _ in range(iterations):
        if not going.any():
            break
        q = product(p)
        curvature = (p * q).sum(1, keepdim=True)
        going = going & (curvature > 0) & torch.isfinite(curvature)
        step = torch.where(going, rho / curvature.where(going, 1.0), 0.0)
        x, r = x + step * p, torch.where(going, r - step * q, r)
        after = r.square().sum(1, keepdim=True)
        p = torch.where(going, r + after / rho.where(going, 1.0) * p, 0.0)
        rho = torch.where(going, after, rho)
        going = going & (rho > enough)
    return x
