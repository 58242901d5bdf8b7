"""The moving average follows its recursion, and gives the weights back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from isopleth.training.average import MovingAverage


def test_the_recursion_in_closed_form() -> None:
    module = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
    average = MovingAverage(module, decay=0.9)
    expected = 0.0
    for n in range(1, 200):
        with torch.no_grad():
            module.weight.fill_(float(n))
        average.update(n)
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * n
    assert average.state_dict()["weight"].item() == pytest.approx(expected, rel=1e-5)
    assert expected == pytest.approx(199 - 9, rel=1e-3)  # a ramp is followed d / (1 - d) late


def test_weights_are_given_back() -> None:
    module = nn.Linear(2, 2)
    average = MovingAverage(module, decay=0.0)
    old = module.weight.detach().clone()
    with torch.no_grad():
        module.weight.add_(1.0)

    def fail() -> None:
        with average.applied():
            assert torch.equal(module.weight, old)
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()
    assert torch.equal(module.weight, old + 1.0)
    average.write()
    assert torch.equal(module.weight, old)


def test_it_goes_on_from_its_state() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    state = {k: v.clone() for k, v in MovingAverage(first, 0.5).state_dict().items()}
    average = MovingAverage(second, 0.5)
    average.load_state_dict(state)
    average.write()
    assert torch.equal(second.weight, first.weight)
