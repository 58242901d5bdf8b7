"""Regression with its own error: closed forms of the likelihood, and what must not matter."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.regression import (
    MaskedLikelihood,
    Predictive,
    Regression,
    SparseSampling,
    negative_log_likelihood,
)

OCEAN = torch.tensor([[[True, True, False], [True, True, True]]])


class Constant:
    """Answers with two numbers everywhere, and keeps what it was asked."""

    def __init__(self, scaled: float, log_precision: float) -> None:
        self.answer = torch.tensor([scaled, log_precision])

    def __call__(self, x: Tensor, noise: Tensor, *condition: Tensor) -> Tensor:
        self.asked, self.noise, self.condition = x, noise, condition
        return self.answer[None, :, None, None].expand(len(x), 2, *x.shape[2:])


class Pixelwise(torch.nn.Module):
    """`F` linear in the cell's own inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Conv2d(2, 2, 1)
        torch.nn.init.zeros_(self.linear.weight)
        torch.nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, noise: Tensor, *condition: Tensor) -> Tensor:
        return self.linear(x)


def test_natural_parameters_become_mean_and_variance() -> None:
    field = torch.zeros(2, 1, 2, 3)
    given = Regression(Constant(6.0, math.log(4.0)), OCEAN)(field, field)
    torch.testing.assert_close(given.mean[:, OCEAN], torch.full((2, 5), 1.5))
    torch.testing.assert_close(given.variance[:, OCEAN], torch.full((2, 5), 0.25))
    assert (given.mean[:, ~OCEAN] == 0).all()
    assert (given.variance[:, ~OCEAN] == 0).all()


def test_an_untrained_network_is_the_climatology() -> None:
    given = Regression(Pixelwise(), OCEAN)(torch.randn(1, 1, 2, 3), torch.ones(1, 1, 2, 3))
    assert (given.mean == 0).all()
    assert (given.variance[:, OCEAN] == 1).all()


def test_hidden_cells_and_land_are_never_read() -> None:
    net = Constant(0.0, 0.0)
    values = torch.tensor([[[[1.0, math.nan, math.nan], [3.0, math.inf, 5.0]]]])
    precision = torch.tensor([[[[1.0, 0.0, 1.0], [0.5, 0.0, 0.0]]]])
    Regression(net, OCEAN)(values, precision)
    assert net.asked[0, 0].tolist() == [[1.0, 0.0, 0.0], [1.5, 0.0, 0.0]]
    assert net.asked[0, 1].tolist() == [[1.0, 0.0, 0.0], [0.5, 0.0, 0.0]]
    assert net.noise.tolist() == [0.0]


def test_the_condition_reaches_the_network() -> None:
    net, field, month = Constant(0.0, 0.0), torch.zeros(1, 1, 2, 3), torch.tensor([7])
    Regression(net, OCEAN)(field, field, month)
    assert net.condition == (month,)
    with pytest.raises(InputError, match="no weights to train"):
        MaskedLikelihood(Regression(net, OCEAN))


def test_shapes_that_do_not_fit_are_refused() -> None:
    regression = Regression(Constant(0.0, 0.0), OCEAN)
    with pytest.raises(InputError, match="do not fit"):
        regression(torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 3, 3))
    with pytest.raises(InputError, match="2 channels for 2 levels"):
        Regression(Constant(0.0, 0.0), OCEAN.expand(2, 2, 3))(*torch.zeros(2, 1, 2, 2, 3))


def test_likelihood_is_that_of_a_normal() -> None:
    truth, mean, variance = torch.randn(3, 4, 1, 2, 3, generator=torch.Generator().manual_seed(1))
    predictive = Predictive(mean, variance.exp())
    exact = torch.distributions.Normal(mean, variance.exp().sqrt()).log_prob(truth)
    expected = -(exact + 0.5 * math.log(2 * math.pi))[:, OCEAN].mean()
    got = negative_log_likelihood(predictive, truth, OCEAN)
    torch.testing.assert_close(got, expected)
    under_land = torch.where(OCEAN, truth, 99.0)
    assert negative_log_likelihood(predictive, under_land, OCEAN) == got


def test_weights_weigh_cells() -> None:
    truth = torch.tensor([[[[2.0, 0.0, 9.0], [0.0, 0.0, 0.0]]]])
    predictive = Predictive(torch.zeros_like(truth), torch.ones_like(truth))
    weights = torch.tensor([[[3.0, 1.0, 1.0], [1.0, 1.0, 1.0]]])
    got = negative_log_likelihood(predictive, truth, OCEAN, weights)
    assert got.item() == pytest.approx(0.5 * 3 * 4 / 7)


@pytest.mark.parametrize("profiles", [0.0, 1.0])
def test_sampling_sees_the_asked_fraction_of_the_ocean(profiles: float) -> None:
    mask = torch.ones(4, 30, 60, dtype=torch.bool)
    mask[:, :10, :10] = False
    sampling = SparseSampling(low=0.1, high=0.1, profiles=profiles)
    seen = sampling(mask, 8, torch.Generator().manual_seed(0))
    assert not seen[:, ~mask].any()
    assert seen[:, mask].float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert (seen == seen[:, :1]).all().item() == (profiles == 1.0)
    assert not (seen[0] == seen[1]).all()
    again = sampling(mask, 8, torch.Generator().manual_seed(0))
    assert (seen == again).all()


def test_sampling_covers_its_range_and_refuses_others() -> None:
    mask = torch.ones(1, 40, 80, dtype=torch.bool)
    seen = SparseSampling(low=0.01, high=0.3)(mask, 64, torch.Generator().manual_seed(0))
    fraction = seen.float().mean((1, 2, 3))
    assert fraction.min() < 0.03
    assert fraction.max() > 0.15
    with pytest.raises(InputError, match="not possible"):
        SparseSampling(low=0.2, high=0.1)


def test_training_finds_the_closed_form_of_white_noise() -> None:
    """White `N(0, 4)`: a seen cell is known, a hidden one has mean 0 and variance 4."""
    torch.manual_seed(0)
    net, ocean = Pixelwise(), torch.ones(1, 16, 16, dtype=torch.bool)
    regression = Regression(net, ocean)
    sampling = SparseSampling(low=0.5, high=0.5, profiles=0.0)
    objective = MaskedLikelihood(regression, sampling, noise=1.0)
    optimiser = torch.optim.Adam(net.parameters(), 0.03)
    generator = torch.Generator().manual_seed(0)
    for _ in range(600):
        optimiser.zero_grad()
        objective(2.0 * torch.randn(16, 1, 16, 16, generator=generator), generator).backward()
        optimiser.step()
    hidden = regression(torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16))
    seen = regression(torch.full((1, 1, 16, 16), 2.0), torch.full((1, 1, 16, 16), 0.5))
    assert hidden.variance.mean().item() == pytest.approx(4.0, rel=0.1)
    assert hidden.mean.abs().max().item() < 0.1
    # Posterior of N(0, 4) with error variance 1: mean 4/5 y, variance 4/5.
    assert seen.mean.mean().item() == pytest.approx(1.6, rel=0.1)
    assert seen.variance.mean().item() == pytest.approx(0.8, rel=0.1)
