"""3D-Var and 4D-Var for Lorenz-96 with dense matrices, exact up to the Gauss-Newton iteration.

The cycles are DAPPER's: 3D-Var is a Kalman filter with a fixed covariance; the window of 4D-Var
moves by one step, and only the values at its end are new. The general methods, which build no
matrix, are in `inference.variational`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isopleth.dynamics.lorenz import Lorenz96

if TYPE_CHECKING:
    from lorenz_world import Method, Twin

STEP = Lorenz96().step
Floats = NDArray[np.float64]


def three_d_var(twin: Twin, method: Method) -> Floats:
    """`x + B H' (H B H' + R)^-1 (y - H x)` at every step, with `B` the scaled climate."""
    B, seen = method.scale * torch.from_numpy(twin.climate), torch.from_numpy(twin.index)
    innovations = B[seen][:, seen] + torch.eye(len(seen), dtype=B.dtype)
    gain = torch.linalg.solve(innovations, B[seen]).T
    x, found = torch.from_numpy(twin.ensemble.mean(0)), []
    for y in torch.from_numpy(twin.y):
        x = STEP(x)
        x = x + gain @ (y - x[seen])
        found.append(x.numpy())
    return np.stack(found)


def four_d_var(twin: Twin, method: Method) -> Floats:
    """The analysis at the end of every window, with `B` the scaled climate at its start."""
    values, V = torch.linalg.eigh(method.scale * torch.from_numpy(twin.climate))
    root = (V * values.clamp_min(0.0).sqrt()) @ V.T
    seen = torch.from_numpy(twin.index)
    x, found = torch.from_numpy(twin.ensemble.mean(0)), []
    for number, y in enumerate(torch.from_numpy(twin.y), 1):
        length = min(number, method.lag)
        x, end = _window(x, root, y, seen, length, method.iterations)
        found.append(end.numpy())
        if number >= method.lag:
            x = STEP(x)
    return np.stack(found)


def _window(
    first: Tensor, root: Tensor, y: Tensor, seen: Tensor, length: int, iterations: int
) -> tuple[Tensor, Tensor]:
    """States at the start and, linearly updated, at the end of a window with values at its end."""
    w = torch.zeros_like(first)
    for _ in range(iterations):
        x, X = first + root @ w, root
        for _ in range(length):
            X = torch.func.jacrev(STEP)(x) @ X
            x = STEP(x)
        Y = X[seen]
        hessian = Y.T @ Y + torch.eye(len(w), dtype=w.dtype)
        change = torch.linalg.solve(hessian, Y.T @ (y - x[seen]) - w)
        w = w + change
    return first + root @ w, x + X @ change
