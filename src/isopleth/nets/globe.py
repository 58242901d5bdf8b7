"""The grid as a globe: padding and resampling that close round the circle of longitude.

Tensors are (B, C, lat, lon). Latitude ends at its edge rows; longitude has no edge, so columns
are padded with those of the other side and resampled on the circle, for odd sizes too.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["pad_globe", "pad_to_multiple", "resample"]


def pad_globe(
    x: Tensor, rows: tuple[int, int], columns: tuple[int, int], *, periodic: bool = True
) -> Tensor:
    """`x` with (before, after) extra rows and columns, (B, C, lat, lon).

    Rows repeat the edge row. Columns come from the other side of the globe, or repeat the edge
    column where the grid is not `periodic`. Written with `torch.cat`, whose backward is quick
    and compiles; that of `functional.pad(mode="replicate")` does not.
    """
    x = _extended(x, columns, dim=-1, periodic=periodic)
    return _extended(x, rows, dim=-2, periodic=False)


def _extended(x: Tensor, ends: tuple[int, int], dim: int, *, periodic: bool) -> Tensor:
    before, after = ends
    size = x.shape[dim]
    pieces = []
    if before:
        first = (size - before, before) if periodic else (0, 1)
        pieces.append(_piece(x, dim, first, before))
    pieces.append(x)
    if after:
        last = (0, after) if periodic else (size - 1, 1)
        pieces.append(_piece(x, dim, last, after))
    return torch.cat(pieces, dim) if len(pieces) > 1 else x


def _piece(x: Tensor, dim: int, at: tuple[int, int], size: int) -> Tensor:
    piece = x.narrow(dim, *at)
    shape = list(x.shape)
    shape[dim] = size
    return piece.expand(shape)


def pad_to_multiple(x: Tensor, multiple: int, *, periodic: bool = True) -> Tensor:
    """`x` with rows added in the south and columns in the east until `multiple` divides both."""
    rows, columns = (-x.shape[-2] % multiple, -x.shape[-1] % multiple)
    return pad_globe(x, (0, rows), (0, columns), periodic=periodic)


@lru_cache(maxsize=64)
def _triangle(size: int, new: int, periodic: bool) -> NDArray[np.float64]:
    """Weights (new, size) of linear interpolation between cell centres, wider where `new < size`.

    Rows sum to 1; on the circle both sets of cells are equally spaced and share their first edge.
    """
    reach = max(size / new, 1.0)
    centres = (np.arange(new) + 0.5) * size / new - 0.5
    turns = math.ceil(reach / size) + 1 if periodic else 0
    images = [np.arange(size) + turn * size for turn in range(-turns, turns + 1)]
    distance = np.abs(np.stack(images)[:, None, :] - centres[None, :, None])
    weights = np.clip(1 - distance / reach, 0, None).sum(axis=0)
    return weights / weights.sum(axis=1, keepdims=True)


def resample(x: Tensor, size: tuple[int, int], *, periodic: bool = True) -> Tensor:
    """`x` (B, C, lat, lon) on a grid of another `size`, by triangle weights of unit sum.

    The new cells divide the same globe evenly, so no column of an odd grid is favoured; halving
    an even circle commutes with turning it by two columns.
    """
    rows = torch.as_tensor(_triangle(x.shape[-2], size[0], False), dtype=x.dtype, device=x.device)
    columns = _triangle(x.shape[-1], size[1], periodic)
    turned = torch.as_tensor(columns.T, dtype=x.dtype, device=x.device)
    return rows @ (x @ turned) if size[1] <= x.shape[-1] else (rows @ x) @ turned
