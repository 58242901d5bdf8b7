"""The spherical harmonic transforms against closed forms, quadrature and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.sphere import Sphere, legendre

T21 = GaussianGrid(nlat=32, nlon=64)
SPHERES = [(1, 2, 4), (5, 8, 16), (6, 10, 20), (21, 32, 64), (42, 64, 128)]


def sphere(truncation: int = 21, nlat: int = 32, nlon: int = 64) -> Sphere:
    return Sphere(truncation, GaussianGrid(nlat=nlat, nlon=nlon), torch.float64)


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def area_mean(s: Sphere, field: Tensor) -> Tensor:
    return (field.mean(-1) * s.weights).sum(-1)


def test_gaussian_grid_runs_from_north_to_south_and_integrates_polynomials() -> None:
    grid = GaussianGrid(nlat=8, nlon=16)
    assert (np.diff(grid.latitude) < 0).all()
    assert grid.longitude[0] == 0.0
    for power in range(16):  # the mean of x^p over (-1, 1) is 1 / (p + 1) or 0
        mean = (grid.weights * grid.sine**power).sum()
        assert mean == pytest.approx((power % 2 == 0) / (power + 1), abs=1e-15)


@pytest.mark.parametrize(("truncation", "nlat", "nlon"), SPHERES)
def test_analysis_undoes_synthesis(truncation: int, nlat: int, nlon: int) -> None:
    s = sphere(truncation, nlat, nlon)
    z = noise(2, 3, s.size)
    assert s.synthesis(z).shape == (2, 3, nlat, nlon)
    assert torch.allclose(s.analysis(s.synthesis(z)), z, atol=1e-12, rtol=0.0)


@pytest.mark.parametrize(("truncation", "nlat", "nlon"), SPHERES)
def test_every_harmonic_is_there_once(truncation: int, nlat: int, nlon: int) -> None:
    s = sphere(truncation, nlat, nlon)
    parts = zip(s.degree.tolist(), s.order.tolist(), s.is_sine.tolist(), strict=True)
    wanted = {
        (degree, order, sine)
        for degree in range(truncation + 1)
        for order in range(degree + 1)
        for sine in (False, True)
        if order or not sine
    }
    assert set(parts) == wanted
    assert len(wanted) == s.size


def test_harmonics_are_orthonormal() -> None:
    s = sphere(8, 12, 24)
    fields = s.synthesis(torch.eye(s.size, dtype=torch.float64)).flatten(1)
    area = (s.weights[:, None] / 24).expand(12, 24).flatten()
    gram = (fields * area) @ fields.T
    assert torch.allclose(gram, torch.eye(s.size, dtype=torch.float64), atol=1e-13)


def test_harmonics_are_those_of_scipy() -> None:
    s = sphere(8, 12, 24)
    colatitude = np.radians(90.0 - s.grid.latitude)[:, None]
    angle = np.radians(s.grid.longitude)[None, :]
    fields = s.synthesis(torch.eye(s.size, dtype=torch.float64)).numpy()
    for k in range(s.size):
        n, m = int(s.degree[k]), int(s.order[k])
        reference = np.sqrt(4.0 * np.pi) * (-1) ** m * sph_harm_y(n, m, colatitude, angle)
        reference = reference * np.sqrt(2.0 if m else 1.0)  # SciPy has the phase (-1)^m
        part = reference.imag if s.is_sine[k] else reference.real
        np.testing.assert_allclose(fields[k], part, atol=1e-13)


def test_derivatives_of_single_harmonics_are_exact() -> None:
    s = sphere()
    phi = torch.from_numpy(np.radians(s.grid.latitude))[:, None]
    angle = torch.from_numpy(np.radians(s.grid.longitude))[None, :]
    z = torch.zeros(2, s.size, dtype=torch.float64)
    z[0, s.index(2, 1)] = 1.0  # sqrt(15) sin(phi) cos(phi) cos(lambda)
    z[1, s.index(3, 3, sine=True)] = 1.0  # sqrt(35 / 8) cos(phi)^3 sin(3 lambda)
    a, b = np.sqrt(15.0), np.sqrt(35.0 / 8.0)
    along = s.synthesis(s.d_lambda(z))
    across = s.d_phi(z)
    exact = [
        (along[0], -a * phi.sin() * phi.cos() * angle.sin()),
        (along[1], 3.0 * b * phi.cos() ** 3 * (3.0 * angle).cos()),
        (across[0], a * (2.0 * phi).cos() * angle.cos()),
        (across[1], -3.0 * b * phi.cos() ** 2 * phi.sin() * (3.0 * angle).sin()),
    ]
    for found, wanted in exact:
        assert torch.allclose(found, wanted.expand(32, 64), atol=1e-12)


def test_gradients_and_laplacian_agree() -> None:
    # Green: the mean of grad Y_j . grad Y_k is l (l + 1) if j = k, else 0.
    s = sphere(7, 12, 24)
    east, north = s.gradient(torch.eye(s.size, dtype=torch.float64))
    area = (s.weights[:, None] / 24).expand(12, 24)
    gram = torch.einsum("aij,bij,ij->ab", east, east, area)
    gram = gram + torch.einsum("aij,bij,ij->ab", north, north, area)
    assert torch.allclose(gram, torch.diag(-s.laplacian), atol=1e-11)
    assert torch.equal(s.laplacian * s.inverse_laplacian, (s.degree > 0).double())


def test_slopes_are_the_derivatives_of_the_functions() -> None:
    phi, h = np.radians([-70.0, -20.0, 35.0, 80.0]), 1e-6
    step = (legendre(30, np.sin(phi + h))[0] - legendre(30, np.sin(phi - h))[0]) / (2.0 * h)
    slope = legendre(30, np.sin(phi))[1]
    np.testing.assert_allclose(slope, step, atol=1e-6)
    assert np.abs(slope).max() > 10.0


def test_waves_between_the_columns() -> None:
    s = sphere(5, 8, 16)
    shift = np.pi / 16
    waves, slopes = s.fourier(np.radians(s.grid.longitude) + shift)
    z = noise(s.size)
    turned = torch.bmm(s.values, z.view(6, 6, 1)).view(12, 8)
    fine = Sphere(5, GaussianGrid(nlat=8, nlon=32), torch.float64)
    assert torch.allclose((waves @ turned).T, fine.synthesis(z)[:, 1::2], atol=1e-12)
    wanted = fine.synthesis(fine.d_lambda(z))[:, 1::2]
    assert torch.allclose((slopes @ turned).T, wanted, atol=1e-12)


def test_products_are_not_aliased() -> None:
    coarse, fine = sphere(21, 32, 64), sphere(21, 64, 128)
    a, b = noise(2, coarse.size)
    found = coarse.analysis(coarse.synthesis(a) * coarse.synthesis(b))
    wanted = fine.analysis(fine.synthesis(a) * fine.synthesis(b))
    assert torch.allclose(found, wanted, atol=1e-12)


def test_mean_square_is_the_sum_of_the_powers() -> None:
    s, z = sphere(), noise(2, 484)
    power = s.power(z)
    assert torch.allclose(power.sum(-1), area_mean(s, s.synthesis(z).square()))
    assert power[0, 0] == z[0, s.index(0, 0)].square()


def test_gradient_flows_and_single_precision_is_single() -> None:
    s, weights = sphere(), noise(32, 64)
    z = noise(484).requires_grad_()
    (gradient,) = torch.autograd.grad((s.synthesis(z) * weights).sum(), z)
    area = s.weights[:, None] / 64
    assert torch.allclose(gradient, s.analysis(weights / area), atol=1e-10)
    single = Sphere(21, T21)
    assert single.analysis(single.synthesis(z.detach().float())).dtype is torch.float32


def test_one_member_does_not_depend_on_the_others() -> None:
    s, z = sphere(), noise(5, 484)
    assert torch.allclose(s.synthesis(z)[3], s.synthesis(z[3]), atol=1e-13)


@pytest.mark.parametrize(
    ("truncation", "nlat", "nlon"), [(0, 32, 64), (32, 32, 128), (21, 32, 42)]
)
def test_a_grid_too_coarse_is_refused(truncation: int, nlat: int, nlon: int) -> None:
    with pytest.raises(InputError, match=f"truncation {truncation} does not go with"):
        sphere(truncation, nlat, nlon)


def test_bad_input_is_named() -> None:
    s = sphere()
    with pytest.raises(InputError, match=r"\(3, 31, 64\) is not on the grid \(32, 64\)"):
        s.analysis(torch.zeros(3, 31, 64))
    with pytest.raises(InputError, match="the last axis must have 484"):
        s.synthesis(torch.zeros(3, 483))
    with pytest.raises(InputError, match="degree 3, order 4, sine False is no harmonic"):
        s.index(3, 4)
    with pytest.raises(InputError, match="sine True is no harmonic"):
        s.index(3, 0, sine=True)
    with pytest.raises(InputError, match="32 rows and 63 columns cannot be made"):
        GaussianGrid(nlat=32, nlon=63)
