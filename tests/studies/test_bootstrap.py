from __future__ import annotations

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.studies import mean_interval, ratio_of_means, ratio_of_rmse, rmse_interval


def test_values_by_hand() -> None:
    a, b, blocks = [1.0, 4.0, np.nan], [4.0, 16.0, 9.0], [0, 1, 1]
    assert ratio_of_means(a, b, blocks).value == pytest.approx(5 / 20)
    assert ratio_of_rmse(a, b, blocks).value == pytest.approx(0.5)
    assert mean_interval(a, blocks).value == pytest.approx(2.5)
    assert rmse_interval(a, blocks).value == pytest.approx(np.sqrt(2.5))


def test_what_is_hard_for_both_cancels(rng: np.random.Generator) -> None:
    reference = rng.exponential(size=300) ** 3
    interval = ratio_of_rmse(0.81 * reference, reference, np.arange(300) % 40)
    assert interval.ends == pytest.approx((0.9, 0.9))
    single = rmse_interval(reference, np.arange(300) % 40)
    assert single.hi - single.lo > 0.1


def test_partitions_may_be_summed_before(rng: np.random.Generator) -> None:
    error, reference = rng.exponential(size=(2, 200, 3, 4))
    blocks = rng.integers(0, 30, 200)
    summed = ratio_of_rmse(error.sum(axis=(1, 2)), reference.sum(axis=(1, 2)), blocks)
    whole = ratio_of_rmse(error, reference, blocks)
    assert (summed.value, *summed.ends) == pytest.approx((whole.value, *whole.ends))
    counted = mean_interval(error.sum(axis=(1, 2)), blocks, counts=np.full(200, 12))
    plain = mean_interval(error, blocks)
    assert (counted.value, *counted.ends) == pytest.approx((plain.value, *plain.ends))


def test_interval_of_a_mean_is_that_of_theory(rng: np.random.Generator) -> None:
    interval = mean_interval(rng.normal(size=2000), np.arange(2000), draws=2000)
    assert interval.hi - interval.lo == pytest.approx(2 * 1.96 / np.sqrt(2000), rel=0.08)
    narrow = mean_interval(rng.normal(size=2000), np.arange(2000), level=0.5)
    assert narrow.hi - narrow.lo == pytest.approx(2 * 0.674 / np.sqrt(2000), rel=0.15)


def test_alike_neighbours_widen_the_interval(rng: np.random.Generator) -> None:
    blocks = np.repeat(np.arange(50), 40)
    score = rng.normal(size=50)[blocks] + 0.1 * rng.normal(size=2000)
    by_block, by_case = mean_interval(score, blocks), mean_interval(score, np.arange(2000))
    assert by_block.hi - by_block.lo > 4 * (by_case.hi - by_case.lo)


def test_coverage_of_the_interval() -> None:
    rng = np.random.default_rng(5)
    hits = 0
    for seed in range(200):
        reference = rng.exponential(size=150)
        error = rng.exponential(0.8, size=150)
        interval = ratio_of_means(error, reference, np.arange(150), draws=200, seed=seed)
        hits += interval.lo <= 0.8 <= interval.hi
    assert 0.88 <= hits / 200 <= 0.99


def test_seed_decides_the_draws_and_block_names_do_not_matter(rng: np.random.Generator) -> None:
    score, blocks = rng.exponential(size=100), np.arange(100) // 5
    first = mean_interval(score, blocks, seed=1)
    assert first == mean_interval(score, blocks, seed=1)
    assert first == mean_interval(score, [f"b{block:02d}" for block in blocks], seed=1)
    assert first != mean_interval(score, blocks, seed=2)


def test_a_block_without_a_pair_does_not_count(rng: np.random.Generator) -> None:
    score, blocks = rng.exponential(size=60), np.arange(60) // 6
    more = np.append(score, np.nan)
    assert mean_interval(more, np.append(blocks, 99)) == mean_interval(score, blocks)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: ratio_of_means([1.0], [1.0, 2.0], [0]), r"shape \(1,\) cannot be paired"),
        (lambda: ratio_of_means([1.0, 2.0], [1.0, 2.0], [0]), r"blocks of shape \(1,\)"),
        (lambda: ratio_of_rmse([np.nan], [1.0], [0]), "no case has a score"),
        (lambda: ratio_of_rmse([1.0], [0.0], [0]), "scores sum to 0"),
        (lambda: mean_interval([1.0], [0], counts=[1, 2]), r"counts of shape \(2,\)"),
    ],
)
def test_bad_input_is_named(call, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()
