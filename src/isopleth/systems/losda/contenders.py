"""Contenders of the twin experiment that know the learned prior, and their controls.

A control is the same method in the same latents with N(0, I) in the network's place.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.inference.daps import DAPS
from isopleth.inference.diffda import DiffDA
from isopleth.inference.dps import DPS
from isopleth.inference.fixed_point import FixedPoint
from isopleth.inference.latent_optimisation import Finish, LatentOptimisation
from isopleth.inference.latent_optimisation_sampler import LatentOptimisationSampler
from isopleth.inference.latent_repaint import LatentRePaint, cells_of, replaced
from isopleth.inference.mmps import MMPS
from isopleth.inference.sda import SDA
from isopleth.inference.variational import (
    ByCase,
    GaussNewton,
    Latent,
    ThreeDVar,
)
from isopleth.priors.samplers import DDIM, Ancestral, PredictorCorrector, Sampler
from isopleth.priors.schedules import karras
from isopleth.studies.tuning import Choice, Dimension, LogUniform, Uniform
from isopleth.studies.twin.frozen import Cases
from isopleth.studies.twin.statistics import Seen, Statistics
from isopleth.systems.losda.cases import Bound
from isopleth.systems.losda.learned import LearnedStatistics

__all__ = [
    "CONTROLS",
    "LEARNED",
    "LatentThreeD",
    "Sampled",
]

Space = Mapping[str, Dimension]

_LOW, _HIGH = 0.03, 20.0
"""Noise levels of the samplers, in standard deviations of a white latent."""

_SOLVER = GaussNewton(outer=2, inner=20)
"""Of a nonlinear operator at every noise level, where the last level's answer is near."""


@dataclass(frozen=True, kw_only=True)
class LatentThreeD:
    """L3D-Var: 3D-Var in the latents of an autoencoder, with their diagonal covariance."""

    name: ClassVar[str] = "L3D-Var"
    space: ClassVar[Space] = {"amplitude": LogUniform(0.3, 3.0)}
    amplitude: float = 1.0

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The analysis."""
        assert isinstance(stats, LearnedStatistics)
        assert stats.codec is not None
        assert stats.latent_variance is not None
        control = Latent(stats.codec, self.amplitude**2 * stats.latent_variance)
        method = ThreeDVar(control, GaussNewton(outer=2, inner=30, tolerance=1e-2))
        return method(cases.background, ByCase(seen[0])).state[:, None]


@dataclass(frozen=True, kw_only=True)
class Sampled(ABC):
    """What the contenders share: an ensemble of latents, its mean the analysis.

    Attributes:
        members: Of every case; 1 where a method has nothing random.
        seed: Of all draws.
        trained: Whether the network is asked.
    """

    name: ClassVar[str]
    space: ClassVar[Space]
    members: int = 16
    seed: int = 0
    trained: bool = True

    @abstractmethod
    def drawn(self, bound: Bound, grid: Grid) -> Tensor:
        """Latents (members C, *latent) of some cases."""

    def ensemble(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """Members, (N, n, 3, nlat, nlon)."""
        return torch.cat(list(self._parts(stats, cases, seen)), 1)

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """Their mean."""
        return self.ensemble(stats, cases, seen).mean(0)[:, None]

    def _parts(self, stats: Statistics, cases: Cases, seen: Seen) -> Iterator[Tensor]:
        assert isinstance(stats, LearnedStatistics)
        for bound in stats.bound(cases, seen, trained=self.trained):
            with torch.no_grad():
                yield bound.states(self.drawn(bound, stats.world.climate.grid))

    def _noise(self, bound: Bound) -> Callable[..., Tensor]:
        return bound.noise(self.members, self.seed)


@dataclass(frozen=True, kw_only=True)
class FixedPoints(Sampled):
    """LO-SDA as a fixed point: optimal interpolation around what the network makes of it."""

    name: ClassVar[str] = "LO-SDA, fixed point"
    space: ClassVar[Space] = {
        "sigma": LogUniform(0.2, 2.0),
        "strength": Uniform(0.2, 1.6),
        "amplitude": LogUniform(0.5, 2.0),
    }
    sigma: float = 0.7
    strength: float = 1.0
    amplitude: float = 1.0
    iterations: int = 5
    members: int = 1

    def drawn(self, bound: Bound, grid: Grid) -> Tensor:
        """One latent a case."""
        method = FixedPoint(
            prior=bound.prior,
            seen=bound.seen,
            sigma=self.sigma,
            strength=self.strength,
            amplitude=self.amplitude,
            iterations=self.iterations,
        )
        return method(torch.zeros(len(bound.numbers), *bound.latent_shape))


@dataclass(frozen=True, kw_only=True)
class Uninformed(FixedPoints):
    """The control of the fixed point, lambda = 0: mean and spread are learned, nothing else."""

    name: ClassVar[str] = "control, lambda = 0"
    space: ClassVar[Space] = {"amplitude": LogUniform(0.5, 2.0)}
    strength: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Walked(Sampled):
    """A method that walks down the noise levels.

    Attributes:
        steps: Noise levels.
    """

    steps: int = 16

    def _sampler(self, prior: Callable[[Tensor, Tensor], Tensor]) -> Sampler:
        return Ancestral(prior, karras(self.steps, _LOW, _HIGH))

    def _walk(self, sampler: Sampler, bound: Bound) -> Tensor:
        return sampler(self._noise(bound), bound.latent_shape)


@dataclass(frozen=True, kw_only=True)
class Unconditioned(Walked):
    """Draws of the prior: what it knows without an observation."""

    name: ClassVar[str] = "prior, no observation"
    space: ClassVar[Space] = {}

    def drawn(self, bound: Bound, grid: Grid) -> Tensor:
        """Members."""
        return self._walk(self._sampler(bound.prior), bound)


@dataclass(frozen=True, kw_only=True)
class Optimised(Walked):
    """LO-SDA with the clean latent as control, one noiseless path and a final optimisation."""

    name: ClassVar[str] = "LO-SDA, x0"
    space: ClassVar[Space] = {
        "rho": LogUniform(0.2, 3.0),
        "below": Choice((math.inf, 5.0, 2.0, 1.0)),
        "finish": Choice((0.0, 0.03, 0.1)),
        "morozov": Choice((False, True)),
    }
    rho: float = 1.0
    below: float = math.inf
    finish: float = 0.0
    morozov: bool = False
    members: int = 1

    def drawn(self, bound: Bound, grid: Grid) -> Tensor:
        """One latent a case."""
        prior = LatentOptimisation(
            bound.prior, bound.seen, rho=self.rho, below=self.below, morozov=self.morozov,
            solver=_SOLVER,
        )  # fmt: skip
        path = DDIM(prior, karras(self.steps, _LOW, _HIGH))
        z = path(bound.still(), bound.latent_shape)
        return Finish(bound.seen, self.finish, solver=_SOLVER)(z) if self.finish > 0.0 else z


@dataclass(frozen=True, kw_only=True)
class Moved(Walked):
    """LO-SDA with the noisy latent as control."""

    name: ClassVar[str] = "LO-SDA, zt"
    space: ClassVar[Space] = {
        "moves": Choice((1, 2, 3)),
        "rate": Uniform(0.2, 1.0),
        "below": Choice((math.inf, 5.0, 2.0, 1.0)),
    }
    moves: int = 2
    rate: float = 0.7
    below: float = math.inf

    def drawn(self, bound: Bound, grid: Grid) -> Tensor:
        """Members."""
        sampler = LatentOptimisationSampler(
            self._sampler(bound.prior), bound.seen,
            steps=self.moves, rate=self.rate, below=self.below,
        )  # fmt: skip
        return self._walk(sampler, bound)


@dataclass(frozen=True, kw_only=True)
class Consistent(Walked):
    """The sampling-consistent form: an exact draw given the observations, then fresh noise."""

    name: ClassVar[str] = "LO-SDA, sampling (DAPS)"
    space: ClassVar[Space] = {
        "rho": LogUniform(0.4, 2.5),
        "inner": Choice((1, 2)),
        "steps": Choice((12, 16, 24)),
    }
    rho: float = 1.0
    inner: int = 1

    def drawn(self, bound: Bound, grid: Grid) -> Tensor:
        """Members."""
        sampler = DAPS(
            bound.prior, karras(self.steps, _LOW, _HIGH), bound.seen,
            inner=self.inner, rho=self.rho, solver=_SOLVER,
        )  # fmt: skip
        return self._walk(sampler, bound)


@dataclass(frozen=True, kw_only=True)
class Guided(Walked):
    """Latent DPS in its score form."""

    name: ClassVar[str] = "DPS"
    space: ClassVar[Space] = {"zeta": LogUniform(1e-3, 1.0), "steps": Choice((16, 32))}
    zeta: float = 0.1

    def drawn(self, bound: Bound, grid: Grid) -> Tensor:
        """Members."""
        return self._walk(self._sampler(DPS(bound.prior, bound.seen, zeta=self.zeta)), bound)


@dataclass(frozen=True, kw_only=True)
class Doubted(Walked):
    """SDA: guidance with the prior's own uncertainty, and Langevin corrections."""

    name: ClassVar[str] = "SDA"
    space: ClassVar[Space] = {
        "gamma": LogUniform(0.1, 100.0),
        "corrections": Choice((0, 1)),
        "tau": LogUniform(0.02, 0.5),
    }
    gamma: float = 5.0
    corrections: int = 0
    tau: float = 0.1

    def drawn(self, bound: Bound, grid: Grid) -> Tensor:
        """Members."""
        sampler = self._sampler(SDA(bound.prior, bound.seen, gamma=self.gamma))
        return self._walk(PredictorCorrector(sampler, self.corrections, self.tau), bound)


@dataclass(frozen=True, kw_only=True)
class MomentMatched(Walked):
    """MMPS: the network's own conditional covariance."""

    name: ClassVar[str] = "MMPS"
    space: ClassVar[Space] = {"iterations": Choice((1, 2, 4)), "steps": Choice((12, 16))}
    iterations: int = 2

    def drawn(self, bound: Bound, grid: Grid) -> Tensor:
        """Members."""
        prior = MMPS(bound.prior, bound.seen, iterations=self.iterations)
        return self._walk(self._sampler(prior), bound)


@dataclass(frozen=True, kw_only=True)
class Repainted(Walked):
    """Latent RePaint with the background where nothing was seen; cells only."""

    name: ClassVar[str] = "RePaint"
    space: ClassVar[Space] = {"resampling": Choice((1, 3, 6)), "jump": Choice((1, 4))}
    resampling: int = 3
    jump: int = 1

    def drawn(self, bound: Bound, grid: Grid) -> Tensor:
        """Members."""
        background, cells, seen = _cells(bound)
        sampler = LatentRePaint(
            sampler=self._sampler(bound.prior),
            known=replaced(background, cells, seen),
            weight=seen.to(background),
            encode=bound.latents.encode,
            decode=bound.latents.decode,
            resampling=self.resampling,
            jump=self.jump,
        )
        return self._walk(sampler, bound)


@dataclass(frozen=True, kw_only=True)
class Interpolated(Walked):
    """DiffDA: RePaint of interpolated increments with a soft mask; cells only."""

    name: ClassVar[str] = "DiffDA"
    space: ClassVar[Space] = {
        "blur": LogUniform(0.5, 3.0),
        "length": LogUniform(300e3, 3000e3),
        "resampling": Choice((1, 3, 6)),
    }
    blur: float = 1.5
    length: float = 600e3
    resampling: int = 3
    jump: int = 4

    def drawn(self, bound: Bound, grid: Grid) -> Tensor:
        """Members."""
        background, cells, seen = _cells(bound)
        method = DiffDA(
            grid=grid,
            blur=self.blur,
            length=self.length,
            resampling=self.resampling,
            jump=self.jump,
        )
        sampler = method(
            self._sampler(bound.prior), background, cells, seen,
            encode=bound.latents.encode, decode=bound.latents.decode,
        )  # fmt: skip
        return self._walk(sampler, bound)


def _cells(bound: Bound) -> tuple[Tensor, Tensor, Tensor]:
    background = bound.latents.decode(torch.zeros(len(bound.numbers), *bound.latent_shape))
    state = background.shape[1:]
    first = bound.known[:, : state[0]].to(background)
    return first, *cells_of(ByCase(bound.observations), state, background)


@dataclass(frozen=True, kw_only=True)
class UntrainedSampling(Consistent):
    """The control of the samplers: N(mu, tuned spread) in the same latents, drawn alike."""

    name: ClassVar[str] = "control, Gaussian sampling"
    trained: bool = False


LEARNED: tuple[type[Sampled], ...] = (
    FixedPoints,
    Optimised,
    Moved,
    Consistent,
    MomentMatched,
    Doubted,
    Guided,
    Repainted,
    Interpolated,
    Unconditioned,
)
CONTROLS: tuple[type[Sampled], ...] = (Uninformed, UntrainedSampling)
