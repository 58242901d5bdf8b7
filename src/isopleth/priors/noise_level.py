"""Noise levels: one `sigma` for the batch, or one for each of its rows."""

from __future__ import annotations

import torch
from torch import Tensor

from isopleth.core.errors import InputError

__all__ = ["per_row"]


def per_row(sigma: Tensor, x: Tensor, *, field: bool = False) -> Tensor:
    """`sigma` in the dtype and on the device of `x`, ready to multiply it.

    Args:
        sigma: Standard deviation of the noise, >= 0; no axes, or shape (B,).
        x: Shape (B, *state): (B, level, lat, lon), or (B, *latent).
        field: Whether a state must have the three axes of a field.

    Returns:
        Shape (1, 1, ...) or (B, 1, ...), as many axes as x.

    Raises:
        InputError: If `sigma` has another shape, or `x` is no batch of states.

    >>> per_row(torch.tensor(2.0), torch.zeros(3, 1, 1, 1)).shape
    torch.Size([1, 1, 1, 1])
    >>> per_row(torch.ones(3), torch.zeros(3, 5)).shape
    torch.Size([3, 1])
    """
    level = torch.as_tensor(sigma)
    axes = x.ndim == 4 if field else x.ndim > 1
    if not axes or tuple(level.shape) not in ((), (len(x),)):
        raise InputError(
            f"sigma has shape {tuple(level.shape)} and x {tuple(x.shape)}: give x as "
            f"(batch, {'level, lat, lon' if field else '*state'}) and one noise level, or one for "
            "every row of the batch."
        )
    return level.to(x).reshape(-1, *(1 for _ in x.shape[1:]))
