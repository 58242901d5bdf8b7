"""MatrixOperator: a linear operator on a grid that can be written down."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from isopleth.core.protocols import LinearOperator

__all__ = ["MatrixOperator"]


@runtime_checkable
class MatrixOperator(LinearOperator, Protocol):
    """`A` as a sparse matrix: every observation is a weighted sum of cells."""

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """(nlev, nlat, nlon)."""
        ...

    def matrix(self) -> Tensor:
        """A as a coalesced sparse tensor of float64, shape (n, nlev * nlat * nlon)."""
        ...
