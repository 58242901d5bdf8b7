"""The learning rate over a training, and numbers that cannot train."""

from __future__ import annotations

import math
from typing import Any

import pytest

from isopleth.core.errors import InputError
from isopleth.training.recipe import TrainingRecipe


def test_warm_up_then_half_a_cosine() -> None:
    recipe = TrainingRecipe(steps=1000, rate=2.0, warmup=10, final_rate=0.1)
    assert recipe.learning_rate(0) == pytest.approx(0.2, rel=1e-4)
    assert recipe.learning_rate(9) == pytest.approx(2.0, rel=1e-3)
    assert recipe.learning_rate(500) == pytest.approx(2.0 * (0.1 + 0.9 * 0.5))
    assert recipe.learning_rate(250) == pytest.approx(2 * (0.1 + 0.45 * (1 + math.sqrt(0.5))))
    assert recipe.learning_rate(1000) == pytest.approx(0.2)
    rates = [recipe.learning_rate(step) for step in range(1001)]
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def test_the_clock_can_end_it_first() -> None:
    recipe = TrainingRecipe(steps=1000, seconds=10.0, warmup=0, rate=1.0)
    assert recipe.done(0, 5.0) == 0.5
    assert recipe.done(900, 5.0) == 0.9
    assert recipe.done(0, 20.0) == 1.0
    assert recipe.learning_rate(0, 5.0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"rate": 0.0},
        {"rate": math.nan},
        {"warmup": -1},
        {"average": 1.0},
        {"accumulate": 0},
        {"seconds": 0.0},
        {"clip": -1.0},
        {"log_every": 0},
    ],
)
def test_what_cannot_train(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        TrainingRecipe(**{"steps": 10, **wrong})
