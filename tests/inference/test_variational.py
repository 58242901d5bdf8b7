"""3D-Var, its solvers and OI against the closed form, on a small dense state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed
from isopleth.dynamics.lorenz import Components
from isopleth.inference.variational import (
    EDA,
    ByCase,
    GaussNewton,
    Increment,
    MatrixCovariance,
    PerturbedMembers,
    QuasiNewton,
    SampleCovariance,
    StaticOI,
    ThreeDVar,
)
from isopleth.observe import Observation
from isopleth.observe.nonlinear import Combined

SIZE = 9


def draw(*shape: int, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def root() -> SampleCovariance:
    return SampleCovariance(draw(7, SIZE, seed=1) / 2.0)


def matrix() -> Tensor:
    X = root().root
    return X.T @ X


def seen(index: tuple[int, ...] = (0, 2, 5), *, seed: int = 2) -> Observation:
    p = len(index)
    variance = 0.1 + draw(p, seed=seed + 50).square()
    return Observation(draw(p, seed=seed), Components(index, SIZE), variance)


def squared(index: tuple[int, ...] = (0, 2, 5), *, seed: int = 2) -> Observation:
    """A mildly nonlinear reading, `x + 0.15 x^2`."""
    curve = Combined(lambda x: x + 0.15 * x.square(), [Components(index, SIZE)])
    return Observation(draw(len(index), seed=seed), curve, torch.tensor(0.3))


def kalman(x: Tensor, o: Observation, B: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of x given what was seen."""
    assert isinstance(o.operator, Components)
    H = o.operator(torch.eye(SIZE, dtype=x.dtype)).T
    K = B @ H.T @ torch.linalg.inv(H @ B @ H.T + torch.diag(o.variance))
    return x + (o.values - x @ H.T) @ K.T, B - K @ H @ B


def full_cost(x: Tensor, first: Tensor, o: Observation, B: Tensor) -> Tensor:
    d = x - first
    misfit = (o.values - o.operator(x)).square() / o.variance
    return 0.5 * (d @ torch.linalg.solve(B, d) + misfit.sum())


TIGHT = GaussNewton(outer=1, inner=50, tolerance=1e-11)
SOLVERS = [TIGHT, QuasiNewton(iterations=200, tolerance=1e-9)]
METHODS: dict[str, Callable[[], Callable[..., object]]] = {
    "gauss-newton": lambda: ThreeDVar(Increment(root()), SOLVERS[0]),
    "l-bfgs": lambda: ThreeDVar(Increment(root()), SOLVERS[1]),
    "square root of the matrix": lambda: ThreeDVar(
        Increment(MatrixCovariance(matrix(), (SIZE,))), SOLVERS[0]
    ),
    "samples": lambda: StaticOI(covariance=root()),
    "matrix": lambda: StaticOI(covariance=MatrixCovariance(matrix(), (SIZE,))),
}


# --- linear H --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_a_linear_problem_has_the_kalman_mean(name: str) -> None:
    x, o = draw(4, SIZE, seed=3), seen()
    result = METHODS[name]()(x, [o])
    assert torch.allclose(result.state, kalman(x, o, matrix())[0], atol=1e-7)
    assert bool(result.converged.all())
    assert not result.fell_back.any()
    assert result.remarks() == []


@pytest.mark.parametrize("name", METHODS)
def test_the_cost_is_that_of_the_definition_and_falls(name: str) -> None:
    x, o = draw(SIZE, seed=3), seen()
    B = matrix() + 1e-9 * torch.eye(SIZE)  # rank 7: the cost is the limit
    result = METHODS[name]()(x, [o])
    assert result.first_cost.item() == pytest.approx(full_cost(x, x, o, B).item())
    expected = full_cost(kalman(x, o, B)[0], x, o, B).item()
    assert result.cost.item() == pytest.approx(expected, rel=1e-5)
    assert bool((result.history.diff(dim=0) <= 1e-12).all())


def test_several_observations_count_as_one() -> None:
    x, o = draw(SIZE, seed=3), seen((0, 2, 5, 7))
    parts = [
        Observation(o.values[i], Components([(0, 2), (5, 7)][k], SIZE), o.variance[i])
        for k, i in enumerate(([0, 1], [2, 3]))
    ]
    for name in METHODS:
        together = METHODS[name]()(x, parts).state
        assert torch.allclose(together, kalman(x, o, matrix())[0], atol=1e-7), name


def test_the_error_variance_of_oi_is_exact() -> None:
    x, o = draw(3, SIZE, seed=3), seen()
    covariance = root().scaled(0.7)
    result = StaticOI(covariance=covariance, spread=True)(x, [o])
    expected = kalman(x, o, 0.49 * matrix())[1].diagonal()
    assert torch.allclose(result.variance, expected.expand(3, SIZE), atol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_each_case_has_its_observations(name: str) -> None:
    x = draw(3, SIZE, seed=3)
    cases = [seen((0, 2)), seen((1,), seed=5), seen((3, 4, 8), seed=6)]
    method = METHODS[name]()
    result = method(x, ByCase([[case] for case in cases]))
    assert result.observed.tolist() == [2, 1, 3]
    for i, case in enumerate(cases):
        alone = method(x[i], [case])
        assert torch.allclose(result.state[i], alone.state, atol=1e-9)
        assert torch.allclose(result.cost[i], alone.cost)


# --- nonlinear H -----------------------------------------------------------------------------


def test_gauss_newton_l_bfgs_and_oi_reach_the_same_minimum() -> None:
    x, o = draw(3, SIZE, seed=3), squared()
    B = matrix() + 1e-10 * torch.eye(SIZE)
    outer = ThreeDVar(Increment(root()), GaussNewton(outer=15, inner=50, tolerance=1e-9))
    newton = ThreeDVar(Increment(root()), QuasiNewton(iterations=200, tolerance=1e-9))
    states = [
        method(x, [o]).state for method in (outer, newton, StaticOI(covariance=root(), outer=30))
    ]
    assert torch.allclose(states[0], states[1], atol=1e-6)
    assert torch.allclose(states[0], states[2], atol=1e-4)
    once = ThreeDVar(Increment(root()), replace(TIGHT, outer=1))(x, [o])
    assert not torch.allclose(once.state, states[0], atol=1e-3)
    assert not once.converged.any()
    assert "had not converged" in once.remarks()[0]
    for row, first in zip(states[0], x, strict=True):
        near = [full_cost(row + 1e-2 * root().sqrt(draw(7, seed=s)), first, o, B) for s in (7, 8)]
        assert full_cost(row, first, o, B) < min(near)


@pytest.mark.parametrize("operator", [seen, squared])
def test_the_gradient_is_that_of_finite_differences(operator: Callable[[], Observation]) -> None:
    method = ThreeDVar(Increment(root()))
    problem, _ = method.problem(draw(2, SIZE, seed=3), [operator()])
    v, dv, h = draw(2, 7, seed=4), draw(2, 7, seed=5), 1e-5
    slope = (problem.cost(v + h * dv) - problem.cost(v - h * dv)) / (2 * h)
    cost, gradient = problem.gradient(v)
    near = problem.linearised(v)
    assert torch.allclose((gradient * dv).sum(1), slope, rtol=1e-7)
    assert torch.allclose(near.gradient(), gradient)
    assert torch.allclose(cost, problem.cost(v))
    u = draw(2, 3, seed=6)
    assert torch.allclose((near.push(dv) * u).sum(1), (dv * near.pull(u)).sum(1))


@pytest.mark.parametrize("solver", [GaussNewton(outer=6), QuasiNewton(tolerance=1e-6)])
def test_cases_do_not_see_one_another(solver: GaussNewton | QuasiNewton) -> None:
    x = torch.cat([draw(3, SIZE, seed=3), 40.0 * draw(1, SIZE, seed=9)])
    method = ThreeDVar(Increment(root()), solver)
    together = method(x, [squared()])
    for i, first in enumerate(x):
        alone = method(first, [squared()])
        assert torch.allclose(together.state[i], alone.state, atol=1e-9)
        assert together.converged[i] == alone.converged
    batched = method(x.reshape(2, 2, SIZE), [squared()])
    assert torch.equal(batched.state.reshape(4, SIZE), together.state)
    assert batched.cost.shape == (2, 2)


class Wall:
    """Reads x, but beyond 1 there is nothing: a search that oversteps finds no number."""

    valid = torch.ones(1, dtype=torch.bool)

    def __call__(self, x: Tensor) -> Tensor:
        return torch.where(x[..., :1] < 1.0, x[..., :1], torch.nan)


class Backwards:
    """Has the derivative of -x: no step goes down."""

    valid = torch.ones(1, dtype=torch.bool)

    def __call__(self, x: Tensor) -> Tensor:
        return 2.0 * x[..., :1].detach() - x[..., :1]


@pytest.mark.parametrize("solver", [GaussNewton(), QuasiNewton()])
def test_a_search_that_finds_no_number_keeps_the_best(solver: GaussNewton | QuasiNewton) -> None:
    o = Observation(torch.tensor([1.5]).double(), Wall(), torch.tensor(0.001))
    result = ThreeDVar(Increment(root()), solver)(torch.zeros(SIZE).double(), [o])
    assert 0.0 < float(result.state[0]) < 1.0
    assert float(result.cost) < float(result.first_cost)
    assert not result.converged
    assert len(result.remarks()) == 1


def test_a_case_that_cannot_go_down_is_reported_and_the_others_are_not() -> None:
    bad = Observation(torch.tensor([1.5]).double(), Backwards(), torch.tensor(0.1))
    x = draw(2, SIZE, seed=3)
    method = ThreeDVar(Increment(root()), replace(TIGHT, outer=3))
    result = method(x, ByCase([[seen()], [bad]]))
    assert result.fell_back.tolist() == [False, True]
    assert torch.allclose(result.state[0], kalman(x[0], seen(), matrix())[0])
    assert torch.equal(result.state[1], x[1])
    assert "1 of 2 cases diverged" in result.remarks()[0]


# --- members ---------------------------------------------------------------------------------


def test_perturbed_members_are_draws_of_the_posterior() -> None:
    x, o = draw(SIZE, seed=3), seen()
    stream = torch.Generator().manual_seed(1)
    result = PerturbedMembers(ThreeDVar(Increment(root()), TIGHT), 4000, stream)(x, [o])
    mean, covariance = kalman(x, o, matrix())
    assert result.state.shape == (4000, SIZE)
    assert result.cost.shape == (4000,)
    spread = matrix().diagonal().max().sqrt()
    assert torch.allclose(result.state.mean(0), mean, atol=float(4 * spread / 4000**0.5))
    assert torch.allclose(torch.cov(result.state.T), covariance, atol=0.1 * float(spread) ** 2)
    assert float(covariance.trace()) < 0.8 * float(matrix().trace())


def test_members_of_many_cases_keep_their_observations() -> None:
    x, cases = draw(2, SIZE, seed=3), ByCase([[seen((0,))], [seen((1, 4), seed=5)]])
    method = ThreeDVar(Increment(root()), TIGHT)
    found = PerturbedMembers(method, 3000, torch.Generator().manual_seed(1))(x, cases).state
    assert found.shape == (3000, 2, SIZE)
    assert torch.allclose(found.mean(0), method(x, cases).state, atol=0.2)


def test_an_ensemble_of_analyses_keeps_the_mean_and_takes_members_as_backgrounds() -> None:
    members, o = draw(400, SIZE, seed=3), seen()
    method = ThreeDVar(Increment(root()), TIGHT)
    found = EDA(method, torch.Generator().manual_seed(1))(members, [o])
    mean = kalman(members.mean(0), o, matrix())[0]
    assert torch.allclose(found.mean(0), mean, atol=1e-9)
    H = o.operator(torch.eye(SIZE).double()).T
    K = matrix() @ H.T @ torch.linalg.inv(H @ matrix() @ H.T + torch.diag(o.variance))
    A = torch.eye(SIZE) - K @ H
    expected = A @ torch.cov(members.T) @ A.T + K @ torch.diag(o.variance) @ K.T
    assert torch.allclose(torch.cov(found.T), expected, atol=0.1)


# --- what is missing and what is wrong -------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_missing_values_count_for_nothing(name: str) -> None:
    x, o = draw(2, SIZE, seed=3), seen((0, 2, 5, 7))
    values = o.values.clone()
    values[[1, 3]] = torch.nan
    gaps = Observation(values, o.operator, o.variance)
    short = Observation(o.values[[0, 2]], Components((0, 5), SIZE), o.variance[[0, 2]])
    result = METHODS[name]()(x, [gaps])
    assert torch.allclose(result.state, kalman(x, short, matrix())[0], atol=1e-7)
    assert result.observed.tolist() == [2, 2]


@pytest.mark.parametrize("name", METHODS)
def test_without_a_value_the_background_comes_back_and_is_said_to(name: str) -> None:
    x, o = draw(2, SIZE, seed=3), seen()
    nothing = Observation(torch.full_like(o.values, torch.nan), o.operator, o.variance)
    method = METHODS[name]()
    empty: list[list[Observed]] = [[], [nothing]]
    for observations in empty:
        result = method(x, observations)
        assert torch.equal(result.state, x)
        assert result.observed.tolist() == [0, 0]
        assert "2 of 2 cases have no observation within reach" in result.remarks()[0]
    some = method(x, ByCase([[nothing], [o]]))
    assert torch.equal(some.state[0], x[0])
    assert torch.allclose(some.state[1], kalman(x[1], o, matrix())[0], atol=1e-7)
    assert some.remarks() == [
        "1 of 2 cases have no observation within reach: their analysis is the background."
    ]


@pytest.mark.parametrize("name", METHODS)
def test_bad_backgrounds_and_cases(name: str) -> None:
    method, x = METHODS[name](), draw(2, SIZE)
    hole = x.clone()
    hole[0, 3] = torch.nan
    with pytest.raises(InputError, match="1 of 18 values of the background are not finite"):
        method(hole, [seen()])
    with pytest.raises(InputError, match="a covariance of states"):
        method(x[:, :5], [seen()])
    with pytest.raises(InputError, match="2 backgrounds and observations for 3 cases"):
        method(x, ByCase([[seen()]] * 3))
    o = Observation(torch.zeros(1).double(), Wall(), torch.tensor(1.0))
    beyond = torch.stack([x[0].clamp_max(0.5), x[1] + 9.0])
    with pytest.raises(InputError, match="what background 1 predicts is not finite"):
        method(beyond, [o])


def test_bad_observations() -> None:
    class Careless:
        """Does not check what it is given."""

        def __init__(self, variance: float) -> None:
            self.values, self.operator = torch.zeros(2).double(), Components((0, 1), SIZE)
            self.variance = torch.tensor([0.1, variance])

    for variance in (-0.1, 0.0, float("nan")):
        with pytest.raises(InputError, match=f"error variance is {variance:g}"):
            ThreeDVar(Increment(root()))(draw(SIZE), [Careless(variance)])  # type: ignore[list-item]
    with pytest.raises(InputError, match="there are 0 cases"):
        ByCase([])
    detached = Combined(lambda x: x.detach(), [Components((0,), SIZE)])
    o = Observation(torch.zeros(1).double(), detached, torch.tensor(1.0))
    with pytest.raises(InputError, match="does not depend on the state"):
        ThreeDVar(Increment(root()))(draw(SIZE), [o])


def test_bad_settings() -> None:
    for name in ("outer", "inner", "tolerance"):
        with pytest.raises(InputError, match=f"{name} is 0: give a positive"):
            GaussNewton(**{name: 0})  # type: ignore[arg-type]
    for name in ("iterations", "history", "tolerance"):
        with pytest.raises(InputError, match=f"{name} is 0: give a positive"):
            QuasiNewton(**{name: 0})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="outer is 0"):
        StaticOI(covariance=root(), outer=0)
    with pytest.raises(InputError, match="0 members were asked for"):
        PerturbedMembers(ThreeDVar(Increment(root())), 0, torch.Generator())
