"""KernelCovariance: a background error covariance on any latitude-longitude grid, with its root.

White noise on nodes spread evenly over the sphere, smoothed onto the cells by Gaussian kernels of
unit norm: a process convolution. It needs neither a whole globe nor equal spacing, its diagonal is
exact, and its root is what a control variable is multiplied by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid

__all__ = ["KernelCovariance", "Kernels", "columns_of", "nodes_near", "unit_vectors"]

Floats = npt.NDArray[np.float64]

_KM = EARTH_RADIUS / 1000.0
_SPACING = 1.0
"""Of the nodes, in widths of the narrowest kernel: the sum over nodes is the integral to 1e-4."""

_REACH = 3.7
"""Widths after which a kernel, 1e-3 of its peak, is cut."""

_MOST_NODES = 400_000


@dataclass(frozen=True, eq=False)
class Kernels:
    """`K`: rows of unit norm from nodes to cells, `(K K')_ij ~ exp(-d_ij^2 / 2 L^2)`.

    Two Gaussian kernels of width `L / sqrt 2` overlap as a Gaussian of width L; d is the chord.
    Reference: Higdon (1998), Environ. Ecol. Stat. 5, 173, process convolutions.

    Args:
        index: Node of every term, shape (cells, k).
        weight: Its weight, 0 where a cell has fewer, shape (cells, k).
        nodes: Number of nodes.
    """

    index: Tensor
    weight: Tensor
    nodes: int

    @classmethod
    def between(cls, cells: Floats, nodes: Floats, length_km: float) -> Kernels:
        """Kernels from nodes to cells, both unit vectors, shape (n, 3)."""
        width = length_km / np.sqrt(2.0) / _KM
        tree = cKDTree(nodes)
        most = max(1, int(tree.query_ball_point(cells, _REACH * width, return_length=True).max()))
        distance, index = tree.query(cells, k=most, distance_upper_bound=_REACH * width)
        distance, index = distance.reshape(len(cells), -1), index.reshape(len(cells), -1)
        weight = np.where(np.isfinite(distance), np.exp(-0.5 * (distance / width) ** 2), 0.0)
        weight /= np.linalg.norm(weight, axis=1, keepdims=True)
        index = np.where(index == len(nodes), 0, index)
        return cls(torch.from_numpy(index), torch.from_numpy(weight), len(nodes))

    def spread(self, v: Tensor) -> Tensor:
        """`K v`, from (..., nodes) to (..., cells)."""
        return (v[..., self.index] * self.weight.to(v)).sum(-1)

    def gather(self, x: Tensor) -> Tensor:
        """`K' x`, from (..., cells) to (..., nodes)."""
        terms = (x[..., None] * self.weight.to(x)).flatten(-2)
        return x.new_zeros(*x.shape[:-1], self.nodes).index_add(-1, self.index.flatten(), terms)


@dataclass(frozen=True, eq=False)
class KernelCovariance:
    """`B = U U'`, `U = D K_c (E x I)`: deviations, horizontal kernels, correlations of channels.

        (U v)_c(s) = D_c(s) sum_n K_c(s, n) sum_k E_ck v_kn

    Between channels of lengths `L_1, L_2` the correlation is `(E E')_12` times
    `2 L_1 L_2 / (L_1^2 + L_2^2)`, and falls with distance as `exp(-d^2 / (L_1^2 + L_2^2))`.
    No balance but what the correlation of channels holds.

    Args:
        grid: Cells; one level a channel.
        deviation: `D`, unit of the channel, shape (channel, lat, lon).
        correlation: `E E'`, ones on its diagonal, shape (channel, channel).
        length_km: `L_c` of every channel, km.

    Raises:
        InputError: If a deviation or length is not positive, or there is no such correlation.
    """

    grid: Grid
    deviation: Tensor
    correlation: Tensor
    length_km: Sequence[float]
    root: Tensor = field(init=False, repr=False)
    kernels: tuple[Kernels, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the numbers; lay out nodes and kernels, one set for equal lengths."""
        bad = ~(torch.isfinite(self.deviation) & (self.deviation >= 0.0))
        if bad.any():
            raise InputError(
                f"a standard deviation of the background is {float(self.deviation[bad][0]):g}: "
                "give numbers that are not negative."
            )
        values, vectors = torch.linalg.eigh(self.correlation.double())
        if not torch.allclose(self.correlation.diagonal(), torch.ones(1).double(), atol=1e-6):
            raise InputError("the correlation of channels has no ones on its diagonal.")
        if float(values[0]) < -1e-6:
            raise InputError(
                f"the correlation of channels has an eigenvalue of {float(values[0]):g}: give a "
                "matrix that is not negative."
            )
        object.__setattr__(self, "root", vectors * values.clamp_min(0.0).sqrt())
        cells = columns_of(self.grid)
        nodes = nodes_near(cells, min(self.length_km))
        each = {length: Kernels.between(cells, nodes, length) for length in set(self.length_km)}
        object.__setattr__(self, "kernels", tuple(each[length] for length in self.length_km))

    @property
    def state_shape(self) -> tuple[int, int, int]:
        """(channel, lat, lon)."""
        return self.grid.shape

    @property
    def control_shape(self) -> tuple[int, int]:
        """(channel, node)."""
        return self.root.shape[1], self.kernels[0].nodes

    @property
    def variance(self) -> Tensor:
        """Diagonal of `B`, shape of a state."""
        return self.deviation.square()

    def sqrt(self, v: Tensor) -> Tensor:
        """`U v`, from `(..., channel, node)` to `(..., channel, lat, lon)`."""
        mixed = torch.einsum("ck,...kn->...cn", self.root.to(v), v)
        maps = [kernels.spread(mixed[..., c, :]) for c, kernels in enumerate(self.kernels)]
        x = torch.stack(maps, -2).unflatten(-1, self.grid.shape[1:])
        return self.deviation.to(v) * x

    def sqrt_adjoint(self, x: Tensor) -> Tensor:
        """`U' x`, from `(..., channel, lat, lon)` to `(..., channel, node)`."""
        scaled = (self.deviation.to(x) * x).flatten(-2)
        back = [kernels.gather(scaled[..., c, :]) for c, kernels in enumerate(self.kernels)]
        return torch.einsum("ck,...cn->...kn", self.root.to(x), torch.stack(back, -2))

    def product(self, x: Tensor) -> Tensor:
        """`B x`, shape of x."""
        return self.sqrt(self.sqrt_adjoint(x))


def nodes_near(cells: Floats, length_km: float) -> Floats:
    """Nodes of a Fibonacci lattice within reach of any cell, unit vectors, shape (n, 3).

    Reference: Swinbank and Purser (2006), Q. J. R. Meteorol. Soc. 132, 1769.

    Args:
        cells: Unit vectors, shape (m, 3).
        length_km: `L` of the narrowest correlation, km.

    Raises:
        InputError: If the length is not positive, or so short that there are too many nodes.
    """
    if not (np.isfinite(length_km) and length_km > 0.0):
        raise InputError(f"a correlation length of {length_km:g} km: give a positive number.")
    width = length_km / np.sqrt(2.0) / _KM
    count = max(12, int(np.ceil(4.0 * np.pi / (_SPACING * width) ** 2)))
    if count > 50 * _MOST_NODES:
        raise InputError(
            f"a correlation length of {length_km:g} km is too short: give a longer one."
        )
    i = np.arange(count)
    z = 1.0 - (2.0 * i + 1.0) / count
    turn = np.pi * (3.0 - np.sqrt(5.0)) * i
    ring = np.sqrt(1.0 - z**2)
    nodes = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], 1)
    near = cKDTree(cells).query(nodes, distance_upper_bound=_REACH * width * 1.8)[0]
    kept: Floats = nodes[np.isfinite(near)]
    if len(kept) > _MOST_NODES:
        raise InputError(
            f"a correlation length of {length_km:g} km needs {len(kept):,} nodes on this grid: "
            "give a longer one, or cut the grid."
        )
    return kept


def unit_vectors(latitude: Floats, longitude: Floats) -> Floats:
    """Places on the unit sphere, shape (n, 3), of degrees north and east, shape (n,)."""
    lat, lon = np.radians(latitude), np.radians(longitude)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)


def columns_of(grid: Grid) -> Floats:
    """Unit vectors of all columns, shape (nlat nlon, 3)."""
    lat, lon = np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
    return unit_vectors(lat.ravel(), lon.ravel())
