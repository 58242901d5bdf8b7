"""MMPS: moment matching posterior sampling, a prior conditioned on linear observations.

At noise level `s` the prior's opinion of the clean field is taken as Gaussian, with the mean `m`
and the covariance `V` that Tweedie's formulas give, and then updated as a Kalman filter would:

    m = E[x0 | x],   V = s^2 dm/dx
    E[x0 | x, y] = m + V A' (R + A V A')^-1 (y - A m)

Exact where the prior is Gaussian and the system solved to the end; `V A' v` costs one
vector-Jacobian product, no matrix is built.
Reference: Rozet, Andry, Lanusse and Louppe (2024), NeurIPS 37, arXiv:2405.13712, algorithm 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from isopleth.core.conjugate_gradients import conjugate_gradients
from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed
from isopleth.observe.stacked import Stacked
from isopleth.priors.noise_level import per_row

__all__ = ["MMPS", "CovariantPrior"]


@runtime_checkable
class CovariantPrior(Protocol):
    """A prior whose `V = Cov[x0 | x]` is known and the same for every x: no differentiation."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`E[x0 | x0 + sigma n = x]`, shape of x."""
        ...

    def covariance_product(self, v: Tensor, sigma: Tensor) -> Tensor:
        """`V v` for `v` of shape `(B, level, lat, lon)`."""
        ...


@dataclass(frozen=True, eq=False)
class MMPS:
    """The prior given observations: `(x (B, level, lat, lon), sigma) -> E[x0 | x, y]`.

    Rows of B are independent. One call asks the prior once and needs `iterations` vector-Jacobian
    products; each iteration of conjugate gradients fits the observations more closely, and 1 to 4
    are enough with hundreds of correlated values. Where the products of a
    network are not those of a covariance (negative curvature), its row stops early.

    Args:
        prior: `(x, sigma) -> E[x0 | x]`, differentiable; a `CovariantPrior` is not differentiated.
        observations: `y`, linear `A` and diagonal `R`, in the space of x.
        iterations: Of conjugate gradients.

    Raises:
        InputError: If `iterations` is not positive, there is no observation, or an operator is
            not linear.
    """

    prior: Callable[[Tensor, Tensor], Tensor]
    observations: Sequence[Observed]
    iterations: int = 1
    _seen: Stacked = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the settings and stack the observations."""
        if self.iterations < 1:
            raise InputError(f"iterations is {self.iterations}: give at least 1.")
        object.__setattr__(self, "_seen", Stacked(self.observations))

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """`E[x0 | x, y]`, shape of x, without a graph."""
        mean, covariance = self._moments(x, sigma)
        seen = self._seen
        R = seen.variance.to(mean)

        def product(u: Tensor) -> tuple[Tensor, Tensor]:
            spread = covariance(seen.adjoint(u))
            return R * u + seen(spread), spread

        with torch.no_grad():
            increment = conjugate_gradients(
                product,
                seen.residual(mean),
                diagonal=self._diagonal(mean, sigma),
                iterations=self.iterations,
            )
            return mean + increment

    def _moments(self, x: Tensor, sigma: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """`m`, and the function that multiplies by `V`."""
        prior, x = self.prior, x.detach()
        if isinstance(prior, CovariantPrior):
            with torch.no_grad():
                return prior(x, sigma), lambda v: prior.covariance_product(v, sigma)
        with torch.enable_grad():
            x = x.requires_grad_()
            mean = prior(x, sigma)
        s2 = per_row(sigma, mean).square()

        def covariance(v: Tensor) -> Tensor:
            return s2 * torch.autograd.grad(mean, x, v, retain_graph=True)[0]

        return mean.detach(), covariance

    def _diagonal(self, mean: Tensor, sigma: Tensor) -> Tensor:
        """About the diagonal of `R + A V A'`, as if the field were white with variance 1.

        `(B, n)` or `(1, n)`; it makes the iterations blind to the unit of each observation.
        """
        gain = self._seen(torch.ones_like(mean[:1])).square()
        s2 = per_row(sigma, mean).square().flatten(1)
        return self._seen.variance.to(mean) + gain * s2 / (1.0 + s2)
