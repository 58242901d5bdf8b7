"""The loop finds known minima, and an interrupted training is the same training."""

from __future__ import annotations

import itertools
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError, IsoplethError
from isopleth.training.checkpoint import averaged_weights, read_counters
from isopleth.training.fit import CHECKPOINT, LOG, fit
from isopleth.training.log import TrainingLog
from isopleth.training.recipe import TrainingRecipe

RECIPE = TrainingRecipe(
    steps=24, rate=0.02, warmup=5, average=0.9, log_every=4, validate_every=6, accelerator="cpu"
)


class Regression(nn.Module):
    """Mean square error of a small network with dropout and noise on what it reads."""

    def __init__(self, width: int = 8, dropout: float = 0.2) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.net = nn.Sequential(
                nn.Linear(3, width), nn.Tanh(), nn.Dropout(dropout), nn.Linear(width, 1)
            )

    def forward(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(batch.shape, generator=generator)
        return (self.net(batch + 0.1 * noise) - batch.sum(1, keepdim=True)).square().mean()


def batches(draw: int) -> Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(draw))


def validate(objective: nn.Module) -> dict[str, float]:
    return {"mse": objective(batches(10_000), torch.Generator().manual_seed(0)).item()}


def logged(folder: Path) -> list[dict[str, Any]]:
    lines = TrainingLog(folder / LOG).read()
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


@contextmanager
def noted(number: signal.Signals) -> Iterator[list[int]]:
    got: list[int] = []
    before = signal.signal(number, lambda n, _: got.append(n))
    try:
        yield got
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_an_interrupted_training_is_the_same_training(
    tmp_path: Path, precision: Any, accumulate: int
) -> None:
    recipe = replace(RECIPE, precision=precision, accumulate=accumulate)
    whole, pieces = Regression(), Regression()
    fit(whole, batches, recipe, tmp_path / "whole", validate=validate)
    for stop in (3, 10, 11):  # between two lines of the log, too
        with noted(signal.SIGTERM) as got:

            def ask(part: float, stop: int = stop) -> None:
                if part >= stop / recipe.steps:
                    signal.raise_signal(signal.SIGTERM)

            path = fit(
                Regression(), batches, recipe, tmp_path / "pieces", progress=ask, validate=validate
            )
        assert got == [signal.SIGTERM]
        assert read_counters(path).step == stop
        assert not read_counters(path).finished
        torch.randn(stop)  # what others draw does not matter
    path = fit(pieces, batches, recipe, tmp_path / "pieces", validate=validate)
    assert read_counters(path).finished
    assert read_counters(path).samples == 24 * 6 * accumulate
    assert logged(tmp_path / "pieces") == logged(tmp_path / "whole")
    for ours, theirs in zip(pieces.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_what_was_logged_after_the_checkpoint_is_done_again(tmp_path: Path) -> None:
    fit(Regression(), batches, RECIPE, tmp_path / "whole")
    crash = iter([False] * 15 + [True])

    def fragile(draw: int) -> Tensor:
        if next(crash):
            raise OSError("the disk has gone")
        return batches(draw)

    recipe = replace(RECIPE, checkpoint_seconds=0.0)

    def stop_writing(part: float) -> None:
        if part == 5 / 24:
            (tmp_path / "crash" / CHECKPOINT).rename(tmp_path / "kept")

    with pytest.raises(OSError, match="disk"):
        fit(Regression(), fragile, recipe, tmp_path / "crash", progress=stop_writing)
    (tmp_path / "kept").rename(tmp_path / "crash" / CHECKPOINT)
    assert logged(tmp_path / "crash")[-1]["step"] == 12
    fit(Regression(), batches, RECIPE, tmp_path / "crash")
    assert logged(tmp_path / "crash") == logged(tmp_path / "whole")


def test_a_line_of_the_log_is_the_mean_since_the_last(tmp_path: Path) -> None:
    def losses(every: int) -> list[float]:
        folder = tmp_path / str(every)
        fit(Regression(), batches, replace(RECIPE, log_every=every), folder)
        return [line["loss"] for line in logged(folder)]

    means = torch.tensor(losses(1)).reshape(6, 4).mean(1)
    torch.testing.assert_close(torch.tensor(losses(4)), means)


def test_a_finished_training_is_left_alone(tmp_path: Path) -> None:
    first = Regression()
    path = fit(first, batches, RECIPE, tmp_path)
    again = Regression()

    def nothing(draw: int) -> Tensor:
        raise AssertionError(f"draw {draw} is not needed")

    assert fit(again, nothing, RECIPE, tmp_path) == path
    assert torch.equal(first.net[0].weight, again.net[0].weight)


def test_two_half_batches_are_one_batch(tmp_path: Path) -> None:
    class Plain(Regression):
        def forward(self, batch: Tensor, generator: torch.Generator) -> Tensor:
            return (self.net(batch) - batch.sum(1, keepdim=True)).square().mean()

    one, two = Plain(dropout=0.0), Plain(dropout=0.0)
    fit(one, lambda n: torch.cat([batches(2 * n), batches(2 * n + 1)]), RECIPE, tmp_path / "1")
    fit(two, batches, replace(RECIPE, accumulate=2), tmp_path / "2")
    for ours, theirs in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_minimum_is_found(tmp_path: Path) -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.zeros(2))

        def forward(self, batch: Tensor, generator: torch.Generator) -> Tensor:
            return (batch - self.value).square().mean()

    centre = torch.tensor([1.5, -0.5])
    recipe = replace(RECIPE, steps=400, rate=0.1, average=0.95, validate_every=0)
    objective = Mean()
    fit(objective, lambda n: centre + 0.1 * batches(n)[:, :2], recipe, tmp_path)
    torch.testing.assert_close(objective.value.detach(), centre, rtol=0, atol=0.02)


def test_the_average_is_what_is_left_and_validated(tmp_path: Path) -> None:
    seen: list[Tensor] = []

    def look(objective: nn.Module) -> dict[str, float]:
        assert isinstance(objective, Regression)
        assert not objective.training
        assert not torch.is_grad_enabled()
        seen.append(objective.net[0].weight.clone())
        return {"mean": seen[-1].mean().item()}

    objective = Regression()
    path = fit(objective, batches, replace(RECIPE, validate_every=10), tmp_path, validate=look)
    assert len(seen) == 3  # steps 10, 20 and the last
    assert torch.equal(seen[-1], objective.net[0].weight)
    kept = averaged_weights(path, "net.")
    assert torch.equal(kept["0.weight"], objective.net[0].weight)
    assert [line["step"] for line in logged(tmp_path) if "validation" in line] == [10, 20, 24]


def test_frozen_weights_stay(tmp_path: Path) -> None:
    objective = Regression()
    objective.net[0].requires_grad_(False)
    before = objective.net[0].weight.clone()
    head = objective.net[3].weight.detach().clone()
    fit(objective, batches, RECIPE, tmp_path)
    assert torch.equal(objective.net[0].weight, before)
    assert not torch.equal(objective.net[3].weight, head)


def test_the_random_state_of_others_is_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    fit(Regression(), batches, RECIPE, tmp_path)
    assert torch.equal(torch.randn(3), expected)


def test_a_sitting_ends_in_time_and_another_goes_on(tmp_path: Path) -> None:
    path = fit(Regression(), batches, RECIPE, tmp_path, sitting_seconds=0.0)
    assert read_counters(path).step == 0
    path = fit(Regression(), batches, RECIPE, tmp_path)
    assert read_counters(path).finished


def test_time_that_is_used_up_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(0.0, 0.01)
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))
    recipe = replace(RECIPE, steps=10**9, seconds=0.5, log_every=1, warmup=0)
    counters = read_counters(fit(Regression(), batches, recipe, tmp_path))
    assert counters.finished
    assert counters.seconds == pytest.approx(0.5, abs=0.05)
    rates = [line["rate"] for line in logged(tmp_path)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1 * rates[0]


def test_the_gradient_is_clipped(tmp_path: Path) -> None:
    """Gradients far below AdamW's epsilon of 1e-8 hardly move the weights."""
    objective = Regression()
    before = objective.net[0].weight.detach().clone()
    fit(objective, batches, replace(RECIPE, clip=1e-12), tmp_path)
    torch.testing.assert_close(objective.net[0].weight.detach(), before, rtol=0, atol=1e-3)


def test_a_loss_that_is_no_number_is_told(tmp_path: Path) -> None:
    def broken(draw: int) -> Tensor:
        return batches(draw) * (math.nan if draw == 9 else 1.0)

    recipe = replace(RECIPE, checkpoint_seconds=0.0, log_every=1)
    with pytest.raises(IsoplethError, match="not finite at step 10"):
        fit(Regression(), broken, recipe, tmp_path)
    counters = read_counters(tmp_path / CHECKPOINT)
    assert counters.step == 9
    kept = averaged_weights(tmp_path / CHECKPOINT)
    assert all(torch.isfinite(value).all() for value in kept.values())


@pytest.mark.parametrize("change", [{"rate": 0.01}, {"seed": 1}, {"accumulate": 2}])
def test_another_recipe_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    fit(Regression(), batches, RECIPE, tmp_path, sitting_seconds=0.0)
    with pytest.raises(InputError, match=next(iter(change))):
        fit(Regression(), batches, replace(RECIPE, **change), tmp_path)


def test_another_network_is_refused(tmp_path: Path) -> None:
    fit(Regression(), batches, RECIPE, tmp_path, sitting_seconds=0.0)
    with pytest.raises(InputError, match="another network"):
        fit(Regression(width=9), batches, RECIPE, tmp_path)


def test_a_training_may_be_made_longer(tmp_path: Path) -> None:
    fit(Regression(), batches, RECIPE, tmp_path)
    path = fit(Regression(), batches, replace(RECIPE, steps=30), tmp_path)
    assert read_counters(path).step == 30
