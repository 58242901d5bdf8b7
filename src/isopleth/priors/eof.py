"""Leading modes of many states: a randomised decomposition, exact where the states are few."""

from __future__ import annotations

import torch
from torch import Tensor

from isopleth.core.errors import InputError

__all__ = ["leading_modes"]

_OVERSAMPLING = 24
_POWER_STEPS = 4


def leading_modes(X: Tensor, modes: int, root: Tensor, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Modes `V` and variances `lam` with `X' X / n ~ V' diag(lam) V` where `root` is 1.

    In general `V * root` is orthonormal and carries the most of the variance of `X * root`. States
    that are few are decomposed exactly through their Gram matrix; of many, a random subspace is
    brought to the leading one by power steps and decomposed instead.
    Reference: Halko, Martinsson and Tropp (2011), SIAM Rev. 53, 217, algorithms 4.4 and 5.1.

    Args:
        X: States about 0, shape (n, cells).
        modes: `k`, at most n and at most cells.
        root: Square roots of the cells' weights, > 0, shape (cells,).
        seed: Of the random subspace.

    Returns:
        Shapes (k, cells), largest variance first, and (k,).

    Raises:
        InputError: If `modes` is out of range, a state is not finite or a weight not positive.
    """
    n, cells = X.shape
    if not 1 <= modes <= min(n, cells):
        raise InputError(
            f"{modes} modes of {n} states with {cells} ocean cells: ask for at least 1, and for "
            "no more than there are states or cells."
        )
    if not bool(torch.isfinite(X).all()) or not bool((root > 0.0).all()):
        raise InputError(
            "a state is not finite in the ocean, or the weight of a cell not positive: fill the "
            "cells or take them out of the mask."
        )
    W = X * root
    Q = _range(W, modes + _OVERSAMPLING, seed)
    B = W if Q is None else Q.T @ W
    values, vectors = torch.linalg.eigh((B @ B.T).double())
    first = values.flip(0)[:modes].clamp_min(0.0)
    scale = first.clamp_min(first[0] * n * torch.finfo(X.dtype).eps).rsqrt()
    V = (vectors.flip(1)[:, :modes] * scale).T.to(X) @ B
    return V / root, (first / n).to(X)


def _range(W: Tensor, size: int, seed: int) -> Tensor | None:
    """Orthonormal columns (n, size) that span the leading states; None = all of them."""
    n, cells = W.shape
    if n <= 2 * size:
        return None
    stream = torch.Generator().manual_seed(seed)
    start = torch.randn(cells, min(size, cells), generator=stream).to(W)
    Q = torch.linalg.qr(W @ start).Q
    for _ in range(_POWER_STEPS):
        Q = torch.linalg.qr(W @ torch.linalg.qr(W.T @ Q).Q).Q
    return Q
