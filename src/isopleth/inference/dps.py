"""DPS: diffusion posterior sampling, guidance by the gradient of the misfit of the denoised state.

    log p(y | x) ~ log N(y; A(m), R),   m = E[x0 | x]

Two forms. `DPS` adds the gradient to the prior, so that any sampler takes it:

    E[x0 | x, y] ~ m + zeta s^2 (dm/dx)' A' R^-1 (y - A(m))

`DPSSampler` is the published one: the step of a sampler, then a move of fixed length down the norm
of the misfit, on the variance-preserving path. Norms are of each member by itself.
The first takes m as if it were certain, so it asks too much at high noise and diverges unless
`zeta` is small; it knows neither that neighbouring observations err alike. `sda.SDA` counts the
error of m in the variance of the observations, `mmps.MMPS` in full.
Reference: Chung, Kim, McCann, Klasky and Ye (2023), arXiv:2209.14687, algorithm 1 and eq. 16; in
the latent space of a codec, Align-DA (2025), arXiv:2505.22008.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.departures import Departures, Seen, departures
from isopleth.inference.moments import moments
from isopleth.priors.noise_level import per_row
from isopleth.priors.samplers import Noise, Wrapped

__all__ = ["DPS", "DPSSampler"]

Prior = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class DPS:
    """The prior given observations, `(x (B, *state), sigma) -> E[x0 | x, y]`, roughly.

    One evaluation and one vector-Jacobian product a call; rows of B are independent.

    Args:
        prior: `(x, sigma) -> E[x0 | x]`, differentiable.
        observations: Linear ones of a field, or readings of latents, then of any operator and
            decoder.
        zeta: Weight of the observations, 1 where m is certain; to be tuned for each number and
            error of the observations.

    Raises:
        InputError: If `zeta` is not positive, there is no observation of a field, or its operator
            is not linear.
    """

    prior: Prior
    observations: Seen
    zeta: float = 1.0
    _seen: Departures = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the weight."""
        if not self.zeta > 0.0:
            raise InputError(f"zeta is {self.zeta}: give a positive number, at most 1.")
        object.__setattr__(self, "_seen", departures(self.observations, probes=1))

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The guided mean, shape of x, without a graph."""
        mean, covariance = moments(self.prior, x, sigma)
        near = self._seen.about(mean)
        with torch.no_grad():
            return mean + self.zeta * covariance(near.pull(near.residual / near.variance))


@dataclass(frozen=True, eq=False)
class DPSSampler(Wrapped):
    """The published algorithm around a sampler: `x' - zeta d||y - A(m)|| / dx` after every step.

    On the variance-preserving path `x_t = x / sqrt(1 + s^2)` the move has the length of the
    gradient times `zeta`; here it is divided by both steps' scalings. Of fields the norm is not
    weighted by the errors of the observations, of latents it is that of `R^-1/2 (y - A(m))`. One
    evaluation more than the sampler's own at `x` is avoided; a multistep sampler takes its
    first-order step.

    Args:
        sampler: Whose step is corrected.
        observations: As for `DPS`.
        zeta: Length of the move, about 0.3 to 3 in units of x; of latents times the error of an
            observation in the unit of x.

    Raises:
        InputError: If `zeta` is not positive, there is no observation of a field, or its operator
            is not linear.
    """

    observations: Seen
    zeta: float = 1.0
    _seen: Departures = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        if not self.zeta > 0.0:
            raise InputError(f"zeta is {self.zeta}: give a positive number, such as 1.")
        object.__setattr__(self, "_seen", departures(self.observations, probes=1))
        super().__post_init__()

    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """The sampler's step, then the move."""
        mean, covariance = moments(self.prior, x, sigma)
        near = self._seen.about(mean)
        norm = near.residual.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)
        with torch.no_grad():
            uphill = covariance(near.pull(near.residual / norm)) / per_row(sigma, x).square()

        def known(other: Tensor, level: Tensor) -> Tensor:
            return mean if other is x else self.prior(other, level)

        ahead = self.sampler.asking(known).step(x, sigma, sigma_next, noise)
        scale = ((1.0 + sigma.square()) * (1.0 + sigma_next.square())).sqrt()
        return ahead + self.zeta * scale * uphill
