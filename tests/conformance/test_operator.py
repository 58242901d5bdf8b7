"""What the operators of the atmosphere promise: adjoints of linear ones, derivatives of others.

`test_observation.py` asks the same of the instruments of the ocean.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.core.protocols import LinearOperator, Operator
from isopleth.core.region import Region
from isopleth.observe.average import Beam, FootprintOperator
from isopleth.observe.columns import ColumnOperator
from isopleth.observe.networks import RandomPoints, Singles
from isopleth.observe.nonlinear import Combined, Derived, LogPrecipitation, wind_speed
from isopleth.observe.observation import Observation
from isopleth.observe.orbit import Orbit
from isopleth.observe.positions import Positions
from isopleth.observe.radiance import (
    Channel,
    RadianceOperator,
    Sounder,
    WeightedColumns,
    weighting_functions,
)
from isopleth.observe.swath import Scanner, Swath

NODE = np.datetime64("2019-03-21T12:00")
PRESSURE = [2e4, 5e4, 8e4]
SOUNDER = Sounder(
    PRESSURE,
    [Channel(frequency=53.6e9, peak=6e4), Channel(frequency=2e13, vapour=0.05, peak=9e4)],
)
SCALE = torch.tensor([2.0, 3.0, 4.0, 1e-4, 1e-3, 4e-3, 5.0], dtype=torch.float64)
MEAN = torch.tensor([220.0, 255.0, 275.0, 1e-4, 1e-3, 4e-3, 285.0], dtype=torch.float64)


def with_holes(grid: Grid) -> Grid:
    return grid.with_mask(np.random.default_rng(3).random(grid.shape) < 0.9)


LEVELS = np.arange(7.0)
GRIDS = {
    "globe": with_holes(Grid.regular(30.0, levels=LEVELS)),
    "region": with_holes(Grid.regular(15.0, levels=LEVELS, region=Region(-30, 60, 300, 30))),
}


def places(count: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Half of them over the whole Earth, poles included, half where both grids are."""
    rng = np.random.default_rng(5)
    lat, lon = rng.uniform(-90.0, 90.0, count), rng.uniform(-180.0, 360.0, count)
    lat[:2] = 90.0, -90.0
    lat[count // 2 :] = rng.uniform(-20.0, 50.0, count - count // 2)
    lon[count // 2 :] = rng.uniform(-50.0, 20.0, count - count // 2)
    return lat, lon


def physical(x: Tensor) -> Tensor:
    """Temperatures, humidities and a surface temperature from numbers of order 1."""
    return MEAN.to(x)[:, None, None] + SCALE.to(x)[:, None, None] * x


def network(grid: Grid) -> LinearOperator:
    at = RandomPoints(20, Singles())(grid, torch.Generator().manual_seed(0))
    return at.operator(grid)


def outside(grid: Grid) -> LinearOperator:
    lat, lon = places()
    return Positions(lat, lon, np.arange(30) % 7).operator(grid)


def columns(grid: Grid) -> LinearOperator:
    return ColumnOperator(grid, *places(), (4, 0, 2))


def footprints(grid: Grid) -> LinearOperator:
    beam = Beam(np.linspace(5e5, 3e6, 30), 1e6, np.linspace(0.0, 350.0, 30))
    return FootprintOperator(grid, *places(), beam, (1, 3))


def swath(grid: Grid) -> LinearOperator:
    orbit = Orbit.sun_synchronous(altitude=833e3, node_hour=13.5, node_time=NODE)
    scanner = Scanner(half_angle=48.0, positions=5, beam_width=3.0, scan_seconds=200.0)
    seen = Swath(orbit, scanner)(NODE, NODE + np.timedelta64(6, "h"))
    return seen.within(grid).operator(grid, (0, 6))


def linear_radiances(grid: Grid) -> LinearOperator:
    weight = weighting_functions(PRESSURE, [4e4, 7e4], 0.4)
    return WeightedColumns(ColumnOperator(grid, *places(), (0, 1, 2)), weight)


def wind(grid: Grid) -> Operator:
    u, v = (ColumnOperator(grid, *places(), part) for part in ((0, 1), (3, 4)))
    return wind_speed(u, v)


def rain(grid: Grid) -> Operator:
    lat, lon = places()
    level = Positions(lat, lon, np.full(30, 5)).operator(grid)
    return Combined(LogPrecipitation(0.3), (level,))


def radiances(grid: Grid) -> Operator:
    beam = Beam.circular(1e6)
    air, water, skin = (
        FootprintOperator(grid, *places(), beam, part) for part in ((0, 1, 2), (3, 4, 5), (6,))
    )
    parts = (Derived(physical, part) for part in (air, water, skin))
    return RadianceOperator(SOUNDER, *parts)


LINEAR = [network, outside, columns, footprints, swath, linear_radiances]
NONLINEAR = [wind, rain, radiances]

Maker = Callable[[Grid], Operator]


@pytest.fixture(params=GRIDS)
def grid(request: pytest.FixtureRequest) -> Grid:
    return GRIDS[request.param]


@pytest.fixture(params=[*LINEAR, *NONLINEAR], ids=lambda maker: maker.__name__)
def operator(request: pytest.FixtureRequest, grid: Grid) -> Operator:
    maker: Maker = request.param
    return maker(grid)


@pytest.fixture(params=LINEAR, ids=lambda maker: maker.__name__)
def linear(request: pytest.FixtureRequest, grid: Grid) -> LinearOperator:
    maker: Callable[[Grid], LinearOperator] = request.param
    return maker(grid)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_protocol(operator: Operator) -> None:
    assert isinstance(operator, Operator)
    assert operator.valid.dtype == torch.bool
    assert operator.valid.any()


def test_a_linear_operator_has_an_adjoint(linear: LinearOperator) -> None:
    assert isinstance(linear, LinearOperator)


def test_adjoint(linear: LinearOperator, grid: Grid) -> None:
    x, y = random(*grid.shape), random(*linear.valid.shape, seed=1)
    left, right = (linear(x) * y).sum(), (x * linear.adjoint(y)).sum()
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-12)
    assert left.abs() > 1e-3


def test_linearity_and_constants(linear: LinearOperator, grid: Grid) -> None:
    x, z = random(*grid.shape), random(*grid.shape, seed=1)
    torch.testing.assert_close(linear(3.0 * x - z), 3.0 * linear(x) - linear(z))
    four = linear(torch.full(grid.shape, 4.0, dtype=torch.float64))
    torch.testing.assert_close(four[linear.valid], torch.full_like(four[linear.valid], 4.0))


def test_the_gradient_is_the_adjoint(linear: LinearOperator, grid: Grid) -> None:
    x, y = random(*grid.shape).requires_grad_(), random(*linear.valid.shape, seed=1)
    (gradient,) = torch.autograd.grad(linear(x), x, y)
    torch.testing.assert_close(gradient, linear.adjoint(y))


def test_forward_and_backward_derivatives_agree(operator: Operator, grid: Grid) -> None:
    x, dx = random(*grid.shape), random(*grid.shape, seed=1)
    dy = random(*operator.valid.shape, seed=2)
    _, tangent = torch.func.jvp(operator, (x,), (dx,))
    _, pull = torch.func.vjp(operator, x)
    torch.testing.assert_close((tangent * dy).sum(), (dx * pull(dy)[0]).sum())


def test_the_tangent_is_the_limit_of_differences(operator: Operator, grid: Grid) -> None:
    x, dx = random(*grid.shape), random(*grid.shape, seed=1)
    _, tangent = torch.func.jvp(operator, (x,), (dx,))
    h = 1e-5
    central = (operator(x + h * dx) - operator(x - h * dx)) / (2.0 * h)
    torch.testing.assert_close(central, tangent, rtol=1e-5, atol=1e-6)
    assert tangent.abs().max() > 1e-3


def test_leading_axes_are_kept_and_independent(operator: Operator, grid: Grid) -> None:
    x = random(2, 3, *grid.shape)
    y = operator(x)
    assert y.shape == (2, 3, *operator.valid.shape)
    for member, batch in np.ndindex(2, 3):
        torch.testing.assert_close(y[member, batch], operator(x[member, batch]))


@pytest.mark.parametrize("under", [float("nan"), float("inf"), 1e30])
def test_masked_values_change_nothing(operator: Operator, grid: Grid, under: float) -> None:
    opened = torch.from_numpy(grid.mask.copy())
    x = random(*grid.shape)
    covered = torch.where(opened, x, under).requires_grad_()
    assert torch.equal(operator(covered), operator(x))
    (gradient,) = torch.autograd.grad(operator(covered).sum(), covered)
    assert torch.isfinite(gradient).all()
    assert (gradient[~opened] == 0).all()


def test_what_is_not_valid_reads_zero(operator: Operator, grid: Grid) -> None:
    invalid = ~operator.valid
    assert (operator(random(*grid.shape))[invalid] == 0).all()
    assert (operator(100.0 * random(*grid.shape))[invalid] == 0).all()


def test_what_is_not_valid_gives_nothing_back(linear: LinearOperator) -> None:
    y = random(*linear.valid.shape)
    spoilt = torch.where(linear.valid, y, float("nan"))
    assert torch.equal(linear.adjoint(spoilt), linear.adjoint(y))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_precision_of_the_field_is_kept(
    operator: Operator, grid: Grid, dtype: torch.dtype
) -> None:
    assert operator(torch.ones(grid.shape, dtype=dtype)).dtype == dtype


def test_single_precision_is_close_to_double(operator: Operator, grid: Grid) -> None:
    x = random(*grid.shape)
    torch.testing.assert_close(operator(x.float()).double(), operator(x), rtol=1e-5, atol=1e-5)


def test_an_observation_takes_every_operator(operator: Operator, grid: Grid) -> None:
    truth = random(*grid.shape)
    seen = Observation(operator(truth), operator, torch.tensor(0.1, dtype=torch.float64))
    assert (seen.residual(truth) == 0).all()
    worse = truth + random(5, *grid.shape, seed=1)
    assert (seen.log_likelihood(worse) < seen.log_likelihood(truth)).all()
