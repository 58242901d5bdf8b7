"""QuasiNewton: L-BFGS with a strong-Wolfe line search, one case after the other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.variational.problem import Minimum, Problem
from isopleth.inference.variational.result import side_by_side

__all__ = ["QuasiNewton"]


@dataclass(frozen=True, kw_only=True)
class QuasiNewton:
    """Minimise the true `J` by `torch.optim.LBFGS`, each row by itself.

    Only gradients are needed. A step to where the cost is not finite counts as one uphill, and
    the best point seen is kept apart, so that a diverging search falls back to it, reported.
    Cases run one by one: a step length belongs to a case. With float32 states the gradient falls
    by some four digits only; use float64 for more.
    Reference: Liu and Nocedal (1989), Math. Program. 45, 503; Nocedal and Wright (2006),
    Numerical Optimization, alg. 3.5.

    Args:
        iterations: The most.
        history: Pairs kept for the curvature.
        tolerance: Converged where the gradient's norm has fallen to this share of the first.

    Raises:
        InputError: If a count or the tolerance is not positive.
    """

    iterations: int = 100
    history: int = 10
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("iterations", "history", "tolerance"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}: give a positive number.")

    def __call__(self, problem: Problem) -> Minimum:
        """The minimum of every row, from the centre."""
        rows = [self._minimise(problem.case(row)) for row in range(len(problem.centre))]
        return Minimum(
            control=torch.cat([row.control for row in rows]),
            history=side_by_side([row.history for row in rows]),
            converged=torch.cat([row.converged for row in rows]),
            fell_back=torch.cat([row.fell_back for row in rows]),
        )

    def _minimise(self, problem: Problem) -> Minimum:
        """Of one row."""
        track = _Track(problem)
        first = float(track.slope.norm())
        v = problem.centre.clone().requires_grad_()
        search = torch.optim.LBFGS(
            [v],
            max_iter=self.iterations,
            max_eval=3 * self.iterations,
            history_size=self.history,
            line_search_fn="strong_wolfe",
            tolerance_grad=self.tolerance * first / math.sqrt(v.numel()),
            tolerance_change=torch.finfo(v.dtype).eps,
        )

        def closure() -> Tensor:
            cost, v.grad = track.visit(v.detach())
            return cost.sum()

        if first > 0.0:
            search.step(closure)
        return track.minimum(v.detach(), self.tolerance * first)


class _Track:
    """The best point of one row so far; costs that are not finite become high ground."""

    def __init__(self, problem: Problem) -> None:
        self._problem, self.best = problem, problem.centre.clone()
        self.cost, self.slope = problem.gradient(self.best)
        self._high = 10.0 * self.cost + 1.0
        self._history = [self.cost]

    def visit(self, v: Tensor) -> tuple[Tensor, Tensor]:
        cost, slope = self._problem.gradient(v)
        if not bool(torch.isfinite(cost).all() and torch.isfinite(slope).all()):
            return self._high, torch.zeros_like(v)
        if bool(cost <= self.cost):
            self.best, self.cost, self.slope = v.clone(), cost, slope
        self._history.append(self.cost)
        return cost, slope

    def minimum(self, last: Tensor, target: float) -> Minimum:
        end, slack = self._problem.gradient(last)[0], 1e-6 * self.cost.abs()
        return Minimum(
            control=self.best,
            history=torch.stack(self._history),
            converged=self.slope.norm(dim=1) <= target,
            fell_back=~(end <= self.cost + slack),
        )
