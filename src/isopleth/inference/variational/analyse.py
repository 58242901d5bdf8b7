"""analyse: what 3D-Var, 4D-Var and their latent forms have in common."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.variational.control import Control
from isopleth.inference.variational.problem import Minimum, Problem, Solver
from isopleth.inference.variational.readings import Reader, for_rows
from isopleth.inference.variational.result import Result

__all__ = ["Variational", "analyse", "check_background", "pose"]


Path = Callable[[Tensor], Callable[[Tensor], Any]]
"""From rows of the background to what makes a state, or states, of a control variable."""


class Variational(Protocol):
    """A method that is a cost and a solver."""

    @property
    def control(self) -> Control:
        """From background and control variable to a state."""
        ...

    @property
    def solver(self) -> Solver:
        """Finds the minimum."""
        ...

    def problem(self, background: Tensor, observations: Any) -> tuple[Problem, Tensor]:
        """The cost of rows `(R, *state)`, and how many values count in each, shape (R,)."""
        ...


def analyse(
    method: Variational,
    background: Tensor,
    observations: Any,
    perturb: Callable[[Problem], Problem] | None = None,
) -> Result:
    """Pose, solve and tell.

    Args:
        method: Brings control and solver.
        background: `(*batch, *state)`.
        observations: What the method takes; with one sequence a case, `batch` ends in the cases.
        perturb: Changes the problem before it is solved, for members.

    Raises:
        InputError: If the background is not finite, cases and observations do not fit, or what
            the background predicts is not finite.
    """
    check_background(background)
    batch = background.shape[: background.ndim - method.control.state_axes]
    rows = background.reshape(-1, *background.shape[len(batch) :])
    problem, observed = method.problem(rows, observations)
    if perturb is not None:
        problem = perturb(problem)
    if bool(observed.any()):
        _check_predicted(problem)
        found = method.solver(problem)
    else:
        found = _unmoved(problem)
    with torch.no_grad():
        start = found.control[:, : math.prod(method.control.shape)]  # model errors come behind
        state = method.control.around(rows)(start.unflatten(1, method.control.shape))
    return Result(
        state=state.reshape(*batch, *state.shape[1:]),
        observed=observed.reshape(batch),
        first_cost=found.history[0].reshape(batch),
        cost=found.history[-1].reshape(batch),
        converged=found.converged.reshape(batch),
        fell_back=found.fell_back.reshape(batch),
        history=found.history.reshape(-1, *batch),
        control=found.control.reshape(*batch, -1),
    )


def check_background(background: Tensor) -> None:
    """Refuse a background with gaps.

    Raises:
        InputError: If a value is not finite.
    """
    bad = int((~torch.isfinite(background)).sum())
    if bad:
        raise InputError(
            f"{bad} of {background.numel()} values of the background are not finite: fill them, "
            "or cut the background to where it is known."
        )


def pose(
    background: Tensor,
    seen: Reader,
    size: int,
    path: Path,
    simplified: Sequence[Path] = (),
) -> tuple[Problem, Tensor]:
    """The cost of rows whose control variable has m numbers, and how many values each has.

    Args:
        background: Rows, shape (R, *state).
        seen: What was read, of one time or of a window.
        size: m.
        path: From rows of the background to the function that takes v `(R, m)` to what `seen`
            reads: a state, or states.
        simplified: The same with cheaper models, for the inner loops.

    Raises:
        InputError: If the rows are no multiple of the cases.
    """
    rows = len(background)
    values, precision, observed = for_rows(seen, rows)
    states = path(background)

    def single(row: int) -> Callable[[Tensor], Tensor]:
        alone, read = path(background[row : row + 1]), seen.case(row)
        return lambda v: read(alone(v))

    def through(cheaper: Path) -> Callable[[Tensor], Tensor]:
        inner = cheaper(background)
        return lambda v: seen(inner(v))

    problem = Problem(
        forward=lambda v: seen(states(v)),
        single=single,
        values=values,
        precision=precision,
        centre=background.new_zeros(rows, size),
        simplified=tuple(through(cheaper) for cheaper in simplified),
    )
    return problem, observed.to(background.device)


@torch.no_grad()
def _check_predicted(problem: Problem) -> None:
    predicted = problem.forward(problem.centre)
    bad = torch.nonzero(~torch.isfinite(predicted).all(1)).flatten().tolist()
    if bad:
        raise InputError(
            f"what background {bad[0]} predicts is not finite: look at the operators' range, or "
            "shorten the model's step or the window."
        )


def _unmoved(problem: Problem) -> Minimum:
    v = problem.centre
    rows = len(v)
    return Minimum(
        control=v,
        history=v.new_zeros(1, rows, dtype=torch.float64),
        converged=torch.ones(rows, dtype=torch.bool, device=v.device),
        fell_back=torch.zeros(rows, dtype=torch.bool, device=v.device),
    )
