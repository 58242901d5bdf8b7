"""4D-OI is exact conditioning on the joint sample covariance of trajectories."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.lorenz import Components
from isopleth.inference.lagged import LaggedOI
from isopleth.inference.variational import ByCase, StaticOI
from isopleth.observe import Observation
from isopleth.observe.nonlinear import Combined

SIZE, STEPS = 5, (0, 2, 4)


def draw(*shape: int, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


def trajectories(count: int) -> Tensor:
    """An autoregression, so that lags mean something."""
    x = [draw(count, SIZE, seed=1)]
    for step in (1, 2):
        x.append(0.8 * x[-1].roll(1, -1) + 0.3 * draw(count, SIZE, seed=1 + step))
    return torch.stack(x, 1) + 7.0


def window() -> dict[int, list[Observation]]:
    def seen(index: tuple[int, ...], seed: int) -> Observation:
        values = 7.0 + draw(len(index), seed=seed)
        return Observation(
            values, Components(index, SIZE), 0.1 + draw(len(index), seed=9).square()
        )

    return {4: [seen((0, 3), 11)], 0: [seen((1,), 12), seen((2, 4), 13)]}


def conditioned(
    samples: Tensor, first: Tensor, observations: dict[int, list[Observation]]
) -> Tensor:
    C = torch.cov(samples.flatten(1).T)
    H, y, R = [], [], []
    for step, several in observations.items():
        for o in several:
            at = STEPS.index(step) * SIZE
            assert isinstance(o.operator, Components)
            H += [torch.eye(3 * SIZE).double()[at + i] for i in o.operator.index]
            y, R = [*y, o.values], [*R, o.variance]
    A, values = torch.stack(H), torch.cat(y)
    gain = C @ A.T @ torch.linalg.inv(A @ C @ A.T + torch.diag(torch.cat(R)))
    flat = first.flatten(-2)
    return (flat + (values - flat @ A.T) @ gain.T).reshape(first.shape)


@pytest.mark.parametrize("count", [8, 400])  # fewer and more samples than numbers
def test_it_is_conditioning_on_the_joint_covariance(count: int) -> None:
    samples = trajectories(count)
    first = samples.mean(0) + 0.1 * draw(2, 3, SIZE, seed=20)
    result = LaggedOI.fit(samples, STEPS)(first, window())
    assert torch.allclose(result.state, conditioned(samples, first, window()), atol=1e-9)
    assert result.observed.tolist() == [5, 5]
    assert result.remarks() == []


def test_all_modes_change_nothing_and_few_do() -> None:
    samples = trajectories(400)
    first = samples.mean(0)
    exact = conditioned(samples, first, window())
    whole = LaggedOI.fit(samples, STEPS, modes=3 * SIZE)(first, window()).state
    assert torch.allclose(whole, exact, atol=1e-8)
    assert not torch.allclose(LaggedOI.fit(samples, STEPS, modes=3)(first, window()).state, exact)


def test_the_future_corrects_the_past() -> None:
    samples = trajectories(400)
    first = samples.mean(0)
    o = Observation(torch.tensor([9.0]).double(), Components((2,), SIZE), torch.tensor(1e-4))
    found = LaggedOI.fit(samples, STEPS)(first, {4: [o]}).state - first
    assert float(found[2, 2]) == pytest.approx(2.0, abs=0.1)
    assert int(found[0].abs().argmax()) == 0  # moved by one place a time, back to where it was
    assert float(found[0, 0]) > 0.5


def test_cases_and_nonlinear_readings() -> None:
    samples = trajectories(60)
    first = samples.mean(0) + 0.1 * draw(2, 3, SIZE, seed=20)
    curve = Combined(lambda x: x + 0.05 * x.square(), [Components((1, 2), SIZE)])
    bent = Observation(torch.tensor([9.0, 9.5]).double(), curve, torch.tensor(0.1))
    straight = window()[4]
    method = LaggedOI.fit(samples, STEPS)
    both = method(first, {4: ByCase([straight, [bent]])})
    assert torch.allclose(both.state[0], method(first[0], {4: straight}).state, atol=1e-9)
    assert torch.allclose(both.state[1], method(first[1], {4: [bent]}).state, atol=1e-9)
    assert both.observed.tolist() == [2, 2]


def test_no_value_gives_the_background() -> None:
    samples = trajectories(20)
    first = samples[:2]
    for observations in ({}, {2: []}):
        result = LaggedOI.fit(samples, STEPS)(first, observations)
        assert torch.equal(result.state, first)
        assert "2 of 2 cases have no observation within reach" in result.remarks()[0]


def test_bad_input() -> None:
    samples = trajectories(20)
    method = LaggedOI.fit(samples, STEPS)
    o = window()[4]
    with pytest.raises(InputError, match=r"observations at step 6, but .* the steps \(0, 2, 4\)"):
        method(samples[0], {6: o})
    with pytest.raises(InputError, match="but the trajectories have 3 times"):
        LaggedOI.fit(samples, (0, 2))
    with pytest.raises(InputError, match=r"the steps are \(4, 2, 0\)"):
        LaggedOI(StaticOI(covariance=method.settings.covariance), (4, 2, 0))
    broken = samples.clone()
    broken[3, 1, 1] = torch.inf
    with pytest.raises(InputError, match="1 of 20 samples are not finite, the first is number 3"):
        LaggedOI.fit(broken, STEPS)
    with pytest.raises(InputError, match="does not go with a covariance of states"):
        method(samples[0, :2], {4: o})
    hole = samples[0].clone()
    hole[0, 0] = torch.nan
    with pytest.raises(InputError, match="1 of 15 values of the background are not finite"):
        method(hole, {4: o})
