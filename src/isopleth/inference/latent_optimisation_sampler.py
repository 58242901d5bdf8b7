"""LO-SDA on the noisy latent: moves downhill before every step of a sampler."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.latent_readings import LatentReadings
from isopleth.priors.samplers import Noise, Sampler, Step

__all__ = ["LatentOptimisationSampler"]

_SHORTER = 0.25
"""What is left of the rate of a row whose last move led uphill."""


@dataclass(frozen=True, eq=False)
class LatentOptimisationSampler(Sampler):
    """A sampler that moves z downhill before every step: `z - a dJ/dz`, through prior and decoder.

        J(z) = 1/2 |R^-1/2 (y - H D(E[z0 | z_s = z]))|^2
        a = rate (J - n / 2)+ / |dJ/dz|^2,   rms(move) <= s / sqrt(1 + s^2)

    The step length is Polyak's for the aim `chi2 = n`: free of units, one a row, and where J is
    convex never past that aim, so that the errors of the observations are not fitted. A move is
    not longer than what a white prior leaves uncertain, since far from the noise it was trained
    on a prior knows nothing; a move uphill is taken back and the rate of its row quartered.
    Nothing here knows a posterior: it is a point estimate, or one a start.
    Reference: Polyak (1969), USSR Comput. Math. Math. Phys. 9(3), 14.

    Args:
        sampler: Whose step follows; its prior is differentiable.
        seen: What was read of latents.
        steps: Moves before each step: one evaluation and one gradient each, and one more.
        rate: Of Polyak's length, at most 1.
        below: Highest noise level at which z is moved.

    Raises:
        InputError: If a number is not positive or `rate` above 1.
    """

    prior: Callable[[Tensor, Tensor], Tensor] = field(init=False)
    sigmas: Tensor = field(init=False)
    sampler: Sampler
    seen: LatentReadings
    steps: int = 3
    rate: float = 1.0
    below: float = math.inf

    def __post_init__(self) -> None:
        """Check the settings."""
        if not (self.steps >= 1 and 0.0 < self.rate <= 1.0 and self.below > 0.0):
            raise InputError(
                f"{self.steps} steps of rate {self.rate} below noise level {self.below}: give at "
                "least 1, a rate above 0 and at most 1, and a positive level."
            )
        object.__setattr__(self, "prior", self.sampler.prior)
        object.__setattr__(self, "sigmas", self.sampler.sigmas)
        super().__post_init__()

    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """The moves, then the sampler's step."""
        return self.sampler.step(self.moved(x, sigma), sigma, sigma_next, noise)

    def begin(self) -> Step:
        """With the memory of the sampler's own steps, if it has one."""
        follow = self.sampler.begin()

        def step(x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
            return follow(self.moved(x, sigma), sigma, sigma_next, noise)

        return step

    def moved(self, z: Tensor, sigma: Tensor) -> Tensor:
        """Z (R, *latent) after the moves at this level."""
        if bool(sigma > self.below):
            return z
        aim = 0.5 * self.seen.per_row(self.seen.counts, len(z)).to(z.device).double()
        most = float(sigma / (1.0 + sigma.square()).sqrt()) * math.sqrt(z[0].numel())
        rows = (-1, *(1 for _ in z.shape[1:]))
        rate = torch.full_like(aim, self.rate)
        J, slope = self._slope(z, sigma)
        for _ in range(self.steps):
            length = slope.flatten(1).double().norm(dim=1).clamp_min(torch.finfo(z.dtype).tiny)
            move = (rate * (J - aim).clamp_min(0.0) / length).clamp_max(most)
            trial = z - (move / length).to(z).reshape(rows) * slope
            J_trial, slope_trial = self._slope(trial, sigma)
            good = J_trial <= J
            J, rate = torch.where(good, J_trial, J), torch.where(good, rate, _SHORTER * rate)
            z = torch.where(good.reshape(rows), trial, z)
            slope = torch.where(good.reshape(rows), slope_trial, slope)
        return z

    def _slope(self, z: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """J, float64 (R,), and `dJ/dz`, shape of z."""
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            J = self.seen.misfit(self.prior(z, sigma))
            (slope,) = torch.autograd.grad(J.sum(), z)
        return J.detach(), slope
