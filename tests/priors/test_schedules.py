from __future__ import annotations

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.priors.schedules import LinearVp, karras


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
