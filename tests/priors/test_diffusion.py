from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.priors.diffusion import Edm, EpsilonVp, GaussianPreconditioned
from isopleth.priors.gaussian import EofGaussian
from isopleth.priors.samplers import DDIM
from isopleth.priors.schedules import LinearVp

SHAPE = (2, 4, 5)
OCEAN = torch.ones(SHAPE, dtype=torch.bool)


class Constant(nn.Module):
    """A network that says one number and remembers what it was given."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        self.x, self.noise = x, noise
        return torch.full((len(x), *SHAPE), self.value, dtype=torch.bfloat16)


def test_edm_is_the_filter_of_white_noise_plus_the_network() -> None:
    x, sigma = torch.randn(3, *SHAPE), torch.tensor([0.1, 1.0, 30.0])
    v = (sigma.square() + 0.25).reshape(-1, 1, 1, 1)
    silent, net = Edm(Constant(0.0), OCEAN, 0.5), Constant(1.0)
    torch.testing.assert_close(silent(x, sigma), 0.25 / v * x)
    more = Edm(net, OCEAN, 0.5)(x, sigma) - silent(x, sigma)
    want = (0.5 * sigma).reshape(-1, 1, 1, 1) / v.sqrt()
    torch.testing.assert_close(more, want.expand_as(more))
    torch.testing.assert_close(net.x, x / v.sqrt())
    torch.testing.assert_close(net.noise, sigma.log() / 4.0)
    weight = silent.loss_weight(sigma)
    torch.testing.assert_close(weight, want.flatten().square().reciprocal())


def test_a_silent_network_leaves_the_gaussian(gaussian: EofGaussian) -> None:
    prior = GaussianPreconditioned(Constant(0.0), gaussian.float(), gaussian.mask)
    x = torch.randn(3, *SHAPE)
    for sigma in (torch.tensor(0.3), torch.tensor([0.0, 1.0, 50.0])):
        torch.testing.assert_close(prior(x, sigma), gaussian(x, sigma))


def test_what_the_network_learns_has_unit_variance(gaussian: EofGaussian) -> None:
    stream = torch.Generator().manual_seed(1)

    def draw(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(4000, *shape, generator=stream)

    x0 = gaussian.float().sample(draw)
    prior = GaussianPreconditioned(Constant(0.0), gaussian, gaussian.mask)
    for sigma in torch.tensor([0.05, 0.5, 20.0]):
        x = x0 + sigma * draw(SHAPE)
        target = (x0 - prior(x, sigma))[:, gaussian.mask]
        assert float(target.square().mean() * prior.loss_weight(sigma)) == pytest.approx(
            1, abs=0.05
        )
        loud = GaussianPreconditioned(Constant(1.0), gaussian, gaussian.mask)
        share = (loud(x, sigma) - prior(x, sigma))[:, gaussian.mask].square().mean()
        assert float(share * prior.loss_weight(sigma)) == pytest.approx(1, abs=0.001)


def test_the_network_sees_the_field_and_the_filtered_field(gaussian: EofGaussian) -> None:
    net, x, sigma = Constant(0.0), torch.randn(2, *SHAPE), torch.tensor([0.5, 3.0])
    GaussianPreconditioned(net, gaussian.float(), gaussian.mask)(x, sigma)
    assert net.x.shape == (2, 4, 4, 5)
    scaled = x * gaussian.mask / (1.0 + sigma.square()).sqrt().reshape(-1, 1, 1, 1)
    torch.testing.assert_close(net.x[:, :2], scaled)
    torch.testing.assert_close(net.x[:, 2:], gaussian(x, sigma))


class GaussianNoise(nn.Module):
    """The perfect epsilon network of N(0, variance): `eps = sqrt(1 - abar) x_t / V[x_t]`."""

    def __init__(self, alpha_bar: Tensor, variance: float) -> None:
        super().__init__()
        self.alpha_bar, self.variance = alpha_bar, variance

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        self.t = t
        abar = self.alpha_bar[t.round().long()].reshape(-1, 1, 1, 1)
        return (1.0 - abar).sqrt() * x / (abar * self.variance + 1.0 - abar)


def test_a_noise_network_becomes_a_denoiser() -> None:
    path = LinearVp()
    net = GaussianNoise(path.alpha_bar, 2.0)
    prior = EpsilonVp(net, path.alpha_bar)
    x, sigma = torch.randn(3, *SHAPE).double(), path.sigmas[[0, 500, 999]]
    want = x * (2.0 / (2.0 + sigma.square())).reshape(-1, 1, 1, 1)
    torch.testing.assert_close(prior(x, sigma), want, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(net.t, torch.tensor([999.0, 499.0, 0.0]).double())
    between = (path.sigmas[500] * path.sigmas[501]).sqrt()
    assert prior.step(between[None]).tolist() == pytest.approx([498.5])
    assert prior.step(torch.tensor([0.0, 1e6])).tolist() == [0.0, 999.0]


def test_the_ddim_of_the_paper_in_its_own_variables() -> None:
    path, x = LinearVp(50), torch.randn(1, *SHAPE).double()
    net = GaussianNoise(path.alpha_bar, 2.0)
    sampler = DDIM(EpsilonVp(net, path.alpha_bar), path.sigmas)
    ours = sampler(lambda shape: x, SHAPE)
    x_t = x * path.sigmas[0] * path.alpha_bar[-1].sqrt()
    before = torch.cat([torch.ones(1).double(), path.alpha_bar[:-1]])
    for t in range(49, -1, -1):
        abar, eps = path.alpha_bar[t], net(x_t, torch.tensor([t]))
        x_0 = (x_t - (1.0 - abar).sqrt() * eps) / abar.sqrt()
        x_t = before[t].sqrt() * x_0 + (1.0 - before[t]).sqrt() * eps
    torch.testing.assert_close(ours, x_t, rtol=1e-6, atol=1e-8)


def test_the_clamp() -> None:
    path = LinearVp()
    x = 5.0 * torch.randn(1, *SHAPE)
    prior = EpsilonVp(Constant(0.0), path.alpha_bar, clamp=(-1.0, 1.0))
    assert torch.equal(prior(x, torch.tensor(1.0)), x.clamp(-1.0, 1.0))


def test_settings_that_cannot_be() -> None:
    with pytest.raises(InputError, match="sigma_data is 0"):
        Edm(Constant(0.0), OCEAN, 0.0)
    for wrong in (torch.tensor([0.5]), torch.tensor([0.5, 0.9]), torch.tensor([1.0, 0.5])):
        with pytest.raises(InputError, match="does not decrease from 1 to 0"):
            EpsilonVp(Constant(0.0), wrong)
