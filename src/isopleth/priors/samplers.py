"""Samplers: from noise down to a field, one step a noise level.

A sampler is a prior, its noise levels and one `step`; the loop is written once. What acts on a
step, and not on the prior, wraps a sampler: `PredictorCorrector`, `isopleth.inference.repaint`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import torch
from torch import Tensor

from isopleth.core.errors import InputError

__all__ = [
    "DDIM",
    "Ancestral",
    "Heun",
    "Multistep",
    "Noise",
    "PredictorCorrector",
    "Sampler",
    "Step",
    "Wrapped",
]

Prior = Callable[[Tensor, Tensor], Tensor]
"""`prior(x, sigma)`, see `isopleth.priors`."""

Noise = Callable[[Sequence[int]], Tensor]
"""From a shape to standard normal numbers of shape (members, *shape), as `MemberNoise`."""


class Step(Protocol):
    """From one noise level to the next."""

    def __call__(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """`x` at `sigma_next`, shape of `x`, (members, level, lat, lon)."""
        ...


@dataclass(frozen=True, eq=False)
class Sampler(ABC):
    """Walks `prior` down `sigmas`: `sampler(noise, shape)` draws x, or x | y if it is conditioned.

    Args:
        prior: `E[x0 | x0 + sigma n = x]`.
        sigmas: Noise levels, decreasing, the last 0, shape (steps + 1,).

    Raises:
        InputError: If `sigmas` does not decrease to 0.
    """

    prior: Prior
    sigmas: Tensor

    def __post_init__(self) -> None:
        """Check the levels."""
        levels = self.sigmas
        if levels.ndim != 1 or len(levels) < 2 or levels[-1] != 0.0 or (levels.diff() >= 0).any():
            raise InputError(
                f"the noise levels {levels.flatten()[:3].tolist()} ... do not decrease to 0: make "
                "them with isopleth.priors.schedules."
            )

    @abstractmethod
    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """`x` at `sigma_next` from `x` at `sigma`, shape (members, level, lat, lon).

        Args:
            x: At `sigma`.
            sigma: Without axes, > 0.
            sigma_next: Without axes, below `sigma`; 0 in the last step.
            noise: For a step that draws.
        """

    def begin(self) -> Step:
        """The step of one run; a method that remembers its last step makes a fresh one here."""
        return self.step

    def asking(self, prior: Prior) -> Self:
        """The same walk down another prior."""
        return replace(self, prior=prior)

    def __call__(
        self,
        noise: Noise,
        shape: Sequence[int],
        *,
        progress: Callable[[float], None] | None = None,
    ) -> Tensor:
        """Draw fields, shape (members, *shape); nothing mixes one member with another.

        Args:
            noise: One row for each member, as `MemberNoise`; x starts as the highest level of it.
            shape: (level, lat, lon).
            progress: Gets the fraction of the steps done.
        """
        step, count = self.begin(), len(self.sigmas) - 1
        with torch.no_grad():
            x = noise(shape)
            sigmas = self.sigmas.to(x)
            x = sigmas[0] * x
            for i in range(count):
                x = step(x, sigmas[i], sigmas[i + 1], noise)
                if progress is not None:
                    progress((i + 1) / count)
        return x


class DDIM(Sampler):
    """The deterministic path, first order: `x' = D + sigma' / sigma (x - D)`.

    Reference: Song, Meng and Ermon (2021), arXiv 2010.02502, eq. 12 with eta = 0.
    """

    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """One Euler step of `dx / dsigma = (x - D) / sigma`."""
        return _carried(x, self.prior(x, sigma), sigma, sigma_next, noise)


class Ancestral(Sampler):
    """DDPM: a draw of `x' | x, x0 = D`, fresh noise in every step.

        r = (sigma' / sigma)^2,   x' = D + r (x - D) + sigma' sqrt(1 - r) z

    Reference: Ho, Jain and Abbeel (2020), arXiv 2006.11239, eq. 7, with its `beta~`.
    """

    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """One draw."""
        return _drawn(x, self.prior(x, sigma), sigma, sigma_next, noise)


class Heun(Sampler):
    """The deterministic path, second order, two evaluations a step (one in the last).

    Reference: Karras, Aittala, Aila and Laine (2022), arXiv 2206.00364, algorithm 1.
    """

    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """The trapezoidal rule on `dx / dsigma = (x - D) / sigma`."""
        slope = (x - self.prior(x, sigma)) / sigma
        first = x + (sigma_next - sigma) * slope
        if sigma_next == 0.0:
            return first
        slope_next = (first - self.prior(first, sigma_next)) / sigma_next
        return x + (sigma_next - sigma) * 0.5 * (slope + slope_next)


@dataclass(frozen=True, eq=False)
class Multistep(Sampler):
    """Second order with one evaluation a step: DDIM or Ancestral with D carried ahead.

        h = ln(sigma / sigma'),   D* = D + h / (2 h_last) (D - D_last)
        x' = D* + sigma' / sigma (x - D*),   or the draw of Ancestral about D*

    The first step and the last are first order. This is DPM-Solver++(2M), or its SDE form.
    Reference: Lu, Zhou, Bao, Chen, Li and Zhu (2022), arXiv 2211.01095, algorithm 2 and eq. 18.

    Args:
        prior: `E[x0 | x0 + sigma n = x]`.
        sigmas: Noise levels, decreasing, the last 0, shape (steps + 1,).
        fresh: Fresh noise in every step, which forgets the errors of the steps before.
    """

    fresh: bool = False

    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """The step of a run that has just begun, without a last `D`."""
        return self.begin()(x, sigma, sigma_next, noise)

    def begin(self) -> Step:
        """A step that remembers the last `D` and its noise level."""
        return _Remembering(self.prior, self.fresh)


@dataclass(frozen=True, eq=False)
class Wrapped(Sampler):
    """A sampler that does more on every step of another one.

    Args:
        sampler: Whose prior and noise levels these are, and whose step is taken.
    """

    prior: Prior = field(init=False)
    sigmas: Tensor = field(init=False)
    sampler: Sampler

    def __post_init__(self) -> None:
        """Take over the prior and the levels."""
        object.__setattr__(self, "prior", self.sampler.prior)
        object.__setattr__(self, "sigmas", self.sampler.sigmas)
        super().__post_init__()

    def asking(self, prior: Prior) -> Self:
        """The same around the same walk down another prior."""
        return replace(self, sampler=self.sampler.asking(prior))


@dataclass(frozen=True, eq=False)
class PredictorCorrector(Wrapped):
    """Langevin steps at the noise level that a step of a sampler has reached.

        e = (x - D(x, s)) / s,   delta = tau / mean(e^2)
        x <- x - s (delta e + sqrt(2 delta) z)

    A step is one of length `delta s^2` along the score `-e / s`, so it leaves the distribution at
    that level as it is up to terms in tau (an isotropic Gaussian's variance becomes
    `1 + tau / 2` of itself after many) and takes what is wrong with x towards it. The mean
    is over one row, which should have hundreds of numbers: the shorter, the more erratic. Along
    directions far narrower than most the length is too much, and x comes out too wide there.
    `corrections` more evaluations a step, none after the last.
    What conditions a prior belongs inside; what acts on a step (RePaint, DPS as published) goes
    around this one, since corrections would undo it.
    Reference: Song, Sohl-Dickstein, Kingma, Kumar, Ermon and Poole (2021), arXiv 2011.13456,
    algorithms 4 and 5; this length of the step: Rozet and Louppe (2023), arXiv 2306.10574.

    Args:
        sampler: The predictor.
        corrections: Langevin steps a noise level; 0 = the predictor alone.
        tau: Their length, 0 < tau < 1.

    Raises:
        InputError: If a setting is out of range.
    """

    corrections: int = 1
    tau: float = 0.1

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.corrections < 0 or not 0.0 < self.tau < 1.0:
            raise InputError(
                f"{self.corrections} corrections of length {self.tau}: give 0 or more and a "
                "length between 0 and 1, such as 0.1."
            )
        super().__post_init__()

    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """The predictor's step, then the corrections."""
        return self._corrected(self.sampler.step(x, sigma, sigma_next, noise), sigma_next, noise)

    def begin(self) -> Step:
        """The same with a predictor that remembers its steps."""
        ahead = self.sampler.begin()

        def step(x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
            return self._corrected(ahead(x, sigma, sigma_next, noise), sigma_next, noise)

        return step

    def _corrected(self, x: Tensor, sigma: Tensor, noise: Noise) -> Tensor:
        if sigma == 0.0:
            return x
        rows = (-1, *[1] * (x.ndim - 1))
        for _ in range(self.corrections):
            e = (x - self.prior(x, sigma)) / sigma
            square = e.flatten(1).square().mean(1).clamp_min(torch.finfo(x.dtype).eps)
            delta = (self.tau / square).reshape(rows)
            x = x - sigma * (delta * e + (2.0 * delta).sqrt() * noise(x.shape[1:]))
        return x


class _Remembering:
    """The step of one run of Multistep."""

    def __init__(self, prior: Prior, fresh: bool) -> None:
        self._prior = prior
        self._move = _drawn if fresh else _carried
        self._last: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        D = ahead = self._prior(x, sigma)
        if self._last is not None and sigma_next > 0.0:
            D_last, sigma_last = self._last
            h, h_last = (sigma / sigma_next).log(), (sigma_last / sigma).log()
            ahead = D + 0.5 * h / h_last * (D - D_last)
        self._last = D, sigma
        return self._move(x, ahead, sigma, sigma_next, noise)


def _carried(x: Tensor, D: Tensor, sigma: Tensor, sigma_next: Tensor, _: Noise) -> Tensor:
    """Along the line from x to D."""
    return D + sigma_next / sigma * (x - D)


def _drawn(x: Tensor, D: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
    """From `x' | x, x0 = D`; the last draw is D itself."""
    if sigma_next == 0.0:
        return D
    r = (sigma_next / sigma).square()
    return D + r * (x - D) + sigma_next * (1.0 - r).sqrt() * noise(x.shape[1:])
