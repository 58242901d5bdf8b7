"""Contenders for two months of cycling: forecast, analyse, forecast, each with its own past."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from isopleth.core.protocols import Operator
from isopleth.dynamics.gridded import GriddedWorld
from isopleth.inference.cycle import cycle
from isopleth.inference.kalman import LETKF, RTPS, Located, PriorInflation
from isopleth.inference.variational import (
    ByCase,
    FourDVar,
    GaussNewton,
    Increment,
    SampleCovariance,
    draw,
)
from isopleth.studies.tuning import Dimension, LogUniform, Uniform
from isopleth.studies.twin.background import batched
from isopleth.studies.twin.climate import square_error
from isopleth.studies.twin.network import Network, stream
from isopleth.studies.twin.oneshot import Hybrid, optimal
from isopleth.studies.twin.statistics import Statistics

__all__ = ["CYCLED", "TRAINING_TIMES", "Cycled", "Cycling", "Run", "own_covariance"]

TRAINING_TIMES = 20
"""Analyses of the cycle in which `own_covariance` finds its errors."""

_DISCARDED = 8
_NETWORKS = 16
"""Different positions at each of those times; trajectories share them in turn."""

_AMPLITUDE = LogUniform(0.4, 2.5)

Space = Mapping[str, Dimension]


@dataclass(frozen=True, eq=False)
class Run:
    """Trajectories to be cycled.

    Attributes:
        truth: Anomalies at every analysis, the start first, shape (n, times + 1, 3, nlat, nlon).
        background: At the start, (n, 3, nlat, nlon).
        names: What seeds the draws of each trajectory.
    """

    truth: Tensor
    background: Tensor
    names: tuple[str, ...]

    @property
    def times(self) -> int:
        """Number of analyses."""
        return self.truth.shape[1] - 1


@dataclass(frozen=True, eq=False)
class Cycling:
    """What the contenders of one network share.

    Args:
        stats: Covariances and models.
        network: What is observed at every analysis.
        model: The perfect model from one analysis to the next.
        own: Covariance of background errors of 3D-Var's own cycle with this network.
    """

    stats: Statistics
    network: Network
    model: GriddedWorld
    own: SampleCovariance
    seen: dict[tuple[str, int], Located] = field(default_factory=dict, repr=False)

    def observations(self, run: Run, row: int, time: int) -> Located:
        """The same for every contender."""
        key = run.names[row], time
        if key not in self.seen:
            self.seen[key] = self.network(run.truth[row, time], *key)
        return self.seen[key]

    def errors(self, run: Run, time: int, x: Tensor) -> Tensor:
        """Square errors of all trajectories at a time, shape (n,)."""
        return square_error(self.stats.world.climate, x, run.truth[:, time])


class Cycled(Protocol):
    """A method with its settings; a frozen dataclass of plain numbers."""

    name: ClassVar[str]
    space: ClassVar[Space]

    def __call__(self, cycling: Cycling, run: Run) -> Tensor:
        """Square error of every analysis, shape (n, times); NaN where it has none."""
        ...


@dataclass(frozen=True, kw_only=True)
class CycledStatic:
    """3D-Var with the covariance of its own cycle's background errors."""

    name: ClassVar[str] = "3D-Var"
    space: ClassVar[Space] = {"amplitude": _AMPLITUDE}
    amplitude: float = 1.0

    def __call__(self, cycling: Cycling, run: Run) -> Tensor:
        """Of the analyses."""
        B, x, found = cycling.own.scaled(self.amplitude), run.background, []
        for time in range(1, run.times + 1):
            x = batched(cycling.model.step, x)
            seen = [[cycling.observations(run, row, time)] for row in range(len(x))]
            x = optimal(B, x, seen)
            found.append(cycling.errors(run, time, x))
        return torch.stack(found, 1)


@dataclass(frozen=True, kw_only=True)
class CycledLocal:
    """LETKF with inflation before and relaxation to the prior spread after the analysis."""

    name: ClassVar[str] = "LETKF"
    space: ClassVar[Space] = {
        "radius": LogUniform(1500.0, 12000.0),
        "factor": Uniform(1.0, 1.3),
        "alpha": Uniform(0.0, 0.9),
    }
    radius: float = 4000.0
    factor: float = 1.05
    alpha: float = 0.3

    def __call__(self, cycling: Cycling, run: Run) -> Tensor:
        """Of the members' means."""
        letkf = LETKF(geometry=cycling.stats.globe, radius=self.radius)
        method = RTPS(PriorInflation(letkf, self.factor), self.alpha)
        rows = []
        for row in range(len(run.background)):
            seen = {t: [cycling.observations(run, row, t)] for t in range(1, run.times + 1)}
            members = _members(cycling, run, row)
            records = cycle(method, cycling.model.step, members, seen)
            means = torch.stack([record.analysis.mean for record in records])
            truth = run.truth[row, 1 : len(means) + 1]
            rows.append(square_error(cycling.stats.world.climate, means, truth))
        return torch.stack(rows)


@dataclass(frozen=True, kw_only=True)
class CycledHybrid:
    """Hybrid EnVar: its mean, with the deviations of an LETKF around it."""

    name: ClassVar[str] = "hybrid EnVar"
    space: ClassVar[Space] = {
        "share": Uniform(0.0, 1.0),
        "radius": LogUniform(1500.0, 12000.0),
        "factor": Uniform(1.0, 1.3),
    }
    share: float = 0.8
    radius: float = 4000.0
    factor: float = 1.05

    def __call__(self, cycling: Cycling, run: Run) -> Tensor:
        """Of the means."""
        letkf = LETKF(geometry=cycling.stats.globe, radius=self.radius)
        filtering = RTPS(PriorInflation(letkf, self.factor), 0.3)
        hybrid = Hybrid(share=self.share, radius=self.radius)
        rows = []
        for row in range(len(run.background)):
            x, found = _members(cycling, run, row), []
            for time in range(1, run.times + 1):
                x = batched(cycling.model.step, x)
                seen = [cycling.observations(run, row, time)]
                mean = hybrid.around(x.mean(0), cycling.stats, cycling.own, x, list(seen))
                after = filtering(x, seen)
                x = mean + (after - after.mean(0))
                found.append(mean)
            truth = run.truth[row, 1:]
            rows.append(square_error(cycling.stats.world.climate, torch.stack(found), truth))
        return torch.stack(rows)


@dataclass(frozen=True, kw_only=True)
class CycledFourD:
    """4D-Var in windows of two analyses, one linearisation; scored at the end of each window."""

    name: ClassVar[str] = "4D-Var"
    space: ClassVar[Space] = {"amplitude": _AMPLITUDE}
    amplitude: float = 0.8

    def __call__(self, cycling: Cycling, run: Run) -> Tensor:
        """Of the ends of the windows."""
        method = FourDVar(
            control=Increment(cycling.own.scaled(self.amplitude)),
            dynamics=cycling.model,
            length=2,
            solver=GaussNewton(outer=1, inner=12, tolerance=2e-2),
        )
        x = run.background
        found = torch.full((len(x), run.times), torch.nan)
        for start in range(0, run.times - 1, 2):
            seen = {
                step: ByCase(
                    [[cycling.observations(run, row, start + step)] for row in range(len(x))]
                )
                for step in (1, 2)
            }
            x = method(x, seen).state
            for _ in range(2):
                x = batched(cycling.model.step, x)
            found[:, start + 1] = cycling.errors(run, start + 2, x)
        return found


def own_covariance(
    stats: Statistics, network: Network, truth: Iterator[Tensor], background: Tensor
) -> SampleCovariance:
    """Of the background errors of 3D-Var's cycle with a network, estimated twice.

    A sample of n errors counts n / (n + rank) beside the covariance the cycle began with.

    Args:
        stats: The first covariance, of the twin's backgrounds.
        network: What is observed.
        truth: Anomalies of training trajectories at the times of the cycle, the start first.
        background: At the start.
    """
    states = list(truth)
    world = stats.quasigeostrophic
    climate, hours = world.climate, world.recipe.cycling_hours
    model = climate.dynamics(hours)
    B = stats.errors
    first = climate.coefficients(B.root)
    prior = first.T @ first
    for _ in range(2):
        x, errors = background, []
        for time, y in enumerate(states[1:], 1):
            x = batched(model.step, x)
            if time > _DISCARDED:
                errors.append(climate.coefficients(y - x))
            x = _shared(B, network, x, y, time)
        e = torch.cat(errors)
        sample = e.T @ e / len(e)
        share = len(e) / (len(e) + len(prior))
        sized = prior * (sample.trace() / prior.trace())
        B = climate.covariance(share * sample + (1.0 - share) * sized)
    return B


def _shared(B: SampleCovariance, network: Network, x: Tensor, truth: Tensor, time: int) -> Tensor:
    """3D-Var where several trajectories share the positions of a network."""
    x = x.clone()
    for share in range(min(_NETWORKS, len(x))):
        rows = torch.arange(share, len(x), _NETWORKS)
        seen = network(truth[rows[0]], "own", time, share)
        x[rows] = _updated(B, seen.operator, seen.variance, x[rows], truth[rows], time, share)
    return x


def _updated(
    B: SampleCovariance,
    operator: Operator,
    variance: Tensor,
    x: Tensor,
    truth: Tensor,
    *key: int,
) -> Tensor:
    exact = operator(truth)
    noise = torch.randn(exact.shape, generator=stream("own errors", *key))
    R = variance.expand(exact.shape[1:])
    crossed = B.cross(operator, x)
    factor = torch.linalg.cholesky(crossed.HBH.double() + torch.diag(R.double()))
    departure = exact + R.sqrt() * noise - operator(x)
    return x + crossed.increment(torch.cholesky_solve(departure.double().T, factor).T)


def _members(cycling: Cycling, run: Run, row: int) -> Tensor:
    """Draws of the background's error about the background."""
    count = cycling.stats.quasigeostrophic.recipe.cycling_members
    noise = draw(cycling.stats.errors, count, stream("ensemble", run.names[row]))
    return run.background[row] + noise.float()


CYCLED = (CycledStatic, CycledLocal, CycledHybrid, CycledFourD)
