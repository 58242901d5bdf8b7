"""Schedules: which noise levels a sampler visits, from the highest down to 0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from isopleth.core.errors import InputError

__all__ = ["CosineVp", "LinearVp", "karras"]

_TRAINED_STEPS = 1000
"""Steps for which the ends of the linear betas are given."""


def karras(steps: int, low: float, high: float, rho: float = 7.0) -> Tensor:
    """Noise levels of equal spacing in `sigma^(1 / rho)`, then 0; shape (steps + 1,), float64.

        sigma_i = (high^(1/rho) + i / (steps - 1) (low^(1/rho) - high^(1/rho)))^rho

    Reference: Karras, Aittala, Aila and Laine (2022), arXiv 2206.00364, eq. 5.

    Args:
        steps: Evaluations of a sampler with one a step.
        low: The last level above 0, in units of x.
        high: The first, several times the standard deviation of x along its strongest mode (the
            root of the covariance's largest eigenvalue, far above that of one cell): what a sample
            then lacks along a mode of variance lam is lam / (lam + high^2) of it.
        rho: Larger = more of the steps at low noise.

    Raises:
        InputError: If there is no step, or not `0 < low < high`.

    >>> [round(sigma, 3) for sigma in karras(3, 0.01, 40.0).tolist()]
    [40.0, 2.023, 0.01, 0.0]
    """
    if steps < 1 or not 0.0 < low < high or not rho > 0.0:
        raise InputError(
            f"{steps} steps from {high:g} to {low:g} with rho {rho:g}: give at least one step, "
            "two positive levels, the higher first, and a positive rho."
        )
    ramp = torch.linspace(0.0, 1.0, steps, dtype=torch.float64)
    ends = high ** (1.0 / rho), low ** (1.0 / rho)
    levels = (ends[0] + ramp * (ends[1] - ends[0])).pow(rho)
    return torch.cat([levels, levels.new_zeros(1)])


@dataclass(frozen=True)
class LinearVp:
    """The variance-preserving path with linear betas, and its noise levels.

        x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) eps,   abar_t = prod_s<=t (1 - beta_s)
        sigma_t = sqrt((1 - abar_t) / abar_t),   t = 0 .. steps - 1

    With fewer steps than 1000 the betas grow by 1000 / steps, so that the path ends as noisy; a
    network trained on 1000 steps is then asked at `LinearVp().alpha_bar` by `EpsilonVp`.
    Reference: Ho, Jain and Abbeel (2020), arXiv 2006.11239, sec. 4.

    Args:
        steps: `T`.
        first: `beta_0` of 1000 steps.
        last: `beta_999` of 1000 steps.

    Raises:
        InputError: If a beta leaves (0, 1).

    >>> LinearVp(50).sigmas[[0, -2, -1]].numpy().round(3).tolist()
    [359.331, 0.045, 0.0]
    """

    steps: int = _TRAINED_STEPS
    first: float = 1e-4
    last: float = 0.02

    def __post_init__(self) -> None:
        """Check that every beta is a share."""
        ends = self.first, self.last
        if self.steps < 2 or not 0.0 < min(ends) <= max(ends) * _TRAINED_STEPS / self.steps < 1.0:
            raise InputError(
                f"{self.steps} steps with betas from {self.first:g} to {self.last:g} of 1000: "
                "give more steps, so that every beta times 1000 / steps is below 1."
            )

    @cached_property
    def betas(self) -> Tensor:
        """`beta_t`, shape (steps,), float64."""
        scale = _TRAINED_STEPS / self.steps
        ends = scale * self.first, scale * self.last
        return torch.linspace(*ends, self.steps, dtype=torch.float64)

    @cached_property
    def alpha_bar(self) -> Tensor:
        """`abar_t`, shape (steps,), float64."""
        return (1.0 - self.betas).cumprod(0)

    @cached_property
    def sigmas(self) -> Tensor:
        """Noise levels from `sigma_(T-1)` down to `sigma_0`, then 0; shape (steps + 1,)."""
        levels = ((1.0 - self.alpha_bar) / self.alpha_bar).sqrt().flip(0)
        return torch.cat([levels, levels.new_zeros(1)])


@dataclass(frozen=True)
class CosineVp:
    """The variance-preserving path with a cosine, and its noise levels.

        x_t = mu x0 + sigma eps,   mu = cos(acos(sqrt(eta)) t)^2,   sigma^2 = 1 - mu^2 + eta^2
        sigma_t / mu_t   from 1 / eta at t = 1 down to eta at t = 0

    A network is trained on these levels with t uniform in (0, 1): `noise_level` is the quantile
    function that `training.DenoisingLoss` takes as `levels`.
    Reference: Rozet and Louppe (2023), Score-based data assimilation, arXiv 2306.10574, and its
    program for this mu and sigma.

    Args:
        steps: Evaluations of a sampler with one a step, at even distances in t.
        eta: `mu` at t = 1 and `sigma` at t = 0.

    Raises:
        InputError: If there is no step or eta is not between 0 and 1.

    >>> CosineVp(4).sigmas.numpy().round(3).tolist()
    [1000.0, 6.03, 1.661, 0.596, 0.0]
    """

    steps: int = 64
    eta: float = 1e-3

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.steps < 1 or not 0.0 < self.eta < 1.0:
            raise InputError(
                f"{self.steps} steps with eta {self.eta:g}: give at least one step and an eta "
                "between 0 and 1, such as 0.001."
            )

    def noise_level(self, t: Tensor) -> Tensor:
        """`sigma_t / mu_t` at times in [0, 1], same shape; it grows with t."""
        angle = math.acos(math.sqrt(self.eta)) * t
        mu = angle.cos().square()
        # 1 - mu^2 = sin^2 (1 + cos^2), which does not cancel near t = 0
        sigma2 = angle.sin().square() * (1.0 + mu) + self.eta**2
        return sigma2.sqrt() / mu

    @cached_property
    def sigmas(self) -> Tensor:
        """Noise levels at t = 1, 1 - 1 / steps .. 1 / steps, then 0 for eta; (steps + 1,)."""
        t = torch.arange(self.steps, 0, -1, dtype=torch.float64) / self.steps
        return torch.cat([self.noise_level(t), t.new_zeros(1)])
