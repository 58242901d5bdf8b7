"""What every operator promises, whatever instrument it stands for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.core.protocols import LinearOperator
from isopleth.core.region import Region
from isopleth.observe.mask import MaskOperator
from isopleth.observe.observation import Observation
from isopleth.observe.point import PointOperator
from isopleth.observe.profile import ProfileOperator

Maker = Callable[[Grid], LinearOperator]

LEVELS = [5.0, 50.0, 200.0]


def with_land(grid: Grid) -> Grid:
    return grid.with_mask(np.random.default_rng(3).random(grid.shape) < 0.7)


GRIDS = {
    "globe": with_land(Grid.regular(30.0, levels=LEVELS)),
    "region": with_land(Grid.regular(15.0, levels=LEVELS, region=Region(-30, 60, 300, 30))),
}


def positions(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    lat, lon = rng.uniform(-90.0, 90.0, count), rng.uniform(-180.0, 360.0, count)
    lat[:2] = 90.0, -90.0
    return lat, lon


def points(grid: Grid) -> LinearOperator:
    return PointOperator(grid, *positions(40), level=1)


def depths(grid: Grid) -> LinearOperator:
    return PointOperator(grid, *positions(40), depth=np.linspace(0.0, 210.0, 40))


def profiles(grid: Grid) -> LinearOperator:
    return ProfileOperator(grid, *positions(15), [0.0, 20.0, 130.0, 200.0, 900.0])


def cells(grid: Grid) -> LinearOperator:
    seen = np.random.default_rng(7).random(grid.shape) < 0.3
    return MaskOperator(grid, seen & grid.mask)


@pytest.fixture(params=GRIDS)
def grid(request: pytest.FixtureRequest) -> Grid:
    return GRIDS[request.param]


@pytest.fixture(params=[points, depths, profiles, cells], ids=lambda maker: maker.__name__)
def operator(request: pytest.FixtureRequest, grid: Grid) -> LinearOperator:
    maker: Maker = request.param
    return maker(grid)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_protocol(operator: LinearOperator) -> None:
    assert isinstance(operator, LinearOperator)
    assert operator.valid.dtype == torch.bool
    assert operator.valid.any()


def test_adjoint(operator: LinearOperator, grid: Grid) -> None:
    x, y = random(*grid.shape), random(*operator.valid.shape, seed=1)
    left = (operator(x) * y).sum()
    right = (x * operator.adjoint(y)).sum()
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-12)


def test_linearity(operator: LinearOperator, grid: Grid) -> None:
    x, z = random(*grid.shape), random(*grid.shape, seed=1)
    torch.testing.assert_close(operator(3.0 * x - z), 3.0 * operator(x) - operator(z))
    assert (operator(torch.zeros(grid.shape)) == 0).all()


def test_gradient(operator: LinearOperator, grid: Grid) -> None:
    x = random(*grid.shape).requires_grad_()
    y = random(*operator.valid.shape).requires_grad_()
    assert torch.autograd.gradcheck(operator, (x,), fast_mode=True)
    assert torch.autograd.gradcheck(operator.adjoint, (y,), fast_mode=True)


def test_the_gradient_is_the_adjoint(operator: LinearOperator, grid: Grid) -> None:
    x, y = random(*grid.shape).requires_grad_(), random(*operator.valid.shape, seed=1)
    (gradient,) = torch.autograd.grad(operator(x), x, y)
    torch.testing.assert_close(gradient, operator.adjoint(y))


def test_leading_axes_are_kept_and_independent(operator: LinearOperator, grid: Grid) -> None:
    x = random(2, 3, *grid.shape)
    y = operator(x)
    assert y.shape == (2, 3, *operator.valid.shape)
    back = operator.adjoint(y)
    assert back.shape == x.shape
    for member, batch in np.ndindex(2, 3):
        torch.testing.assert_close(y[member, batch], operator(x[member, batch]))
        torch.testing.assert_close(back[member, batch], operator.adjoint(y[member, batch]))


@pytest.mark.parametrize("under", [float("nan"), float("inf"), 1e30])
def test_masked_values_change_nothing(operator: LinearOperator, grid: Grid, under: float) -> None:
    ocean = torch.from_numpy(grid.mask.copy())
    x = random(*grid.shape)
    covered = torch.where(ocean, x, under).requires_grad_()
    assert torch.equal(operator(covered), operator(x))
    (gradient,) = torch.autograd.grad(operator(covered).sum(), covered)
    assert (gradient[~ocean] == 0).all()
    assert torch.isfinite(gradient).all()


def test_what_is_not_valid_reads_zero_and_gives_nothing_back(
    operator: LinearOperator, grid: Grid
) -> None:
    invalid = ~operator.valid
    assert (operator(random(*grid.shape))[invalid] == 0).all()
    y = random(*operator.valid.shape)
    spoilt = torch.where(invalid, float("nan"), y)
    assert torch.equal(operator.adjoint(spoilt), operator.adjoint(y))


def test_an_interpolated_constant_is_that_constant(operator: LinearOperator, grid: Grid) -> None:
    y = operator(torch.full(grid.shape, 4.0, dtype=torch.float64))
    torch.testing.assert_close(y[operator.valid], torch.full_like(y[operator.valid], 4.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_precision_of_the_field_is_kept(
    operator: LinearOperator, grid: Grid, dtype: torch.dtype
) -> None:
    y = operator(torch.ones(grid.shape, dtype=dtype))
    assert y.dtype == dtype
    assert operator.adjoint(y).dtype == dtype


def test_an_observation_takes_every_operator(operator: LinearOperator, grid: Grid) -> None:
    truth = random(*grid.shape)
    seen = Observation(operator(truth), operator, torch.tensor(0.1, dtype=torch.float64))
    assert (seen.residual(truth) == 0).all()
    worse = truth + random(5, *grid.shape, seed=1)
    assert (seen.log_likelihood(worse) < seen.log_likelihood(truth)).all()
