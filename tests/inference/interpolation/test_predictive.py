"""The error model on residuals whose distribution is known."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
from scipy import stats

from isopleth.core.errors import InputError
from isopleth.inference.interpolation import Points, blocks, predictive
from isopleth.inference.interpolation.predictive import (
    GAUSSIAN,
    ErrorModel,
    Predictive,
    fit_error_model,
)
from isopleth.metrics import crps_student_t

COUNT, LEVELS = 2500, 2
NOISE = 0.1


@dataclass(frozen=True)
class Residuals:
    """Residuals `s(x) a_l sqrt(u) e`, with `e` of unit scale."""

    points: Points
    residual: np.ndarray
    variance: np.ndarray
    scale: np.ndarray

    @property
    def noise(self) -> np.ndarray:
        return np.full_like(self.variance, NOISE)


def residuals(seed: int, degrees: float = np.inf, count: int = COUNT) -> Residuals:
    """Three times as wide in the north as in the south, and twice at the second level."""
    rng = np.random.default_rng(seed)
    lat, lon = rng.uniform(-60, 60, count), rng.uniform(0, 360, count)
    variance = rng.uniform(0.1, 1.2, (count, LEVELS))
    sea = np.where(lat > 0.0, 1.5, 0.5)[:, None] * np.array([1.0, 2.0])
    scale = sea * np.sqrt(variance + NOISE)
    if np.isfinite(degrees):
        e = rng.standard_t(degrees, scale.shape)
    else:
        e = rng.standard_normal(scale.shape)
    points = Points(lat, lon, np.zeros(count), np.arange(count))
    return Residuals(points, scale * e, variance, scale)


def fit(data: Residuals, **options: tuple[int, ...]) -> ErrorModel:
    return fit_error_model(data.points, data.residual, data.variance, data.noise, **options)


def ask(model: ErrorModel, data: Residuals) -> Predictive:
    points = replace(data.points, group=np.full(len(data.points), -1))
    return model(points, np.zeros_like(data.variance), data.variance, data.noise)


@pytest.fixture(scope="module")
def gaussian() -> ErrorModel:
    return fit(residuals(1))


@pytest.fixture(scope="module")
def heavy() -> ErrorModel:
    return fit(residuals(2, degrees=4.0))


def inland(data: Residuals) -> np.ndarray:
    """Away from the front between the two seas, which any average over neighbours blurs."""
    return np.abs(data.points.latitude) > 12.0


def test_known_scale_is_recovered(gaussian: ErrorModel) -> None:
    new = residuals(11)
    ratio = (ask(gaussian, new).deviation / new.scale)[inland(new)]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    assert np.quantile(ratio, 0.05) > 0.8
    assert np.quantile(ratio, 0.95) < 1.25
    assert gaussian.coefficients[0] == pytest.approx(1.0, abs=0.15), "b: kriging's own variance"


@pytest.mark.parametrize("name", ["gaussian", "heavy"])
def test_ninety_percent_intervals_hold_ninety_percent(
    name: str, request: pytest.FixtureRequest
) -> None:
    model: ErrorModel = request.getfixturevalue(name)
    new = residuals(12, degrees={"gaussian": np.inf, "heavy": 4.0}[name])
    found = ask(model, new)
    half = found.scale * stats.t.ppf(0.95, found.degrees)
    inside = np.abs(new.residual) <= half
    assert 0.87 < inside.mean() < 0.93
    for sea in (new.points.latitude > 0.0, new.points.latitude < 0.0):
        for level in range(LEVELS):
            assert 0.85 < inside[sea, level].mean() < 0.95


@pytest.mark.parametrize("name", ["gaussian", "heavy"])
def test_score_beats_one_number_for_the_whole_ocean(
    name: str, request: pytest.FixtureRequest
) -> None:
    model: ErrorModel = request.getfixturevalue(name)
    new = residuals(13, degrees={"gaussian": np.inf, "heavy": 4.0}[name])
    found = ask(model, new)
    score = crps_student_t(found.location, found.scale, found.degrees, new.residual).mean()
    zero = np.zeros_like(new.residual)
    ideal = {"gaussian": GAUSSIAN, "heavy": 4.0}[name]
    best = crps_student_t(zero, new.scale, ideal, new.residual).mean()
    spread = np.sqrt(np.mean(new.residual**2, axis=0))
    constant = crps_student_t(zero, zero + spread, GAUSSIAN, new.residual).mean()
    assert score < 0.95 * constant
    assert score < 1.02 * best, "nearly as good as the true distribution"


def test_degrees_of_freedom_tell_tails_apart(gaussian: ErrorModel, heavy: ErrorModel) -> None:
    assert gaussian.degrees >= 12.0
    assert heavy.degrees <= 6.0


def test_where_all_is_alike_one_number_is_nearly_best() -> None:
    """Nothing to learn: the local averages must not cost much by their own noise."""
    data, new = (
        replace(r, residual=r.residual / r.scale, variance=np.full_like(r.scale, 0.9))
        for r in (residuals(3), residuals(14))
    )
    found = ask(fit(data), new)
    score = crps_student_t(found.location, found.scale, found.degrees, new.residual).mean()
    constant = crps_student_t(0.0 * new.scale, 1.0, GAUSSIAN, new.residual).mean()
    assert score < 1.01 * constant


def test_error_of_the_field_leaves_the_noise_out(heavy: ErrorModel) -> None:
    new = residuals(15, count=50)
    found = ask(heavy, new)
    share = np.sqrt(new.variance / (new.variance + NOISE))
    np.testing.assert_allclose(found.field_deviation, found.deviation * share)
    inflation = np.sqrt(heavy.degrees / (heavy.degrees - 2.0))
    np.testing.assert_allclose(found.deviation, found.scale * inflation)
    mean = np.random.default_rng(0).standard_normal(new.variance.shape)
    shifted = heavy(new.points, mean, new.variance, new.noise)
    np.testing.assert_array_equal(shifted.location, mean)


def test_more_variance_and_more_noise_are_more_error(gaussian: ErrorModel) -> None:
    new = residuals(16, count=50)
    base = ask(gaussian, new)
    wider = ask(gaussian, replace(new, variance=2.0 * new.variance))
    louder = gaussian(new.points, 0.0 * new.scale, new.variance, new.noise + 1.0)
    assert (wider.field_deviation > base.field_deviation).all()
    assert (wider.scale > base.scale).all()
    assert (louder.scale > base.scale).all()


def test_own_group_is_not_asked(gaussian: ErrorModel) -> None:
    """All residuals of one box are enormous; in that box itself nobody knows."""
    mine = np.arange(COUNT) % 50 == 7
    fewer = replace(gaussian, counts=(200,), coefficients=np.array([1.0, 1.0, 0.0, 0.0]))
    loud, silent = (
        replace(
            fewer,
            group=np.where(mine, 7, -1),
            standardised=np.where(mine[:, None], value, gaussian.standardised),
        )
        for value in (1e6, np.nan)
    )
    new = residuals(4, count=200)
    own, other = (replace(new.points, group=np.full(200, label)) for label in (7, 8))
    asked = [
        model(points, 0.0 * new.scale, new.variance, new.noise).scale
        for model, points in ((loud, own), (silent, own), (loud, other))
    ]
    np.testing.assert_allclose(asked[0], asked[1], rtol=1e-9)
    assert np.median(asked[2]) > 10.0 * np.median(asked[1])


def test_missing_residuals_are_nobodys_neighbours() -> None:
    """A level half missing is that of the profiles that have it."""
    data = residuals(5)
    hidden = np.random.default_rng(6).random(COUNT) < 0.5
    residual = data.residual.copy()
    residual[hidden, 1] = np.nan
    new = residuals(17)
    ratio = ask(fit(replace(data, residual=residual)), new).deviation / new.scale
    assert np.median(ratio[inland(new), 1]) == pytest.approx(1.0, abs=0.08)
    absurd = replace(data, residual=residual, variance=np.where(
        np.isnan(residual), 1e9, data.variance))  # fmt: skip
    np.testing.assert_allclose(
        fit(absurd).coefficients, fit(replace(data, residual=residual)).coefficients
    )


def test_blocks_do_not_matter(gaussian: ErrorModel, monkeypatch: pytest.MonkeyPatch) -> None:
    new = residuals(18, count=60)
    whole = ask(gaussian, new)
    monkeypatch.setattr(predictive, "in_blocks", partial(blocks.in_blocks, size=7))
    np.testing.assert_array_equal(ask(gaussian, new).scale, whole.scale)


def test_nobody_asked_nothing_answered(gaussian: ErrorModel) -> None:
    none = Points(*(np.empty(0) for _ in range(3)))
    empty = np.empty((0, LEVELS))
    assert gaussian(none, empty, empty, empty).scale.shape == (0, LEVELS)


def test_level_without_residuals_is_refused() -> None:
    data = residuals(7, count=40)
    data.residual[:, 1] = np.nan
    with pytest.raises(InputError, match=r"level number 1 has no observation .* leave the level"):
        fit(data)


@pytest.mark.parametrize("count", [1, 2, 5, 40])
@pytest.mark.parametrize("kind", ["zero", "constant", "one outlier"])
def test_little_or_odd_data_give_positive_finite_scales(count: int, kind: str) -> None:
    data = residuals(8, count=count)
    residual = {"zero": 0.0, "constant": 2.0, "one outlier": 1e-3}[kind] * np.ones((count, 2))
    if kind == "one outlier":
        residual[0] = 50.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ask(fit(replace(data, residual=residual)), residuals(9, count=4))
    assert np.isfinite(found.scale).all()
    assert (found.scale > 0.0).all()
    assert (found.scale < 1e4).all()
    assert np.isfinite(found.field_deviation).all()


def test_a_few_wild_values_do_not_decide_for_their_sea(gaussian: ErrorModel) -> None:
    data = residuals(1)
    wild = data.residual.copy()
    wild[::500] *= 200.0
    new = residuals(19)
    found = ask(fit(replace(data, residual=wild)), new).scale / ask(gaussian, new).scale
    assert np.median(found) < 1.4
    assert np.quantile(found, 0.95) < 2.0
