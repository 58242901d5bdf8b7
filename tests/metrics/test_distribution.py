from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from isopleth.core.errors import InputError
from isopleth.metrics import (
    coverage,
    coverage_gaussian,
    crps_gaussian,
    crps_normal_mixture,
    crps_student_t,
    interval_score,
    pit_gaussian,
    pit_normal_mixture,
    pit_student_t,
)

numbers = st.floats(-5, 5)
widths = st.floats(0.05, 5)


def _crps_by_definition(cdf, truth: float) -> float:
    """Integral of the squared difference between the distribution and a step at the truth."""
    below = integrate.quad(lambda x: cdf(x) ** 2, -np.inf, truth)[0]
    return below + integrate.quad(lambda x: (1 - cdf(x)) ** 2, truth, np.inf)[0]


def test_gaussian_by_hand() -> None:
    # At the mean: s (2 phi(0) - 1 / sqrt(pi)) = s (sqrt(2) - 1) / sqrt(pi).
    assert crps_gaussian(1.0, 2.0, 1.0) == pytest.approx(2 * (np.sqrt(2) - 1) / np.sqrt(np.pi))


@pytest.mark.parametrize("truth", [-3.0, 0.3, 1.0, 8.0])
def test_closed_forms_are_the_integral(truth: float) -> None:
    normal, student = stats.norm(1.0, 1.5), stats.t(4, 1.0, 1.5)
    assert crps_gaussian(1.0, 1.5, truth) == pytest.approx(_crps_by_definition(normal.cdf, truth))
    exact = _crps_by_definition(student.cdf, truth)
    assert crps_student_t(1.0, 1.5, 4, truth) == pytest.approx(exact, rel=1e-6)

    def mixture(x: float) -> float:
        return float(0.7 * stats.norm.cdf(x, 1.0, 0.5) + 0.3 * stats.norm.cdf(x, 1.0, 3.0))

    exact = _crps_by_definition(mixture, truth)
    value = crps_normal_mixture(1.0, [0.5, 3.0], [0.7, 0.3], truth)
    assert value == pytest.approx(exact, rel=1e-6)
    assert pit_normal_mixture(1.0, [0.5, 3.0], [0.7, 0.3], truth) == pytest.approx(mixture(truth))


@settings(deadline=None, max_examples=60)
@given(mean=numbers, sd=widths, truth=numbers)
def test_the_families_agree_where_they_meet(mean: float, sd: float, truth: float) -> None:
    gaussian = crps_gaussian(mean, sd, truth)
    assert crps_student_t(mean, sd, 1e7, truth) == pytest.approx(gaussian, abs=1e-5)
    equal = crps_normal_mixture(mean, [sd, sd], [0.4, 0.6], truth)
    assert equal == pytest.approx(gaussian, abs=1e-9)
    assert pit_student_t(mean, sd, 1e7, truth) == pytest.approx(
        pit_gaussian(mean, sd, truth), abs=1e-6
    )


@settings(deadline=None, max_examples=60)
@given(mean=numbers, sd=widths, truth=numbers, factor=st.floats(0.01, 100), shift=numbers)
def test_gaussian_score_has_the_unit_of_the_truth(
    mean: float, sd: float, truth: float, factor: float, shift: float
) -> None:
    score = crps_gaussian(mean, sd, truth)
    moved = crps_gaussian(factor * mean + shift, factor * sd, factor * truth + shift)
    assert score >= 0
    assert moved == pytest.approx(factor * score, rel=1e-6, abs=1e-9)
    # Never worse than the error of the mean alone.
    assert score <= abs(mean - truth) + sd


def test_proper_the_true_spread_scores_best(rng: np.random.Generator) -> None:
    truth = rng.normal(0.0, 1.3, 20_000)
    means = [crps_gaussian(0.0, sd, truth).mean() for sd in (0.8, 1.05, 1.3, 1.6, 2.2)]
    assert np.argmin(means) == 2


def test_a_certain_forecast_is_the_absolute_error() -> None:
    np.testing.assert_allclose(crps_gaussian([1.0, 1.0], 0.0, [3.0, 1.0]), [2.0, 0.0])
    np.testing.assert_allclose(crps_normal_mixture(1.0, [0.0, 0.0], [0.5, 0.5], 3.0), 2.0)
    np.testing.assert_allclose(pit_gaussian(1.0, 0.0, [0.0, 1.0, 2.0]), [0.0, 0.5, 1.0])


def test_shapes_and_nan() -> None:
    truth = np.array([[0.0, np.nan, 1.0], [2.0, 3.0, 4.0]])
    sd = np.array([1.0, 1.0, np.nan])
    for values in (
        crps_gaussian(0.0, sd, truth),
        pit_gaussian(0.0, sd, truth),
        crps_student_t(0.0, sd, 4, truth),
        crps_normal_mixture(0.0, np.stack([sd, sd], axis=-1), [0.5, 0.5], truth),
    ):
        assert values.shape == (2, 3)
        np.testing.assert_array_equal(
            np.isnan(values), [[False, True, True], [False, False, True]]
        )


def test_coverage_by_hand_and_without_nan() -> None:
    assert coverage([0.01, 0.06, 0.5, 0.97, np.nan], level=0.9) == pytest.approx(0.5)
    assert coverage([0.01, 0.5], level=0.9, weights=[1.0, 3.0]) == pytest.approx(0.75)
    # 1.6449 standard deviations hold 90 %.
    assert coverage_gaussian(0.0, 1.0, [-1.65, -1.64, 1.64, 1.65]) == 0.5
    np.testing.assert_allclose(coverage([[0.01, 0.5], [0.5, 0.5]], axis=1), [0.5, 1.0])


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_coverage_of_a_calibrated_forecast_is_its_level(
    level: float, rng: np.random.Generator
) -> None:
    truth = 0.5 + 2.0 * rng.standard_t(5, 40_000)
    assert coverage(pit_student_t(0.5, 2.0, 5, truth), level=level) == pytest.approx(
        level, abs=0.01
    )


def test_interval_score_by_hand() -> None:
    value = interval_score(0.0, 1.0, [0.5, -0.1, 1.2, np.nan], level=0.8)
    np.testing.assert_allclose(value, [1.0, 1.0 + 10 * 0.1, 1.0 + 10 * 0.2, np.nan])


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: crps_gaussian(0.0, [-0.5, 1.0], 0.0), "deviation or scale is -0.5"),
        (lambda: crps_student_t(0.0, 0.0, 4, 0.0), "deviation or scale is 0.0"),
        (lambda: crps_student_t(0.0, 1.0, [1.0, 5.0], 0.0), "1.0 degrees of freedom"),
        (lambda: crps_normal_mixture(0.0, [1.0, 2.0], [0.5, 0.6], 0.0), "mixture weights"),
        (lambda: coverage([0.5], level=90), "level 90"),
        (lambda: interval_score(1.0, 0.0, 0.5), "upper end lies below"),
    ],
)
def test_impossible_distributions_are_named(call, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()
