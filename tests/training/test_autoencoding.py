"""The loss of an autoencoder: principal components at beta 0, a known optimum above it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.nets.autoencoder import DiagonalGaussian
from isopleth.training import TrainingRecipe, fit
from isopleth.training.autoencoding import AutoencodingLoss

SHAPE = (2, 2, 3)
AREA = torch.tensor([1.0, 3.0])[:, None]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Linear(nn.Module):
    """Two latents for twelve numbers, with a constant log variance."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.down, self.up = nn.Linear(12, 2, bias=False), nn.Linear(2, 12, bias=False)
        self.log_variance = nn.Parameter(torch.full((2,), -4.0))

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        mean = self.down(x.flatten(1))
        return DiagonalGaussian(mean, self.log_variance.expand(mean.shape))

    def decode(self, z: Tensor) -> Tensor:
        return self.up(z).unflatten(1, SHAPE)


class Scalar(nn.Module):
    """`q = N(a x, s^2)`, `D = b z` for one number."""

    def __init__(self, a: float, b: float, variance: float) -> None:
        super().__init__()
        self.a, self.b = a, nn.Parameter(torch.tensor(b))
        self.log_variance = math.log(variance)

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        mean = self.a * x.flatten(1)
        return DiagonalGaussian(mean, torch.full_like(mean, self.log_variance))

    def decode(self, z: Tensor) -> Tensor:
        return (self.b * z)[:, :, None, None]


def test_a_linear_autoencoder_finds_the_principal_components(tmp_path: Path) -> None:
    """Its smallest loss is the variance that the two leading weighted EOFs leave out."""
    x = (draw(400, 12) @ torch.diag(0.8 ** torch.arange(12)) @ draw(12, 12, seed=2)).unflatten(
        1, SHAPE
    )
    share = AREA.expand(SHAPE) / AREA.expand(SHAPE).sum()
    values = torch.linalg.svdvals((x * share.sqrt()).flatten(1).double()).square() / len(x)
    net = Linear()
    recipe = TrainingRecipe(steps=1500, rate=2e-2, warmup=10, accelerator="cpu", average=0.9)
    objective = AutoencodingLoss(net, AREA, beta=0.0)
    fit(objective, lambda draw: x, recipe, tmp_path)
    assert objective(x, stream()).item() == pytest.approx(float(values[2:].sum()), rel=0.01)


def test_the_loss_of_a_scalar_is_its_expectation() -> None:
    """`(a b - 1)^2 + b^2 s^2 + beta (a^2 + s^2 - 1 - ln s^2) / 2` for x ~ N(0, 1)."""
    a, b, v, beta = 0.8, 1.1, 0.1, 0.2
    loss = AutoencodingLoss(Scalar(a, b, v), torch.ones(1, 1, 1), beta)
    x = draw(200_000, 1, 1, 1)
    expected = (a * b - 1) ** 2 + b * b * v + beta * 0.5 * (a * a + v - 1 - math.log(v))
    assert loss(x, stream(5)).item() == pytest.approx(expected, rel=0.02)


def test_at_beta_zero_nothing_is_drawn() -> None:
    loss = AutoencodingLoss(Scalar(0.8, 1.1, 0.5), torch.ones(1, 1, 1), 0.0)
    x = draw(100, 1, 1, 1)
    assert loss(x, stream(1)) == loss(x, stream(2))
    noisy = AutoencodingLoss(Scalar(0.8, 1.1, 0.5), torch.ones(1, 1, 1), 1e-6)
    assert noisy(x, stream(1)) != noisy(x, stream(2))
    assert noisy(x, stream(1)) == noisy(x, stream(1))


def test_cells_count_by_their_weight() -> None:
    loss = AutoencodingLoss(Linear(), AREA, 0.0)
    x = torch.zeros(1, *SHAPE)
    north, south = x.clone(), x.clone()
    north[0, 0, 0, 0], south[0, 0, 1, 0] = 1.0, 1.0
    assert loss.error(south, x).item() == pytest.approx(3 * loss.error(north, x).item())
    assert loss.error(x + 2.0, x).item() == pytest.approx(4.0)


def test_every_parameter_gets_a_gradient() -> None:
    net = Linear()
    AutoencodingLoss(net, AREA, 1e-3)(draw(8, *SHAPE), stream()).backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in net.parameters())


@pytest.mark.parametrize(
    ("weights", "beta", "match"),
    [
        (torch.zeros(2, 1), 1e-5, "no cell has a positive weight"),
        (torch.tensor([[1.0], [-1.0]]), 1e-5, "one is negative"),
        (AREA, -1.0, "beta is -1.0"),
        (AREA, float("nan"), "beta is nan"),
    ],
)
def test_bad_settings_are_refused(weights: Tensor, beta: float, match: str) -> None:
    with pytest.raises(InputError, match=match):
        AutoencodingLoss(Linear(), weights, beta)
