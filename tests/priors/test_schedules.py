from __future__ import annotations

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.priors.schedules import CosineVp, LinearVp, karras
from isopleth.training.objectives import DenoisingLoss


def test_karras_is_even_in_the_root() -> None:
    sigmas = karras(9, 0.02, 50.0, rho=5.0)
    assert sigmas.shape == (10,)
    assert sigmas[-1] == 0.0
    np.testing.assert_allclose(sigmas[[0, -2]], [50.0, 0.02])
    gaps = sigmas[:-1].pow(1.0 / 5.0).diff()
    torch.testing.assert_close(gaps, gaps[:1].expand(8))
    assert karras(1, 0.02, 50.0).tolist() == [50.0, 0.0]


def test_the_linear_path_of_the_paper() -> None:
    path = LinearVp()
    assert path.betas[[0, -1]].tolist() == [1e-4, 0.02]
    assert float(path.alpha_bar[-1]) == pytest.approx(4.0358e-5, rel=1e-3)
    by_hand = np.cumprod(1.0 - np.linspace(1e-4, 0.02, 1000))
    np.testing.assert_allclose(path.alpha_bar, by_hand, rtol=1e-12)
    assert float(path.sigmas[-2]) == pytest.approx((1e-4 / (1 - 1e-4)) ** 0.5)
    assert float(path.sigmas[0]) == pytest.approx(157.4, abs=0.1)


def test_fewer_steps_walk_the_same_path() -> None:
    whole, short = LinearVp(), LinearVp(100)
    np.testing.assert_allclose(short.betas, 10.0 * np.linspace(1e-4, 0.02, 100))
    same_time = whole.alpha_bar[9::10].log()
    torch.testing.assert_close(short.alpha_bar.log(), same_time, rtol=0.12, atol=0.02)
    assert (short.sigmas.diff() < 0.0).all()


@pytest.mark.parametrize("steps", [1, 20])
def test_a_beta_must_be_a_share(steps: int) -> None:
    with pytest.raises(InputError, match="is below 1"):
        LinearVp(steps)
    assert LinearVp(21).betas[-1] < 1.0


@pytest.mark.parametrize(
    "wrong", [(0, 0.1, 1.0), (4, 0.0, 1.0), (4, 2.0, 1.0), (4, 1.0, 2.0, 0.0)]
)
def test_levels_that_make_no_schedule(wrong: tuple) -> None:
    with pytest.raises(InputError, match="two positive levels, the higher first"):
        karras(*wrong)


@pytest.mark.parametrize("eta", [1e-3, 0.05])
def test_the_cosine_path_of_the_paper(eta: float) -> None:
    path, t = CosineVp(10, eta), torch.linspace(0.0, 1.0, 11, dtype=torch.float64)
    mu = np.cos(np.arccos(np.sqrt(eta)) * t.numpy()) ** 2
    by_hand = np.sqrt(1.0 - mu**2 + eta**2) / mu
    np.testing.assert_allclose(path.noise_level(t), by_hand, rtol=1e-9)
    np.testing.assert_allclose(path.noise_level(t)[[0, -1]], [eta, 1.0 / eta])
    assert path.sigmas.shape == (11,)
    np.testing.assert_allclose(path.sigmas[:-1], by_hand[:0:-1], rtol=1e-9)
    assert path.sigmas[-1] == 0.0
    assert (path.sigmas.diff() < 0.0).all()


def test_cosine_levels_in_single_precision() -> None:
    path, t = CosineVp(), torch.linspace(0.0, 1.0, 1001, dtype=torch.float64)
    exact, single = path.noise_level(t), path.noise_level(t.float())
    assert (single.diff() > 0.0).all()
    np.testing.assert_allclose(single.double(), exact, rtol=1e-5)


def test_training_at_uniform_times() -> None:
    """A quantile function: as many levels are below that of t as times are below t."""
    path, asked = CosineVp(), []

    class Zero(torch.nn.Module):
        def forward(self, x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            asked.append(sigma)
            return 0.0 * x

    loss = DenoisingLoss(Zero(), torch.ones(1, 1, 1).bool(), levels=path.noise_level)
    loss(torch.ones(1000, 1, 1, 1), torch.Generator().manual_seed(0))
    for t in (0.1, 0.5, 0.9):
        below = (asked[0] < path.noise_level(torch.tensor(t))).float().mean()
        assert float(below) == pytest.approx(t, abs=2e-3)


@pytest.mark.parametrize("wrong", [(0,), (4, 0.0), (4, 1.0)])
def test_no_cosine_path(wrong: tuple) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        CosineVp(*wrong)
