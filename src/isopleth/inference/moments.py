"""Moments: what a prior says of x0 given x, its mean and products with its covariance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from isopleth.priors.noise_level import per_row

__all__ = ["moments"]


def moments(
    prior: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: Tensor
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """`m = E[x0 | x]` and the function `v -> V v`, `V = Cov[x0 | x] = s^2 dm/dx`.

    Both are exact for the exact prior. A product is one vector-Jacobian product, `s^2 (dm/dx)' v`:
    of an exact prior the derivative is symmetric, of a network nearly. Rows are independent.
    Reference: Efron (2011), J. Am. Stat. Assoc. 106, 1602 (Tweedie's formula); the covariance,
    Rozet, Andry, Lanusse and Louppe (2024), arXiv:2405.13712.

    Args:
        prior: `(x, sigma) -> E[x0 | x]`, differentiable, row by row.
        x: Shape (B, *state) or (B, *latent).
        sigma: Noise level, () or (B,).

    Returns:
        The mean without a graph, shape of x, and the product, from and to that shape.

    >>> x, white = torch.ones(1, 2).double(), lambda x, s: x / (1.0 + s**2)
    >>> mean, covariance = moments(white, x, torch.tensor(2.0))
    >>> mean.tolist(), covariance(x).tolist()
    ([[0.2, 0.2]], [[0.8, 0.8]])
    """
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        mean = prior(at, sigma)
    s2 = per_row(sigma, mean).square()

    def covariance(v: Tensor) -> Tensor:
        return s2 * torch.autograd.grad(mean, at, v, retain_graph=True)[0]

    return mean.detach(), covariance
