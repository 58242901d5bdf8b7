"""Ensemble optimal interpolation against the dense Kalman formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.inference.interpolation.enoi import EnOI, eof_posterior
from isopleth.inference.interpolation.scattered import Points, Samples
from isopleth.inference.interpolation.shapes import Exponential, GaspariCohn
from isopleth.observe.profile import ProfileOperator

LEVELS = [0.0, 100.0]
MEMBERS = 12
ERROR = np.array([0.3, 0.6])


def no_taper(r: np.ndarray) -> np.ndarray:
    return np.where(r < 1e3, 1.0, 0.0)


@pytest.fixture(scope="module")
def enoi() -> EnOI:
    grid = Grid.regular(30.0, levels=LEVELS)
    mask = np.random.default_rng(3).random(grid.shape) < 0.45
    mask[:, 2, 4] = True
    grid = grid.with_mask(mask)
    members = np.random.default_rng(0).standard_normal((MEMBERS, *grid.shape))
    return EnOI(grid=grid, members=members, observation_variance=ERROR, neighbours=15)


def places(count: int, seed: int) -> Points:
    rng = np.random.default_rng(seed)
    lat = np.degrees(np.arcsin(rng.uniform(-1.0, 1.0, count)))
    return Points(lat, rng.uniform(-180.0, 360.0, count), np.zeros(count))


@pytest.fixture
def samples() -> Samples:
    rng = np.random.default_rng(1)
    value, noise = rng.standard_normal((15, 2)), rng.uniform(0.0, 0.4, (15, 2))
    value[rng.random(value.shape) < 0.2] = np.nan
    return Samples(places(15, 2), value, noise)


def reading(enoi: EnOI, at: Points) -> tuple[np.ndarray, np.ndarray]:
    """`H` as a dense matrix `(n L, cells)`, and its valid rows."""
    H = ProfileOperator(enoi.grid, at.latitude, at.longitude, LEVELS)
    return H.matrix().to_dense().numpy(), H.valid.numpy().ravel()


def dense(enoi: EnOI, samples: Samples, at: Points, taper: bool) -> tuple[np.ndarray, np.ndarray]:
    """`x = C' (G + R)^-1 y` with the whole covariance of the grid's cells written out."""
    B = enoi.alpha * np.cov(enoi.members.reshape(MEMBERS, -1).T)
    (H, ocean), (P, _) = reading(enoi, samples.points), reading(enoi, at)
    u, v = (np.repeat(p.unit_vectors, len(LEVELS), axis=0) for p in (samples.points, at))
    rho = GaspariCohn() if taper else no_taper
    scale = 6371.0088 / enoi.radius_km
    G = H @ B @ H.T
    R = np.tile(ERROR, len(samples)) + samples.noise.ravel() * np.diag(G)
    G = G * rho(scale * np.linalg.norm(u[:, None] - u, axis=2)) + np.diag(R)
    C = H @ B @ P.T * rho(scale * np.linalg.norm(u[:, None] - v, axis=2))
    used = np.isfinite(samples.value.ravel()) & ocean
    K = np.linalg.solve(G[np.ix_(used, used)], C[used]).T
    variance = np.diag(P @ B @ P.T) - (K * C[used].T).sum(axis=1)
    mean = K @ samples.value.ravel()[used]
    return mean.reshape(len(at), -1), variance.reshape(len(at), -1)


@pytest.mark.parametrize("radius_km", [6000.0, 1e9])
@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_against_the_dense_kalman_formula(
    enoi: EnOI, samples: Samples, radius_km: float, alpha: float
) -> None:
    tapered = radius_km < 1e9
    scaled = replace(
        enoi,
        radius_km=radius_km,
        alpha=alpha,
        taper=GaspariCohn() if tapered else no_taper,
    )
    at = places(20, 5)
    estimate = scaled(samples, at)
    mean, variance = dense(scaled, samples, at, tapered)
    ocean = reading(scaled, at)[1].reshape(20, -1)
    assert 0.7 < ocean.mean() < 1.0
    np.testing.assert_allclose(estimate.mean[ocean], mean[ocean], atol=1e-10)
    np.testing.assert_allclose(estimate.variance[ocean], variance[ocean], atol=1e-10)
    assert (estimate.mean[~ocean] == 0.0).all()
    assert np.isnan(estimate.variance[~ocean]).all()


def test_the_scaling_of_the_covariance(enoi: EnOI) -> None:
    raw = enoi.members
    at = Points(enoi.grid.latitude[[2]], enoi.grid.longitude[[4]], np.zeros(1))
    nothing = Samples(places(1, 0), np.full((1, 2), np.nan))
    prior = replace(enoi, members=raw + 7.0, alpha=0.3)(nothing, at)
    np.testing.assert_allclose(prior.variance[0], 0.3 * raw[:, :, 2, 4].var(axis=0, ddof=1))


def test_a_level_informs_the_other(enoi: EnOI) -> None:
    """Two levels that are one: a sample of the first is a sample of the second."""
    one = np.random.default_rng(4).standard_normal((MEMBERS, 1, *enoi.grid.shape[1:]))
    both = replace(enoi, members=np.repeat(one, 2, axis=1), observation_variance=1e-6)
    at = Points(enoi.grid.latitude[[2]], enoi.grid.longitude[[4]], np.zeros(1))
    estimate = both(Samples(at, np.array([[1.5, np.nan]])), at)
    np.testing.assert_allclose(estimate.mean, [[1.5, 1.5]], rtol=1e-4)


def test_what_lies_under_land_changes_nothing(enoi: EnOI, samples: Samples) -> None:
    dirty = np.where(enoi.grid.mask, enoi.members, np.nan)
    clean = replace(enoi, members=np.where(enoi.grid.mask, enoi.members, 0.0))
    first, second = (
        replace(enoi, members=dirty)(samples, places(9, 8)),
        clean(samples, places(9, 8)),
    )
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.variance, second.variance)


def test_a_profile_on_land_takes_no_place_of_a_neighbour(enoi: EnOI) -> None:
    sea = np.broadcast_to(enoi.grid.longitude < 180.0, enoi.grid.shape)
    one = replace(enoi, grid=enoi.grid.with_mask(sea), neighbours=1, radius_km=9000.0)
    place = Points(np.full(2, 15.0), np.array([200.0, 140.0]), np.zeros(2))
    samples = Samples(place, np.array([[9.0, 9.0], [2.0, -3.0]]))
    coast = Points(np.array([15.0]), np.array([175.0]), np.zeros(1))
    mean = one(samples, coast).mean
    assert (np.abs(mean) > 1e-3).all()
    np.testing.assert_array_equal(mean, one(samples.select(np.array([1])), coast).mean)


def test_single_precision_members(enoi: EnOI, samples: Samples) -> None:
    coarse = replace(enoi, members=enoi.members.astype(np.float32))
    mean = coarse(samples, places(9, 8)).mean
    np.testing.assert_allclose(mean, enoi(samples, places(9, 8)).mean, atol=1e-5)


def test_a_taper_of_ones_own(enoi: EnOI, samples: Samples) -> None:
    estimate = replace(enoi, taper=Exponential(), radius_km=500.0)(samples, places(9, 8))
    assert np.isfinite(estimate.mean).all()


def test_eof_posterior_is_the_global_analysis_of_the_same_covariance(enoi: EnOI) -> None:
    at, place = places(6, 5), places(15, 2)
    y = np.random.default_rng(1).standard_normal(15)
    y[3] = np.nan
    X = enoi.members[:, 0].reshape(MEMBERS, -1)
    X = (X - X.mean(axis=0)) / np.sqrt(MEMBERS - 1)
    S, V = np.linalg.svd(X, full_matrices=False)[1:]
    S, V = S[:-1], V[:-1].T  # the mean was removed: one mode less than members
    surface = replace(
        enoi,
        grid=Grid(
            enoi.grid.latitude, enoi.grid.longitude, enoi.grid.levels[:1], enoi.grid.mask[:1]
        ),
        members=enoi.members[:, :1],
        observation_variance=0.3,
        taper=no_taper,
    )
    H, P = (
        ProfileOperator(surface.grid, p.latitude, p.longitude, LEVELS[:1]) for p in (place, at)
    )
    seen = H.valid.numpy().ravel() & np.isfinite(y)
    HV, PV = (A.matrix().to_dense().numpy() @ V for A in (H, P))
    mean, C = eof_posterior(HV, S**2, np.where(seen, y, np.nan), np.full(15, 0.3))
    local = surface(Samples(place, y[:, None]), at)
    ocean = P.valid.numpy()
    np.testing.assert_allclose(local.mean[ocean], (PV @ mean)[:, None][ocean], atol=1e-9)
    variance = np.einsum("pk,kl,pl->p", PV, C, PV)[:, None]
    np.testing.assert_allclose(local.variance[ocean], variance[ocean], atol=1e-9)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"members": np.zeros((4, 2, 6))}, r"shape \(4, 2, 6\)"),
        ({"members": np.zeros((1, 2, 6, 12))}, "two or more"),
        ({"members": np.full((3, 2, 6, 12), np.nan)}, "not all finite in the ocean"),
        ({"members": np.ones((3, 2, 6, 12), int)}, "int64"),
        ({"observation_variance": 0.0}, "observation_variance is 0"),
        ({"observation_variance": np.ones(3)}, "one a level"),
        ({"radius_km": -1.0}, "radius_km is -1"),
        ({"neighbours": 0}, "neighbours is 0"),
        ({"alpha": float("nan")}, "alpha is nan"),
    ],
)
def test_wrong_settings(enoi: EnOI, wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        replace(enoi, **wrong)


def test_samples_of_other_levels(enoi: EnOI) -> None:
    with pytest.raises(InputError, match="3 levels and the ensemble 2"):
        enoi(Samples(places(2, 0), np.zeros((2, 3))), places(1, 1))
