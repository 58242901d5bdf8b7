"""Conformance: what every prior has to do, whatever is inside."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.priors import Edm, EofGaussian, EpsilonVp, GaussianPreconditioned, LinearVp

SHAPE = (2, 6, 8)
OCEAN = torch.ones(SHAPE, dtype=torch.bool)
OCEAN[:, :2, 3:] = False


class Convolution(nn.Module):
    """A network of one layer that knows the noise level."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(channels + 1, SHAPE[0], 3, padding=1)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        level = noise.reshape(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])
        return self.layer(torch.cat([x, level], dim=1))


def gaussian() -> EofGaussian:
    V = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    return EofGaussian(V, torch.tensor([0.5, 0.3, 0.1]), torch.tensor(0.2), OCEAN)


PRIORS: dict[str, Callable[[], nn.Module]] = {
    "gaussian": gaussian,
    "edm": lambda: Edm(Convolution(2), OCEAN),
    "preconditioned": lambda: GaussianPreconditioned(Convolution(4), gaussian(), OCEAN),
    "epsilon": lambda: EpsilonVp(Convolution(2), LinearVp().alpha_bar),
}
MASKED = [name for name in PRIORS if name != "epsilon"]


@pytest.fixture
def prior(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return PRIORS[request.param]()


every = pytest.mark.parametrize("prior", PRIORS, indirect=True)
masked = pytest.mark.parametrize("prior", MASKED, indirect=True)


@every
def test_rows_do_not_mix(prior: nn.Module) -> None:
    x, sigma = torch.randn(4, *SHAPE), torch.tensor([0.02, 0.5, 2.0, 60.0])
    alone = torch.cat([prior(x[i : i + 1], sigma[i]) for i in range(4)])
    torch.testing.assert_close(prior(x, sigma), alone, rtol=1e-4, atol=1e-5)


@every
def test_one_level_is_that_level_for_every_row(prior: nn.Module) -> None:
    x = torch.randn(3, *SHAPE)
    one, each = prior(x, torch.tensor(0.7)), prior(x, torch.full((3,), 0.7))
    torch.testing.assert_close(one, each, rtol=1e-4, atol=1e-5)
    assert one.dtype == x.dtype


@every
def test_without_noise_the_field_is_the_answer(prior: nn.Module) -> None:
    x = torch.randn(2, *SHAPE) * OCEAN
    torch.testing.assert_close(prior(x, torch.tensor(0.0)), x)


@masked
def test_land_is_0_and_never_read(prior: nn.Module) -> None:
    x = torch.randn(2, *SHAPE)
    other = torch.where(OCEAN, x, float("nan"))
    D = prior(x, torch.tensor(0.5))
    assert torch.equal(prior(other, torch.tensor(0.5)), D)
    assert (D[:, ~OCEAN] == 0.0).all()


@masked
def test_bf16_networks_answer_in_the_dtype_of_x(prior: nn.Module) -> None:
    x, sigma = torch.randn(2, *SHAPE), torch.tensor([0.01, 5.0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        D = prior(x, sigma)
    assert D.dtype == torch.float32
    torch.testing.assert_close(D, prior(x, sigma), rtol=0.03, atol=0.03)


@every
def test_the_answer_has_a_gradient(prior: nn.Module) -> None:
    x = torch.randn(2, *SHAPE, requires_grad=True)
    prior(x, torch.tensor([0.3, 0.3]))[0].sum().backward()
    assert x.grad is not None
    assert (x.grad[0] != 0.0).any()
    assert (x.grad[1] == 0.0).all()


@every
def test_a_level_a_row(prior: nn.Module) -> None:
    with pytest.raises(InputError, match="one for every row of the batch"):
        prior(torch.zeros(3, *SHAPE), torch.ones(2))
    with pytest.raises(InputError, match="give x as"):
        prior(torch.zeros(SHAPE), torch.tensor(1.0))
