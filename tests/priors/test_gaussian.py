from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe import MaskOperator, Observation, PointOperator
from isopleth.priors.eof import leading_modes
from isopleth.priors.gaussian import EofGaussian
from isopleth.priors.noise import MemberNoise

SHAPE = (2, 4, 5)


def fields(prior: EofGaussian, cells: Tensor) -> Tensor:
    x = cells.new_zeros(len(cells), *prior.mask.shape)
    x[:, prior.mask] = cells
    return x


@pytest.mark.parametrize("sigma", [1e-3, 0.3, 1.0, 40.0])
def test_the_denoiser_is_the_wiener_filter(
    gaussian: EofGaussian, covariance: Tensor, sigma: float
) -> None:
    q = torch.tensor(sigma, dtype=torch.float64)
    x = torch.randn(3, 30, dtype=torch.float64)
    noisy = covariance + q.square() * torch.eye(30)
    want = torch.linalg.solve(noisy, x.T).T @ covariance
    torch.testing.assert_close(gaussian(fields(gaussian, x), q), fields(gaussian, want))
    left = covariance - covariance @ torch.linalg.solve(noisy, covariance)
    torch.testing.assert_close(gaussian.error_variance(q), left.diagonal().mean())
    product = gaussian.covariance_product(fields(gaussian, x), q)
    torch.testing.assert_close(product, fields(gaussian, x @ left), rtol=1e-6, atol=1e-9)


def test_the_closed_form_of_orthonormal_modes() -> None:
    V = torch.linalg.qr(torch.randn(40, 5, dtype=torch.float64)).Q.T
    lam, tau2, q = torch.linspace(9.0, 1.0, 5, dtype=torch.float64), 0.3, 0.8
    ocean = torch.ones(SHAPE, dtype=torch.bool)
    prior = EofGaussian(V.reshape(5, *SHAPE), lam, torch.tensor(tau2).double(), ocean)
    x = torch.randn(2, 40, dtype=torch.float64)
    g0, gk = tau2 / (tau2 + q * q), (lam + tau2) / (lam + tau2 + q * q)
    want = g0 * x + ((x @ V.T) * (gk - g0)) @ V
    got = prior(x.reshape(2, *SHAPE), torch.tensor(q, dtype=torch.float64))
    torch.testing.assert_close(got, want.reshape(2, *SHAPE))


def test_the_product_is_the_jacobian(gaussian: EofGaussian) -> None:
    x, v = torch.randn(2, 3, *SHAPE, dtype=torch.float64)
    q = torch.tensor([0.2, 1.0, 5.0], dtype=torch.float64)
    _, along = torch.autograd.functional.vjp(lambda x: gaussian(x, q), x, v)
    product = gaussian.covariance_product(v, q)
    torch.testing.assert_close(product, q.square().reshape(-1, 1, 1, 1) * along)


def test_no_product_is_rounded_by_autocast(gaussian: EofGaussian) -> None:
    x, q = torch.randn(2, *SHAPE), torch.tensor(0.1)
    exact = gaussian.float()(x, q)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(gaussian(x, q), exact)


def test_samples_have_the_covariance(gaussian: EofGaussian, covariance: Tensor) -> None:
    x = gaussian.float().sample(MemberNoise(0, range(8000)))
    assert (x[:, ~gaussian.mask] == 0.0).all()
    found = torch.cov(x[:, gaussian.mask].T).double()
    scale = covariance.diagonal().sqrt()
    assert ((found - covariance) / torch.outer(scale, scale)).abs().max() < 0.07
    variance = gaussian.variance[gaussian.mask].double()
    torch.testing.assert_close(variance, covariance.diagonal(), rtol=1e-5, atol=0)


def observed(mask: Tensor) -> list[Observation]:
    """Cells and points; two points share cells, one value is missing, one is on land."""
    grid = Grid(
        latitude=np.linspace(60.0, -60.0, 4),
        longitude=np.arange(5) * 72.0,
        levels=np.array([0.0, 50.0]),
        mask=mask.numpy(),
    )
    seen = np.zeros(SHAPE, dtype=bool)
    seen[:, 2, 1:4] = True
    cells = MaskOperator(grid, seen)
    latitude, longitude = [-3.0, -5.0, 40.0, 70.0], [80.0, 90.0, 200.0, 10.0]
    points = PointOperator(grid, latitude, longitude, level=[0, 0, 1, 1])
    y = torch.tensor([0.4, -1.0, float("nan"), 2.0], dtype=torch.float64)
    variance = torch.tensor([0.1, 0.3, 1.0, 0.5], dtype=torch.float64)
    return [
        Observation(torch.linspace(-1.0, 2.0, 6).double(), cells, torch.tensor(0.05).double()),
        Observation(y, points, variance),
    ]


def test_the_posterior_is_exact(gaussian: EofGaussian, covariance: Tensor) -> None:
    seen = observed(gaussian.mask)
    A = torch.cat([s.operator.matrix().to_dense()[s.valid] for s in seen])
    A = A[:, gaussian.mask.flatten()]
    y = torch.cat([s.values[s.valid] for s in seen])
    R = torch.diag(torch.cat([s.variance[s.valid] for s in seen]))
    K = covariance @ A.T @ torch.linalg.inv(A @ covariance @ A.T + R)
    mean, variance = gaussian.posterior(seen)
    torch.testing.assert_close(mean[gaussian.mask], K @ y)
    torch.testing.assert_close(variance[gaussian.mask], (covariance - K @ A @ covariance).diag())
    assert (mean[~gaussian.mask] == 0.0).all()
    assert len(y) == 8


def test_the_posterior_of_nothing_is_the_prior(gaussian: EofGaussian) -> None:
    mean, variance = gaussian.posterior([])
    assert (mean == 0.0).all()
    torch.testing.assert_close(variance, gaussian.variance)


def test_a_posterior_needs_matrices(gaussian: EofGaussian) -> None:
    class Whole:
        valid = torch.ones(SHAPE, dtype=torch.bool)

        def __call__(self, x: Tensor) -> Tensor:
            return x

    seen = Observation(torch.zeros(SHAPE), Whole(), torch.tensor(1.0))
    with pytest.raises(InputError, match="Whole has no sparse matrix"):
        gaussian.posterior([seen])


def test_a_fit_recovers_what_made_the_states(gaussian: EofGaussian, covariance: Tensor) -> None:
    x = gaussian.sample(lambda shape: torch.randn(4000, *shape, dtype=torch.float64))
    x[:, ~gaussian.mask] = float("nan")
    local = gaussian.trailing.ndim == 3
    found = EofGaussian.fit(x, gaussian.mask, 3, local=local)
    V = found.vectors[:, gaussian.mask]
    trailing = found.trailing.expand(SHAPE)[gaussian.mask]
    S = V.T @ torch.diag(found.variances) @ V + torch.diag(trailing)
    scale = covariance.diagonal().sqrt()
    assert ((S - covariance) / torch.outer(scale, scale)).abs().max() < (0.2 if local else 0.1)
    total = x[:, gaussian.mask].square().mean(0)
    torch.testing.assert_close(found.variance.sum(), total.sum(), rtol=1e-6, atol=0.0)
    if local:
        torch.testing.assert_close(found.variance[gaussian.mask], total)


def test_few_states_and_many_have_the_same_modes() -> None:
    X = torch.randn(300, 6).double() @ torch.randn(6, 80).double() + 0.1 * torch.randn(300, 80)
    root = torch.rand(80).double() + 0.5
    _, s, V = torch.linalg.svd(X * root, full_matrices=False)
    found, lam = leading_modes(X, 5, root)
    few, lam_few = leading_modes(X[:50], 5, root)
    torch.testing.assert_close(lam, s[:5].square() / 300, rtol=1e-6, atol=0.0)
    torch.testing.assert_close((found * root @ V[:5].T).abs(), torch.eye(5).double())
    s_few = torch.linalg.svdvals(X[:50] * root)
    torch.testing.assert_close(lam_few, s_few[:5].square() / 50, rtol=1e-6, atol=0.0)
    torch.testing.assert_close((few * root) @ (few * root).T, torch.eye(5).double())


def test_many_trailing_variances_become_64() -> None:
    shape = (1, 20, 30)
    trailing = torch.rand(shape).double().mul(6.0).exp() * 1e-2
    V = torch.randn(2, *shape).double()
    ocean = torch.ones(shape, dtype=torch.bool)
    prior = EofGaussian(V, torch.ones(2).double(), trailing, ocean)
    assert len(prior.trailing.unique()) <= 64
    ratio = (prior.trailing / trailing).log().abs()
    assert 0.001 < ratio.max() < 6.0 / 64
    torch.testing.assert_close(prior.trailing.mean(), trailing.mean())


def test_loaded_numbers_are_used(gaussian: EofGaussian) -> None:
    field = torch.ones(SHAPE).double() if gaussian.trailing.ndim else torch.tensor(1.0).double()
    ocean = torch.ones(SHAPE, dtype=torch.bool)
    other = EofGaussian(torch.zeros(4, *SHAPE).double(), torch.zeros(4).double(), field, ocean)
    x, q = torch.randn(2, *SHAPE, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)
    assert not torch.equal(other(x, q), gaussian(x, q))
    other.load_state_dict(gaussian.state_dict())
    assert torch.equal(other(x, q), gaussian(x, q))


def test_what_is_no_gaussian() -> None:
    V, lam, tau2 = torch.ones(2, *SHAPE), torch.ones(2), torch.tensor(0.5)
    ocean = torch.ones(SHAPE, dtype=torch.bool)
    with pytest.raises(InputError, match="one variance a mode"):
        EofGaussian(V, torch.ones(3), tau2, ocean)
    with pytest.raises(InputError, match=r"of the trailing part 0: give finite"):
        EofGaussian(V, lam, torch.tensor(0.0), ocean)
    with pytest.raises(InputError, match=r"variance of a mode is -1"):
        EofGaussian(V, -lam, tau2, ocean)
    with pytest.raises(InputError, match="with ocean in it"):
        EofGaussian(V, lam, tau2, ~ocean)
    with pytest.raises(InputError, match="with ocean in it"):
        EofGaussian(V, lam, tau2, ocean[:, :3])
    with pytest.raises(InputError, match="9 modes of 8 states"):
        EofGaussian.fit(torch.ones(8, *SHAPE), ocean, 9)
    states = torch.ones(8, *SHAPE)
    states[3, 0, 2, 2] = float("nan")
    with pytest.raises(InputError, match="a state is not finite in the ocean"):
        EofGaussian.fit(states, ocean, 2)
