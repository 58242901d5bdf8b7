"""SDA: score-based data assimilation, guidance by a likelihood that knows m is uncertain.

    log p(y | x) ~ log N(y; A(m), R + s^2 G),   m = E[x0 | x]
    E[x0 | x, y] ~ m + s^2 (dm/dx)' J' (R + s^2 G)^-1 (y - A(m)),   J = dA/dm

`G` is diagonal, so the method does not know that neighbouring observations err alike: with
hundreds of correlated values it diverges where `gamma` is not several times the right one for a
single value, and `mmps.MMPS` is the remedy.
Reference: Rozet and Louppe (2023), Score-based data assimilation, arXiv:2306.10574, eq. 15.
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

__all__ = ["SDA"]


@dataclass(frozen=True, eq=False)
class SDA:
    """The prior given observations, `(x (B, *state), sigma) -> E[x0 | x, y]`, nearly.

        s^2 G = gamma s^2 / (1 + s^2) diag(J J')     error of m where x0 is white, the default
        s^2 G = gamma s^2                            the published one, in the square of y's unit

    With `gamma = 1` the first is exact for a white prior and readings that share nothing. Both
    take one evaluation and one vector-Jacobian product a call; rows of B are independent.

    Args:
        prior: `(x, sigma) -> E[x0 | x]`, differentiable.
        observations: Linear ones of a field, or readings of latents, then of any operator and
            decoder: `J` is their derivative about m, in `diag(J J')` about 0. Of a field
            `diag(J J')` is the square of the sum of weights, as if neighbours were one.
        gamma: 0 or more. Readings of latents are in units of their errors: there the published
            number is to be divided by R.
        scalar: Take the published G, the same for every reading and without bound.
        probes: Directions by which `diag(J J')` of latents is estimated where reading them is not
            affine, with a relative error of about `sqrt(2 / probes)`; exact where latents are no
            more.

    Raises:
        InputError: If `gamma` is negative, `probes` not positive, there is no observation of a
            field, or its operator is not linear.
    """

    prior: Callable[[Tensor, Tensor], Tensor]
    observations: Seen
    gamma: float = 1.0
    scalar: bool = False
    probes: int = 256
    _seen: Departures = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        if not self.gamma >= 0.0:
            raise InputError(f"gamma is {self.gamma}: give 0 or more.")
        if self.probes < 1:
            raise InputError(f"probes is {self.probes}: give at least 1, better 100.")
        object.__setattr__(self, "_seen", departures(self.observations, self.probes))

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The guided mean, shape of x, without a graph."""
        mean, covariance = moments(self.prior, x, sigma)
        near = self._seen.about(mean)
        with torch.no_grad():
            variance = near.variance + self.gamma * self._doubt(mean, sigma)
            return mean + covariance(near.pull(near.residual / variance))

    def _doubt(self, mean: Tensor, sigma: Tensor) -> Tensor:
        """`s^2 G / gamma`, (B or 1, n or 1)."""
        s2 = per_row(sigma, mean).square().flatten(1)
        return s2 if self.scalar else self._seen.spread(mean) * (s2 / (1.0 + s2))
