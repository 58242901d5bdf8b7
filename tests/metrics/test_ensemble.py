from __future__ import annotations

import numpy as np
import pytest
import scores.continuous
import scores.probability
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from isopleth.core.errors import InputError
from isopleth.metrics import (
    coverage_ensemble,
    crps_ensemble,
    crps_gaussian,
    interval_score,
    pit_ensemble,
    rank_histogram,
    spread_skill,
)


@pytest.fixture
def perfect(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """16 members and a truth drawn from one distribution, with a centre of its own per case."""
    centre = rng.normal(0.0, 3.0, 60_000)
    draws = centre + rng.normal(size=(17, 60_000))
    return draws[:16], draws[16]


def test_crps_by_hand() -> None:
    # Members 0 and 2, truth 1: mean distance 1; half mean difference 1 (fair), 1/2 (raw).
    assert crps_ensemble([0.0, 2.0], 1.0) == pytest.approx(0.0)
    assert crps_ensemble([0.0, 2.0], 1.0, fair=False) == pytest.approx(0.5)
    assert crps_ensemble([3.0], 1.0, fair=False) == pytest.approx(2.0)


@pytest.mark.parametrize(("fair", "method"), [(True, "fair"), (False, "ecdf")])
def test_crps_against_scores(fair: bool, method: str, rng: np.random.Generator) -> None:
    members, truth = rng.normal(size=(7, 4, 5)), rng.normal(size=(4, 5))
    truth[1, 2] = np.nan
    expected = scores.probability.crps_for_ensemble(
        xr.DataArray(members, dims=("member", "lat", "lon")),
        xr.DataArray(truth, dims=("lat", "lon")),
        "member",
        method=method,
        preserve_dims="all",
    )
    np.testing.assert_allclose(crps_ensemble(members, truth, fair=fair), expected, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(arrays(np.float64, (6, 3), elements=st.floats(-1e3, 1e3)))
def test_raw_crps_is_not_negative_and_blind_to_the_order_of_members(draws: np.ndarray) -> None:
    members, truth = draws[:5], draws[5]
    raw = crps_ensemble(members, truth, fair=False)
    assert (raw >= -1e-9).all()
    assert (crps_ensemble(members, truth) <= raw + 1e-9).all()
    np.testing.assert_allclose(crps_ensemble(members[::-1], truth, fair=False), raw, atol=1e-9)


def test_fair_scores_do_not_depend_on_the_number_of_members(perfect) -> None:
    members, truth = perfect
    small, large = crps_ensemble(members[:3], truth).mean(), crps_ensemble(members, truth).mean()
    # Both estimate the score of a distribution with the right spread.
    exact = crps_gaussian(0.0, 1.0, np.random.default_rng(1).normal(size=200_000)).mean()
    assert small == pytest.approx(exact, abs=0.01)
    assert large == pytest.approx(exact, abs=0.01)
    raw = crps_ensemble(members, truth, fair=False).mean()
    assert raw > exact + 0.02


def test_coverage_corrects_for_the_number_of_members(perfect) -> None:
    members, truth = perfect
    assert coverage_ensemble(members, truth, level=0.9) == pytest.approx(0.9, abs=0.005)
    assert coverage_ensemble(members[:5], truth, level=0.5) == pytest.approx(0.5, abs=0.005)
    raw = coverage_ensemble(members, truth, level=0.9, fair=False)
    assert raw == pytest.approx(0.805, abs=0.01)
    narrow = coverage_ensemble(0.5 * members + 0.5 * members.mean(axis=0), truth)
    assert narrow < 0.7


def test_coverage_by_hand_with_ties() -> None:
    members = np.array([[0.0], [1.0], [2.0]])
    # Rank 0 of 3 stands for [0, 1/4] of probability; [1/4, 3/4] is asked for.
    assert coverage_ensemble(members, [-1.0], level=0.5) == 0.0
    assert coverage_ensemble(members, [0.5], level=0.5) == 1.0
    # Tied with the lowest member: half of [0, 1/2].
    assert coverage_ensemble(members, [0.0], level=0.5) == pytest.approx(0.5)
    np.testing.assert_equal(coverage_ensemble(members, [np.nan]), np.nan)


def test_spread_matches_skill_for_a_perfect_ensemble(perfect) -> None:
    members, truth = perfect
    for size in (2, 16):
        score = spread_skill(members[:size], truth)
        assert score.ratio == pytest.approx(1.0, abs=0.01)
        assert score.error == pytest.approx(np.sqrt(1 + 1 / size), abs=0.01)


def test_spread_includes_the_error_of_the_observation(perfect, rng: np.random.Generator) -> None:
    members, truth = perfect
    observed = truth + rng.normal(0.0, 2.0, truth.shape)
    assert spread_skill(members, observed).ratio < 0.6
    score = spread_skill(members, observed, observation_variance=4.0)
    assert score.ratio == pytest.approx(1.0, abs=0.01)


def test_spread_skill_by_hand_without_nan() -> None:
    members = [[0.0, np.nan, 9.0], [2.0, 1.0, 9.0]]
    score = spread_skill(members, [3.0, 1.0, 9.0], mask=[True, True, False])
    assert score.error == pytest.approx(2.0)
    assert score.spread == pytest.approx(np.sqrt(2.0 * 3 / 2))
    assert np.isnan(spread_skill([[1.0], [1.0]], [1.0]).ratio)


@pytest.mark.filterwarnings("ignore:Encountered a NaN")
def test_rank_histogram_by_hand_and_against_scores(rng: np.random.Generator) -> None:
    assert rank_histogram([[0.0] * 4, [1.0] * 4], [-1, 0.5, 2, np.nan], seed=0).tolist() == [
        1,
        1,
        1,
    ]
    members, truth = rng.normal(size=(5, 300)), rng.normal(size=300)
    members[0, 0] = np.nan
    expected = scores.probability.rank_histogram(
        xr.DataArray(members, dims=("member", "case")), xr.DataArray(truth, dims="case"), "member"
    )
    np.testing.assert_allclose(rank_histogram(members, truth, seed=0) / 299, expected)


def test_ties_are_shared_at_random_by_seed() -> None:
    members, truth = np.zeros((3, 4000)), np.zeros(4000)
    counts = rank_histogram(members, truth, seed=3)
    assert counts.sum() == 4000
    assert (abs(counts - 1000) < 150).all()
    np.testing.assert_array_equal(counts, rank_histogram(members, truth, seed=3))
    assert (counts != rank_histogram(members, truth, seed=4)).any()
    assert rank_histogram(members, truth, seed=3, mask=np.arange(4000) < 10).sum() == 10


def test_pit_of_a_perfect_ensemble_is_uniform(perfect) -> None:
    members, truth = perfect
    pit = pit_ensemble(members, truth, seed=1)
    counts = np.histogram(pit, bins=10, range=(0, 1))[0]
    assert (abs(counts / 6000 - 1) < 0.06).all()
    assert np.isnan(pit_ensemble([[np.nan], [1.0]], [0.0], seed=1))


def test_interval_score_against_scores(rng: np.random.Generator) -> None:
    low, truth = rng.normal(size=(2, 40))
    high = low + rng.uniform(0.1, 2.0, 40)
    arrays_ = (xr.DataArray(values, dims="case") for values in (low, high, truth))
    expected = scores.continuous.interval_score(*arrays_, 0.9, preserve_dims="all")
    np.testing.assert_allclose(interval_score(low, high, truth), expected["total"])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: crps_ensemble([1.0], 0.0), "ensemble of 1"),
        (lambda: spread_skill([[1.0]], [0.0]), "ensemble of 1"),
        (lambda: crps_ensemble([[1.0, 2.0]], [[0.0, 0.0]]), r"members of shape \(1, 2\)"),
        (lambda: rank_histogram(np.zeros((4, 3)), np.zeros(4), seed=0), r"truth of shape \(4,\)"),
        (lambda: coverage_ensemble([[1.0]], [0.0], level=0.0), "level 0.0"),
    ],
)
def test_impossible_ensembles_are_named(call, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()
