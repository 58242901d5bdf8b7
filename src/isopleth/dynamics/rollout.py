"""Rollout: one step after another, as a generator or to the end with bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from isopleth.core.errors import InputError

__all__ = ["Dynamics", "Repeated", "final", "rollout"]

Step = Callable[[Tensor], Tensor]


@runtime_checkable
class Dynamics(Protocol):
    """`x_k -> x_k+1`: differentiable, batched over leading axes."""

    @property
    def step_seconds(self) -> float:
        """Time that one step takes, s."""
        ...

    def step(self, x: Tensor) -> Tensor:
        """The state one step later, shape of x."""
        ...


class Repeated:
    """A dynamics whose step is several steps of another one.

    Args:
        dynamics: Whose step is repeated.
        seconds: Length of the new step, a multiple of that of `dynamics`.

    Raises:
        InputError: If the length is no positive multiple.

    >>> class Clock:
    ...     step_seconds = 1800.0
    ...     def step(self, x):
    ...         return x + 1.0
    >>> six_hours = Repeated(Clock(), seconds=6 * 3600.0)
    >>> six_hours.step(0.0), six_hours.step_seconds
    (12.0, 21600.0)
    """

    def __init__(self, dynamics: Dynamics, *, seconds: float) -> None:
        times = round(seconds / dynamics.step_seconds) if math.isfinite(seconds) else 0
        if times < 1 or abs(times * dynamics.step_seconds - seconds) > 1e-6 * seconds:
            raise InputError(
                f"{seconds:g} s is no multiple of the step of {dynamics.step_seconds:g} s: give "
                f"{max(times, 1) * dynamics.step_seconds:g} s, say."
            )
        self._dynamics, self._times = dynamics, times
        self.step_seconds = times * dynamics.step_seconds

    def step(self, x: Tensor) -> Tensor:
        """The state `step_seconds` later, shape of x."""
        return final(self._dynamics.step, x, self._times)


def rollout(step: Step, x: Tensor, steps: int) -> Iterator[Tensor]:
    """States after 1, 2, ... `steps` steps; the start is not among them.

    Args:
        step: From a state to the next, any shape.
        x: Start.
        steps: How many states to make, at least 0.

    Raises:
        InputError: If `steps` is negative.

    >>> list(rollout(lambda x: 2 * x, 1, 3))
    [2, 4, 8]
    """
    _check(steps)
    return _states(step, x, steps)


def final(step: Step, x: Tensor, steps: int, *, checkpoint_every: int | None = None) -> Tensor:
    """The state after `steps` steps.

    Differentiating through n steps keeps the inner values of each; with `checkpoint_every = k`
    only every k-th state is kept and the k steps after it are repeated backwards: memory for
    `n / k` states and k steps, at the price of one more forward run. Take k near `sqrt(n)` if a
    step holds as much as a state. Values and gradients are the same.
    Reference: Griewank and Walther (2008), Evaluating Derivatives, ch. 12.

    Args:
        step: From a state to the next, any shape.
        x: Start.
        steps: At least 0.
        checkpoint_every: k; None keeps everything.

    Raises:
        InputError: If `steps` is negative or `checkpoint_every` less than 1.

    >>> final(lambda x: 2 * x, 1, 10)
    1024
    """
    _check(steps)
    if checkpoint_every is None:
        return _run(step, x, steps)
    if checkpoint_every < 1:
        raise InputError(f"checkpoint_every is {checkpoint_every}: keep a state every step or so.")
    for done in range(0, steps, checkpoint_every):
        count = min(checkpoint_every, steps - done)
        x = checkpoint(_run, step, x, count, use_reentrant=False)
    return x


def _check(steps: int) -> None:
    if steps < 0:
        raise InputError(f"{steps} steps cannot be made: give a number of at least 0.")


def _states(step: Step, x: Tensor, steps: int) -> Iterator[Tensor]:
    for _ in range(steps):
        x = step(x)
        yield x


def _run(step: Step, x: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        x = step(x)
    return x
