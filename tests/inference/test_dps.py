"""DPS on fields: it is the gradient that it says, and brings samples closer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.dps import DPS, DPSSampler
from isopleth.priors import MemberNoise
from isopleth.priors.samplers import DDIM, Ancestral, Heun, PredictorCorrector
from isopleth.priors.schedules import LinearVp, karras

if TYPE_CHECKING:
    from conftest import GaussianOcean


def rmse(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def test_the_gradient_is_that_of_the_likelihood(ocean: GaussianOcean) -> None:
    """`m + zeta s^2 d/dx log p(y | m(x))`, as automatic differentiation has it."""
    seen, sigma = ocean.points(), torch.tensor(0.7)
    x = (ocean.truth + 0.7 * MemberNoise(1, [0, 1])(ocean.shape)).requires_grad_()
    mean = ocean.prior(x, sigma)
    slope = torch.autograd.grad(seen.log_likelihood(mean).sum(), x)[0]
    found = DPS(ocean.prior, [seen], zeta=0.5)(x, sigma)
    assert torch.allclose(found, mean.detach() + 0.5 * 0.49 * slope, atol=1e-4)
    assert not found.requires_grad


def test_few_observations_bring_samples_closer(ocean: GaussianOcean) -> None:
    seen, sigmas = ocean.cells(0.03), karras(40, 0.02, 20.0)
    noise = lambda: MemberNoise(2, range(16))  # noqa: E731
    free = Ancestral(ocean.prior, sigmas)(noise(), ocean.shape)
    guided = Ancestral(DPS(ocean.prior, [seen], zeta=0.01), sigmas)(noise(), ocean.shape)
    published = DPSSampler(Ancestral(ocean.prior, sigmas), [seen], zeta=0.3)(noise(), ocean.shape)
    exact = ocean.prior.posterior([seen])[0]
    for found in (guided, published):
        assert rmse(seen.residual(found)) < 0.5 * rmse(seen.residual(free))
        assert rmse(found.mean(0) - exact) < 0.8 * rmse(free.mean(0) - exact)


@pytest.mark.parametrize("kind", [DDIM, Ancestral])
def test_the_published_step_on_the_variance_preserving_path(
    ocean: GaussianOcean, kind: type[DDIM]
) -> None:
    """`x_{t-1} = step(x_t) - zeta d||y - A x0|| / dx_t`, with x_t of variance 1."""
    seen, sigmas = ocean.points(), LinearVp(40).sigmas.float()
    plain = kind(ocean.prior, sigmas)
    s, s_next = sigmas[20], sigmas[21]
    x = ocean.truth + s * MemberNoise(1, [0, 1])(ocean.shape)
    x_vp = (x / (1 + s**2).sqrt()).requires_grad_()
    norm = seen.residual(ocean.prior(x_vp * (1 + s**2).sqrt(), s)).norm(dim=-1).sum()
    slope = torch.autograd.grad(norm, x_vp)[0]
    step = plain.step(x, s, s_next, MemberNoise(3, [0, 1])) / (1 + s_next**2).sqrt()
    found = DPSSampler(plain, [seen], zeta=0.4).step(x, s, s_next, MemberNoise(3, [0, 1]))
    assert torch.allclose(found / (1 + s_next**2).sqrt(), step - 0.4 * slope, atol=1e-5)


@pytest.mark.parametrize(("kind", "calls"), [(DDIM, 1), (Heun, 2)])
def test_members_do_not_mix_and_no_evaluation_is_wasted(
    ocean: GaussianOcean, kind: type[DDIM], calls: int
) -> None:
    count = 0

    def counted(x: Tensor, sigma: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return ocean.prior(x, sigma)

    sampler = DPSSampler(kind(counted, karras(10, 0.02, 20.0)), [ocean.cells()])
    together = sampler(MemberNoise(0, range(3)), ocean.shape)
    assert count == 10 * calls - (calls - 1)
    alone = sampler(MemberNoise(0, [1]), ocean.shape)
    assert torch.allclose(together[1], alone[0], atol=1e-4)
    assert float(together[:, ~ocean.prior.mask].abs().max()) < 1e-7  # Heun's own rounding


def test_around_a_corrector(ocean: GaussianOcean) -> None:
    """Every step that wraps another one passes the known evaluation on."""
    sigmas = karras(10, 0.02, 20.0)
    plain = Ancestral(ocean.prior, sigmas)
    method = DPSSampler(PredictorCorrector(plain, corrections=0), [ocean.cells()])
    expected = DPSSampler(plain, [ocean.cells()])(MemberNoise(0, [1]), ocean.shape)
    assert torch.equal(method(MemberNoise(0, [1]), ocean.shape), expected)


def test_values_that_are_met_exactly_do_not_divide_by_zero(ocean: GaussianOcean) -> None:
    seen = ocean.cells()
    nothing = replace(seen, values=torch.zeros_like(seen.values))
    sampler = DPSSampler(DDIM(ocean.prior, karras(3, 0.1, 1.0)), [nothing])
    zero = torch.zeros(1, *ocean.shape)
    step = sampler.step(zero, torch.tensor(1.0), torch.tensor(0.5), MemberNoise(0, [0]))
    assert torch.equal(step, zero)


def test_settings_are_checked(ocean: GaussianOcean) -> None:
    with pytest.raises(InputError, match="zeta is -1"):
        DPS(ocean.prior, [ocean.cells()], zeta=-1.0)
    with pytest.raises(InputError, match="zeta is 0"):
        DPSSampler(DDIM(ocean.prior, karras(3, 0.1, 1.0)), [ocean.cells()], zeta=0.0)
