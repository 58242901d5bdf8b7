"""Members: their covariance is the posterior's, and each is a function of seed and number."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.inference.interpolation import Points, Samples, blocks, simulation
from isopleth.inference.interpolation.kriging import LocalKriging
from isopleth.inference.interpolation.simulation import Simulator, prepare_simulator

# One set of scales for all points, and a patch where a plane is a good map: only then do the
# local systems belong to one joint distribution.
PLAIN = SpaceTimeCovariance(
    zonal_km=150.0, meridional_km=120.0, equatorial_zonal=0.0, equatorial_meridional=0.0
)
MANY = 6000
LEVEL = np.eye(1)


def patch(count: int, seed: int, day: float | None = None) -> Points:
    rng = np.random.default_rng(seed)
    when = rng.uniform(-20.0, 20.0, count) if day is None else np.full(count, day)
    return Points(rng.uniform(-1.5, 1.5, count), rng.uniform(-1.5, 1.5, count) % 360.0, when)


def observed(count: int = 14, seed: int = 1) -> Samples:
    value = np.random.default_rng(seed).standard_normal((count, 2))
    value[::5, 0] = np.nan
    value[3] = np.nan
    noise = np.random.default_rng(seed + 1).uniform(0.0, 1.0, value.shape)
    return Samples(patch(count, seed), value, noise)


def moments(simulator: Simulator) -> np.ndarray:
    """Covariance of many members, drawn as independent levels of one."""
    draws = simulator.draw(np.eye(MANY), seed=0, member=0).astype(np.float64)
    return draws @ draws.T / MANY


def posterior(samples: Samples, points: Points, field_covariance: Callable) -> np.ndarray:
    """`C_pp - C_ps (C_ss + R)^-1 C_sp`, the noise of the quietest level measured."""
    kept = np.isfinite(samples.value).any(axis=1)
    noise = np.where(np.isfinite(samples.value), samples.noise, np.inf).min(axis=1)[kept]
    places = samples.points.select(kept)
    both = Points(*(np.concatenate([getattr(points, n), getattr(places, n)])
                    for n in ("latitude", "longitude", "day")))  # fmt: skip
    centre = Points(np.zeros(1), np.zeros(1), np.zeros(1))
    whole = field_covariance(PLAIN, centre, 0, both)
    n = len(points)
    system = whole[n:, n:] + np.diag(noise + PLAIN.nugget)
    return whole[:n, :n] - whole[:n, n:] @ np.linalg.solve(system, whole[n:, :n])


def test_covariance_of_members_is_the_posterior_one(field_covariance: Callable) -> None:
    samples, points = observed(), patch(20, seed=4, day=0.0)
    simulator = prepare_simulator(PLAIN, samples, points, neighbours=40)
    expected = posterior(samples, points, field_covariance)
    found = moments(simulator)
    spread = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    standard_error = np.sqrt((spread**2 + expected**2) / MANY)
    z = (found - expected) / standard_error
    assert np.abs(z).max() < 5.0
    assert np.sqrt(np.mean(z**2)) < 1.3


def test_without_observations_it_is_the_prior(field_covariance: Callable) -> None:
    nothing = Samples(patch(3, 1), np.full((3, 1), np.nan))
    points = patch(12, seed=5, day=0.0)
    found = moments(prepare_simulator(PLAIN, nothing, points, neighbours=20))
    expected = posterior(nothing, points, field_covariance)
    np.testing.assert_allclose(np.diag(expected), 1.3)
    np.testing.assert_allclose(found, expected, atol=0.12)


def test_spread_is_krigings_own_where_neighbours_are_few() -> None:
    """On a grid much larger than the neighbourhoods the spread stays that of the estimate."""
    lat, lon = (a.ravel() for a in np.meshgrid(np.linspace(20, 32, 13), np.linspace(200, 215, 16)))
    points = Points(lat, lon, np.zeros(lat.size))
    rng = np.random.default_rng(2)
    places = Points(rng.uniform(20, 32, 80), rng.uniform(200, 215, 80), rng.uniform(-20, 20, 80))
    samples = Samples(places, np.zeros((80, 1)))
    covariance = SpaceTimeCovariance(zonal_km=200.0, meridional_km=200.0)
    simulator = prepare_simulator(covariance, samples, points, neighbours=25)
    draws = simulator.draw(np.eye(1000), seed=0, member=0)
    estimate = LocalKriging(scales=covariance)(samples, points)
    ratio = draws.std(axis=1) / np.sqrt(estimate.variance[:, 0])
    assert ratio.mean() == pytest.approx(1.0, abs=0.02)
    assert ratio.std() < 0.06


def test_a_point_that_was_measured_exactly_does_not_move() -> None:
    points = patch(15, seed=6, day=0.0)
    exact = SpaceTimeCovariance(nugget=0.0)
    here = Samples(points.select(np.arange(4)), np.ones((4, 1)))
    draws = prepare_simulator(exact, here, points, neighbours=30).draw(
        np.eye(50), seed=0, member=0
    )
    assert np.abs(draws[:4]).max() < 1e-3
    assert draws[4:].std() > 0.1


def test_levels_are_mixed_by_the_given_factor() -> None:
    simulator = prepare_simulator(PLAIN, observed(), patch(30, seed=7, day=0.0))
    wanted = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.3], [0.0, 0.3, 1.0]])
    factor = np.linalg.cholesky(wanted)
    draws = [simulator.draw(factor, seed=3, member=m) for m in range(400)]
    whole = np.concatenate([d / d.std(axis=0).mean() for d in draws])
    np.testing.assert_allclose(np.corrcoef(whole.T), wanted, atol=0.06)


def test_a_member_depends_on_its_number_and_the_seed_alone() -> None:
    simulator = prepare_simulator(PLAIN, observed(), patch(30, seed=7, day=0.0))
    first = [simulator.draw(LEVEL, seed=1, member=m) for m in range(5)]
    np.testing.assert_array_equal(simulator.draw(LEVEL, seed=1, member=3), first[3])
    different = [*first, simulator.draw(LEVEL, seed=2, member=3)]
    assert len({draw.tobytes() for draw in different}) == 6
    again = prepare_simulator(PLAIN, observed(), patch(30, seed=7, day=0.0))
    np.testing.assert_array_equal(again.draw(LEVEL, seed=1, member=3), first[3])
    assert first[0].dtype == np.float32
    assert first[0].shape == (30, 1)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, points = observed(), patch(30, seed=8, day=0.0)
    whole = prepare_simulator(PLAIN, samples, points, neighbours=6)
    monkeypatch.setattr(simulation, "in_blocks", partial(blocks.in_blocks, size=4))
    told: list[float] = []
    again = prepare_simulator(PLAIN, samples, points, neighbours=6, progress=told.append)
    for name in ("order", "weights", "item", "deviation"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    assert told[-1] == 1.0


def test_weights_belong_to_points_drawn_before() -> None:
    simulator = prepare_simulator(PLAIN, observed(), patch(40, seed=9, day=0.0), neighbours=8)
    rank = np.empty(40, np.int64)
    rank[simulator.order] = np.arange(40)
    for t, item in enumerate(simulator.item):
        assert (rank[item[item >= 0]] < rank[t]).all()


def test_coincident_points_get_one_value_and_nothing_is_missing() -> None:
    """A row of grid points on the pole, and profiles at one place and time."""
    pole = Points(np.full(24, 90.0), np.arange(24) * 15.0, np.zeros(24))
    casts = Points(np.full(6, 89.0), np.full(6, 10.0), np.zeros(6))
    simulator = prepare_simulator(PLAIN, Samples(casts, np.ones((6, 1))), pole, neighbours=12)
    draws = simulator.draw(np.eye(20), seed=0, member=0)
    assert np.isfinite(draws).all()
    assert np.ptp(draws, axis=0).max() < 1e-3
    assert draws.std() > 0.1
