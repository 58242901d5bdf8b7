"""Backgrounds with realistic errors: forecasts from a long cycle of optimal interpolation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from isopleth.core.protocols import LinearOperator
from isopleth.dynamics.rollout import final
from isopleth.inference.variational import SampleCovariance, draw
from isopleth.observe.networks import Percent, RandomPoints, Singles
from isopleth.studies.twin.climate import Climate
from isopleth.studies.twin.network import stream
from isopleth.studies.twin.recipe import TwinRecipe

__all__ = ["BackgroundCycle", "Moment", "Readings", "batched"]

_ERROR = 0.1
"""Of the observations of the cycle, in climatological standard deviations."""

_BATCH = 64


@dataclass(frozen=True, eq=False, kw_only=True)
class Moment:
    """One time of the cycle, before its analysis.

    Attributes:
        number: Of the cycle.
        truth: States of the world, shape (n, 3, (T + 1)^2).
        background: Anomalies, shape (n, 3, nlat, nlon).
        older: The forecast made one cycle earlier, for the same time, (n, 3, nlat, nlon).
        members: Of those trajectories that have an ensemble now, (m, N, 3, nlat, nlon), or None.
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
    their spread is that of the cycle's own errors.

    Args:
        recipe: Times and networks.
        climate: Brings the model.
    """

    recipe: TwinRecipe
    climate: Climate

    def run(
        self, B: SampleCovariance, start: Moment, cycles: int, ensembles: tuple[int, ...] = ()
    ) -> Iterator[Moment]:
        """So many moments from the start, which is the first, and the one after them.

        Args:
            B: Of the background errors.
            start: Its number seeds the draws.
            cycles: The last moment, which comes besides, is the start of the next call.
            ensembles: Cycles at which validation and test trajectories are to have members.
        """
        world = self.climate.dynamics(self.recipe.cycle_hours)
        steps = round(3600.0 * self.recipe.cycle_hours / self.climate.world.step_seconds)
        now, members = start, start.members
        for number in range(start.number, start.number + cycles):
            yield replace(now, members=members if number in ensembles else None)
            seen = list(self._readings(now.truth, number))
            members = self._members(B, members, now.background, seen, number, ensembles)
            analysis = now.background.clone()
            for part in seen:
                analysis[part.rows] = _updated(B, part, analysis[part.rows], part.values)
            if members is not None:
                flat = batched(world.step, members.flatten(0, 1))
                members = flat.unflatten(0, members.shape[:2])
            now = Moment(
                number=number + 1,
                truth=batched(partial(final, self.climate.world.step, steps=steps), now.truth),
                background=batched(world.step, analysis),
                older=batched(world.step, now.background),
            )
        yield replace(now, members=members)

    def _readings(self, truth: Tensor, number: int) -> Iterator[Readings]:
        grid, count = self.climate.grid, self.recipe.cycle_networks
        x = self.climate.anomalies(truth)
        network = RandomPoints(Percent(self.recipe.cycle_percent), Singles())
        for share in range(count):
            draws = stream("background", number, share)
            operator = network(grid, draws).operator(grid)
            rows = torch.arange(share, len(x), count)
            exact = operator(x[rows])
            noise = torch.randn(exact.shape, generator=draws)
            yield Readings(rows, operator, exact + _ERROR * noise)

    def _members(
        self,
        B: SampleCovariance,
        members: Tensor | None,
        background: Tensor,
        seen: list[Readings],
        number: int,
        ensembles: tuple[int, ...],
    ) -> Tensor | None:
        """Analysed members where an ensemble is on its way, else None."""
        ahead = [date - number for date in ensembles if date - number > 0]
        if not ahead or min(ahead) > self.recipe.ensemble_cycles:
            return None
        first = self.recipe.train
        if min(ahead) == self.recipe.ensemble_cycles or members is None:
            draws = stream("members", number)
            shape = (len(background) - first, self.recipe.members)
            noise = draw(B, shape[0] * shape[1], draws).float().unflatten(0, shape)
            members = background[first:, None] + noise
        members = members.clone()
        for part in seen:
            for row, y in zip(part.rows.tolist(), part.values, strict=True):
                if row >= first:
                    draws = stream("perturbed", number, row)
                    noise = torch.randn(self.recipe.members, len(y), generator=draws)
                    old = members[row - first]
                    members[row - first] = _updated(B, part, old, y + _ERROR * noise)
        return members


def _updated(B: SampleCovariance, seen: Readings, x: Tensor, y: Tensor) -> Tensor:
    crossed = B.cross(seen.operator, x)
    R = _ERROR**2 * torch.eye(y.shape[-1], dtype=torch.float64)
    factor = torch.linalg.cholesky(crossed.HBH.double() + R)
    z = torch.cholesky_solve((y - seen.operator(x)).double().T, factor).T
    return x + crossed.increment(z)


@torch.no_grad()
def batched(step: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`step` of all rows, some at a time."""
    return torch.cat([step(part) for part in x.split(_BATCH)])
