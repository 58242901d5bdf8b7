"""The global ensemble filters against the Kalman filter's closed form."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Analysis
from isopleth.dynamics.lorenz import Components
from isopleth.inference.kalman import (
    ETKF,
    LETKF,
    RTPP,
    RTPS,
    EnKF,
    Located,
    PeriodicLine,
    PosteriorInflation,
    Predicted,
    PriorInflation,
    Rotation,
)
from isopleth.observe import Observation

SIZE = 12
SEEN = (0, 3, 4, 9, 11)


@dataclass(frozen=True)
class Speed:
    """A nonlinear operator: length of the vector of two neighbours, (..., 12) to (..., 6)."""

    @property
    def valid(self) -> Tensor:
        return torch.ones(6, dtype=torch.bool)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.linalg.vector_norm(x.unflatten(-1, (6, 2)), dim=-1)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=stream(seed), dtype=torch.float64)


def ensemble(members: int = 8, seed: int = 1) -> Tensor:
    return 3.0 + draw(members, SIZE, seed=seed) @ draw(SIZE, SIZE, seed=2) / 2.0


def seen(index: tuple[int, ...] = SEEN, seed: int = 3) -> Located:
    variance = 0.2 + draw(len(index), seed=seed).square()
    values = 3.0 + draw(len(index), seed=seed + 1)
    observation = Observation(values, Components(index, SIZE), variance)
    return Located(observation, [[float(i)] for i in index])


def kalman(mean: Tensor, P: Tensor, o: Observation | Located) -> tuple[Tensor, Tensor]:
    """The textbook: gain of the n x n covariance."""
    H = o.operator(torch.eye(len(mean), dtype=mean.dtype)).T
    K = P @ H.T @ torch.linalg.inv(H @ P @ H.T + torch.diag(o.variance))
    return mean + K @ (o.values - H @ mean), (torch.eye(len(mean)) - K @ H) @ P


def local(radius: float = 4.0) -> LETKF:
    return LETKF(geometry=PeriodicLine(SIZE), radius=radius)


def every_method() -> dict[str, Analysis]:
    return {
        "EnKF": EnKF(stream(5)),
        "ETKF": ETKF(),
        "LETKF": local(),
        "RTPS": RTPS(local(), 0.5),
        "RTPP": RTPP(local(), 0.5),
        "prior": PriorInflation(ETKF(), 1.1),
        "posterior": PosteriorInflation(ETKF(), 1.1),
        "rotation": Rotation(ETKF(), stream(6)),
    }


# --- closed forms ----------------------------------------------------------------------------


@pytest.mark.parametrize("members", [4, 8, 40])
def test_the_transform_filter_is_the_kalman_filter_of_its_own_covariance(members: int) -> None:
    x, o = ensemble(members), seen()
    found = ETKF()(x, [o])
    mean, P = kalman(x.mean(0), torch.cov(x.T), o)
    assert torch.allclose(found.mean(0), mean)
    assert torch.allclose(torch.cov(found.T), P)
    assert not torch.allclose(found.mean(0), x.mean(0), atol=0.1)


def test_the_stochastic_filter_has_the_mean_exactly_and_the_covariance_with_many_members() -> None:
    x, o = ensemble(1500), seen()
    found = EnKF(stream())(x, [o])
    mean, P = kalman(x.mean(0), torch.cov(x.T), o)
    assert torch.allclose(found.mean(0), mean)
    assert torch.allclose(torch.cov(found.T), P, atol=0.15)
    assert not torch.allclose(torch.cov(x.T), P, atol=0.5)


def test_the_stochastic_filter_of_few_members_updates_each_with_the_gain_of_all() -> None:
    """The draws are found again from the answer: centred, and of the scale that R asks for."""
    x, o = ensemble(6), seen()
    found = EnKF(stream(9))(x, [o])
    H = o.operator(torch.eye(SIZE, dtype=x.dtype)).T
    P = torch.cov(x.T)
    K = P @ H.T @ torch.linalg.inv(H @ P @ H.T + torch.diag(o.variance))
    e = torch.randn(6, len(SEEN), generator=stream(9), dtype=x.dtype)
    e = (e - e.mean(0)) * (6 / 5) ** 0.5 * o.variance.sqrt()
    assert torch.allclose(found, x + (o.values + e - x @ H.T) @ K.T)


def test_a_huge_ensemble_gives_the_posterior_of_the_distribution_it_was_drawn_from() -> None:
    L = draw(SIZE, SIZE, seed=2) / 2.0
    x, o = ensemble(800), seen()
    mean, P = kalman(torch.full((SIZE,), 3.0, dtype=torch.float64), L.T @ L, o)
    for method in (ETKF(), EnKF(stream())):
        found = method(x, [o])
        assert torch.allclose(found.mean(0), mean, atol=0.3)
        assert torch.allclose(torch.cov(found.T), P, atol=0.4)


def test_two_observations_are_one() -> None:
    """Together or one after the other: the linear Gaussian update does not care."""
    x, first, second = ensemble(30), seen((0, 3)), seen((4, 9), seed=8)
    together = ETKF()(x, [first, second])
    after = ETKF()(ETKF()(x, [first]), [second])
    assert torch.allclose(together.mean(0), after.mean(0))
    assert torch.allclose(torch.cov(together.T), torch.cov(after.T))


def test_a_nonlinear_operator_is_read_member_by_member() -> None:
    """The update is that of a linear one with the covariances of the members' values."""
    x = ensemble(10)
    o = Observation(torch.full((6,), 4.0, dtype=x.dtype), Speed(), torch.tensor(0.5))
    read = Speed()(x)
    joint = torch.cov(torch.cat([x, read], 1).T)
    R = 0.5 * torch.eye(6)
    gain = joint[:SIZE, SIZE:] @ torch.linalg.inv(joint[SIZE:, SIZE:] + R)
    mean = x.mean(0) + gain @ (o.values - read.mean(0))
    assert torch.allclose(ETKF()(x, [o]).mean(0), mean)
    assert torch.allclose(EnKF(stream())(x, [o]).mean(0), mean)


def test_chi_square_is_that_of_the_full_matrix() -> None:
    x, o = ensemble(6), seen()
    predicted = Predicted.of(x, [o])
    d = o.values - x.mean(0)[list(SEEN)]
    covariance = torch.cov(x[:, list(SEEN)].T) + torch.diag(o.variance)
    expected = d @ torch.linalg.solve(covariance, d) / len(SEEN)
    assert predicted.chi_square() == pytest.approx(float(expected))


def test_the_symmetric_root_keeps_the_mean_and_is_the_closest_one() -> None:
    """Deviations move as little as they can, so each member stays near where it was."""
    x, o = ensemble(8), seen()
    found = ETKF()(x, [o])
    mean = kalman(x.mean(0), torch.cov(x.T), o)[0]
    assert torch.allclose(found.mean(0), mean, atol=1e-12)
    moved = (found - found.mean(0)) - (x - x.mean(0))
    for seed in range(5):
        turned = Rotation(ETKF(), stream(seed))(x, [o])
        other = (turned - turned.mean(0)) - (x - x.mean(0))
        assert float(moved.norm()) < float(other.norm())


# --- inflation and rotation ------------------------------------------------------------------


def test_a_rotation_keeps_mean_and_covariance_and_changes_the_members() -> None:
    x, o = ensemble(8), seen()
    plain, generator = ETKF()(x, [o]), stream(4)
    turned = Rotation(ETKF(), generator)(x, [o])
    assert torch.allclose(turned.mean(0), plain.mean(0))
    assert torch.allclose(torch.cov(turned.T), torch.cov(plain.T))
    again = Rotation(ETKF(), generator)(x, [o])
    assert not torch.allclose(turned, plain, atol=1e-2)
    assert not torch.allclose(turned, again, atol=1e-2)


def test_prior_inflation_is_the_kalman_update_of_the_inflated_covariance() -> None:
    x, o = ensemble(8), seen()
    found = PriorInflation(ETKF(), 1.2)(x, [o])
    mean, P = kalman(x.mean(0), 1.44 * torch.cov(x.T), o)
    assert torch.allclose(found.mean(0), mean)
    assert torch.allclose(torch.cov(found.T), P)


def test_posterior_inflation_multiplies_the_deviations() -> None:
    x, o = ensemble(8), seen()
    plain, found = ETKF()(x, [o]), PosteriorInflation(ETKF(), 1.2)(x, [o])
    assert torch.allclose(found.mean(0), plain.mean(0))
    assert torch.allclose(torch.cov(found.T), 1.44 * torch.cov(plain.T))


def test_the_relaxations_meet_the_background_half_way() -> None:
    x, o = ensemble(8), seen()
    plain = ETKF()(x, [o])
    spread = RTPS(ETKF(), 0.5)(x, [o])
    assert torch.allclose(spread.std(0), 0.5 * (plain.std(0) + x.std(0)))
    found = RTPP(ETKF(), 0.25)(x, [o])
    deviations = [each - each.mean(0) for each in (found, plain, x)]
    assert torch.allclose(deviations[0], 0.75 * deviations[1] + 0.25 * deviations[2])
    for each in (spread, found):
        assert torch.allclose(each.mean(0), plain.mean(0))
    assert torch.allclose(RTPS(ETKF(), 1.0)(x, [o]).std(0), x.std(0))


def test_a_variable_without_spread_is_left_alone_by_the_relaxation() -> None:
    x, o = ensemble(8), seen()
    x[:, 5] = 7.0
    found = RTPS(ETKF(), 0.5)(x, [o])
    assert torch.equal(found[:, 5], x[:, 5])
    assert bool(torch.isfinite(found).all())


# --- what every method promises --------------------------------------------------------------


@pytest.mark.parametrize("name", every_method())
def test_missing_values_count_for_nothing(name: str) -> None:
    x, o = ensemble(), seen((0, 3, 4, 9))
    values = o.values.clone()
    values[[1, 2]] = torch.nan
    gaps = Located(Observation(values, Components((0, 3, 4, 9), SIZE), o.variance), o.position)
    kept = o.variance[[0, 3]]
    short = Observation(o.values[[0, 3]], Components((0, 9), SIZE), kept)
    expected = every_method()[name](x, [Located(short, [[0.0], [9.0]])])
    assert torch.allclose(every_method()[name](x, [gaps]), expected)


@pytest.mark.parametrize("name", every_method())
@pytest.mark.parametrize("nothing", ["no observation", "only missing values"])
def test_without_a_value_the_members_come_back_bit_for_bit(name: str, nothing: str) -> None:
    x, o = ensemble(), seen()
    gaps = Observation(torch.full_like(o.values, torch.nan), o.operator, o.variance)
    observations = [] if nothing == "no observation" else [Located(gaps, o.position)]
    assert torch.equal(every_method()[name](x, observations), x)


@pytest.mark.parametrize("name", every_method())
def test_precision_and_shape_are_those_of_the_members_and_they_are_not_written_to(
    name: str,
) -> None:
    x, o = ensemble(), seen()
    before = x.clone()
    double = every_method()[name](x, [o])
    assert torch.equal(x, before)
    single = every_method()[name](x.float(), [o])
    assert single.dtype == torch.float32
    assert single.shape == x.shape
    assert torch.allclose(single.double(), double, atol=1e-5)
    assert not torch.allclose(double, x, atol=1e-2)


@pytest.mark.parametrize("name", [n for n in every_method() if n not in ("EnKF", "rotation")])
def test_the_order_of_the_observations_does_not_matter(name: str) -> None:
    x = ensemble()
    one, other = seen((0, 3, 4)), seen((9, 11), seed=8)
    backwards = Observation(one.values.flip(0), Components((4, 3, 0), SIZE), one.variance.flip(0))
    turned = Located(backwards, one.position[::-1].copy())  # type: ignore[index]
    method = every_method()[name]
    assert torch.allclose(method(x, [one, other]), method(x, [other, turned]), atol=1e-10)


def test_states_of_several_axes() -> None:
    """The filter does not look at the shape of a state."""
    x, o = ensemble(), seen()

    class Flat:
        valid = o.operator.valid

        def __call__(self, field: Tensor) -> Tensor:
            return o.operator(field.flatten(-2))

    found = ETKF()(x.reshape(-1, 3, 4), [Observation(o.values, Flat(), o.variance)])
    assert torch.allclose(found, ETKF()(x, [o]).reshape(-1, 3, 4))


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", every_method())
def test_members_without_a_covariance_are_refused(name: str) -> None:
    method, o = every_method()[name], seen()
    with pytest.raises(InputError, match="the ensemble has 1 member: a covariance needs at least"):
        method(ensemble(1), [o])
    broken = ensemble(4)
    broken[2, 5] = torch.nan
    broken[3, 5] = torch.inf
    with pytest.raises(InputError, match="2 of 4 members are not finite, the first is number 2"):
        method(broken, [o])


def test_other_bad_input() -> None:
    x, o = ensemble(), seen()
    with pytest.raises(InputError, match=r"the members have shape \(12,\)"):
        Predicted.of(x[0], [o])

    @dataclass(frozen=True)
    class Careless:
        values: Tensor
        operator: Components
        variance: Tensor

        def log_likelihood(self, x: Tensor) -> Tensor:
            return x.sum(-1)

    for bad in (0.0, -1.0, float("nan")):
        careless = Careless(o.values, Components(SEEN, SIZE), torch.tensor(bad))
        with pytest.raises(InputError, match="an observation error variance is"):
            Predicted.of(x, [careless])

    class Logarithm(Components):
        def __call__(self, x: Tensor) -> Tensor:
            return super().__call__(x).log()

    with pytest.raises(InputError, match="analyse one case at a time"):
        ETKF()(x[:, None].repeat(1, 2, 1), [o])
    below = Observation(o.values, Logarithm(SEEN, SIZE), o.variance)
    with pytest.raises(InputError, match="Logarithm gives nan for member"):
        ETKF()(x - 10.0, [below])


def test_settings_are_checked() -> None:
    for wrapper in (PriorInflation, PosteriorInflation):
        with pytest.raises(InputError, match=r"the inflation factor is 0\.9"):
            wrapper(ETKF(), 0.9)
    for relaxation in (RTPS, RTPP):
        with pytest.raises(InputError, match=r"the relaxation alpha is 1\.5"):
            relaxation(ETKF(), 1.5)
