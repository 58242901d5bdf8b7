"""Completion of missing levels: the Gaussian conditional, and what it is worth to kriging."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from isopleth.inference.interpolation import Estimate, Points, Samples
from isopleth.inference.interpolation.vertical import VerticalRegression, complete

S = np.array([[1.0, 0.8, 0.2], [0.8, 1.5, 0.5], [0.2, 0.5, 0.7]])


def anywhere(count: int, seed: int = 0, group: np.ndarray | None = None) -> Points:
    rng = np.random.default_rng(seed)
    lat, lon = rng.uniform(-60, 60, count), rng.uniform(0, 360, count)
    return Points(lat, lon, np.zeros(count), np.arange(count) if group is None else group)


def draws(count: int, covariance: np.ndarray = S, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((count, len(covariance)))
    return noise @ np.linalg.cholesky(covariance).T


def hidden(values: np.ndarray, share: float = 0.4, seed: int = 2) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(values.shape) < share, np.nan, values)


def conditional(row: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of a Gaussian vector given its finite entries."""
    seen = np.isfinite(row)
    mean, variance = row.copy(), np.zeros_like(row)
    gain = covariance[np.ix_(~seen, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
    mean[~seen] = gain @ row[seen]
    left = covariance[np.ix_(~seen, ~seen)] - gain @ covariance[np.ix_(seen, ~seen)]
    variance[~seen] = np.diag(left)
    return mean, variance


def test_global_covariance_is_that_of_the_pairs_present() -> None:
    residual = hidden(draws(40_000), 0.3)
    found = VerticalRegression(points=anywhere(40_000), residual=residual).covariance()
    np.testing.assert_allclose(found, S, atol=0.04)
    np.testing.assert_allclose(found, found.T)


def test_conditional_is_the_closed_form_of_a_known_covariance() -> None:
    residual = draws(300)
    regression = VerticalRegression(
        points=anywhere(300), residual=residual, shrinkage=0.0, nearest=300
    )
    known = residual.T @ residual / 300
    rows = hidden(draws(60, seed=5), 0.5, seed=6)
    found = regression.conditional(anywhere(60, seed=7, group=np.full(60, -1)), rows)
    mean, variance = regression(anywhere(60, seed=7, group=np.full(60, -1)), rows)
    for t, row in enumerate(rows):
        expected = conditional(row, known)
        np.testing.assert_allclose(found.mean[t], expected[0], atol=1e-8)
        np.testing.assert_allclose(found.variance[t], expected[1], atol=1e-8)
    np.testing.assert_array_equal(mean, found.mean)
    np.testing.assert_array_equal(variance, found.variance)
    np.testing.assert_allclose(found.prior, np.tile(np.diag(known), (60, 1)), rtol=1e-3)
    assert ((found.ratio >= 0.0) & (found.ratio <= 1.0)).all()


def test_levels_seen_stand_and_levels_unknown_keep_their_prior() -> None:
    regression = VerticalRegression(points=anywhere(300), residual=draws(300))
    rows = np.array([[1.0, -2.0, 3.0], [np.nan, np.nan, np.nan], [1.0, np.nan, np.nan]])
    found = regression.conditional(anywhere(3, seed=4, group=np.full(3, -1)), rows)
    np.testing.assert_array_equal(found.mean[0], rows[0])
    np.testing.assert_array_equal(found.variance[0], 0.0)
    np.testing.assert_array_equal(found.mean[1], 0.0)
    np.testing.assert_allclose(found.ratio[1], 1.0)
    assert found.mean[2, 0] == 1.0


def test_each_sea_has_its_own_vertical_structure() -> None:
    """North the levels move together, south against each other."""
    points, n = anywhere(2000, seed=3), 2000
    sign = np.where(points.latitude > 0.0, 1.0, -1.0)
    shared = np.random.default_rng(4).standard_normal(n)
    noise = 0.3 * np.random.default_rng(5).standard_normal(n)
    residual = np.stack([shared, sign * shared + noise], axis=1)
    regression = VerticalRegression(points=points, residual=residual)
    where = Points(np.array([30.0, -30.0]), np.array([100.0, 100.0]), np.zeros(2))
    mean, variance = regression(where, np.array([[1.0, np.nan], [1.0, np.nan]]))
    np.testing.assert_allclose(mean[:, 1], [1.0, -1.0], atol=0.25)
    assert (variance[:, 1] < 0.5).all()


def test_a_profile_does_not_teach_its_own_group() -> None:
    """All profiles of one box are absurd; the others are not."""
    group = np.repeat(np.arange(60), 5)
    points, residual = anywhere(300, group=group), draws(300)
    absurd = residual.copy()
    absurd[group == 7] = np.array([[100.0, -100.0, 100.0]])
    rows = np.array([[1.0, np.nan, np.nan]])
    box = points.select(np.flatnonzero(group == 7)[:1])
    quiet = VerticalRegression(points=points, residual=np.where(
        (group == 7)[:, None], np.nan, residual), shrinkage=0.0, nearest=400)  # fmt: skip
    loud = VerticalRegression(points=points, residual=absurd, shrinkage=0.0, nearest=400)
    np.testing.assert_allclose(loud(box, rows)[0], quiet(box, rows)[0], atol=1e-9)
    elsewhere = points.select(np.flatnonzero(group == 8)[:1])
    assert abs(loud(elsewhere, rows)[0][0, 1]) > 0.9


def make_case(count: int = 400) -> tuple[Samples, Estimate, np.ndarray, VerticalRegression]:
    """Profiles whose neighbours say 5 with a variance between 0.2 and 0.9, some levels hidden."""
    rng = np.random.default_rng(8)
    points, nugget = anywhere(count), rng.uniform(0.05, 0.2, count)
    prior = rng.uniform(0.2, 0.9, (count, 3))
    noise = rng.uniform(0.0, 0.1, (count, 3))
    total = prior + nugget[:, None] + noise
    residual = draws(count, seed=9)
    value = hidden(5.0 + residual * np.sqrt(total), 0.4, seed=10)
    value[:20] = np.nan
    estimate = Estimate(np.full_like(value, 5.0), prior)
    known = np.where(np.isfinite(value), residual, np.nan)
    return (
        Samples(points, value, noise),
        estimate,
        nugget,
        VerticalRegression(points=points, residual=known),
    )


def test_equivalent_observation_and_neighbours_make_the_conditional() -> None:
    samples, estimate, nugget, regression = make_case()
    completed = complete(samples, regression, estimate, nugget)
    added = np.isfinite(completed.value) & np.isnan(samples.value)
    unit = estimate.variance + nugget[:, None]  # what the neighbours alone say of a new value
    residual = (samples.value - 5.0) / np.sqrt(unit + samples.noise)
    found = regression.conditional(samples.points, residual)
    gain = unit / (unit + completed.noise)
    mean = 5.0 + gain * (completed.value - 5.0)
    variance = unit * (1.0 - gain)
    assert added.sum() > 200
    np.testing.assert_allclose(mean[added], (5.0 + found.mean * np.sqrt(unit))[added], atol=1e-9)
    np.testing.assert_allclose(variance[added], (unit * found.ratio)[added], atol=1e-9)


def test_what_was_measured_and_what_was_never_seen_stays() -> None:
    samples, estimate, nugget, regression = make_case()
    completed = complete(samples, regression, estimate, nugget)
    seen = np.isfinite(samples.value)
    np.testing.assert_array_equal(completed.value[seen], samples.value[seen])
    np.testing.assert_array_equal(completed.noise[seen], samples.noise[seen])
    assert np.isnan(completed.value[:20]).all(), "nothing is known of an empty profile"
    whole = samples.select(np.flatnonzero(seen.all(axis=1)))
    assert complete(whole, regression, estimate, nugget) is whole


def test_a_level_that_the_others_do_not_explain_stays_missing() -> None:
    samples, estimate, nugget, _ = make_case()
    alone = VerticalRegression(points=samples.points, residual=hidden(draws(400, np.eye(3))),
                               shrinkage=1e6)  # fmt: skip
    completed = complete(samples, alone, estimate, nugget)
    np.testing.assert_array_equal(completed.value, samples.value)


@pytest.mark.parametrize(("scale", "coherent"), [(0.2, False), (0.2, True), (5.0, True)])
def test_quiet_and_energetic_seas_are_judged_by_themselves(scale: float, coherent: bool) -> None:
    """South of 40 S the residuals are `scale` times the ocean's, the levels related or not.

    Measured against the ocean's variance, a quiet sea would look explained where nothing is, and
    an energetic one unexplained where much is.
    """
    points = anywhere(3000, seed=11)
    south = (points.latitude < -40.0)[:, None]
    together = draws(3000, np.array([[1.0, 0.8], [0.8, 1.0]]), seed=12)
    there = together if coherent else draws(3000, np.eye(2), seed=12)
    residual = np.where(south, scale * there, together)
    regression = VerticalRegression(points=points, residual=residual, nearest=80)
    where = Points(np.full(12, -55.0), np.arange(12) * 30.0, np.zeros(12))
    found = regression.conditional(where, np.tile([scale, np.nan], (12, 1)))
    ratio = found.ratio[:, 1].mean()
    assert (0.3 < ratio < 0.5) if coherent else (ratio > 0.75)


def test_conditional_is_calibrated() -> None:
    truth = draws(4000, seed=13)
    points, seen = anywhere(4000), hidden(truth, 0.35, seed=14)
    mean, variance = VerticalRegression(points=points, residual=seen)(points, seen)
    missing = np.isnan(seen) & np.isfinite(seen).any(axis=1)[:, None]
    z = (mean - truth)[missing] / np.sqrt(variance[missing])
    assert np.mean(z**2) == pytest.approx(1.0, abs=0.1)
    assert np.mean(z) == pytest.approx(0.0, abs=0.05)
    better = np.mean((mean - truth)[missing] ** 2) / np.mean(truth[missing] ** 2)
    assert better < 0.75


@pytest.mark.parametrize("count", [1, 2, 30])
def test_little_or_constant_data_give_numbers_without_warnings(count: int) -> None:
    residual = np.column_stack([np.zeros(count), np.full(count, 2.0), np.full(count, np.nan)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regression = VerticalRegression(points=anywhere(count), residual=residual)
        rows = np.array([[0.0, np.nan, np.nan], [np.nan, 1.0, np.nan], [np.nan] * 3])
        found = regression.conditional(anywhere(3, group=np.full(3, -1)), rows)
    for array in (found.mean, found.variance, found.ratio):
        assert np.isfinite(array).all()
