"""Ways: from a prior of latents and what was seen of them to one analysis, or to an ensemble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.daps import DAPS
from isopleth.inference.fixed_point import FixedPoint
from isopleth.inference.latent_optimisation import LatentOptimisation, without_noise
from isopleth.inference.latent_readings import LatentReadings
from isopleth.priors.noise import MemberNoise
from isopleth.priors.samplers import DDIM
from isopleth.priors.schedules import karras

__all__ = ["Descent", "Members", "OneAnalysis", "Prior", "Way"]

Prior = Callable[[Tensor, Tensor], Tensor]
"""`E[z0 | z0 + sigma n = z, x_b]` of white latents, rows of one case."""


class Way(Protocol):
    """From `x | x_b` and observations to latents of the analysis."""

    @property
    def words(self) -> str:
        """What it is, in a line."""
        ...

    @property
    def members(self) -> int:
        """How many rows come out; of one row the spread is that of a Gaussian posterior."""
        ...

    def __call__(self, prior: Prior, seen: LatentReadings, modes: int, seed: int) -> Tensor:
        """Latents (members, modes), float32."""
        ...


@dataclass(frozen=True, kw_only=True)
class OneAnalysis:
    """The fixed point of denoising and optimal interpolation, see `inference.fixed_point`.

    Args:
        sigma: Noise level at which the network is asked.
        strength: 0 = the network is not asked: optimal interpolation about the regression.
        amplitude: Factor of the prior's standard deviation.
        iterations: Calls of the network.
    """

    sigma: float = 0.7
    strength: float = 1.0
    amplitude: float = 1.0
    iterations: int = 5

    @property
    def words(self) -> str:
        """In a line."""
        return (
            "LO-SDA, fixed point: optimal interpolation about what a diffusion network makes of "
            f"the analysis, {self.iterations} times"
        )

    @property
    def members(self) -> int:
        """One."""
        return 1

    def __call__(self, prior: Prior, seen: LatentReadings, modes: int, seed: int) -> Tensor:
        """From the middle of the prior; nothing is drawn."""
        settings = (self.sigma, self.strength, self.amplitude, self.iterations)
        return FixedPoint(prior, seen, *settings)(torch.zeros(1, modes))


@dataclass(frozen=True, kw_only=True)
class Descent:
    """One path of the reverse diffusion with latent optimisation, see `latent_optimisation`.

    Args:
        steps: Of the diffusion.
        high: First noise level.
        low: Last above 0.
        rho: Factor of the variance within which the estimate may be moved.
        morozov: Whether to stop where the observations are fitted as well as their errors allow.
    """

    steps: int = 16
    high: float = 20.0
    low: float = 0.03
    rho: float = 1.0
    morozov: bool = False

    @property
    def words(self) -> str:
        """In a line."""
        return (
            f"LO-SDA, x0: {self.steps} steps of reverse diffusion, the clean estimate drawn to "
            "the observations at each"
        )

    @property
    def members(self) -> int:
        """One."""
        return 1

    def __call__(self, prior: Prior, seen: LatentReadings, modes: int, seed: int) -> Tensor:
        """The path from the middle of the prior; nothing is drawn."""
        guided = LatentOptimisation(prior, seen, rho=self.rho, morozov=self.morozov)
        path = DDIM(guided, karras(self.steps, self.low, self.high))
        return path(without_noise(1, torch.zeros(1)), (modes,))


@dataclass(frozen=True, kw_only=True)
class Members:
    """Draws of the posterior by an annealed chain, see `inference.daps`.

    Args:
        count: Members, at least 2.
        steps: Noise levels.
        high: The first.
        low: The last above 0.

    Raises:
        InputError: If there are fewer than 2 members.
    """

    count: int = 16
    steps: int = 16
    high: float = 20.0
    low: float = 0.03

    def __post_init__(self) -> None:
        """Check the number of members."""
        if self.count < 2:
            raise InputError(f"{self.count} members have no spread: draw 2 or more.")

    @property
    def words(self) -> str:
        """In a line."""
        return (
            f"LO-SDA, DAPS: {self.count} members drawn by an annealed chain of {self.steps} "
            "posterior draws each"
        )

    @property
    def members(self) -> int:
        """As many as asked for."""
        return self.count

    def __call__(self, prior: Prior, seen: LatentReadings, modes: int, seed: int) -> Tensor:
        """A member's numbers depend on the seed and its own number alone."""
        noise = MemberNoise(seed, range(self.count))
        return DAPS(prior, karras(self.steps, self.low, self.high), seen)(noise, (modes,))
