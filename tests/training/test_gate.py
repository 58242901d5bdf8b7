"""The gate measures what it says: closed forms of the white Gaussian prior."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.training.gate import DenoisingTest, mse_by_noise_level

MASK = torch.ones(2, 6, 8, dtype=torch.bool)
MASK[:, :2, :3] = False
SIGMAS = [0.1, 1.0, 5.0]


def wiener(x: Tensor, sigma: Tensor) -> Tensor:
    return x / (1 + sigma[:, None, None, None] ** 2)


def states(count: int) -> Tensor:
    return torch.randn(count, *MASK.shape, generator=torch.Generator().manual_seed(0)) * MASK


def test_the_wiener_filter_has_its_known_error() -> None:
    mse = mse_by_noise_level(wiener, states(200), MASK, SIGMAS)
    known = torch.tensor([s**2 / (1 + s**2) for s in SIGMAS])
    torch.testing.assert_close(mse, known, rtol=0.02, atol=0)


def test_the_identity_leaves_the_noise() -> None:
    mse = mse_by_noise_level(lambda x, _: x, states(200), MASK, SIGMAS)
    torch.testing.assert_close(mse, torch.tensor(SIGMAS) ** 2, rtol=0.02, atol=0)


def test_the_ratio_of_two_known_filters() -> None:
    test = DenoisingTest(states(200), MASK, SIGMAS)
    same = test.ratio(wiener, wiener)
    assert same.value.tolist() == [1.0, 1.0, 1.0]
    assert same.standard_error.tolist() == [0.0, 0.0, 0.0]
    worse = test.ratio(lambda x, _: x, wiener)
    known = 1 + torch.tensor(SIGMAS, dtype=torch.float64) ** 2
    assert torch.all((worse.value - known).abs() < 4 * worse.standard_error)


def test_the_standard_error_is_that_of_repeated_tests() -> None:
    x = states(1600)
    half = lambda x, _: x / 2  # noqa: E731
    tests = [DenoisingTest(x[40 * i : 40 * i + 40], MASK, [1.0, 2.0], seed=i) for i in range(40)]
    ratios = [test.ratio(half, wiener) for test in tests]
    spread = torch.stack([r.value for r in ratios]).std(0)
    said = torch.stack([r.standard_error for r in ratios]).mean(0)
    assert said[0] == 0  # both filters are the same at sigma = 1
    assert said[1] == pytest.approx(spread[1].item(), rel=0.35)


def test_land_says_nothing() -> None:
    x = states(5)
    dirty = torch.where(MASK, x, 7.0)
    loud = lambda x, sigma: torch.where(MASK, wiener(x, sigma), 99.0)  # noqa: E731
    clean = mse_by_noise_level(wiener, x, MASK, SIGMAS)
    assert torch.equal(mse_by_noise_level(loud, dirty, MASK, SIGMAS), clean)


def test_batches_do_not_matter_and_seeds_do() -> None:
    one = DenoisingTest(states(7), MASK, SIGMAS, batch=2).errors(wiener)
    torch.testing.assert_close(one, DenoisingTest(states(7), MASK, SIGMAS).errors(wiener))
    assert not torch.equal(one, DenoisingTest(states(7), MASK, SIGMAS, seed=1).errors(wiener))


def test_weights_choose_what_counts() -> None:
    weights = torch.zeros(1, 6, 8)
    weights[0, 5, 7] = 3.0
    x = states(4)

    def half_wrong(noisy: Tensor, sigma: Tensor) -> Tensor:
        answer = x.clone()
        answer[:, :, 5, 7] += 0.5
        answer[:, :, 3, 3] += 9.0
        return answer

    mse = DenoisingTest(x, MASK, [1.0], weights=weights).mse(half_wrong)
    assert mse.item() == pytest.approx(0.25)


def test_what_cannot_be_tested() -> None:
    with pytest.raises(InputError, match="at least one"):
        DenoisingTest(states(0), MASK, SIGMAS)
    with pytest.raises(InputError, match="one grid"):
        DenoisingTest(states(1), MASK[:1], SIGMAS)
