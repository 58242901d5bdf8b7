"""Conjugate gradients for many systems at once, each stopping by itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["conjugate_gradients"]

_CONVERGED = 1e-6
"""Of the first residual, in the norm of the preconditioner: where no target is given."""


def conjugate_gradients(
    product: Callable[[Tensor], tuple[Tensor, Tensor]],
    b: Tensor,
    *,
    iterations: int,
    diagonal: Tensor | None = None,
    target: Tensor | None = None,
) -> Tensor:
    """Solve `M z = b` for every row of `b` by itself, from `z = 0`, and give `L z`.

    `L` is any linear map that comes out on the way to `M`, so that it costs no product of its own;
    with `L = 1` the answer is `z`. A row that has arrived, has no positive curvature along its
    direction of search, or a product that is not finite, moves no more.
    Reference: Hestenes and Stiefel (1952), J. Res. Natl. Bur. Stand. 49, 409; the stop at negative
    curvature, Steihaug (1983), SIAM J. Numer. Anal. 20, 626.

    Args:
        product: From u `(R, m)` to `M u`, M symmetric, and to `L u` of shape `(R, ...)`; rows
            independent.
        b: Shape `(R, m)`.
        iterations: The most steps, at least 1: one product each.
        diagonal: Preconditioner `D`, positive, broadcastable to `(R, m)`: about the diagonal of
            `M`; None = 1.
        target: Where a row has arrived, shape `(R,)`: `|b - M z|`, in the norm of `D^-1`; None =
            a millionth of the first.

    Returns:
        `L z`.

    >>> M = torch.tensor([[4.0, 1.0], [1.0, 3.0]])
    >>> b = torch.tensor([[1.0, 2.0]])
    >>> conjugate_gradients(lambda u: (u @ M, u), b, iterations=2)
    tensor([[0.0909, 0.6364]])
    >>> conjugate_gradients(lambda u: (u @ M, 2.0 * u), b, iterations=2)
    tensor([[0.1818, 1.2727]])
    """
    r, carried = b, torch.zeros(())
    p = r if diagonal is None else r / diagonal
    rho = (r * p).sum(-1, keepdim=True)
    enough = _CONVERGED**2 * rho if target is None else target.to(b).square()[:, None]
    going = rho > enough
    for number in range(iterations):
        if number and not going.any():  # one product at least: it brings the shape of L z
            break
        q, along = product(p)
        curvature = (p * q).sum(-1, keepdim=True)
        going = going & (curvature > 0) & torch.isfinite(curvature)
        step = torch.where(going, rho / curvature.where(going, 1.0), 0.0)
        rows = (-1, *[1] * (along.ndim - 1))
        moved = step.reshape(rows) * along
        carried = carried.to(along) + torch.where(going.reshape(rows), moved, 0.0)
        r = torch.where(going, r - step * q, r)
        preconditioned = r if diagonal is None else r / diagonal
        after = (r * preconditioned).sum(-1, keepdim=True)
        p = torch.where(going, preconditioned + after / rho.where(going, 1.0) * p, 0.0)
        rho = torch.where(going, after, rho)
        going = going & (rho > enough)
    return carried
