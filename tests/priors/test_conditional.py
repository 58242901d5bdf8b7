"""The conditional denoiser: exactly Gaussian with a silent network, told its case, by row."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.nets.dit import DiT, DiTConfig
from isopleth.nets.unet import UNet, UNetConfig
from isopleth.priors.background_latent import ErrorLatents, StateLatents
from isopleth.priors.background_regression import BackgroundRegression
from isopleth.priors.codec import Identity
from isopleth.priors.conditional import ConditionalDenoiser, WhiteGaussian
from isopleth.priors.eof_codec import EofCodec
from isopleth.priors.samplers import Heun
from isopleth.priors.schedules import karras

STATE = (2, 4, 8)
AREA = torch.tensor([0.4, 1.0, 1.0, 0.4])[:, None]
MODES = 20


class Silent(nn.Module):
    """Says 0, as a network does before training; keeps what it was asked."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.asked: list[tuple[Tensor, ...]] = []

    def forward(self, x: Tensor, noise: Tensor, condition: Tensor) -> Tensor:
        self.asked.append((x, noise, condition))
        return x.new_zeros(len(x), self.channels, *x.shape[2:])


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def error_latents() -> ErrorLatents:
    errors = draw(300, *STATE, seed=1) + draw(300, 2, 1, 1, seed=2)
    codec = EofCodec.fit(errors, AREA, MODES)
    start = BackgroundRegression(Silent(4), torch.full(STATE, 0.3), torch.ones(1, 4, 8))
    return ErrorLatents(start, codec, torch.zeros(STATE))


def state_latents() -> StateLatents:
    return StateLatents(Identity(), AREA[:, 0], 2, STATE)


def unet(channel: int, told: int) -> UNet:
    return UNet(
        UNetConfig(in_channels=2 * channel, out_channels=channel, condition_channels=told,
                   widths=(8,), attention=(True,), embedding=8)
    )  # fmt: skip


def transformer(channel: int, told: int) -> DiT:
    return DiT(
        DiTConfig(in_channels=2 * channel, out_channels=channel, condition_channels=told,
                  width=8, depth=1, heads=2, patch=2, embedding=8, cross=True)
    )  # fmt: skip


def awake(net: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net


KINDS = pytest.mark.parametrize("make", [error_latents, state_latents])
NETS = pytest.mark.parametrize("build", [unet, transformer])
Make = Callable[[], ErrorLatents | StateLatents]
Build = Callable[[int, int], nn.Module]


@KINDS
@NETS
def test_before_training_it_is_the_denoiser_of_white_latents(make: Make, build: Build) -> None:
    latents = make()
    prior = ConditionalDenoiser(build(*latents.channels), latents).given(draw(3, *STATE))
    z, sigma = draw(6, *latents.latent_shape), torch.tensor([1e-6, 0.1, 0.5, 1.0, 7.0, 80.0])
    v = 1.0 + sigma.reshape(-1, *(1 for _ in latents.latent_shape)).square()
    torch.testing.assert_close(prior(z, sigma), z / v, rtol=1e-6, atol=0)
    assert torch.equal(prior(z, sigma), WhiteGaussian()(z, sigma))
    assert torch.equal(prior(z, torch.tensor(0.0)), z)


def test_latents_of_another_size_have_another_filter() -> None:
    latents = state_latents()
    prior = ConditionalDenoiser(Silent(2), latents, sigma_data=2.0).given(draw(1, *STATE))
    z = draw(3, *STATE)
    torch.testing.assert_close(prior(z, torch.tensor(1.0)), 0.8 * z)
    assert torch.equal(prior(z, torch.tensor(1.0)), WhiteGaussian(2.0)(z, torch.tensor(1.0)))


def test_what_the_network_is_asked_is_of_order_one_on_the_grid() -> None:
    latents = error_latents()
    denoiser = ConditionalDenoiser(Silent(2), latents)
    known = draw(1, *STATE)
    for sigma in (0.1, 1.0, 30.0):
        z = draw(2000, MODES, seed=3) + sigma * draw(2000, MODES, seed=4)
        denoiser.given(known)(z, torch.tensor(sigma))
        x, noise, condition = denoiser.net.asked[-1]
        explained = latents.field(draw(2000, MODES, seed=3)).var(0).mean()
        torch.testing.assert_close(x[:, 2:].var(0).mean(), explained, rtol=0.05, atol=0)
        filtered = (x[:, 2:] / (1 + sigma**2) ** 0.5 - x[:, :2]).abs().max()
        assert filtered < 1e-5
        assert noise.shape == (2000,)
        assert noise[0].item() == pytest.approx(torch.tensor(sigma).log().item() / 4)
        assert condition.shape == (2000, latents.channels[1], 4, 8)


def test_what_the_network_says_is_scaled_and_projected() -> None:
    class Says(Silent):
        def forward(self, x: Tensor, noise: Tensor, condition: Tensor) -> Tensor:
            return torch.ones_like(super().forward(x, noise, condition))

    latents = error_latents()
    prior = ConditionalDenoiser(Says(2), latents).given(draw(1, *STATE))
    answer = prior(torch.zeros(1, MODES), torch.tensor(2.0))
    expected = 2.0 / 5**0.5 * latents.project(torch.ones(1, *STATE))
    torch.testing.assert_close(answer, expected)


@KINDS
@NETS
def test_rows_are_told_their_own_case(make: Make, build: Build) -> None:
    torch.manual_seed(0)
    latents = make().double()
    denoiser = ConditionalDenoiser(awake(build(*latents.channels)), latents).double()
    known = draw(3, *STATE).double()
    z = draw(6, *latents.latent_shape, seed=5).double()
    sigma = torch.linspace(0.2, 2.0, 6, dtype=torch.float64)
    together = denoiser.given(known)(z, sigma)
    for row in range(6):
        alone = denoiser.given(known[row % 3][None])(z[row : row + 1], sigma[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)
    other = denoiser.given(known.roll(1, 0))(z, sigma)
    assert (other - together).abs().flatten(1).amax(1).min() > 1e-4


def test_it_is_differentiable_in_z() -> None:
    torch.manual_seed(0)
    latents = error_latents()
    denoiser = ConditionalDenoiser(awake(unet(*latents.channels)), latents).double()
    prior = denoiser.given(draw(2, *STATE))
    z = draw(2, MODES, seed=5).double().requires_grad_()
    sigma = torch.tensor(0.7, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: prior(z, sigma), (z,), fast_mode=True, atol=1e-4)


def test_the_loss_weight_is_the_error_of_the_filter() -> None:
    sigma = torch.tensor([0.1, 1.0, 5.0])
    denoiser = ConditionalDenoiser(Silent(2), error_latents())
    torch.testing.assert_close(denoiser.loss_weight(sigma), (1 + sigma**2) / sigma**2)


def test_untrained_samples_have_the_covariance_of_the_latents() -> None:
    """The control, through a sampler: states of mean x_b and the variance of resolved errors."""
    latents, known = error_latents(), draw(1, *STATE)
    prior = ConditionalDenoiser(Silent(2), latents).given(known)
    sampler = Heun(prior, karras(60, 0.01, 40.0).float())
    z = sampler(lambda shape: draw(2000, *shape, seed=6), (MODES,))
    x = prior.latents.decode(z)
    assert z.var(0).mean().item() == pytest.approx(1.0, abs=0.03)
    resolved = (latents.codec.modes * latents.codec.spread[:, None, None, None]).square().sum(0)
    torch.testing.assert_close(x.var(0), 0.09 * resolved, rtol=0.2, atol=0)
    away = x.mean(0) - known[0] - 0.3 * latents.codec.mean
    assert away.abs().max() < 0.03


def test_what_is_refused() -> None:
    denoiser = ConditionalDenoiser(Silent(2), error_latents())
    with pytest.raises(InputError, match=r"rows of latents \(20,\)"):
        denoiser.given(draw(1, *STATE))(draw(2, 19), torch.tensor(1.0))
    with pytest.raises(InputError, match="3 rows and backgrounds of 2 cases"):
        denoiser.given(draw(2, *STATE))(draw(3, MODES), torch.tensor(1.0))
    with pytest.raises(InputError, match="sigma_data is 0"):
        ConditionalDenoiser(Silent(2), error_latents(), sigma_data=0.0)
    with pytest.raises(InputError, match="scale is -1"):
        WhiteGaussian(-1.0)
