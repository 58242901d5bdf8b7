"""Rollout: order, laziness, gradients and what is kept between checkpoints."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.rollout import Dynamics, Repeated, final, rollout


class Logistic:
    """A map whose derivative is easily written down."""

    step_seconds = 600.0

    def __init__(self) -> None:
        self.calls = 0

    def step(self, x: Tensor) -> Tensor:
        self.calls += 1
        return 3.7 * x * (1.0 - x)


def start() -> Tensor:
    return torch.tensor([0.1, 0.4], dtype=torch.float64, requires_grad=True)


def test_states_come_one_by_one_without_the_start() -> None:
    model, x = Logistic(), start().detach()
    states = rollout(model.step, x, 5)
    assert model.calls == 0
    first, second = next(states), next(states)
    assert model.calls == 2
    assert torch.equal(first, 3.7 * x * (1.0 - x))
    assert torch.equal(second, 3.7 * first * (1.0 - first))
    assert len(list(states)) == 3
    assert list(rollout(model.step, x, 0)) == []


@pytest.mark.parametrize("every", [None, 1, 3, 7, 100])
def test_final_is_the_last_state_and_its_gradient_is_the_product_of_slopes(
    every: int | None,
) -> None:
    x, model = start(), Logistic()
    *inner, last = rollout(model.step, x.detach(), 7)
    found = final(model.step, x, 7, checkpoint_every=every)
    assert torch.equal(found, last)
    (gradient,) = torch.autograd.grad(found.sum(), x)
    path = torch.stack([x.detach(), *inner])
    assert torch.allclose(gradient, (3.7 * (1.0 - 2.0 * path)).prod(0), rtol=1e-12)


def test_checkpoints_trade_memory_for_a_second_run() -> None:
    for every, calls, states in ((None, 8, 16), (4, 16, 2)):
        model, x = Logistic(), start()
        kept: list[int] = []

        def keep(tensor: Tensor, kept: list[int] = kept) -> Tensor:
            kept.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            found = final(model.step, x, 8, checkpoint_every=every)
        found.sum().backward()
        assert model.calls == calls
        assert len(kept) == states


def test_no_step_gives_the_start_back() -> None:
    x = start()
    assert final(Logistic().step, x, 0) is x
    assert final(Logistic().step, x, 0, checkpoint_every=2) is x


def test_repeated_is_a_dynamics() -> None:
    model, x = Logistic(), start().detach()
    hour = Repeated(model, seconds=3600.0)
    assert isinstance(hour, Dynamics)
    assert hour.step_seconds == 3600.0
    assert torch.equal(hour.step(x), final(model.step, x, 6))


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="-1 steps cannot be made"):
        rollout(Logistic().step, start(), -1)
    with pytest.raises(InputError, match="-2 steps cannot be made"):
        final(Logistic().step, start(), -2)
    with pytest.raises(InputError, match="checkpoint_every is 0"):
        final(Logistic().step, start(), 4, checkpoint_every=0)
    for seconds in (900.0, 0.0, -600.0, math.inf):
        with pytest.raises(InputError, match="is no multiple of the step of 600 s"):
            Repeated(Logistic(), seconds=seconds)
