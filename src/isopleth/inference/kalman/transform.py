"""The ensemble transform: mean and symmetric square root from one N x N eigenvalue problem."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["ensemble_transform"]


def ensemble_transform(C: Tensor, b: Tensor) -> Tensor:
    """Weights of the background deviations in every member of the analysis.

        P~ = [(N - 1) I + C]^-1,   w = P~ b,   W = [(N - 1) P~]^1/2
        x_i^a = mean + sum_j (w_j + W_ji) x_j'

    with `C = S S'` and `b = S z` (see `Predicted`). The root is the symmetric one, so `W 1 = 1`
    because `C 1 = 0`: the mean of the members is the mean of the analysis.
    Reference: Bishop, Etherton and Majumdar (2001), Mon. Weather Rev. 129, 420; the symmetric
    root, Hunt, Kostelich and Szunyogh (2007), Physica D 230, 112, eq. 20-24.

    Args:
        C: Shape (..., N, N), symmetric, not negative.
        b: Shape (..., N).

    Returns:
        `w_j + W_ji` at [..., j, i], shape (..., N, N).

    >>> ensemble_transform(torch.tensor([[1.5, -1.5], [-1.5, 1.5]]), torch.zeros(2))
    tensor([[0.7500, 0.2500],
            [0.2500, 0.7500]])
    """
    degrees = C.shape[-1] - 1
    values, V = torch.linalg.eigh(C)
    total = degrees + values.clamp_min(0.0)
    w = V @ ((V.mT @ b[..., None]) / total[..., None])
    return (V * (degrees / total).sqrt()[..., None, :]) @ V.mT + w
