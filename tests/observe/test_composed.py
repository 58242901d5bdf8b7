"""ComposedOperator: linear, with the adjoint of both parts."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.core.protocols import LinearOperator
from isopleth.observe.composed import ComposedOperator
from isopleth.observe.point import PointOperator

GRID = Grid.regular(30.0, levels=[0.0, 1.0])
SHAPE = (3, 6, 12)


def mixed(x: Tensor) -> Tensor:
    """Three channels to two, with a shift in longitude."""
    matrix = torch.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]], dtype=x.dtype)
    return torch.einsum("kl,...lij->...kij", matrix, x.roll(1, -1))


def operator() -> ComposedOperator:
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(-80, 80, 7), rng.uniform(0, 360, 7)
    points = PointOperator(GRID, lat, lon, level=rng.integers(0, 2, 7))
    return ComposedOperator(mixed, points, SHAPE)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_it_is_a_linear_operator() -> None:
    A = operator()
    assert isinstance(A, LinearOperator)
    x, z = normal(2, *SHAPE, seed=1)
    assert torch.allclose(A(2.0 * x - z), 2.0 * A(x) - A(z))


def test_the_adjoint() -> None:
    A = operator()
    x, y = normal(4, 5, *SHAPE, seed=2), normal(4, 5, 7, seed=3)
    assert A.adjoint(y).shape == x.shape
    assert torch.allclose((A(x) * y).sum(), (x * A.adjoint(y)).sum())


def test_the_adjoint_works_where_gradients_are_off() -> None:
    with torch.no_grad():
        found = operator().adjoint(normal(7, seed=4))
    assert not found.requires_grad


def test_validity_is_that_of_the_points() -> None:
    assert operator().valid.shape == (7,)
