"""StaticOI: the best linear estimate with a full covariance, solved in observation space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.variational.analyse import check_background
from isopleth.inference.variational.covariance import ExplicitCovariance
from isopleth.inference.variational.readings import Observations, Reader, Readings, for_rows
from isopleth.inference.variational.result import Result, side_by_side
from isopleth.inference.variational.tangent import along

__all__ = ["StaticOI", "condition"]

Linear = Callable[[Tensor], Tensor]

_SETTLED = 1e-8
"""Relative change of the cost below which outer loops end."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StaticOI:
    """Exact 3D-Var for a covariance held as numbers: one Cholesky factor a case.

        x_a = x_b + B H' (H B H' + R)^-1 (y - H x_b)

    For a nonlinear `H` outer loops linearise anew around the last estimate (Gauss-Newton in
    observation space, without line search): the best iterate is kept.
    Reference: Gandin (1963), Objective Analysis of Meteorological Fields; Lorenc (1986), Q. J. R.
    Meteorol. Soc. 112, 1177; the nonlinear iteration, Tarantola and Valette (1982), Rev. Geophys.
    20, 219.

    Args:
        covariance: `B`, of samples or as a matrix.
        outer: Most linearisations of a nonlinear `H`.
        spread: Whether to give the variance of the analysis error too,
            `diag(B - B H' (H B H' + R)^-1 H B)`.

    Raises:
        InputError: If `outer` is not positive.

    >>> from isopleth.dynamics.lorenz import Components
    >>> from isopleth.inference.variational import SampleCovariance
    >>> from isopleth.observe import Observation
    >>> B = SampleCovariance(torch.tensor([[1.0, 0.5]]))
    >>> seen = Observation(torch.tensor([2.0]), Components((0,), 2), torch.tensor(1.0))
    >>> StaticOI(covariance=B)(torch.zeros(2), [seen]).state
    tensor([1.0000, 0.5000])
    """

    covariance: ExplicitCovariance
    outer: int = 4
    spread: bool = False

    def __post_init__(self) -> None:
        """Check the number of loops."""
        if self.outer < 1:
            raise InputError(f"outer is {self.outer}: give at least 1.")

    def __call__(self, background: Tensor, observations: Observations) -> Result:
        """The analysis of every background.

        Args:
            background: `x_b`, shape `(*batch, *state)`.
            observations: One sequence for all, or `ByCase`.

        Raises:
            InputError: If the background is not finite or not of the covariance's state, or cases
                and observations do not fit.
        """
        return condition(self, background, Readings(observations, background))


@torch.no_grad()
def condition(method: StaticOI, background: Tensor, seen: Reader) -> Result:
    """The estimate given what `seen` reads of states of the covariance.

    Args:
        method: The settings.
        background: `(*batch, *state)`.
        seen: Its `case(r)` takes `(k, *state)`.

    Raises:
        InputError: As `StaticOI`.
    """
    check_background(background)
    shape = method.covariance.state_shape
    batch = background.shape[: background.ndim - len(shape)]
    if tuple(background.shape[len(batch) :]) != shape:
        raise InputError(
            f"a background of shape {tuple(background.shape)} does not go with a covariance of "
            f"states {shape}: bring both to one grid."
        )
    rows = background.reshape(-1, *shape)
    values, precision, counts = for_rows(seen, len(rows))
    _check_predicted(seen(rows))
    y, w = (t.expand(len(rows), -1) for t in (values, precision))
    found = (
        _linear(method, rows, seen, y, w) if seen.linear else _nonlinear(method, rows, seen, y, w)
    )
    history = found.history
    return Result(
        state=found.state.reshape(background.shape),
        observed=counts.to(rows.device).reshape(batch),
        first_cost=history[0].reshape(batch),
        cost=history.min(0).values.reshape(batch),
        converged=found.converged.reshape(batch),
        fell_back=found.fell_back.reshape(batch),
        history=history.reshape(-1, *batch),
        variance=found.variance.reshape(background.shape) if method.spread else None,
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Found:
    """State and variance (R, *state), history (steps + 1, R), converged and fell back (R,)."""

    state: Tensor
    variance: Tensor
    history: Tensor
    converged: Tensor
    fell_back: Tensor

    @classmethod
    def stack(cls, rows: list[_Found]) -> _Found:
        return cls(
            state=torch.cat([row.state for row in rows]),
            variance=torch.cat([row.variance for row in rows]),
            history=side_by_side([row.history for row in rows]),
            converged=torch.cat([row.converged for row in rows]),
            fell_back=torch.cat([row.fell_back for row in rows]),
        )


class _System:
    """The factor of `H B H' + R` for one linearisation of one case; R = 1 in padding."""

    def __init__(self, covariance: ExplicitCovariance, H: Linear, w: Tensor, like: Tensor) -> None:
        self._crossed = covariance.cross(H, like)
        self.HBH = self._crossed.HBH.double()
        R = torch.where(w > 0, w, 1.0).reciprocal().double()
        self._factor = torch.linalg.cholesky(self.HBH + torch.diag(R))
        self._total = covariance.variance.to(like)

    def solve(self, d: Tensor) -> tuple[Tensor, Tensor]:
        """From departures (r, n) to `z = (H B H' + R)^-1 d` and the increments `B H' z`."""
        z = torch.cholesky_solve(d.double().T, self._factor).T
        return z, self._crossed.increment(z)

    def variance(self) -> Tensor:
        """Of the analysis error, shape `state`."""
        flat = self._crossed.HB.flatten(1).double()
        known = torch.linalg.solve_triangular(self._factor, flat, upper=False).square().sum(0)
        return (self._total - known.to(self._total).reshape(self._total.shape)).clamp_min(0.0)


def _linear(method: StaticOI, x: Tensor, seen: Reader, y: Tensor, w: Tensor) -> _Found:
    """All rows of a case share its factor."""
    cases = len(seen.counts)
    state, variance = x.clone(), torch.empty_like(x) if method.spread else x
    history = x.new_zeros(2, len(x), dtype=torch.float64)
    d = torch.where(w > 0, y - seen(x), 0.0)
    history[0] = 0.5 * (w * d.square()).double().sum(1)
    for case in range(cases):
        system = _System(method.covariance, seen.case(case), w[case], x)
        mine = slice(case, None, cases)
        z, increment = system.solve(d[mine])
        state[mine] = x[mine] + increment
        history[1, mine] = 0.5 * (z * d[mine].double()).sum(1)
        if method.spread:
            variance[mine] = system.variance()
    done = torch.ones(len(x), dtype=torch.bool, device=x.device)
    return _Found(state=state, variance=variance, history=history, converged=done, fell_back=~done)


def _nonlinear(method: StaticOI, x: Tensor, seen: Reader, y: Tensor, w: Tensor) -> _Found:
    """Row by row, since each has its own derivative."""
    rows = []
    for row in range(len(x)):
        H, first = seen.case(row), x[row : row + 1]
        pick = slice(row, row + 1)
        rows.append(_iterate(method, H, first, y[pick], w[pick]))
    return _Found.stack(rows)


def _iterate(method: StaticOI, H: Linear, first: Tensor, y: Tensor, w: Tensor) -> _Found:
    at, predicted = first, H(first)
    cost = 0.5 * (w * (y - predicted).square()).double().sum(1)
    history, best, settled, variance = [cost], first, False, first
    for _ in range(method.outer):

        def push(rows: Tensor, at: Tensor = at) -> Tensor:
            return along(H, at.expand_as(rows), rows)

        system = _System(method.covariance, push, w[0], first)
        d = torch.where(w > 0, y - predicted + push(at - first), 0.0)
        z, increment = system.solve(d)
        at = first + increment
        predicted = H(at)
        misfit = (w * (y - predicted).square()).double().sum(1)
        cost = 0.5 * ((z @ system.HBH * z).sum(1) + misfit)
        if method.spread:
            variance = system.variance()[None]
        if bool(cost <= min(float(c) for c in history)):
            best = at
        history.append(cost)
        settled = bool((history[-2] - cost).abs() <= _SETTLED * cost)
        if settled or not bool(torch.isfinite(cost)):
            break
    costs = torch.stack(history).nan_to_num(torch.inf)
    fell = ~(costs[-1] <= costs.min(0).values * (1.0 + _SETTLED))
    return _Found(
        state=best,
        variance=variance,
        history=costs,
        converged=~fell & settled,
        fell_back=fell,
    )


def _check_predicted(predicted: Tensor) -> None:
    bad = torch.nonzero(~torch.isfinite(predicted).all(1)).flatten().tolist()
    if bad:
        raise InputError(
            f"what background {bad[0]} predicts is not finite: look at the operators' range."
        )
