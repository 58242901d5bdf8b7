"""What every metric promises: a pure function of forecast and truth, blind to what is masked.

A case is a function of (forecast, truth) that includes the rest of its arguments; forecasts are of
shape (n,) or, for ensembles, (M, n). Scores of single cases are averaged, as a user would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from isopleth import metrics

CASES, MEMBERS = 60, 8
Score = Callable[..., float]


@dataclass(frozen=True)
class Promise:
    """A metric, the members it takes, its power of the unit, its value for a perfect forecast."""

    name: str
    score: Score
    members: int | None = None
    power: int = 1
    perfect: float | None = 0.0


def _averaged(single: Callable[..., np.ndarray]) -> Score:
    def score(forecast, truth, **arguments):
        return metrics.weighted_mean(single(forecast, truth), **arguments)

    return score


def _spread(forecast: np.ndarray) -> np.ndarray:
    """A standard deviation in the forecast's unit, different for each case."""
    return 0.1 * np.abs(forecast)


def _mixture(score):
    def single(forecast, truth):
        widths = _spread(forecast)[:, None] * np.array([0.5, 2.0])
        return score(forecast, widths, [0.3, 0.7], truth)

    return _averaged(single)


PROMISES = [
    Promise("bias", metrics.bias),
    Promise("mse", metrics.mse, power=2),
    Promise("rmse", metrics.rmse),
    Promise("correlation", metrics.correlation, power=0, perfect=1.0),
    Promise(
        "crps_gaussian",
        _averaged(lambda f, y: metrics.crps_gaussian(f, _spread(f), y)),
        perfect=None,
    ),
    Promise(
        "crps_student_t",
        _averaged(lambda f, y: metrics.crps_student_t(f, _spread(f), 4, y)),
        perfect=None,
    ),
    Promise("crps_normal_mixture", _mixture(metrics.crps_normal_mixture), perfect=None),
    Promise(
        "interval_score",
        _averaged(lambda f, y: metrics.interval_score(f - _spread(f), f + _spread(f), y)),
        perfect=None,
    ),
    Promise(
        "pit_gaussian",
        _averaged(lambda f, y: metrics.pit_gaussian(f, _spread(f), y)),
        power=0,
        perfect=0.5,
    ),
    Promise(
        "pit_student_t",
        _averaged(lambda f, y: metrics.pit_student_t(f, _spread(f), 4, y)),
        power=0,
        perfect=0.5,
    ),
    Promise("pit_normal_mixture", _mixture(metrics.pit_normal_mixture), power=0, perfect=0.5),
    Promise(
        "coverage_gaussian",
        lambda f, y, **a: metrics.coverage_gaussian(f, _spread(f), y, **a),
        power=0,
        perfect=1.0,
    ),
    Promise("crps_ensemble", _averaged(metrics.crps_ensemble), members=MEMBERS),
    Promise(
        "crps_ensemble_raw",
        _averaged(lambda f, y: metrics.crps_ensemble(f, y, fair=False)),
        members=MEMBERS,
    ),
    Promise("coverage_ensemble", metrics.coverage_ensemble, MEMBERS, power=0, perfect=None),
    Promise(
        "spread_skill.error", lambda f, y, **a: metrics.spread_skill(f, y, **a).error, MEMBERS
    ),
    Promise(
        "spread_skill.spread", lambda f, y, **a: metrics.spread_skill(f, y, **a).spread, MEMBERS
    ),
]


@pytest.fixture(params=PROMISES, ids=lambda promise: promise.name)
def promise(request: pytest.FixtureRequest) -> Promise:
    return request.param


@pytest.fixture
def pair(promise: Promise) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    truth = rng.normal(1.0, 1.0, CASES)
    shape = (CASES,) if promise.members is None else (promise.members, CASES)
    return truth + 0.2 * rng.normal(size=shape), truth


def test_a_perfect_forecast_scores_perfectly(promise: Promise, pair) -> None:
    forecast, truth = pair
    if promise.perfect is not None:
        score = promise.score(np.broadcast_to(truth, forecast.shape), truth)
        assert score == pytest.approx(promise.perfect, abs=1e-12)


def test_the_order_of_cases_does_not_matter(promise: Promise, pair) -> None:
    forecast, truth = pair
    assert promise.score(forecast[..., ::-1], truth[::-1]) == pytest.approx(
        promise.score(forecast, truth)
    )


def test_arguments_are_not_changed(promise: Promise, pair) -> None:
    forecast, truth = pair
    mask, weights = np.ones(CASES, dtype=bool), np.ones(CASES)
    copies = [values.copy() for values in (forecast, truth, mask, weights)]
    first = promise.score(forecast, truth, mask=mask, weights=weights)
    for values, copy in zip((forecast, truth, mask, weights), copies, strict=True):
        np.testing.assert_array_equal(values, copy)
    assert promise.score(forecast, truth, mask=mask, weights=weights) == first


@pytest.mark.parametrize("missing", ["mask", "weight", "nan in truth", "nan in forecast"])
def test_what_is_left_out_changes_nothing(promise: Promise, pair, missing: str) -> None:
    forecast, truth = (values.copy() for values in pair)
    kept = np.arange(CASES) % 3 > 0
    expected = promise.score(forecast[..., kept], truth[kept])
    arguments = {}
    if missing == "nan in truth":
        truth[~kept] = np.nan
    elif missing == "nan in forecast":
        forecast[..., ~kept] = np.nan
    else:
        arguments = {"mask": kept} if missing == "mask" else {"weights": kept * 2.0}
        forecast[..., ~kept] = 0.5
    assert promise.score(forecast, truth, **arguments) == pytest.approx(expected)


def test_a_whole_weight_is_a_repeated_case(promise: Promise, pair) -> None:
    forecast, truth = pair
    times = np.arange(CASES) % 4
    repeated = promise.score(np.repeat(forecast, times, axis=-1), np.repeat(truth, times))
    assert promise.score(forecast, truth, weights=times) == pytest.approx(repeated)


def test_nothing_left_is_nan(promise: Promise, pair) -> None:
    forecast, truth = pair
    assert np.isnan(promise.score(forecast, truth, mask=np.zeros(CASES, dtype=bool)))


def test_the_score_follows_the_unit(promise: Promise, pair) -> None:
    forecast, truth = pair
    kelvins = promise.score(forecast, truth)
    millikelvins = promise.score(1000 * forecast, 1000 * truth)
    assert millikelvins == pytest.approx(1000**promise.power * kelvins)


def test_every_public_metric_of_pairs_has_its_promise() -> None:
    promised = {promise.name.split(".")[0].removesuffix("_raw") for promise in PROMISES}
    # Another shape of answer or of argument, tested in tests/metrics.
    others = {
        "Spectrum", "SpreadSkill", "band_pass", "coverage", "doubling_time",
        "effective_resolution", "first_doubling", "kinetic_energy_by_degree", "lanczos_weights",
        "mse_gridmean", "pit_ensemble", "rank_histogram", "weighted_mean", "zonal_spectrum",
    }  # fmt: skip
    assert promised | others == set(metrics.__all__)
