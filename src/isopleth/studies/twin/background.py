"""Backgrounds with realistic errors: forecasts from a long cycle of optimal interpolation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Protocol

import torch
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.core.protocols import LinearOperator
from isopleth.dynamics.gridded import GriddedWorld
from isopleth.dynamics.rollout import final
from isopleth.inference.variational import draw
from isopleth.observe.networks import Percent, RandomPoints, Singles
from isopleth.studies.twin.climate import Climate
from isopleth.studies.twin.network import stream

__all__ = [
    "BackgroundCycle",
    "Crossing",
    "CycleCovariance",
    "CycleRecipe",
    "Flow",
    "Moment",
    "PerfectModel",
    "Readings",
    "batched",
]

_ERROR = 0.1
"""Of the observations of the cycle, in climatological standard deviations."""

_BATCH = 64


class CycleRecipe(Protocol):
    """The numbers of a cycle; see `TwinRecipe`."""

    @property
    def train(self) -> int:
        """The first so many trajectories have no members."""
        ...

    @property
    def members(self) -> int:
        """Of the ensembles."""
        ...

    @property
    def ensemble_cycles(self) -> int:
        """Cycles that members have run when they are wanted."""
        ...

    @property
    def cycle_percent(self) -> float:
        """Of the cells observed at every time."""
        ...

    @property
    def cycle_networks(self) -> int:
        """Different positions at every time; trajectories share them in turn."""
        ...


class Flow(Protocol):
    """How truths and forecasts go on: from one analysis of the cycle to the next."""

    @property
    def grid(self) -> Grid:
        """Of the anomalies; its levels are the channels."""
        ...

    def anomalies(self, truth: Tensor) -> Tensor:
        """Of truths (n, ...), shape (n, channel, nlat, nlon)."""
        ...

    def advance(self, truth: Tensor) -> Tensor:
        """The truths a cycle later, shape of `truth`."""
        ...

    def forecast(self, x: Tensor) -> Tensor:
        """Forecasts over a cycle, from anomalies to anomalies of the same shape."""
        ...


class Crossing(Protocol):
    """A covariance as n observations see it."""

    @property
    def HBH(self) -> Tensor:  # noqa: N802 - the symbol of the page
        """`H B H'`, shape (n, n)."""
        ...

    def increment(self, z: Tensor) -> Tensor:
        """`B H' z`, from (r, n) to (r, *state)."""
        ...


class CycleCovariance(Protocol):
    """`B = U U'`, of which the observations of a cycle see what they need."""

    @property
    def control_shape(self) -> tuple[int, ...]:
        """Shape of a control variable."""
        ...

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of a state."""
        ...

    def product(self, x: Tensor) -> Tensor:
        """`B x`."""
        ...

    def sqrt(self, v: Tensor) -> Tensor:
        """`U v`."""
        ...

    def sqrt_adjoint(self, x: Tensor) -> Tensor:
        """`U' x`."""
        ...

    def cross(self, H: LinearOperator, like: Tensor) -> Crossing:
        """What H sees of B, in the precision of `like`."""
        ...


@dataclass(frozen=True, eq=False)
class PerfectModel:
    """Truths and forecasts that the same model makes.

    Args:
        climate: Brings the model.
        hours: Of a cycle.
    """

    climate: Climate
    hours: float

    @property
    def grid(self) -> Grid:
        """Of the anomalies."""
        return self.climate.grid

    def anomalies(self, truth: Tensor) -> Tensor:
        """Of states of the world, (n, 3, (T + 1)^2)."""
        return self.climate.anomalies(truth)

    def advance(self, truth: Tensor) -> Tensor:
        """States of the world a cycle later."""
        world = self.climate.world
        steps = round(3600.0 * self.hours / world.step_seconds)
        return batched(partial(final, world.step, steps=steps), truth)

    def forecast(self, x: Tensor) -> Tensor:
        """Anomalies a cycle later."""
        return batched(self._model.step, x)

    @cached_property
    def _model(self) -> GriddedWorld:
        return self.climate.dynamics(self.hours)


@dataclass(frozen=True, eq=False, kw_only=True)
class Moment:
    """One time of the cycle, before its analysis.

    Attributes:
        number: Of the cycle.
        truth: What the flow takes for truths: states of the world, shape (n, 3, (T + 1)^2), or
            numbers of states in a nature run, (n,).
        background: Anomalies, shape (n, channel, nlat, nlon).
        older: The forecast made one cycle earlier, for the same time, (n, channel, nlat, nlon).
        members: Of those trajectories that have an ensemble now, (m, N, channel, nlat, nlon), or
            None.
    """

    number: int
    truth: Tensor
    background: Tensor
    older: Tensor
    members: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Readings:
    """One draw of the network at one time, for the trajectories that share it."""

    rows: Tensor
    operator: LinearOperator
    values: Tensor


@dataclass(frozen=True, eq=False)
class BackgroundCycle:
    """Analyse, forecast, analyse, along all trajectories at once.

        x_a = x_b + B H' (H B H' + R)^-1 (y - H x_b),   x_b <- M(x_a)

    with one B for all times. Members are the same cycle with perturbed observations, so that
    their spread is that of the cycle's own errors, but for those of M.

    Args:
        recipe: Trajectories and networks.
        flow: Truths, and M.
    """

    recipe: CycleRecipe
    flow: Flow

    def run(
        self, B: CycleCovariance, start: Moment, cycles: int, ensembles: tuple[int, ...] = ()
    ) -> Iterator[Moment]:
        """So many moments from the start, which is the first, and the one after them.

        Args:
            B: Of the background errors.
            start: Its number seeds the draws.
            cycles: The last moment, which comes besides, is the start of the next call.
            ensembles: Cycles at which validation and test trajectories are to have members.
        """
        now, members = start, start.members
        for number in range(start.number, start.number + cycles):
            yield replace(now, members=members if number in ensembles else None)
            members = self._begun(B, members, now.background, number, ensembles)
            analysis = now.background.clone()
            for part in self._readings(now.truth, number):
                solver = _Solver(B, part.operator, analysis)
                analysis[part.rows] = solver(analysis[part.rows], part.values)
                if members is not None:
                    self._perturbed(solver, part, members, number)
            if members is not None:
                flat = self.flow.forecast(members.flatten(0, 1))
                members = flat.unflatten(0, members.shape[:2])
            now = Moment(
                number=number + 1,
                truth=self.flow.advance(now.truth),
                background=self.flow.forecast(analysis),
                older=self.flow.forecast(now.background),
            )
        yield replace(now, members=members)

    def _readings(self, truth: Tensor, number: int) -> Iterator[Readings]:
        grid, count = self.flow.grid, self.recipe.cycle_networks
        x = self.flow.anomalies(truth)
        network = RandomPoints(Percent(self.recipe.cycle_percent), Singles())
        for share in range(min(count, len(x))):
            draws = stream("background", number, share)
            operator = network(grid, draws).operator(grid)
            rows = torch.arange(share, len(x), count)
            exact = operator(x[rows])
            noise = torch.randn(exact.shape, generator=draws)
            yield Readings(rows, operator, exact + _ERROR * noise)

    def _begun(
        self,
        B: CycleCovariance,
        members: Tensor | None,
        background: Tensor,
        number: int,
        ensembles: tuple[int, ...],
    ) -> Tensor | None:
        """A copy of the members where an ensemble is on its way, new ones at its start."""
        ahead = [date - number for date in ensembles if date - number > 0]
        if not ahead or min(ahead) > self.recipe.ensemble_cycles:
            return None
        if min(ahead) < self.recipe.ensemble_cycles and members is not None:
            return members.clone()
        first = self.recipe.train
        shape = (len(background) - first, self.recipe.members)
        noise = draw(B, shape[0] * shape[1], stream("members", number)).float()
        return background[first:, None] + noise.unflatten(0, shape)

    def _perturbed(self, solver: _Solver, part: Readings, members: Tensor, number: int) -> None:
        """Analyse the members in place, each with its own draw of the observations."""
        first = self.recipe.train
        for row, y in zip(part.rows.tolist(), part.values, strict=True):
            if row >= first:
                draws = stream("perturbed", number, row)
                noise = torch.randn(self.recipe.members, len(y), generator=draws)
                members[row - first] = solver(members[row - first], y + _ERROR * noise)


class _Solver:
    """Analyses of any rows that one draw of the network sees, from one factor."""

    def __init__(self, B: CycleCovariance, operator: LinearOperator, like: Tensor) -> None:
        self._operator, self._crossed = operator, B.cross(operator, like)
        n = len(self._crossed.HBH)
        R = _ERROR**2 * torch.eye(n, dtype=torch.float64)
        self._factor = torch.linalg.cholesky(self._crossed.HBH.double() + R)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        departure = (y - self._operator(x)).double()
        z = torch.cholesky_solve(departure.T, self._factor).T
        return x + self._crossed.increment(z)


@torch.no_grad()
def batched(step: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`step` of all rows, some at a time."""
    return torch.cat([step(part) for part in x.split(_BATCH)])
