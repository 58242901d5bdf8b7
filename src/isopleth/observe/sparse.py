"""SparseOperator: every observation is a weighted sum of a few cells."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from isopleth.core.errors import InputError

__all__ = ["SparseOperator"]


class SparseOperator:
    """`(A x)_i = sum_j weight_ij x[index_ij]`; a subclass only says which cells and which weights.

    A row whose weights are all zero is an observation that the grid cannot predict: `A x` is 0
    there and `valid` is False, so that A stays linear and its adjoint exact. Cells without weight
    are never read, so a NaN under the mask changes nothing.

    Args:
        index: Flat cell of every term, shape (n, k).
        weight: Its weight, shape (n, k).
        grid_shape: (nlev, nlat, nlon).
        out_shape: Shape of the observations, n in all.
    """

    def __init__(
        self,
        index: npt.NDArray[np.int64],
        weight: npt.NDArray[np.float64],
        grid_shape: tuple[int, int, int],
        out_shape: tuple[int, ...],
    ) -> None:
        self._index = torch.from_numpy(np.ascontiguousarray(index))
        self._weight = torch.from_numpy(np.ascontiguousarray(weight))
        self.grid_shape = grid_shape
        self.out_shape = out_shape

    @property
    def valid(self) -> Tensor:
        """Which observations the grid can predict, boolean, shape `out_shape`."""
        return (self._weight != 0).any(-1).reshape(self.out_shape)

    def __call__(self, x: Tensor) -> Tensor:
        """From `(..., nlev, nlat, nlon)` to `(..., *out_shape)`; 0 where not valid.

        Raises:
            InputError: If the last axes of `x` are not those of the grid.
        """
        if tuple(x.shape[-3:]) != self.grid_shape:
            raise InputError(
                f"a field of shape {tuple(x.shape)} does not end in the grid's {self.grid_shape}: "
                "bring it to the grid with isopleth.core.fields.to_tensor."
            )
        weight = self._weight.to(x)
        cells = x.flatten(-3)[..., self._index.to(x.device)]
        terms = cells.masked_fill(weight == 0, 0.0) * weight
        return terms.sum(-1).reshape(*x.shape[:-3], *self.out_shape)

    def adjoint(self, y: Tensor) -> Tensor:
        """From `(..., *out_shape)` to `(..., nlev, nlat, nlon)`: `(A' y)_j = sum_i weight_ij y_i`.

        Raises:
            InputError: If the last axes of `y` are not those of the observations.
        """
        lead = y.ndim - len(self.out_shape)
        if lead < 0 or tuple(y.shape[lead:]) != self.out_shape:
            raise InputError(
                f"values of shape {tuple(y.shape)} do not end in the observations' "
                f"{self.out_shape}: give one value for every observation."
            )
        batch = y.shape[:lead]
        weight = self._weight.to(y)
        rows = y.reshape(*batch, -1, 1).masked_fill((weight == 0).all(-1, keepdim=True), 0.0)
        field = y.new_zeros(*batch, math.prod(self.grid_shape))
        terms = (rows * weight).flatten(-2)
        field = field.index_add(-1, self._index.to(y.device).flatten(), terms)
        return field.reshape(*batch, *self.grid_shape)

    def matrix(self) -> Tensor:
        """A as a sparse tensor of float64, shape (n, nlev * nlat * nlon)."""
        n, k = self._index.shape
        rows = torch.arange(n).repeat_interleave(k)
        place = torch.stack([rows, self._index.flatten()])
        size = (n, math.prod(self.grid_shape))
        terms = self._weight.flatten()
        return torch.sparse_coo_tensor(place, terms, size, check_invariants=True).coalesce()
