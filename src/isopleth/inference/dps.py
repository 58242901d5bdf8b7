"""DPS: diffusion posterior sampling, guidance by the gradient of the misfit of the denoised field.

    log p(y | x) ~ log N(y; A m, R~),   m = E[x0 | x]

Two forms. `DPS` adds the gradient to the prior, so that any sampler takes it:

    E[x0 | x, y] = m + s^2 (dm/dx)' A' R~^-1 (y - A m),   R~ = R + gamma s^2 / (1 + s^2)

`DPSSampler` is the published one: the step of a sampler, then a move of fixed length down the norm
of the misfit, on the variance-preserving path. Norms are of each member by itself.
Neither knows that neighbouring observations err alike: with hundreds of correlated values the
first diverges where it is not heavily damped (`gamma`), and `MMPS` is the remedy.
References: Chung, Kim, McCann, Klasky and Ye (2023), arXiv:2209.14687, algorithm 1 and eq. 16; the
variance `R~`: Rozet and Louppe (2023), arXiv:2306.10574, eq. 15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed
from isopleth.observe.stacked import Stacked
from isopleth.priors.noise_level import per_row
from isopleth.priors.samplers import Noise, Sampler

__all__ = ["DPS", "DPSSampler"]

Prior = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class DPS:
    """The prior given observations, `(x (B, level, lat, lon), sigma) -> E[x0 | x, y]`, roughly.

    One evaluation and one vector-Jacobian product a call; rows of B are independent.

    Args:
        prior: `(x, sigma) -> E[x0 | x]`, differentiable.
        observations: `y`, linear `A` and diagonal `R`, in the space of x.
        gamma: Share of the prior's variance that is counted as error of `A m`, 0 or more; each
            observation's by the sum of its weights, as if the field were standardised.

    Raises:
        InputError: If `gamma` is negative, there is no observation, or an operator is not linear.
    """

    prior: Prior
    observations: Sequence[Observed]
    gamma: float = 1.0
    _seen: Stacked = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the settings and stack the observations."""
        if not self.gamma >= 0.0:
            raise InputError(f"gamma is {self.gamma}: give 0 or more.")
        object.__setattr__(self, "_seen", Stacked(self.observations))

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The guided mean, shape of x, without a graph."""
        seen, s2 = self._seen, per_row(sigma, x).square()
        x, mean = _denoised(self.prior, x, sigma)
        with torch.no_grad():
            doubt = seen(torch.ones_like(x[:1])).square() * (s2 / (1.0 + s2)).flatten(1)
            scaled = seen.residual(mean) / (seen.variance.to(mean) + self.gamma * doubt)
            pull = seen.adjoint(scaled)
        return mean.detach() + s2 * torch.autograd.grad(mean, x, pull)[0]


@dataclass(frozen=True, eq=False)
class DPSSampler(Sampler):
    """The published algorithm around a sampler: `x' - zeta d||y - A m|| / dx` after every step.

    On the variance-preserving path `x_t = x / sqrt(1 + s^2)` the move has the length of the
    gradient times `zeta`; here it is divided by both steps' scalings. The norm is not weighted by
    the errors of the observations. One evaluation more than the sampler's own at `x` is avoided;
    a multistep sampler takes its first-order step.

    Args:
        sampler: Whose step is corrected.
        observations: `y` and linear `A`, in the space of x.
        zeta: Length of the move, about 0.3 to 3 in units of x.

    Raises:
        InputError: If `zeta` is not positive, there is no observation, or an operator is not
            linear.
    """

    prior: Prior = field(init=False)
    sigmas: Tensor = field(init=False)
    sampler: Sampler
    observations: Sequence[Observed]
    zeta: float = 1.0
    _seen: Stacked = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the settings and stack the observations."""
        if not self.zeta > 0.0:
            raise InputError(f"zeta is {self.zeta}: give a positive number, such as 1.")
        object.__setattr__(self, "prior", self.sampler.prior)
        object.__setattr__(self, "sigmas", self.sampler.sigmas)
        object.__setattr__(self, "_seen", Stacked(self.observations))
        super().__post_init__()

    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """The sampler's step, then the move."""
        at, mean = _denoised(self.prior, x, sigma)
        residual = self._seen.residual(mean.detach())
        norm = residual.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)
        uphill = torch.autograd.grad(mean, at, self._seen.adjoint(residual / norm))[0]

        def known(other: Tensor, level: Tensor) -> Tensor:
            return mean.detach() if other is x else self.prior(other, level)

        ahead = replace(self.sampler, prior=known).step(x, sigma, sigma_next, noise)
        scale = ((1.0 + sigma.square()) * (1.0 + sigma_next.square())).sqrt()
        return ahead + self.zeta * scale * uphill


def _denoised(prior: Prior, x: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """X as a leaf, and the mean with its graph."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return x, prior(x, sigma)
