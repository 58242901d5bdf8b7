"""The local fit: scales move towards the truth of each sea, and stay where data are silent."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pytest

from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.inference.interpolation import Points, Samples
from isopleth.inference.interpolation.kriging import LocalKriging
from isopleth.inference.interpolation.local_fit import AXES, LocalFit, ScaleField

SHORT, LONG, DAYS = 80.0, 600.0, 60.0  # the true scales west and east, km; and the lag's
COUNT, LEVELS = 400, 16
START = SpaceTimeCovariance(
    zonal_km=200.0, meridional_km=200.0, days=DAYS, nugget=0.1, broad_share=0.05,
    equatorial_zonal=0.0, equatorial_meridional=0.0,
)  # fmt: skip
FIT = LocalFit(neighbours=20, averaged=120, fewest=100)


@dataclass(frozen=True)
class World:
    """Two seas with one covariance each: samples to fit to and others to be judged by."""

    samples: Samples
    judged: Samples
    west: np.ndarray


def sea(west: float, scale: float, seed: int) -> Samples:
    """A dense Cholesky draw of an exponential covariance, with 5 % of noise."""
    rng = np.random.default_rng(seed)
    lat, east = rng.uniform(20.0, 32.0, COUNT), rng.uniform(0.0, 14.0, COUNT)
    day = rng.uniform(0.0, DAYS, COUNT)
    x = np.stack([111.2 * lat / scale, 111.2 * 0.9 * east / scale, day / DAYS], axis=1)
    h = np.linalg.norm(x[:, None] - x[None], axis=-1)
    root = np.linalg.cholesky(np.exp(-h) + 0.05 * np.eye(COUNT))
    group = np.floor(lat).astype(int) * 1000 + np.floor(west + east).astype(int)
    value = root @ rng.standard_normal((COUNT, LEVELS))
    return Samples(Points(lat, west + east, day, group), value)


@pytest.fixture(scope="module")
def world() -> World:
    seas = [sea(170.0, SHORT, 1), sea(300.0, LONG, 2)]
    names = ("latitude", "longitude", "day", "group")
    whole = Samples(
        Points(*(np.concatenate([getattr(s.points, n) for s in seas]) for n in names)),
        np.concatenate([s.value for s in seas]),
    )
    kept = np.arange(len(whole)) % 4 > 0
    samples = whole.select(kept)
    return World(samples, whole.select(~kept), samples.points.longitude < 200.0)


@pytest.fixture(scope="module")
def fitted(world: World) -> ScaleField:
    field = FIT(START, world.samples)
    assert isinstance(field, ScaleField)
    return field


def test_scales_move_towards_the_truth(world: World, fitted: ScaleField) -> None:
    """An exponential's weights depend on km per day: that is what the errors can tell."""
    local = fitted.at(world.samples.points.latitude, world.samples.points.longitude)
    for name in ("zonal_km", "meridional_km"):
        short, long = (np.median(local.column(name)[w]) for w in (world.west, ~world.west))
        assert short < 185.0, name
        assert long > 260.0, name
        speed = local.column(name) / local.column("days")
        assert np.median(speed[world.west]) == pytest.approx(SHORT / DAYS, rel=0.5)
        assert np.median(speed[~world.west]) == pytest.approx(LONG / DAYS, rel=0.5)


def test_withheld_profiles_are_predicted_better(world: World, fitted: ScaleField) -> None:
    def error(scales: ScaleField | SpaceTimeCovariance) -> np.ndarray:
        points = replace(world.judged.points, group=np.full(len(world.judged), -1))
        found = LocalKriging(scales=scales, neighbours=20)(world.samples, points)
        return np.mean((found.mean - world.judged.value) ** 2, axis=1)

    before, after = error(START), error(fitted)
    west = world.judged.points.longitude < 200.0
    assert after[west].mean() < 0.98 * before[west].mean()
    assert after[~west].mean() < 0.92 * before[~west].mean()


def test_far_from_all_data_the_global_scales_stand(fitted: ScaleField) -> None:
    where = np.array([-50.0]), np.array([80.0])
    np.testing.assert_allclose(fitted.at(*where).values, START.at(*where).values, rtol=1e-6)


def test_field_of_scales_is_that_of_its_profiles_where_all_agree() -> None:
    count = 50
    where = Points(np.linspace(0.0, 1.0, count), np.full(count, 20.0), np.zeros(count))
    factor = np.tile(np.log([2.0, 3.0, 0.5, 1.5, 0.25, 4.0]), (count, 1))
    field = ScaleField(START, where.unit_vectors, factor)
    local = field.at(np.array([0.5]), np.array([380.0]))
    base = START.at(np.array([0.5]))
    for axis, (names, _) in enumerate(AXES):
        for name in names:
            ratio = local.column(name) / base.column(name)
            np.testing.assert_allclose(ratio, np.exp(factor[0, axis]), rtol=1e-3)
    assert field.at(np.empty(0), np.empty(0)).values.shape == (0, 10)


def test_too_few_profiles_fit_nothing(world: World) -> None:
    few = world.samples.select(np.arange(99))
    assert FIT(START, few) is START


def test_a_random_subset_is_the_same_each_time_and_counts_to_one(world: World) -> None:
    told: list[float] = []
    fit = replace(FIT, most=150, rounds=1)
    first = fit(START, world.samples, progress=told.append)
    again = fit(START, world.samples)
    other = replace(fit, seed=1)(START, world.samples)
    assert isinstance(first, ScaleField)
    assert isinstance(again, ScaleField)
    assert isinstance(other, ScaleField)
    np.testing.assert_array_equal(first.log_factor, again.log_factor)
    assert len(first.where) == 150
    assert not np.array_equal(first.where, other.where)
    np.testing.assert_allclose(told, np.arange(1, 14) / 13)


def test_no_scale_moves_beyond_the_limit(world: World) -> None:
    field = replace(FIT, limit=1.2, most=150)(START, world.samples)
    assert isinstance(field, ScaleField)
    assert np.abs(field.log_factor).max() == pytest.approx(np.log(1.2))


@pytest.mark.parametrize("averaged", [1, 50])
def test_constant_and_missing_levels_move_nothing(averaged: int) -> None:
    """Every prediction is exact, or there is nothing to predict: no scale is better than another.

    One all-missing level among good ones must not spoil them either.
    """
    rng = np.random.default_rng(0)
    points = Points(rng.uniform(0, 9, 60), rng.uniform(0, 9, 60), np.zeros(60), np.arange(60))
    fit = replace(FIT, fewest=10, averaged=averaged, rounds=1)
    constant = np.column_stack([np.zeros(60), np.full(60, np.nan)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        field = fit(START, Samples(points, constant))
        level = rng.standard_normal((60, 1))
        alone = fit(START, Samples(points, level))
        beside = fit(START, Samples(points, np.hstack([level, np.full((60, 1), np.nan)])))
    assert isinstance(field, ScaleField)
    np.testing.assert_array_equal(field.log_factor, 0.0)
    assert isinstance(alone, ScaleField)
    assert isinstance(beside, ScaleField)
    np.testing.assert_allclose(alone.log_factor, beside.log_factor, atol=1e-9)
