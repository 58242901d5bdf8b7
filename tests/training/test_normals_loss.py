"""The likelihood of normals: least at the true mean and spread, by area, and trainable."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.training.regression import NormalsLoss, normals_nll

AREA = torch.tensor([0.2, 1.0, 0.6])[:, None].expand(3, 4)


@dataclass
class Told:
    mean: Tensor
    log_spread: Tensor


class Linear(nn.Module):
    """mean = a k, spread = exp(b): the truth of the toy has a = 0.7 and b = ln 0.5."""

    def __init__(self, a: float = 0.0, b: float = 0.0) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.tensor(a)), nn.Parameter(torch.tensor(b))

    def forward(self, known: Tensor) -> Told:
        return Told(self.a * known, self.b.expand(known.shape))


def pairs(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    known = torch.randn(count, 2, 3, 4, generator=generator)
    noise = torch.randn(known.shape, generator=generator)
    return 0.7 * known + 0.5 * noise, known


def test_it_is_the_density_of_the_normal() -> None:
    x, known = (v.double() for v in pairs(5))
    told = Told(0.3 * known, 0.1 * known)
    density = torch.distributions.Normal(told.mean, told.log_spread.exp()).log_prob(x)
    expected = -density.mean((1, 2, 3)) - 0.5 * math.log(2 * math.pi)
    torch.testing.assert_close(normals_nll(told, x, torch.ones(3, 4)), expected)


def test_weights_are_shares_of_the_area() -> None:
    told = Told(torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 3, 4))
    x = torch.zeros(1, 1, 3, 4)
    x[..., 1, :] = 2.0  # a square of 4 in 1.0 of 1.8
    assert normals_nll(told, x, AREA).item() == pytest.approx(0.5 * 4.0 / 1.8)
    assert normals_nll(told, x, 7.0 * AREA).item() == pytest.approx(0.5 * 4.0 / 1.8)


@pytest.mark.parametrize(("a", "b"), [(0.6, 0.5), (0.8, 0.5), (0.7, 0.4), (0.7, 0.62)])
def test_every_other_mean_or_spread_loses_more(a: float, b: float) -> None:
    batch, generator = pairs(4000), torch.Generator()
    best = NormalsLoss(Linear(0.7, math.log(0.5)), AREA)(batch, generator)
    assert NormalsLoss(Linear(a, math.log(b)), AREA)(batch, generator) > best
    assert best.item() == pytest.approx(math.log(0.5) + 0.5, abs=0.01)


def test_training_finds_mean_and_spread() -> None:
    loss, batch, generator = NormalsLoss(Linear(), AREA), pairs(2000), torch.Generator()
    optimiser = torch.optim.Adam(loss.parameters(), lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        loss(batch, generator).backward()
        optimiser.step()
    assert loss.net.a.item() == pytest.approx(0.7, abs=0.02)
    assert loss.net.b.exp().item() == pytest.approx(0.5, abs=0.01)


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="no cell has a positive weight"):
        NormalsLoss(Linear(), torch.zeros(3, 4))
    x, known = pairs(2)
    with pytest.raises(InputError, match="not of the normals'"):
        normals_nll(Linear()(known), x[:1], AREA)
