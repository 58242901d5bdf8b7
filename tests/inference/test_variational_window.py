"""4D-Var against the Kalman smoother, weak constraints against the joint Gaussian solution."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed
from isopleth.dynamics.lorenz import Components, Lorenz96
from isopleth.inference.variational import (
    ByCase,
    FourDVar,
    GaussNewton,
    Increment,
    MatrixCovariance,
    ModelError,
    PerturbedMembers,
    QuasiNewton,
    Result,
    SampleCovariance,
    ThreeDVar,
    by_step,
)
from isopleth.observe import Observation

SIZE = 6
TIGHT = GaussNewton(outer=1, inner=80, tolerance=1e-11)
SOLVERS = [TIGHT, QuasiNewton(iterations=300, tolerance=1e-8)]


def draw(*shape: int, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


A = torch.linalg.qr(draw(SIZE, SIZE, seed=20)).Q * 0.95 + 0.1 * draw(SIZE, SIZE, seed=21)
Q = SampleCovariance(0.3 * draw(4, SIZE, seed=22))


class Linear:
    step_seconds = 3600.0

    def step(self, x: Tensor) -> Tensor:
        return x @ A.T


def covariance() -> MatrixCovariance:
    X = draw(9, SIZE, seed=1)
    return MatrixCovariance(X.T @ X / 9.0, (SIZE,))


def seen(index: tuple[int, ...], *, seed: int) -> Observation:
    p = len(index)
    return Observation(
        draw(p, seed=seed), Components(index, SIZE), 0.1 + draw(p, seed=seed + 1) ** 2
    )


def window() -> dict[int, list[Observation]]:
    """Two at the start, none after one step, and so on."""
    return {
        4: [seen((0, 3), seed=31)],
        0: [seen((1, 2), seed=33)],
        2: [seen((5,), seed=35), seen((0, 1), seed=37)],
    }


def four_d_var(solver: GaussNewton | QuasiNewton = TIGHT, **settings: object) -> FourDVar:
    made = FourDVar(control=Increment(covariance()), dynamics=Linear(), length=4, solver=solver)
    return replace(made, **settings)  # type: ignore[arg-type]


@dataclass
class Smoother:
    """Mean and covariance of (x_0, x_k), filtered through the window (state augmentation)."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def run(
        cls, x: Tensor, observations: dict[int, list[Observation]], noise: dict[int, Tensor]
    ) -> Smoother:
        B, both = covariance().matrix, torch.block_diag(torch.eye(SIZE).double(), A)
        now = cls(torch.cat([x, x]), torch.cat([torch.cat([B, B], 1)] * 2))
        for step in range(5):
            if step:
                now = cls(both @ now.mean, both @ now.covariance @ both.T)
                now.covariance[SIZE:, SIZE:] += noise.get(step, 0.0)
            for o in observations.get(step, []):
                now = now.update(o)
        return now

    def update(self, o: Observation) -> Smoother:
        assert isinstance(o.operator, Components)
        H = torch.zeros(len(o.values), 2 * SIZE).double()
        H[:, SIZE:] = o.operator(torch.eye(SIZE).double()).T
        gain = self.covariance @ H.T
        gain = gain @ torch.linalg.inv(H @ self.covariance @ H.T + torch.diag(o.variance))
        mean = self.mean + gain @ (o.values - H @ self.mean)
        return Smoother(mean, self.covariance - gain @ H @ self.covariance)


@pytest.mark.parametrize("solver", SOLVERS)
def test_strong_constraint_is_the_kalman_smoother_at_the_start(
    solver: GaussNewton | QuasiNewton,
) -> None:
    x, method = draw(2, SIZE, seed=3), four_d_var(solver)
    result = method(x, window())
    trajectory = list(method.trajectory(x, result))
    assert len(trajectory) == 5
    assert result.observed.tolist() == [7, 7]
    assert bool(result.converged.all())
    assert bool((result.cost < result.first_cost).all())
    for i in range(2):
        exact = Smoother.run(x[i], window(), {})
        assert torch.allclose(result.state[i], exact.mean[:SIZE], atol=1e-6)
        assert torch.allclose(trajectory[4][i], exact.mean[SIZE:], atol=1e-6)
    assert torch.equal(trajectory[0], result.state)
    assert torch.allclose(trajectory[2], result.state @ A.T @ A.T)


@pytest.mark.parametrize("solver", SOLVERS)
def test_weak_constraint_is_the_joint_gaussian_solution(
    solver: GaussNewton | QuasiNewton,
) -> None:
    x, q = draw(2, SIZE, seed=3), 0.8
    method = four_d_var(solver, model_error=ModelError(Q, (1, 3, 4), amplitude=q))
    result = method(x, window())
    trajectory = list(method.trajectory(x, result))
    noise = dict.fromkeys((1, 3, 4), q**2 * Q.root.T @ Q.root)
    for i in range(2):
        exact = Smoother.run(x[i], window(), noise)
        assert torch.allclose(result.state[i], exact.mean[:SIZE], atol=1e-6)
        assert torch.allclose(trajectory[4][i], exact.mean[SIZE:], atol=1e-6)
    strong = four_d_var()(x, window())
    assert not torch.allclose(strong.state, result.state, atol=1e-2)
    assert bool((result.cost < strong.cost).all())


def test_members_have_the_smoother_s_covariance() -> None:
    x = draw(SIZE, seed=3)
    ensemble = PerturbedMembers(four_d_var(), 4000, torch.Generator().manual_seed(2))
    found = torch.cov(ensemble(x, window()).state.T)
    exact = Smoother.run(x, window(), {}).covariance[:SIZE, :SIZE]
    scale = float(covariance().matrix.diagonal().max())
    assert torch.allclose(found, exact, atol=0.06 * scale)
    assert float(exact.trace()) < 0.7 * float(covariance().matrix.trace())


def test_an_empty_window_of_no_steps_is_3d_var() -> None:
    x, o = draw(SIZE, seed=3), [seen((0, 3), seed=31)]
    method = four_d_var(length=0)
    expected = ThreeDVar(Increment(covariance()), TIGHT)(x, o)
    assert torch.allclose(method(x, {0: o}).state, expected.state)


def test_each_case_has_its_window() -> None:
    x, method = draw(2, SIZE, seed=3), four_d_var()
    first, second = [seen((0, 3), seed=31)], [seen((1,), seed=33)]
    shared = [seen((4,), seed=40)]
    cases: dict[int, object] = {3: ByCase([first, second]), 1: shared, 2: ByCase([[], second])}
    result = method(x, cases)  # type: ignore[arg-type]
    assert result.observed.tolist() == [3, 3]
    alone = [{3: first, 1: shared}, {3: second, 1: shared, 2: second}]
    for i in range(2):
        assert torch.allclose(result.state[i], method(x[i], alone[i]).state, atol=1e-9)


# --- a nonlinear model -----------------------------------------------------------------------


def lorenz(solver: GaussNewton | QuasiNewton, **settings: object) -> FourDVar:
    X = 0.3 * draw(60, 12, seed=1)
    control = Increment(MatrixCovariance(X.T @ X / 60.0, (12,)))
    made = FourDVar(control=control, dynamics=Lorenz96(), length=8, solver=solver)
    return replace(made, **settings)  # type: ignore[arg-type]


def spun_up() -> Tensor:
    x = 8.0 + draw(12, seed=5)
    for _ in range(200):
        x = Lorenz96().step(x)
    return x


def lorenz_window(truth: Tensor) -> dict[int, list[Observed]]:
    made: dict[int, list[Observed]] = {}
    for step in range(1, 9):
        truth = Lorenz96().step(truth)
        if step % 2 == 0:
            at = Components(range(step % 4, 12, 2), 12)
            noise = 0.1 * draw(len(at.index), seed=60 + step)
            made[step] = [Observation(at(truth) + noise, at, torch.tensor(0.01))]
    return made


def test_outer_loops_and_l_bfgs_reach_the_same_minimum_and_the_truth() -> None:
    truth = spun_up()
    x = truth + 0.3 * draw(2, 12, seed=6)
    observations = lorenz_window(truth)
    loops = lorenz(GaussNewton(outer=8, inner=40, tolerance=1e-6))(x, observations)
    newton = lorenz(QuasiNewton(iterations=200, tolerance=1e-6))(x, observations)
    assert bool(loops.converged.all() & newton.converged.all())
    assert torch.allclose(loops.state, newton.state, atol=1e-5)
    assert bool(((loops.state - truth).norm(dim=1) < 0.6 * (x - truth).norm(dim=1)).all())
    assert bool((loops.history.diff(dim=0) <= 1e-9).all())
    assert bool((loops.history[1] > loops.cost).any())  # one loop was not enough


class Approximate(Linear):
    """A model that is a fifth too damped."""

    def step(self, x: Tensor) -> Tensor:
        return 0.8 * super().step(x)


def test_inner_models_that_end_with_the_model_reach_its_minimum() -> None:
    background = draw(2, SIZE, seed=3)
    exact = four_d_var()(background, window())
    solver = GaussNewton(outer=2, inner=80, tolerance=1e-11)
    found = four_d_var(solver, inner=(Approximate(), Linear()))(background, window())
    assert torch.allclose(found.state, exact.state, atol=1e-8)


def test_an_inner_model_alone_lowers_the_cost_of_the_model() -> None:
    background = draw(2, SIZE, seed=3)
    exact = four_d_var()(background, window())
    solver = GaussNewton(outer=6, inner=80, tolerance=1e-11)
    found = four_d_var(solver, inner=(Approximate(),))(background, window())
    assert (found.cost < found.first_cost).all()
    assert (found.cost > exact.cost).all()  # its derivatives are not those of the model
    assert not torch.allclose(found.state, exact.state, atol=1e-3)


def test_an_inner_model_with_another_step_is_refused() -> None:
    class Slow(Linear):
        step_seconds = 7200.0

    with pytest.raises(InputError, match="inner model has a step of 7200 s"):
        four_d_var(inner=(Slow(),))


def test_the_gradient_through_the_model_with_and_without_checkpoints() -> None:
    truth = spun_up()
    x = truth + 0.3 * draw(2, 12, seed=6)
    errors = ModelError(SampleCovariance(0.1 * draw(3, 12, seed=9)), (3, 8))
    v, dv, h = 0.3 * draw(2, 18, seed=7), draw(2, 18, seed=8), 1e-5
    found = []
    for every in (None, 1, 3):
        method = lorenz(TIGHT, checkpoint_every=every, model_error=errors)
        problem, _ = method.problem(x, lorenz_window(truth))
        near = problem.linearised(v)
        found += [problem.gradient(v)[1], near.gradient()]
        u = draw(2, 22, seed=10)
        assert torch.allclose((near.push(dv) * u).sum(1), (dv * near.pull(u)).sum(1))
    slope = (problem.cost(v + h * dv) - problem.cost(v - h * dv)) / (2.0 * h)
    assert torch.allclose((found[0] * dv).sum(1), slope, rtol=1e-6)
    for other in found[1:]:
        assert torch.allclose(other, found[0], rtol=1e-10, atol=1e-10)


class Explosive:
    """Harmless near 0, infinite soon beyond 1."""

    step_seconds = 1.0

    def step(self, x: Tensor) -> Tensor:
        return x + x**3


@pytest.mark.parametrize("solver", [GaussNewton(), QuasiNewton()])
def test_a_diverging_model_is_left_for_the_best_state_seen(
    solver: GaussNewton | QuasiNewton,
) -> None:
    method = FourDVar(
        control=Increment(covariance().scaled(5.0)), dynamics=Explosive(), length=12, solver=solver
    )
    o = Observation(torch.tensor([90.0]).double(), Components((0,), SIZE), torch.tensor(1.0))
    x = torch.full((SIZE,), 0.01).double()
    result: Result = method(x, {12: [o]})
    assert bool(torch.isfinite(result.state).all())
    assert float(result.cost) <= float(result.first_cost)
    problem, _ = method.problem(x[None], {12: [o]})
    assert result.control is not None
    assert float(problem.cost(result.control[None])) == pytest.approx(float(result.cost))
    assert bool(result.converged) != bool(result.remarks())
    with pytest.raises(InputError, match="what background 0 predicts is not finite"):
        method(100.0 * x, {12: [o]})


def test_an_emulator_in_single_precision() -> None:
    class Emulator(torch.nn.Module):
        step_seconds = 21600.0

        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(SIZE, SIZE)

        def step(self, x: Tensor) -> Tensor:
            return x + 0.1 * torch.tanh(self.inner(x))

    torch.manual_seed(0)
    x, model = draw(SIZE, seed=3).float(), Emulator()
    for solver in (GaussNewton(), QuasiNewton()):
        method = four_d_var(solver, dynamics=model, checkpoint_every=2)
        result = method(x, window())
        assert result.state.dtype == torch.float32
        assert bool(result.converged)
        assert not result.state.requires_grad
    assert all(p.grad is None for p in model.parameters())


# --- bad input -------------------------------------------------------------------------------


def test_no_observation_in_the_window() -> None:
    x = draw(2, SIZE, seed=3)
    gone = Observation(
        torch.full((2,), torch.nan).double(), Components((0, 1), SIZE), torch.tensor(1.0)
    )
    for observations in ({}, {2: [gone]}, {1: []}):
        result = four_d_var()(x, observations)
        assert torch.equal(result.state, x)
        assert "have no observation within reach" in result.remarks()[0]


def test_windows_that_do_not_fit() -> None:
    x = draw(2, SIZE)
    with pytest.raises(InputError, match="observations at step 5, outside the window of 4 steps"):
        four_d_var()(x, {5: [seen((0,), seed=1)]})
    with pytest.raises(InputError, match="the window has -1 steps"):
        four_d_var(length=-1)
    with pytest.raises(InputError, match="a model error at step 5 lies outside the window of 4"):
        four_d_var(model_error=ModelError(Q, (5,)))
    with pytest.raises(InputError, match=r"the model errors' steps are \(3, 1\)"):
        ModelError(Q, (3, 1))
    with pytest.raises(InputError, match=r"amplitude is -1\.0"):
        ModelError(Q, (3,), amplitude=-1.0)
    o = [seen((0,), seed=1)]
    with pytest.raises(InputError, match=r"the steps of the window have \[2, 3\] cases"):
        four_d_var()(x, {0: ByCase([o] * 2), 1: ByCase([o] * 3)})


def test_times_become_steps() -> None:
    start = np.datetime64("2016-01-01T00")

    def at(time: object) -> Observation:
        return replace(seen((0, 1), seed=1), time=np.array(time, "datetime64[s]"))

    hour = at("2016-01-01T01")
    pair = at(["2016-01-01T00:00:10", "2015-12-31T23:59:50"])
    found = by_step([hour, pair, hour], start, step_seconds=3600.0, length=4)
    assert list(found) == [0, 1]
    assert [len(part) for part in found.values()] == [1, 2]
    with pytest.raises(InputError, match="has no time"):
        by_step([seen((0,), seed=1)], start, step_seconds=3600.0, length=4)
    with pytest.raises(InputError, match="has times on 2 steps"):
        by_step([at(["2016-01-01T00", "2016-01-01T02"])], start, step_seconds=3600.0, length=4)
    with pytest.raises(InputError, match="lies at step 5, outside the window of 4 steps"):
        by_step([at("2016-01-01T05")], start, step_seconds=3600.0, length=4)
    with pytest.raises(InputError, match="lies at step -1, outside"):
        by_step([at("2015-12-31T23")], start, step_seconds=3600.0, length=4)
