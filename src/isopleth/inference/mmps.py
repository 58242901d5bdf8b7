"""MMPS: moment matching posterior sampling, a prior conditioned on observations.

At noise level `s` the prior's opinion of the clean state is taken as Gaussian, with the mean `m`
and the covariance `V` that Tweedie's formulas give, and then updated as a Kalman filter would:

    m = E[x0 | x],   V = s^2 dm/dx
    E[x0 | x, y] = m + V J' (R + J V J')^-1 (y - A(m)),   J = dA/dm

Exact where the prior is Gaussian, A linear and the system solved to the end; `V J' v` costs one
vector-Jacobian product, no matrix is built.
Reference: Rozet, Andry, Lanusse and Louppe (2024), NeurIPS 37, arXiv:2405.13712, algorithm 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from isopleth.core.conjugate_gradients import conjugate_gradients
from isopleth.core.errors import InputError
from isopleth.inference.departures import Departures, Seen, departures
from isopleth.inference.moments import moments
from isopleth.priors.noise_level import per_row

__all__ = ["MMPS", "CovariantPrior"]

_PROBES = 16
"""Directions for the scale of a reading of latents: a preconditioner need not be exact."""


@runtime_checkable
class CovariantPrior(Protocol):
    """A prior whose `V = Cov[x0 | x]` is known and the same for every x: no differentiation."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`E[x0 | x0 + sigma n = x]`, shape of x."""
        ...

    def covariance_product(self, v: Tensor, sigma: Tensor) -> Tensor:
        """`V v` for `v` of the shape of x."""
        ...


@dataclass(frozen=True, eq=False)
class MMPS:
    """The prior given observations: `(x (B, *state), sigma) -> E[x0 | x, y]`.

    Rows of B are independent. One call asks the prior once and needs `iterations` vector-Jacobian
    products; each iteration of conjugate gradients fits the observations more closely, and 1 to 4
    are enough with hundreds of correlated values. Where the products of a
    network are not those of a covariance (negative curvature), its row stops early.

    Args:
        prior: `(x, sigma) -> E[x0 | x]`, differentiable; a `CovariantPrior` is not differentiated.
        observations: Linear ones of a field, or readings of latents. These may be of any operator
            and decoder: they are linearised about m, so a call is one Gauss-Newton step.
        iterations: Of conjugate gradients.

    Raises:
        InputError: If `iterations` is not positive, there is no observation of a field, or its
            operator is not linear.
    """

    prior: Callable[[Tensor, Tensor], Tensor]
    observations: Seen
    iterations: int = 1
    _seen: Departures = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.iterations < 1:
            raise InputError(f"iterations is {self.iterations}: give at least 1.")
        object.__setattr__(self, "_seen", departures(self.observations, _PROBES))

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`E[x0 | x, y]`, shape of x, without a graph."""
        mean, covariance = self._moments(x, sigma)
        near = self._seen.about(mean)

        def product(u: Tensor) -> tuple[Tensor, Tensor]:
            spread = covariance(near.pull(u))
            return near.variance * u + near.push(spread), spread

        with torch.no_grad():
            increment = conjugate_gradients(
                product,
                near.residual,
                diagonal=near.variance + self._scale(mean, sigma),
                iterations=self.iterations,
            )
            return mean + increment

    def _moments(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """`m`, and the function that multiplies by `V`."""
        prior = self.prior
        if isinstance(prior, CovariantPrior):
            with torch.no_grad():
                return prior(x, sigma), lambda v: prior.covariance_product(v, sigma)
        return moments(prior, x, sigma)

    def _scale(self, mean: Tensor, sigma: Tensor) -> Tensor:
        """About the diagonal of `J V J'`, as if the state were white with variance 1.

        `(B, n)` or `(1, n)`; it makes the iterations blind to the unit of each observation.
        """
        s2 = per_row(sigma, mean).square().flatten(1)
        return self._seen.spread(mean) * s2 / (1.0 + s2)
