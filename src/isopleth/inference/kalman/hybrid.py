"""HybridEnVar: a mean from static and ensemble covariance together, deviations from a filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.conjugate_gradients import conjugate_gradients
from isopleth.core.errors import InputError
from isopleth.core.protocols import Analysis, Observed
from isopleth.inference.kalman.covariance import (
    Correlation,
    Covariance,
    EnsembleCovariance,
)
from isopleth.inference.kalman.predicted import Predicted, anything_seen, check_members
from isopleth.inference.variational.readings import Readings

__all__ = ["HybridEnVar"]


@dataclass(frozen=True, eq=False, kw_only=True)
class HybridEnVar:
    """The mean by a variational analysis with a mixed covariance, the members around it.

        B = (1 - share) B_s + share (rho o P)
        x^a = x^b + B H' (H B H' + R)^-1 (y - H(x^b))

    solved in the space of the observations by conjugate gradients, where the matrix is never
    built; for a nonlinear `H` the Gauss-Newton iteration linearises anew around the last estimate.
    Members are those of `deviations`, moved to the new mean.
    Reference: Hamill and Snyder (2000), Mon. Weather Rev. 128, 2905; Lorenc (2003), Q. J. R.
    Meteorol. Soc. 129, 3183; the dual solver, Courtier (1997), Q. J. R. Meteorol. Soc. 123, 2449.

    Args:
        static: `B_s` on the state.
        deviations: An analysis that updates the members, such as an LETKF.
        localisation: `rho` of the ensemble covariance; None = not localised.
        share: Of the ensemble, 0 (3D-Var) to 1.
        iterations: Most steps of the conjugate gradients.
        outer: Gauss-Newton loops; 1 is enough where H is linear.

    Raises:
        InputError: If `share` is not within 0 and 1, or a count is not positive.
    """

    static: Covariance
    deviations: Analysis
    localisation: Correlation | None = None
    share: float = 0.5
    iterations: int = 200
    outer: int = 1

    def __post_init__(self) -> None:
        """Check the settings."""
        if not 0.0 <= self.share <= 1.0:
            raise InputError(f"the ensemble's share is {self.share}: give a number from 0 to 1.")
        for name in ("iterations", "outer"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: give at least 1.")

    @torch.no_grad()
    def __call__(self, background: Tensor, observations: Sequence[Observed]) -> Tensor:
        """Members of `x | y`, shape and precision of the background, `(N, *state)`.

        Raises:
            InputError: As `Predicted.of`.
        """
        Predicted.of(background, observations)  # refuses what has no analysis
        if not anything_seen(observations):
            return background
        members = self.deviations(background, observations)
        mean = self.mean(background, observations).to(members)
        return mean + (members - members.mean(0))

    @torch.no_grad()
    def mean(self, background: Tensor, observations: Sequence[Observed]) -> Tensor:
        """`x^a` in float64, shape `state`; the background's mean where nothing was seen."""
        check_members(background)
        first = background.double().mean(0)
        if not anything_seen(observations):
            return first
        ensemble = EnsembleCovariance(background.double(), self.localisation)
        seen = Readings(observations, first)
        variance, x = seen.precision[0].reciprocal(), first
        for _ in range(self.outer):
            H = _Linearised(seen, x)
            departure = seen.values[0] - H.value + H.push(x - first)
            x = first + self._increment(H, departure, variance, ensemble)
        return x

    def _increment(
        self, H: _Linearised, departure: Tensor, variance: Tensor, ensemble: EnsembleCovariance
    ) -> Tensor:
        """`B H' (H B H' + R)^-1` times the departure."""

        def product(u: Tensor) -> tuple[Tensor, Tensor]:
            spread = self._covariance(H.pull(u[0]), ensemble)
            return variance * u + H.push(spread), spread[None]

        increment = conjugate_gradients(
            product, departure[None], diagonal=variance, iterations=self.iterations
        )
        return increment[0]

    def _covariance(self, v: Tensor, ensemble: EnsembleCovariance) -> Tensor:
        """`B v`; a part with no share is not computed."""
        result = torch.zeros_like(v)
        if self.share < 1.0:
            result = result + (1.0 - self.share) * self.static.product(v)
        if self.share > 0.0:
            result = result + self.share * ensemble.product(v)
        return result


class _Linearised:
    """What is read near x: its value, `H v` and `H' u`.

    `H v` is the derivative of `H' u` with respect to u: operators need no forward mode.
    """

    @torch.enable_grad()
    def __init__(self, seen: Readings, x: Tensor) -> None:
        self._x = x.detach().requires_grad_()
        self._y = seen(self._x[None])[0]
        self._u = torch.zeros_like(self._y, requires_grad=True)
        self._pulled = torch.autograd.grad(self._y, self._x, self._u, create_graph=True)[0]
        self.value = self._y.detach()

    def push(self, v: Tensor) -> Tensor:
        """`H v`, shape (p,)."""
        return torch.autograd.grad(self._pulled, self._u, v, retain_graph=True)[0]

    def pull(self, u: Tensor) -> Tensor:
        """`H' u`, shape of x."""
        return torch.autograd.grad(self._y, self._x, u, retain_graph=True)[0]
