from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe.nonlinear import Combined, Derived, LogPrecipitation, speed, wind_speed
from isopleth.observe.point import PointOperator

GRID = Grid.regular(10.0, levels=[0.0, 1.0])
U, V = (PointOperator(GRID, [0.0, 88.0, -33.0], [1.0, 2.0, 359.0], level=k) for k in (0, 1))


def field(seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(GRID.shape, generator=stream, dtype=torch.float64)


def test_speed_is_the_length_of_the_interpolated_wind() -> None:
    x = field()
    torch.testing.assert_close(wind_speed(U, V)(x), torch.hypot(U(x), V(x)))


def test_the_gradient_of_speed_is_the_direction_of_the_wind() -> None:
    x = field().requires_grad_()
    (gradient,) = torch.autograd.grad(wind_speed(U, V)(x).sum(), x)
    u, v = U(x.detach()), V(x.detach())
    direct = U.adjoint(u / torch.hypot(u, v)) + V.adjoint(v / torch.hypot(u, v))
    torch.testing.assert_close(gradient, direct)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_of_a_calm_is_zero(dtype: torch.dtype) -> None:
    u, v = torch.zeros(3, dtype=dtype, requires_grad=True), torch.zeros(3, dtype=dtype)
    (gradient,) = torch.autograd.grad(speed(u, v).sum(), u)
    assert (gradient == 0).all()
    tiny = torch.full((3,), 1e-15, dtype=dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(speed(tiny, v).sum(), tiny)
    assert gradient == pytest.approx(torch.ones(3))


def test_the_logarithm_of_rain() -> None:
    f = LogPrecipitation(0.01)
    rain = torch.tensor([0.0, 0.99, 5.0], dtype=torch.float64)
    expected = [math.log(0.01), 0.0, math.log(5.01)]
    assert f(rain).tolist() == pytest.approx(expected)


def test_below_no_rain_the_tangent_goes_on() -> None:
    f = LogPrecipitation(0.5)
    rain = torch.linspace(-2.0, 2.0, 401, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(f(rain).sum(), rain)
    expected = 1.0 / (0.5 + rain.detach().clamp(min=0.0))
    torch.testing.assert_close(slope[rain.detach() != 0], expected[rain.detach() != 0])
    assert f(torch.tensor(-1e-9)) == pytest.approx(float(f(torch.tensor(1e-9))))


def test_the_slope_at_no_rain_is_one_over_epsilon() -> None:
    rain = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(LogPrecipitation(0.25)(rain), rain)
    assert slope.item() == pytest.approx(4.0)


def test_a_function_of_the_field_is_read() -> None:
    x = field()
    squared = Derived(torch.square, U)
    torch.testing.assert_close(squared(x), U(x.square()))
    assert torch.equal(squared.valid, U.valid)
    both = wind_speed(Derived(torch.square, U), Derived(torch.square, V))
    torch.testing.assert_close(both(x), torch.hypot(U(x**2), V(x**2)))


def test_what_cannot_be_combined_is_named() -> None:
    two = PointOperator(GRID, [0.0, 1.0], [0.0, 1.0], level=0)
    with pytest.raises(InputError, match=r"the operators read \[\(3,\), \(2,\)\]"):
        wind_speed(U, two)
    with pytest.raises(InputError, match="give at least one"):
        Combined(speed, ())
    for epsilon in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="give a positive epsilon"):
            LogPrecipitation(epsilon)
