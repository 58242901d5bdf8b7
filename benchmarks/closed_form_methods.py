"""Cases of the closed-form benchmark, the methods that answer them, and their scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from closed_form_world import World
from isopleth.inference.dps import DPSSampler
from isopleth.inference.mmps import MMPS
from isopleth.inference.reconmost import ReconMOST
from isopleth.inference.repaint import RePaint
from isopleth.inference.sda import SDA
from isopleth.metrics.distribution import crps_gaussian
from isopleth.metrics.ensemble import crps_ensemble
from isopleth.observe import Observation
from isopleth.priors import MemberNoise
from isopleth.priors.samplers import Ancestral, Multistep, Noise
from isopleth.priors.schedules import karras

LOW, HIGH, STEPS = 0.05, 40.0, 32  # noise levels of all samplers but ReconMOST's own
SCORES = (
    "squared", "one", "spread", "distance", "observed", "crps",
    "exact_spread", "exact_crps", "calls",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A truth, what was seen of it, and the exact posterior."""

    number: int
    truth: Tensor
    seen: Tensor
    observation: Observation
    mean: Tensor
    variance: Tensor

    @classmethod
    def of(cls, world: World, truth: Tensor, seen: NDArray[np.bool_], number: int) -> Case:
        """Draw the observations of a truth and solve for the posterior."""
        observation = world.observe(truth, seen, number)
        exact = world.prior.posterior([observation])
        return cls(number, truth, torch.tensor(seen), observation, *exact)


class Chain(Protocol):
    """A sampler, or ReconMOST: both draw members from noise."""

    def __call__(self, noise: Noise, shape: Sequence[int]) -> Tensor:
        """Members."""


Answers = Callable[[World, Sequence[Case], int], Iterator[Tensor]]
"""From cases and a seed to the members of each case, standardised, (M, level, lat, lon)."""


def climatology(world: World, cases: Sequence[Case], seed: int) -> Iterator[Tensor]:
    """No anomaly at all."""
    for case in cases:
        yield torch.zeros_like(case.truth)[None]


def exact(world: World, cases: Sequence[Case], seed: int) -> Iterator[Tensor]:
    """The mean of the posterior: the best there is where the prior is true."""
    for case in cases:
        yield case.mean[None]


@dataclass(frozen=True)
class Guided:
    """One case at a time, `members` in a batch."""

    chain: Callable[[World, Observation], Chain]
    members: int

    def __call__(self, world: World, cases: Sequence[Case], seed: int) -> Iterator[Tensor]:
        """Members of every case."""
        for case in cases:
            start = self.members * case.number
            noise = MemberNoise(seed, range(start, start + self.members))
            yield self.chain(world, case.observation)(noise, world.grid.shape)


@dataclass(frozen=True)
class OnCells:
    """All cases in one batch, for methods that take cells as they are."""

    chain: Callable[[World, Tensor, Tensor], Chain]
    members: int = 1

    def __call__(self, world: World, cases: Sequence[Case], seed: int) -> Iterator[Tensor]:
        """Members of every case."""
        y = torch.stack([c.observation.operator.adjoint(c.observation.values) for c in cases])
        seen = torch.stack([c.seen for c in cases])
        rows = [self.members * c.number + m for m in range(self.members) for c in cases]
        repeat = (self.members, 1, 1, 1)
        chain = self.chain(world, y.repeat(repeat), seen.repeat(repeat))
        x = chain(MemberNoise(seed, rows), world.grid.shape)
        yield from x.unflatten(0, (self.members, len(cases))).transpose(0, 1)


def mmps(steps: int, iterations: int, members: int) -> Guided:
    """MMPS with the second-order multistep sampler."""
    return Guided(
        lambda world, seen: Multistep(
            MMPS(world.prior, [seen], iterations), karras(steps, LOW, HIGH)
        ),
        members,
    )


def dps(gamma: float, members: int) -> Guided:
    """DPS in the form of a prior, with the variance of SDA."""
    levels = karras(STEPS, LOW, HIGH)
    return Guided(lambda w, seen: Ancestral(SDA(w.prior, [seen], gamma), levels), members)


def published_dps(zeta: float, members: int) -> Guided:
    """DPS in the form of a sampler."""
    levels = karras(2 * STEPS, LOW, HIGH)
    return Guided(lambda w, seen: DPSSampler(Ancestral(w.prior, levels), [seen], zeta), members)


def repaint(resampling: int, members: int) -> OnCells:
    """RePaint."""
    levels = karras(STEPS, LOW, HIGH)
    return OnCells(
        lambda w, y, seen: RePaint(Ancestral(w.prior, levels), y, seen, resampling), members
    )


def reconmost(members: int = 1, **settings: object) -> OnCells:
    """ReconMOST."""
    return OnCells(lambda w, y, seen: ReconMOST(w.prior, y, seen, **settings), members)  # type: ignore[arg-type]


def scores(world: World, case: Case, members: Tensor) -> dict[str, float]:
    """Mean squares in K2 over the unseen ocean (`observed`: over the seen), by area; CRPS in K.

    `squared` of the mean, `one` of one member, `spread` the members' variance, `distance` from
    the mean to the exact one, `exact_` the posterior's own.
    """
    area = torch.from_numpy(world.area)
    K = world.scaling.std.double()
    unseen, seen = area * ~case.seen, area * case.seen

    def over(cells: Tensor, x: Tensor) -> float:
        return float((cells * x).sum() / cells.sum())

    x, truth = members.double(), case.truth.double()
    mean, several = x.mean(0), len(x) > 1
    error = K.square() * (mean - truth).square()
    sd = case.variance.double().clamp_min(0.0).sqrt()
    exact = crps_gaussian(*((K * t).numpy() for t in (case.mean, sd, truth)))
    crps = crps_ensemble((K * x).numpy(), (K * truth).numpy(), fair=several)
    return {
        "squared": over(unseen, error),
        "one": over(unseen, K.square() * (x[0] - truth).square()),
        "spread": over(unseen, K.square() * x.var(0)) if several else 0.0,
        "distance": over(unseen, K.square() * (mean - case.mean).square()),
        "observed": over(seen, error),
        "crps": over(unseen, torch.from_numpy(crps)),
        "exact_spread": over(unseen, K.square() * case.variance),
        "exact_crps": over(unseen, torch.from_numpy(exact)),
    }


def scored(
    world: World, cases: Sequence[Case], answers: Answers, seed: int
) -> NDArray[np.float64]:
    """Scores of every case, shape (cases, SCORES); `calls` of the prior for one chain.

    A product with the prior's covariance is a call too, a derivative of the prior is not.
    """
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    hook = world.prior.register_forward_hook(count)
    found = [
        scores(world, case, members)
        for case, members in zip(cases, answers(world, cases, seed), strict=True)
    ]
    hook.remove()
    each = calls / (1 if isinstance(answers, OnCells) else len(cases))
    return np.array([[(row | {"calls": each})[name] for name in SCORES] for row in found])
