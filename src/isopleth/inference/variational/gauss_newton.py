"""GaussNewton: outer loops that linearise, inner loops of conjugate gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.conjugate_gradients import conjugate_gradients
from isopleth.core.errors import InputError
from isopleth.inference.variational.problem import Linearised, Minimum, Problem

__all__ = ["GaussNewton"]

_HALVINGS = 6


@dataclass(frozen=True, kw_only=True)
class GaussNewton:
    """Minimise `J` by quadratic costs, each with `G` linearised at the last estimate.

        (I + G'^T R^-1 G') dv = -dJ/dv

    Exact for a linear `G` with one outer loop. This is incremental 3D- or 4D-Var, and
    multi-incremental where the problem brings simpler functions for the inner loops: departures
    and cost are those of `G`, derivatives (and so the test of convergence) are theirs. All cases
    of a batch move together, each with its own step. A step that does not lower the true cost is
    halved; one that never does leaves the case where it was, which is reported. `G` needs
    forward-mode derivatives (`tangent.along`): where an operation has none, use `QuasiNewton`.
    Reference: Courtier, Thepaut and Hollingsworth (1994), Q. J. R. Meteorol. Soc. 120, 1367;
    Lawless, Gratton and Nichols (2005), Q. J. R. Meteorol. Soc. 131, 459.

    Args:
        outer: Most linearisations; 1 where `G` is linear.
        inner: Most steps of the conjugate gradients in each.
        tolerance: Converged where the gradient's norm has fallen to this share of the first.

    Raises:
        InputError: If a count or the tolerance is not positive.
    """

    outer: int = 3
    inner: int = 100
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("outer", "inner", "tolerance"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}: give a positive number.")

    @torch.no_grad()
    def __call__(self, problem: Problem) -> Minimum:
        """The minimum of every row, from the centre."""
        v = problem.centre
        cost = problem.cost(v)
        history, stuck = [cost], torch.zeros_like(cost, dtype=torch.bool)
        near = problem.linearised(v)
        slope = near.gradient()
        first = slope.norm(dim=1)
        for loop in range(self.outer):
            moving = (slope.norm(dim=1) > self.tolerance * first) & ~stuck
            if not moving.any():
                break
            b = torch.where(moving[:, None], -slope, 0.0)
            target = 0.5 * self.tolerance * first
            step = _newton_step(near, b, target, self.inner)
            v, cost, failed = _accept(problem, v, cost, step)
            stuck = stuck | (failed & moving)
            history.append(cost)
            near = problem.linearised(v, loop + 1)
            slope = near.gradient()
        return Minimum(
            control=v,
            history=torch.stack(history),
            converged=slope.norm(dim=1) <= self.tolerance * first,
            fell_back=stuck,
        )


def _newton_step(near: Linearised, b: Tensor, target: Tensor, most: int) -> Tensor:
    """`dv` with the quadratic cost's gradient b taken away, down to the target."""
    return conjugate_gradients(
        lambda dv: (near.hessian(dv), dv), b, target=target, iterations=most
    )


def _accept(
    problem: Problem, v: Tensor, cost: Tensor, step: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The longest of the halved steps of each row that lowers its cost; which rows have none."""
    slack = 8.0 * torch.finfo(v.dtype).eps * cost.abs()
    waiting = torch.ones_like(cost, dtype=torch.bool)
    best, lowest = v, cost
    for _ in range(1 + _HALVINGS):
        candidate = torch.where(waiting[:, None], v + step, best)
        found = problem.cost(candidate)
        good = waiting & (found <= cost + slack)
        best = torch.where(good[:, None], candidate, best)
        lowest = torch.where(good, torch.minimum(found, cost), lowest)
        waiting = waiting & ~good
        if not waiting.any():
            break
        step = 0.5 * step
    return best, lowest, waiting
