"""Local kriging against the dense textbook solution, and its limits with a known answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cloudpickle
import dask
import numpy as np
import pytest
from scipy.special import gamma, kv

from isopleth.core.covariance import SMOOTHNESS, SpaceTimeCovariance
from isopleth.core.errors import InputError
from isopleth.inference.interpolation import Points, Samples, blocks, kriging
from isopleth.inference.interpolation.kernel import correlation
from isopleth.inference.interpolation.kriging import LocalKriging

Dense = Callable[[SpaceTimeCovariance, Samples, Points], tuple[np.ndarray, np.ndarray]]
RNG = np.random.default_rng(11)
ALL = 200
FULL = SpaceTimeCovariance(
    zonal_km=300.0, meridional_km=200.0, broad_share=0.5, mean_variance=0.3, slope_variance=0.2
)


def patch(count: int, *, groups: int = 0, seed: int = 0) -> Points:
    """Places and times within a few scales of each other, across the date line."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, count) if groups else np.full(count, -1)
    return Points(
        rng.uniform(28, 36, count), rng.uniform(176, 184, count), rng.uniform(0, 60, count), group
    )


def profiles(count: int, levels: int = 3, seed: int = 1, **options: int) -> Samples:
    rng = np.random.default_rng(seed)
    return Samples(patch(count, seed=seed, **options), rng.standard_normal((count, levels)))


def with_gaps(samples: Samples, share: list[float]) -> Samples:
    """The same profiles, with a share of each level missing and a noise of its own."""
    missing = np.random.default_rng(2).random(samples.value.shape) < np.array(share)
    noise = np.random.default_rng(3).uniform(0.0, 2.0, samples.value.shape)
    return Samples(samples.points, np.where(missing, np.nan, samples.value), noise)


@pytest.mark.parametrize("nu", SMOOTHNESS)
def test_correlation_is_the_matern_function(nu: float) -> None:
    p = np.array([1 / 300.0, 1 / 200.0, 1 / 40.0, 1e-3, 1e-3, 1e-2, 0.0])
    for east, north, lag in RNG.uniform(-400.0, 400.0, (20, 3)):
        r = np.sqrt((east / 300.0) ** 2 + (north / 200.0) ** 2 + (lag / 40.0) ** 2)
        x = np.sqrt(2 * nu) * r
        expected = 2 ** (1 - nu) / gamma(nu) * x**nu * kv(nu, x)
        assert correlation(east, north, lag, p, nu) == pytest.approx(expected, rel=1e-10)
    assert correlation(0.0, 0.0, 0.0, p, nu) == 1.0
    p[6] = 0.4
    assert correlation(0.0, 0.0, 0.0, p, nu) == 1.4
    assert correlation(1000.0, 0.0, 0.0, p, nu) - 0.4 / np.e == pytest.approx(
        correlation(1000.0, 0.0, 0.0, np.r_[p[:6], 0.0], nu)
    )


@pytest.mark.parametrize("nu", SMOOTHNESS)
@pytest.mark.parametrize("settings", ["default", "full"])
def test_mean_and_variance_are_the_dense_ones(nu: float, settings: str, dense: Dense) -> None:
    base = {"default": {}, "full": vars(FULL)}[settings]
    covariance = SpaceTimeCovariance(**{**base, "smoothness": nu})
    samples, points = profiles(70), patch(15, seed=5)
    found = LocalKriging(scales=covariance, neighbours=ALL)(samples, points)
    mean, variance = dense(covariance, samples, points)
    np.testing.assert_allclose(found.mean, mean, atol=1e-8)
    np.testing.assert_allclose(found.variance, variance, atol=1e-8)


def test_the_poles_are_places_like_others(dense: Dense) -> None:
    """Profiles on all sides of a pole, and the pole itself under several longitudes."""
    rng, round_ = np.random.default_rng(12), SpaceTimeCovariance(broad_meridional_km=2500.0)
    for sign in (-1.0, 1.0):
        around = Points(sign * rng.uniform(84, 90, 50), rng.uniform(0, 360, 50), np.zeros(50))
        samples = Samples(around, rng.standard_normal((50, 1)))
        points = Points(sign * np.array([90.0, 90.0, 90.0, 88.0]), np.array([0.0, 77, 300, 10]),
                        np.zeros(4))  # fmt: skip
        found = LocalKriging(scales=round_, neighbours=ALL)(samples, points)
        mean, variance = dense(round_, samples, points)
        np.testing.assert_allclose(found.mean, mean, atol=1e-8)
        np.testing.assert_allclose(found.variance, variance, atol=1e-8)
        np.testing.assert_allclose(found.mean[:3, 0], found.mean[0, 0], atol=1e-6)


def test_levels_with_gaps_and_noise_are_the_dense_ones(dense: Dense) -> None:
    samples, points = with_gaps(profiles(80, 5), [0.0, 0.3, 0.3, 0.9, 1.0]), patch(12, seed=6)
    found = LocalKriging(scales=FULL, neighbours=ALL)(samples, points)
    mean, variance = dense(FULL, samples, points)
    np.testing.assert_allclose(found.mean, mean, atol=1e-8)
    np.testing.assert_allclose(found.variance, variance, atol=1e-8)
    assert (found.mean[:, 4] == 0.0).all(), "a level that nobody measured keeps its prior"
    np.testing.assert_allclose(found.variance[:, 4], 1.8)


@pytest.mark.parametrize("missing", [0.4, 0.95])
def test_a_sparse_level_has_its_own_nearest_neighbours(missing: float) -> None:
    """However many profiles without the level lie nearer: as if these did not exist."""
    samples, points = with_gaps(profiles(150, 2), [0.0, missing]), patch(20, seed=7)
    krige = LocalKriging(scales=FULL, neighbours=6)
    found = krige(samples, points)
    seen = np.isfinite(samples.value[:, 1])
    alone = Samples(
        samples.points.select(seen), samples.value[seen][:, [1]], samples.noise[seen][:, [1]]
    )
    expected = krige(alone, points)
    for name in ("mean", "variance", "nearby"):
        got, wanted = getattr(found, name)[:, 1], getattr(expected, name)[:, 0]
        np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_levels_do_not_touch_each_other() -> None:
    samples, points = with_gaps(profiles(60, 4), [0.2, 0.0, 0.2, 0.5]), patch(10, seed=8)
    krige = LocalKriging(scales=FULL, neighbours=8)
    found = krige(samples, points)
    turned = Samples(samples.points, samples.value[:, ::-1], samples.noise[:, ::-1])
    back = krige(turned, points)
    np.testing.assert_allclose(back.mean[:, ::-1], found.mean, atol=1e-12)
    np.testing.assert_allclose(back.variance[:, ::-1], found.variance, atol=1e-12)


def test_a_large_mean_variance_is_ordinary_kriging(field_covariance: Callable) -> None:
    """`b0 -> inf`: the mean is the generalised least-squares one, its error added."""
    covariance = SpaceTimeCovariance(mean_variance=1e6)
    samples, points = profiles(40, 1), patch(6, seed=9)
    found = LocalKriging(scales=covariance, neighbours=ALL)(samples, points)
    plain = SpaceTimeCovariance()
    both = Points(*(np.concatenate([getattr(points, n), getattr(samples.points, n)])
                    for n in ("latitude", "longitude", "day")))  # fmt: skip
    for t in range(len(points)):
        whole = field_covariance(plain, points, t, both)
        inside = np.arange(len(points), len(both))
        system = whole[np.ix_(inside, inside)] + plain.nugget * np.eye(len(samples))
        c, one, y = whole[inside, t], np.ones(len(samples)), samples.value[:, 0]
        solved = np.linalg.solve(system, np.stack([c, one, y], axis=1))
        gls = (one @ solved[:, 2]) / (one @ solved[:, 1])
        mean = gls + c @ (solved[:, 2] - gls * solved[:, 1])
        left = 1.0 - one @ solved[:, 0]
        variance = whole[t, t] - c @ solved[:, 0] + left**2 / (one @ solved[:, 1])
        assert found.mean[t, 0] == pytest.approx(mean, abs=1e-4)
        assert found.variance[t, 0] == pytest.approx(variance, abs=1e-4)


def test_a_large_slope_variance_follows_a_trend() -> None:
    covariance = SpaceTimeCovariance(mean_variance=1e5, slope_variance=1e5, nugget=0.01)
    places, points = patch(60, seed=3), patch(8, seed=10)
    samples = Samples(places, 4.0 + 0.7 * (places.latitude[:, None] - 32.0))
    found = LocalKriging(scales=covariance, neighbours=ALL)(samples, points)
    trend = 4.0 + 0.7 * (points.latitude - 32.0)
    np.testing.assert_allclose(found.mean[:, 0], trend, atol=0.01)


def test_a_group_is_as_if_its_samples_did_not_exist(dense: Dense) -> None:
    samples = profiles(60, groups=5)
    krige = LocalKriging(scales=FULL, neighbours=ALL)
    found = krige(samples, samples.points)
    mean, variance = dense(FULL, samples, samples.points)
    np.testing.assert_allclose(found.mean, mean, atol=1e-8)
    np.testing.assert_allclose(found.variance, variance, atol=1e-8)
    few = LocalKriging(scales=FULL, neighbours=7)
    for group in range(5):
        own = samples.points.group == group
        without = few(samples.select(~own), samples.points.select(own))
        np.testing.assert_allclose(few(samples, samples.points).mean[own], without.mean, 1e-9)


def test_without_samples_the_prior_stands() -> None:
    points = patch(3)
    nothing = Samples(points.select(np.arange(0)), np.empty((0, 2)))
    unseen = Samples(points, np.full((3, 2), np.nan))
    for samples in (nothing, unseen):
        found = LocalKriging(scales=FULL)(samples, points)
        np.testing.assert_array_equal(found.mean, 0.0)
        np.testing.assert_allclose(found.variance, 1.8)
        np.testing.assert_array_equal(found.nearby, 0.0)
    assert LocalKriging()(profiles(5), points.select(np.arange(0))).mean.shape == (0, 3)


@pytest.mark.parametrize("nugget", [0.0, 1e-12, 0.1])
def test_coincident_profiles_do_no_harm(nugget: float, dense: Dense) -> None:
    """Twice the same cast, and two that contradict each other, at one place and time."""
    one = profiles(12, 2)
    index = np.r_[np.arange(12), 3, 3, 3]
    value = one.value[index]
    value[-1] += 0.5
    twice = Samples(one.points.select(index), value)
    covariance = SpaceTimeCovariance(nugget=nugget)
    found = LocalKriging(scales=covariance, neighbours=ALL)(twice, patch(9, seed=4))
    assert np.isfinite(found.mean).all()
    assert (np.abs(found.mean) < 1.5 * np.abs(value).max()).all()
    assert ((found.variance >= 0.0) & (found.variance <= 1.3)).all()
    if nugget > 1e-6:
        np.testing.assert_allclose(found.mean, dense(covariance, twice, patch(9, seed=4))[0])


def test_nearby_sums_the_correlations_within_a_scale() -> None:
    lag = np.array([0.0, 20.0, 39.0, 41.0])
    samples = Samples(Points(np.full(4, 50.0), np.zeros(4), lag), np.zeros((4, 1)))
    found = LocalKriging()(samples, Points(np.array([50.0]), np.zeros(1), np.zeros(1)))
    expected = 1.0 + np.exp(-0.5) + np.exp(-39.0 / 40.0)
    assert found.nearby is not None
    assert found.nearby[0, 0] == pytest.approx(expected)


def lattice() -> tuple[Samples, Points]:
    """Profiles on a regular lattice, where many lie at the very same distance, and duplicates."""
    latitude, longitude = (a.ravel() for a in np.meshgrid(np.arange(0.0, 20.0), np.arange(25.0)))
    latitude, longitude = np.r_[latitude, latitude[:40]], np.r_[longitude, longitude[:40]]
    places = Points(latitude, longitude, np.zeros(latitude.size))
    value = np.random.default_rng(0).standard_normal((len(places), 2))
    return with_gaps(Samples(places, value), [0.0, 0.6]), places


def test_blocks_threads_and_order_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, points = lattice()
    krige = LocalKriging(neighbours=9)
    whole = krige(samples, points)
    monkeypatch.setattr(kriging, "in_blocks", partial(blocks.in_blocks, size=7))
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    for seed in (None, 1):
        index = np.arange(len(samples))
        if seed is not None:
            np.random.default_rng(seed).shuffle(index)
        again = krige(samples.select(index), points)
        np.testing.assert_array_equal(again.mean, whole.mean)
        np.testing.assert_array_equal(again.variance, whole.variance)
        np.testing.assert_array_equal(again.nearby, whole.nearby)


def test_workers_need_not_share_memory() -> None:
    """Each task is pickled and solved elsewhere, as on a cluster."""

    def elsewhere(graph: object, keys: object, **_: object) -> object:
        return dask.get(cloudpickle.loads(cloudpickle.dumps(graph)), keys)

    samples, points = profiles(30), patch(8, seed=2)
    here = LocalKriging()(samples, points)
    with dask.config.set(scheduler=elsewhere):
        there = LocalKriging()(samples, points)
    np.testing.assert_array_equal(there.mean, here.mean)
    np.testing.assert_array_equal(there.variance, here.variance)


def test_the_convention_of_longitude_does_not_matter() -> None:
    samples, points = profiles(50), patch(10, seed=2)
    found = LocalKriging()(samples, points)
    west = Points(points.latitude, points.longitude - 360.0, points.day)
    shifted = Samples(
        Points(samples.points.latitude, samples.points.longitude + 360.0, samples.points.day),
        samples.value,
    )
    again = LocalKriging()(shifted, west)
    np.testing.assert_allclose(again.mean, found.mean, atol=1e-9)
    np.testing.assert_allclose(again.variance, found.variance, atol=1e-9)


def test_the_whole_world_may_be_rolled() -> None:
    rng = np.random.default_rng(4)
    lat, lon, day = rng.uniform(-88, 88, 300), rng.uniform(0, 360, 300), rng.uniform(0, 30, 300)
    value, at = rng.standard_normal((300, 1)), slice(0, 60)
    results = []
    for turn in (0.0, 90.0, 181.0):
        samples = Samples(Points(lat, lon + turn, day), value)
        points = Points(lat[at], lon[at] + 3.0 + turn, day[at])
        results.append(LocalKriging(neighbours=15)(samples, points).mean)
    np.testing.assert_allclose(results[1], results[0], atol=1e-9)
    np.testing.assert_allclose(results[2], results[0], atol=1e-9)


def test_progress_grows_to_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kriging, "in_blocks", partial(blocks.in_blocks, size=5))
    told: list[float] = []
    LocalKriging()(profiles(20), patch(20), progress=told.append)
    np.testing.assert_allclose(told, [0.25, 0.5, 0.75, 1.0])


@pytest.mark.parametrize("neighbours", [0, -3])
def test_no_neighbours_are_refused(neighbours: int) -> None:
    with pytest.raises(InputError, match=f"neighbours is {neighbours}; give at least 1"):
        LocalKriging(neighbours=neighbours)
