"""One case against dense formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.latent_system import LatentSystem

K = 7


def normal(*shape: int, seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


FEW, MANY = 3.0 * normal(4, K, seed=0), normal(11, K, seed=1)
TWICE = torch.cat([FEW, FEW[:2], torch.zeros(3, K)])
NOTHING = torch.zeros(2, K).double()
SYSTEMS = pytest.mark.parametrize("G", [FEW, MANY, TWICE, NOTHING])
Z0 = normal(5, K, seed=3)
R2 = torch.tensor([0.0, 1e-6, 0.3, 1.0, 1e4]).double()


def departures(G: Tensor) -> Tensor:
    """Those of no value are 0."""
    return torch.where(G.abs().sum(1) > 0, 2.0 * normal(len(G), seed=2), 0.0)


def posterior(G: Tensor, r2: float) -> tuple[Tensor, Tensor]:
    """Gain (k, n) and covariance of `N(z0, r2 I)` given d."""
    K_ = r2 * G.T @ torch.linalg.inv(torch.eye(len(G)).double() + r2 * G @ G.T)
    return K_, r2 * (torch.eye(K).double() - K_ @ G)


@SYSTEMS
def test_the_mean_and_its_misfit_for_a_variance_a_row(G: Tensor) -> None:
    d = departures(G)
    system = LatentSystem(G, d)
    found, chi2 = system.prox(Z0, R2), system.chi2(Z0, R2)
    for z0, r2, z, misfit in zip(Z0, R2.tolist(), found, chi2, strict=True):
        expected = z0 + posterior(G, r2)[0] @ (d - G @ z0)
        assert torch.allclose(z, expected, atol=1e-9)
        assert torch.allclose(misfit, (d - G @ expected).square().sum(), atol=1e-8)
    assert torch.equal(found[0], Z0[0])


@SYSTEMS
@pytest.mark.parametrize("r2", [0.2, 50.0])
def test_draws_have_the_posterior_covariance(G: Tensor, r2: float) -> None:
    """They are affine in the noise, so that unit vectors of it give a root of the covariance."""
    system = LatentSystem(G, departures(G))
    z0 = Z0[:1].expand(K, -1)
    root = system.draw(z0, r2, torch.eye(K).double()) - system.prox(z0, r2)
    assert torch.allclose(root.T @ root, posterior(G, r2)[1], atol=1e-9)
    still = system.draw(z0, r2, torch.zeros(K, K).double())
    assert torch.equal(still, system.prox(z0, r2))


def test_the_discrepancy_principle() -> None:
    system = LatentSystem(FEW, departures(FEW))
    target = torch.full((5,), 1.5).double()
    r2 = system.discrepancy(Z0, R2, target)
    reached = system.chi2(Z0, r2)
    free = system.chi2(Z0, R2) >= 1.5
    assert bool((reached >= target).all())
    assert torch.equal(r2[free], R2[free])
    assert 2 <= int(free.sum()) < 5
    assert torch.allclose(reached[~free], target[~free])
    assert bool((r2 <= R2).all())
    fitting = system.prox(Z0, 1e4)
    assert system.discrepancy(fitting, 1.0, 1.5).tolist() == [0.0] * 5


def test_padding_changes_nothing() -> None:
    d = departures(FEW)
    padded = LatentSystem(torch.cat([FEW, torch.zeros(3, K)]), torch.cat([d, torch.zeros(3)]))
    assert torch.allclose(padded.prox(Z0, R2), LatentSystem(FEW, d).prox(Z0, R2), atol=1e-12)


def test_single_precision_is_kept() -> None:
    exact = LatentSystem(FEW, departures(FEW)).prox(Z0, 1.0)
    single = LatentSystem(FEW.float(), departures(FEW).float()).prox(Z0.float(), 1.0)
    assert single.dtype == torch.float32
    assert torch.allclose(single.double(), exact, atol=1e-5)


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"departures of \(3,\) are no system"):
        LatentSystem(FEW, torch.zeros(3))
    with pytest.raises(InputError, match="is not finite"):
        LatentSystem(FEW * torch.nan, departures(FEW))
    system = LatentSystem(FEW, departures(FEW))
    with pytest.raises(InputError, match=r"latents of shape \(5, 6\) are not of this system"):
        system.prox(Z0[:, 1:], 1.0)
    with pytest.raises(InputError, match=r"a prior variance is -1: give 0 or more"):
        system.prox(Z0, -1.0)
