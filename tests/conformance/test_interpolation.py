"""What every method of interpolation promises, from inverse distance to kriging."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.core.grid import Grid
from isopleth.inference.interpolation.enoi import EnOI
from isopleth.inference.interpolation.inverse_distance import InverseDistance
from isopleth.inference.interpolation.kriging import LocalKriging
from isopleth.inference.interpolation.optimal_interpolation import OptimalInterpolation
from isopleth.inference.interpolation.prior_mean import PriorMean
from isopleth.inference.interpolation.scattered import Estimate, Interpolation, Points, Samples
from isopleth.inference.interpolation.shapes import Gaussian, Matern

LEVELS = 3
STEP = 15.0  # degrees: the cells of the ensemble's grid, by which worlds are rolled


@dataclass(frozen=True)
class Case:
    """A method under test.

    Args:
        name: For the report.
        make: Builds the method with tiny noise, for a world rolled east by so many cells.
        honours: Whether it passes through an exact sample.
    """

    name: str
    make: Callable[[int], Interpolation]
    honours: bool = True


def ensemble(cells: int) -> EnOI:
    """Members without structure: only the taper relates places further apart than a cell."""
    grid = Grid.regular(STEP, levels=np.arange(LEVELS) * 50.0)
    members = np.random.default_rng(0).standard_normal((40, *grid.shape))
    return EnOI(
        grid=grid,
        members=np.roll(members, cells, axis=-1),
        observation_variance=1e-6,
        radius_km=4000.0,
        neighbours=8,
    )


# A new method joins here, and has to keep every promise below.
CASES = [
    Case("prior mean", lambda _: PriorMean(), honours=False),
    Case("inverse distance", lambda _: InverseDistance(time_km_per_day=0.0)),
    Case("inverse distance in time", lambda _: InverseDistance(power=3.0, neighbours=5)),
    Case("isotropic reference", lambda _: OptimalInterpolation.reference(), honours=False),
    Case("exponential", lambda _: OptimalInterpolation(nugget=1e-6, neighbours=9)),
    Case("gaussian", lambda _: OptimalInterpolation(nugget=1e-6, shape=Gaussian(), days=None)),
    Case("matern", lambda _: OptimalInterpolation(nugget=1e-6, shape=Matern(1.5))),
    Case("ensemble", ensemble),
    Case("kriging", lambda _: LocalKriging(scales=SpaceTimeCovariance(nugget=1e-6))),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
def method(case: Case) -> Interpolation:
    return case.make(0)


def scattered(count: int, seed: int) -> Points:
    """Two dense patches, one of them across Greenwich, and some points anywhere."""
    rng = np.random.default_rng(seed)
    lat, lon = rng.uniform(35.0, 50.0, count), rng.uniform(-10.0, 10.0, count) % 360.0
    lat[::3], lon[::3] = (
        rng.uniform(-20.0, -5.0, lat[::3].size),
        rng.uniform(170, 190, lat[::3].size),
    )
    lat[::10], lon[::10] = (
        rng.uniform(-85, 85, lat[::10].size),
        rng.uniform(0, 360, lat[::10].size),
    )
    return Points(lat, lon, rng.uniform(0.0, 30.0, count), rng.integers(0, 5, count))


@pytest.fixture
def samples() -> Samples:
    rng = np.random.default_rng(1)
    value = rng.standard_normal((90, LEVELS))
    value[rng.random(value.shape) < 0.15] = np.nan
    return Samples(scattered(90, 2), value, rng.uniform(0.0, 0.2, value.shape))


@pytest.fixture
def points(samples: Samples) -> Points:
    """New places, and some of the samples' own."""
    new, own = scattered(25, 3), samples.points.select(np.arange(6))
    fields = ("latitude", "longitude", "day", "group")
    return Points(*(np.concatenate([getattr(new, f), getattr(own, f)]) for f in fields))


def assert_same(first: Estimate, second: Estimate, rtol: float = 1e-7) -> None:
    np.testing.assert_allclose(first.mean, second.mean, rtol=rtol, atol=1e-9)
    np.testing.assert_allclose(first.variance, second.variance, rtol=rtol, atol=1e-9)


def moved(points: Points, degrees: float) -> Points:
    return Points(points.latitude, points.longitude + degrees, points.day, points.group)


def test_finite_with_one_value_a_point_and_level(
    method: Interpolation, samples: Samples, points: Points
) -> None:
    estimate = method(samples, points)
    assert estimate.mean.shape == estimate.variance.shape == (len(points), LEVELS)
    assert np.isfinite(estimate.mean).all()
    assert (np.isnan(estimate.variance) | (estimate.variance >= 0.0)).all()


def test_no_points(method: Interpolation, samples: Samples) -> None:
    assert method(samples, samples.points.select(np.arange(0))).mean.shape == (0, LEVELS)


def test_no_samples_is_the_prior(method: Interpolation, samples: Samples, points: Points) -> None:
    nobody = samples.select(np.arange(0))
    silent = Samples(samples.points, np.full_like(samples.value, np.nan))
    mine = samples.regrouped(np.full(len(samples), 4))
    for nothing in (nobody, silent, mine):
        at = Points(points.latitude, points.longitude, points.day, np.full(len(points), 4))
        estimate = method(nothing, at)
        assert (estimate.mean == 0.0).all()


def test_out_of_reach_is_the_prior(method: Interpolation) -> None:
    north = Points(np.full(5, 55.0), np.arange(5.0), np.zeros(5))
    south = Points(np.full(2, -55.0), np.array([182.0, 183.0]), np.zeros(2))
    estimate = method(Samples(north, np.full((5, LEVELS), 8.0)), south)
    np.testing.assert_allclose(estimate.mean, 0.0, atol=1e-3)


@pytest.mark.parametrize("cells", [1, 9, 13])
def test_rolling_the_world_changes_nothing(
    case: Case, samples: Samples, points: Points, cells: int
) -> None:
    rolled = Samples(moved(samples.points, cells * STEP), samples.value, samples.noise)
    there = case.make(cells)(rolled, moved(points, cells * STEP))
    assert_same(case.make(0)(samples, points), there, rtol=1e-5)


def test_longitudes_of_any_convention(
    method: Interpolation, samples: Samples, points: Points
) -> None:
    signed = (samples.points.longitude + 180.0) % 360.0 - 180.0
    place = Points(samples.points.latitude, signed, samples.points.day, samples.points.group)
    there = method(Samples(place, samples.value, samples.noise), moved(points, -720.0))
    assert_same(method(samples, points), there, rtol=1e-5)


def test_the_order_of_samples_is_irrelevant(
    method: Interpolation, samples: Samples, points: Points
) -> None:
    shuffled = samples.select(np.random.default_rng(8).permutation(len(samples)))
    assert_same(method(samples, points), method(shuffled, points))


def test_samples_of_the_own_group_are_ignored(
    method: Interpolation, samples: Samples, points: Points
) -> None:
    estimate = method(samples, points)
    for group in np.unique(points.group):
        mine = points.group == group
        without = method(samples.select(samples.points.group != group), points.select(mine))
        assert_same(Estimate(estimate.mean[mine], estimate.variance[mine]), without)


def test_without_a_group_everything_counts(
    method: Interpolation, samples: Samples, points: Points
) -> None:
    free = Points(points.latitude, points.longitude, points.day)
    ungrouped = samples.regrouped(free.select(np.zeros(len(samples), int)).group)
    assert_same(method(samples, free), method(ungrouped, points))


def test_blocks_do_not_matter(method: Interpolation, samples: Samples, points: Points) -> None:
    whole = method(samples, points)
    for cut in ([1], [7, 8, 20]):
        parts = [method(samples, points.select(i)) for i in np.split(np.arange(len(points)), cut)]
        mean, variance = (
            np.concatenate([getattr(p, f) for p in parts]) for f in ("mean", "variance")
        )
        assert_same(whole, Estimate(mean, variance))


def test_a_point_is_the_same_in_any_block(
    method: Interpolation, samples: Samples, points: Points
) -> None:
    """More points than any method takes at once."""
    many = np.tile(np.arange(len(points)), 40)
    whole, once = method(samples, points.select(many)), method(samples, points)
    assert_same(whole, Estimate(once.mean[many], once.variance[many]))


def test_a_profile_without_values_is_no_profile(
    method: Interpolation, samples: Samples, points: Points
) -> None:
    empty = np.arange(len(samples)) % 2 == 0
    value = np.where(empty[:, None], np.nan, samples.value)
    silent = Samples(samples.points, value, samples.noise)
    assert_same(method(silent, points), method(samples.select(~empty), points))


def test_a_level_never_measured_is_finite(
    method: Interpolation, samples: Samples, points: Points
) -> None:
    value = samples.value.copy()
    value[:, 1] = np.nan
    estimate = method(Samples(samples.points, value, samples.noise), points)
    assert np.isfinite(estimate.mean).all()


@pytest.mark.parametrize("case", [c for c in CASES if c.honours], ids=lambda case: case.name)
def test_an_exact_sample_is_honoured(case: Case) -> None:
    place = Points(np.array([40.5, 5.5]), np.array([359.9, 120.0]), np.array([3.0, 9.0]))
    value = np.array([[1.0, -2.0, 3.0], [4.0, 0.5, -1.0]])
    estimate = case.make(0)(Samples(place, value), place)
    np.testing.assert_allclose(estimate.mean, value, rtol=0.01)


def test_the_mean_is_linear_in_the_values(
    method: Interpolation, samples: Samples, points: Points
) -> None:
    tripled = Samples(samples.points, -3.0 * samples.value, samples.noise)
    np.testing.assert_allclose(
        method(tripled, points).mean, -3.0 * method(samples, points).mean, rtol=1e-7, atol=1e-9
    )


def test_progress_grows_to_one(method: Interpolation, samples: Samples, points: Points) -> None:
    told: list[float] = []
    method(samples, points, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


def test_the_samples_are_left_alone(
    method: Interpolation, samples: Samples, points: Points
) -> None:
    before = samples.value.copy()
    method(samples, points)
    np.testing.assert_array_equal(samples.value, before)
