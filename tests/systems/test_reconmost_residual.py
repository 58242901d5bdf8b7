"""Residual diffusion: closed forms first, then what the features must not see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm
from scipy.stats import t as student_t

from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.inference.interpolation import Points
from isopleth.metrics import crps_student_t, pit_student_t
from isopleth.nets.mlp import ConditionalMlp, ConditionalMlpConfig
from isopleth.systems.reconmost.residual import (
    LEVEL,
    PLACE,
    Net,
    Places,
    ResidualPrior,
    ResidualRecipe,
    draw,
    ensemble,
    fit_residual,
    summary,
)
from isopleth.systems.reconmost.residual_calibration import (
    Calibration,
    CrossFitted,
    fit_calibration,
    fit_weights,
)
from isopleth.systems.reconmost.residual_correction import (
    LOCATION,
    StudentT,
    Training,
    fit_correction,
)
from isopleth.systems.reconmost.residual_diffusion import (
    ResidualDiffusion,
    fit_residual_diffusion,
)
from isopleth.systems.reconmost.residual_features import (
    Climate,
    Features,
    Known,
    Kriged,
    features_of,
    local_correlation,
)
from isopleth.systems.reconmost.residual_levels import REGRESSIONS, Levels, levels_of

CORRELATION = np.array([[1.0, 0.8, 0.6], [0.8, 1.0, 0.8], [0.6, 0.8, 1.0]])
QUICK = ResidualRecipe(width=16, steps=150, batch=256, dropout=0.0)


def features(count: int, seed: int = 0) -> Features:
    """White features, with every name that the method asks for."""
    names = tuple(dict.fromkeys((*LOCATION, *PLACE, *LEVEL, "correlation_0_1_of_40")))
    values = np.random.default_rng(seed).standard_normal((count, 3, len(names)))
    for name in (*PLACE, "correlation_0_1_of_40"):
        column = names.index(name)
        values[..., column] = values[:, :1, column]
    return Features(names, values.astype(np.float32))


def levels(count: int) -> Levels:
    """The same correlation everywhere, and nothing from local regressions."""
    nothing = np.full((count, 3, len(REGRESSIONS)), np.nan)
    return Levels(np.tile(CORRELATION, (count, 1, 1)), nothing)


def places(seen: np.ndarray) -> Places:
    described = features(len(seen))
    return Places.of(described, levels(len(seen)), seen, np.nan_to_num(seen))


def gaussian(count: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((count, 3))
    return noise @ np.linalg.cholesky(CORRELATION).T


def prior(seen: np.ndarray) -> ResidualPrior:
    return ResidualPrior((), places(seen))


def test_untrained_network_is_the_wiener_filter() -> None:
    seen = np.full((5, 3), np.nan)
    there = places(seen)
    net = Net(there, QUICK).eval()
    x = torch.randn(4, 3, 1, 5)
    for sigma in (0.1, 1.0, 10.0):
        level = torch.tensor(sigma)
        gain = CORRELATION @ np.linalg.inv(CORRELATION + sigma**2 * np.eye(3))
        exact = torch.einsum("ij,mjkn->mikn", torch.from_numpy(gain).float(), x)
        torch.testing.assert_close(prior(seen)(x, level), exact, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            ResidualPrior((net,), there)(x, level), exact, rtol=1e-4, atol=1e-4
        )


def test_seen_levels_give_the_regression_between_levels() -> None:
    seen = np.array([[1.0, np.nan, -0.5], [0.3, np.nan, 2.0]])
    mean, spread = summary(draw(prior(seen), replace(QUICK, levels=40, lowest=0.01), range(400)))
    gain = CORRELATION[1, [0, 2]] @ np.linalg.inv(CORRELATION[np.ix_([0, 2], [0, 2])])
    exact = seen[:, [0, 2]] @ gain
    np.testing.assert_allclose(mean[:, 1], exact, atol=0.01)  # mirrored noise: no sampling error
    left = np.sqrt(1.0 - gain @ CORRELATION[[0, 2], 1])
    np.testing.assert_allclose(spread[:, 1], left, rtol=0.08)
    np.testing.assert_allclose(mean[:, [0, 2]], seen[:, [0, 2]], atol=1e-5)


def test_draws_have_the_covariance_between_levels() -> None:
    z = draw(prior(np.full((200, 3), np.nan)), replace(QUICK, levels=20), range(40))
    found = np.cov(z.reshape(-1, 3).T.numpy())
    np.testing.assert_allclose(found, CORRELATION, atol=0.05)


def test_members_do_not_depend_on_their_batch() -> None:
    there = places(np.full((6, 3), np.nan))
    nets = (Net(there, QUICK).eval(),)
    torch.nn.init.normal_(nets[0].mlp.head.weight, std=0.3)
    together = draw(ResidualPrior(nets, there), QUICK, range(4))
    alone = draw(ResidualPrior(nets, there), QUICK, [2])
    torch.testing.assert_close(together[[2, 6]], alone, rtol=1e-4, atol=1e-5)
    assert len(ensemble(nets * 2, there, QUICK, members=3)) == 12


def test_training_finds_a_mean_that_the_gaussian_cannot_know() -> None:
    described = features(3000)
    shift = np.tanh(described.columns(("mean",))[..., 0].astype(float))
    z = 0.5 * gaussian(3000) + shift
    condition = Places.of(described, levels(3000), np.full_like(z, np.nan), np.zeros_like(z))
    z32 = torch.from_numpy(z).float()
    recipe = replace(QUICK, steps=600, hidden=1.0, feature_noise_hidden=0.1)
    net = fit_residual(z32, condition, torch.ones_like(z32), recipe, seed=0)
    far = torch.zeros(1, 3, 1, 3000)
    with torch.no_grad():
        mean = ResidualPrior((net,), condition)(far, torch.tensor(20.0))[0, :, 0].T.numpy()
    assert ((mean - shift) ** 2).mean() < 0.2 * (shift**2).mean()


def test_training_is_the_same_for_the_same_seed() -> None:
    z = torch.from_numpy(gaussian(300)).float()
    there = places(np.full((300, 3), np.nan))
    recipe = replace(QUICK, steps=5)
    first, again, other = (
        fit_residual(z, there, torch.ones_like(z), recipe, seed) for seed in (1, 1, 2)
    )
    assert torch.equal(first.mlp.head.weight, again.mlp.head.weight)
    assert not torch.equal(first.mlp.head.weight, other.mlp.head.weight)


def test_gaussianised_and_back() -> None:
    start = StudentT(np.array([[0.5, -1.0]]), np.array([[2.0, 0.3]]), np.array([[6.0]]))
    value = np.array([[3.0, -1.2]])
    np.testing.assert_allclose(start.value_of(start.gaussianised(value)), value, rtol=1e-6)
    chance = student_t(6.0).cdf(1.25)
    np.testing.assert_allclose(start.gaussianised(value)[0, 0], norm.ppf(chance))


def test_untrained_method_is_kriging() -> None:
    rng = np.random.default_rng(0)
    kriged = StudentT(
        rng.normal(size=(50, 3)), rng.uniform(0.3, 2, (50, 3)), np.full((50, 1), 6.0)
    )
    value = kriged.location + kriged.scale * student_t(6.0).rvs((50, 3), random_state=1)
    nothing = CrossFitted((), replace(QUICK, levels=20), 200)
    found = ResidualDiffusion(None, nothing, {})(
        features(50), kriged, levels(50), np.full((50, 3), np.nan)
    )
    np.testing.assert_allclose(found.mean, 0.0, atol=1e-5)  # mirrored noise
    exact = replace(found, mean=np.zeros((50, 3)), spread=np.ones((50, 3)))
    arguments = kriged.location, kriged.scale, kriged.degrees, value
    np.testing.assert_allclose(exact.expected(), kriged.location, atol=1e-9)
    np.testing.assert_allclose(exact.chance(value), pit_student_t(*arguments), atol=1e-9)
    np.testing.assert_allclose(
        exact.crps(value).mean(), crps_student_t(*arguments).mean(), rtol=2e-3
    )
    np.testing.assert_allclose(found.spread, 1.0, atol=0.2)


def test_calibration_finds_what_was_wrong_with_an_ensemble() -> None:
    rng = np.random.default_rng(0)
    mean, spread = rng.normal(size=20_000), np.exp(rng.normal(0.0, 0.5, 20_000))
    z = 0.5 * mean + 1.3 * spread**0.7 * rng.normal(size=20_000)
    found = fit_calibration(mean, spread, z, np.ones(20_000))
    assert found.share == pytest.approx(0.5, abs=0.04)
    assert found.factor == pytest.approx(1.3, rel=0.03)
    assert found.power == pytest.approx(0.7, abs=0.05)


def test_weights_find_the_better_of_two_predictions() -> None:
    rng = np.random.default_rng(0)
    value = rng.normal(size=5000)
    expected, other = value + rng.normal(size=5000), value + 0.5 * rng.normal(size=5000)
    others = np.stack([other, np.full(5000, np.nan)], axis=1)
    weights = fit_weights(expected, others, np.full(5000, 10.0), value)
    assert weights == pytest.approx((0.8, 0.0), abs=0.03)  # inverse variances
    shifted = expected + Calibration(weights=weights).shift(expected, others, np.full(5000, 10.0))
    assert ((shifted - value) ** 2).mean() == pytest.approx(0.2, rel=0.05)


def test_whole_method_beats_kriging_where_there_is_something_to_learn() -> None:
    count = 1500
    described = features(count)
    shift = 0.8 * np.tanh(described.columns(("mean",))[..., 0].astype(float))
    kriged = StudentT(np.zeros((count, 3)), np.ones((count, 3)), np.full((count, 1), 8.0))
    value = shift + 0.8 * gaussian(count)
    blocks = np.arange(count) // 10
    hidden, one = (True, True, True), (False, True, False)
    recipe = replace(QUICK, steps=100, levels=5)
    training = Training(described, kriged, value, blocks).select(np.arange(1000))
    method = fit_residual_diffusion(
        training, levels(1000), [hidden, one], recipe, parts=2, partitions=1
    )
    rest = Training(described, kriged, value, blocks).select(np.arange(1000, count))
    found = method(rest.features, rest.kriged, levels(500), np.full((500, 3), np.nan))
    before = crps_student_t(0.0, 1.0, 8.0, rest.value).mean()
    assert found.crps(rest.value).mean() < 0.9 * before
    assert ((found.expected() - rest.value) ** 2).mean() < 0.85 * (rest.value**2).mean()
    seen = np.where(one, np.nan, rest.value)
    found = method(rest.features, rest.kriged, levels(500), seen)
    error = (found.expected() - rest.value)[:, 1]
    assert (error**2).mean() < 0.5 * (rest.value[:, 1] ** 2).mean()
    np.testing.assert_allclose(found.expected()[:, 0], rest.value[:, 0], atol=0.02)


def test_correction_learns_a_bias_and_a_spread_and_nothing_from_noise() -> None:
    described = features(2000)
    noise = student_t(6.0).rvs((2000, 3), random_state=0)
    kriged = StudentT(np.zeros((2000, 3)), np.ones((2000, 3)), np.full((2000, 1), 6.0))
    blocks = np.arange(2000) // 20
    bias = 0.5 * described.columns(("mean",))[..., 0]
    wide = np.exp(0.3 * described.columns(("log_roughness",))[..., 0])
    found = fit_correction(Training(described, kriged, bias + wide * noise, blocks))
    corrected = found(described, kriged)
    assert np.corrcoef(corrected.location.ravel(), bias.ravel())[0, 1] > 0.95
    assert np.corrcoef(np.log(corrected.scale).ravel(), np.log(wide).ravel())[0, 1] > 0.9
    plain = fit_correction(Training(described, kriged, noise, blocks))(described, kriged)
    assert np.abs(plain.location).mean() < 0.03
    assert np.abs(np.log(plain.scale)).mean() < 0.1


@pytest.fixture
def surroundings() -> tuple[Known, Kriged, Climate]:
    rng = np.random.default_rng(0)
    points = Points(rng.uniform(20, 50, 300), rng.uniform(150, 200, 300), rng.uniform(0, 30, 300))
    value = rng.standard_normal((300, 3))
    known = Known(points, value, 0.5 * value, np.ones((300, 3)))
    here = Points(rng.uniform(20, 50, 9), rng.uniform(150, 200, 9), rng.uniform(0, 30, 9))
    kriged = Kriged(here, rng.standard_normal((9, 3)), np.ones((9, 3)), np.full((9, 3), 0.3))
    return known, kriged, Climate(*rng.standard_normal((3, 9, 3)))


def test_features_cannot_name_a_place(surroundings: tuple[Known, Kriged, Climate]) -> None:
    known, kriged, climate = surroundings

    def moved(points: Points, turn: float) -> Points:
        return Points(points.latitude, points.longitude + turn, points.day)

    scales = SpaceTimeCovariance()
    plain = features_of(known, kriged, climate, scales)
    turned = features_of(
        replace(known, points=moved(known.points, 77.0)),
        replace(kriged, points=moved(kriged.points, 77.0)),
        climate,
        scales,
    )
    assert plain.values.shape == (9, 3, len(plain.names))
    assert np.isfinite(plain.values).all()
    np.testing.assert_allclose(plain.values, turned.values, atol=1e-3)


def test_features_stand_a_missing_level(surroundings: tuple[Known, Kriged, Climate]) -> None:
    known, kriged, climate = surroundings
    value = known.value.copy()
    value[::3, 1] = np.nan
    holed = features_of(replace(known, value=value), kriged, climate, SpaceTimeCovariance())
    assert np.isfinite(holed.values).all()
    local = local_correlation(replace(known, value=value), kriged.points)
    assert (np.linalg.eigvalsh(local) > 0).all()
    np.testing.assert_allclose(np.einsum("mii->mi", local), 1.0)


def test_a_level_is_regressed_on_the_others_and_never_on_itself(
    surroundings: tuple[Known, Kriged, Climate],
) -> None:
    known, kriged, _ = surroundings
    known = replace(known, value=known.value.copy())
    known.value[:, 2] = 1.0 + 2.0 * known.value[:, 0] - known.value[:, 1]
    value = np.random.default_rng(5).standard_normal((9, 3))
    found = levels_of(known, kriged, value).regressed
    exact = 1.0 + 2.0 * value[:, 0] - value[:, 1] - kriged.mean[:, 2]
    np.testing.assert_allclose(found[:, 2, 0], exact, rtol=1e-6)
    for level in range(3):
        hidden = value.copy()
        hidden[:, level] = np.nan
        alone = levels_of(known, kriged, hidden).regressed[:, level]
        np.testing.assert_allclose(alone, found[:, level], rtol=1e-9)


def test_perceptron_starts_at_zero() -> None:
    net = ConditionalMlp(ConditionalMlpConfig(channels=4, out_channels=2, condition=5))
    out = net(torch.randn(3, 7, 4), torch.zeros(7), net.embed(torch.randn(7, 5)))
    assert out.shape == (3, 7, 2)
    assert not out.any()
