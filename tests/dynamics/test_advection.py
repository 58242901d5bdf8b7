"""The Jacobian on the sphere: identities, an exact case and its derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.sphere import Sphere
from isopleth.dynamics.advection import Advection


def sphere(truncation: int = 3, nlat: int = 6, nlon: int = 12) -> Sphere:
    return Sphere(truncation, GaussianGrid(nlat=nlat, nlon=nlon), torch.float64)


def jacobian(s: Sphere, a: Tensor, b: Tensor) -> Tensor:
    return -Advection(s, 1.0, torch.float64)(a, b, torch.zeros_like(a))


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_jacobian_is_the_product_on_the_grid() -> None:
    s = sphere(21, 32, 64)
    a, b = noise(2, 4, 484)
    (a_east, a_north), (b_east, b_north) = s.gradient(a), s.gradient(b)
    exact = s.analysis(a_east * b_north - a_north * b_east)
    assert torch.allclose(jacobian(s, a.T, b.T).T, exact, atol=1e-10)


def test_identities() -> None:
    s = sphere()
    a, b = noise(2, s.size, 5)
    assert torch.allclose(jacobian(s, a, b), -jacobian(s, b, a), atol=1e-12)
    assert torch.allclose(jacobian(s, a, a), torch.zeros_like(a), atol=1e-12)
    # What it moves it neither makes nor destroys: <J> = <a J(a, b)> = <b J(a, b)> = 0.
    moved = jacobian(s, a, b)
    for factor in (a, b, (s.degree == 0)[:, None]):
        assert float((factor * moved).sum(0).abs().max()) < 1e-11
    assert float(moved.abs().max()) > 1.0


def test_rotation_about_the_axis_is_the_derivative_in_longitude() -> None:
    s = sphere(5, 8, 16)
    q = noise(s.size, 2)
    psi = torch.zeros_like(q)
    psi[s.index(1, 0)] = 1.0 / 3.0**0.5  # sin(phi), so that J(q, psi) = dq/dlambda
    assert torch.allclose(jacobian(s, q, psi), s.d_lambda(q.T).T, atol=1e-12)


def test_scale_and_what_it_is_added_to() -> None:
    s = sphere()
    a, b, onto = noise(3, s.size, 2)
    found = Advection(s, 0.5, torch.float64)(a, b, onto)
    assert torch.allclose(found, onto - 0.5 * jacobian(s, a, b), atol=1e-13)


def test_derivatives_of_first_and_second_order_in_both_directions() -> None:
    s = sphere(2, 4, 8)
    advection = Advection(s, 1.0, torch.float64)
    inputs = tuple(noise(3, s.size, 2).requires_grad_().unbind())
    assert torch.autograd.gradcheck(advection, inputs, check_forward_ad=True, fast_mode=True)
    assert torch.autograd.gradgradcheck(advection, inputs, fast_mode=True)


def test_grid_that_aliases_is_refused() -> None:
    with pytest.raises(InputError, match="8 rows and 16 columns aliases products at truncation 6"):
        Advection(sphere(6, 8, 16), 1.0, torch.float64)
