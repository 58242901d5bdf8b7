"""DAPS: an annealed chain of posterior draws, which returns an ensemble.

At every noise level the clean latent is drawn given the noisy one *and* the observations, and
fresh noise of the next level is added, so that an error made at one level is forgotten:

    z0 = the prior's opinion of z_s,   z0y ~ p(z0 | y) of a prior N(z0, r^2 I)
    z_s' = z0y + s' n

Reference: Zhang, Chu, Berner, Meng, Anandkumar and Song (2024), arXiv 2407.01521, algorithm 1.
There z0 is the end of the diffusion's path, r is a setting and the draw is by Langevin steps; here
r follows from the noise level and the draw is exact, or by randomised maximum likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.latent_proximal import Proximal
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational.gauss_newton import GaussNewton
from isopleth.inference.variational.problem import Solver
from isopleth.priors.samplers import Noise, Sampler

__all__ = ["DAPS"]

_CURVE = 3
"""Power by which the levels of the inner path crowd towards 0."""


@dataclass(frozen=True, eq=False)
class DAPS(Sampler):
    """Draws of whitened latents given observations: `(noise, latent) -> (R, *latent)`.

    With one inner step z0 is `E[z0 | z_s]` and `r^2 = s^2 / (1 + s^2)`, the posterior variance of
    N(0, I): for this prior and linear observations every level draws from the exact posterior.
    More inner steps end at a sharper field, `a z_s` for N(0, I), which has taken part of that
    variance with it: `r^2 = 1 - a^2 (1 + s^2)` leaves N(0, I) as it is without observations, but
    gives them less weight than they deserve.

    What r does not know: a prior that is narrower or wider than N(0, I) in some direction keeps
    a spread too near to 1 there where little is observed, for the true `Cov[z0 | z_s]` is
    `s^2 dE[z0 | z_s] / dz`, neither white nor the same everywhere; nor is it Gaussian.

    Args:
        prior: `E[z0 | z0 + sigma n = z]` of whitened latents.
        sigmas: Noise levels, decreasing, the last 0, shape (steps + 1,).
        seen: What was read of latents.
        inner: Steps of DDIM from each level to 0, of one evaluation each.
        rho: Factor of `r^2`; apart from 1 it breaks what is said above.
        solver: For a nonlinear decoder or operator.

    Raises:
        InputError: If `inner` or `rho` is not positive, or `sigmas` does not decrease to 0.
    """

    seen: LatentReadings
    inner: int = 1
    rho: float = 1.0
    solver: Solver = field(default_factory=GaussNewton)

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("inner", "rho"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}: give a positive number.")
        super().__post_init__()

    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """A draw given the observations, then noise of the next level."""
        z0, r2 = _opinion(self.prior, x, sigma, self.inner)
        pull = Proximal(seen=self.seen, solver=self.solver)
        drawn = pull.draw(z0, self.rho * r2, noise)
        if sigma_next == 0.0:
            return drawn
        return drawn + sigma_next * noise(x.shape[1:]).to(drawn)


def _opinion(
    prior: Callable[[Tensor, Tensor], Tensor], z: Tensor, sigma: Tensor, inner: int
) -> tuple[Tensor, Tensor]:
    """The end of the inner path, and `r^2`, float64: what N(0, I) has lost on the way."""
    shares = torch.linspace(1.0, 0.0, inner + 1, dtype=torch.float64, device=sigma.device)
    levels = sigma.double() * shares.pow(_CURVE)
    a = torch.ones_like(levels[0])
    for level, following in pairwise(levels):
        D = prior(z, level.to(sigma))
        z = D + (following / level).to(z) * (z - D)
        a = a * (1.0 + level * following) / (1.0 + level.square())
    lost = 1.0 - a.square() * (1.0 + levels[0].square())
    return z, lost.clamp_min(0.0)
