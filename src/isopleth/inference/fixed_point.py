"""FixedPoint: an analysis whose prior mean is what a denoiser makes of the analysis itself.

Of whitened latents w the prior is about N(0, I). What a denoiser D knows beyond it is

    p(w) = lambda [(1 + s^2) D(w, s) - w] / s^2             # 0 if the prior is N(0, I)

and the analysis is optimal interpolation around it, again and again:

    w <- argmin 1/2 |R^-1/2 (y - H w)|^2 + 1/2 |w - q|^2 / a^2,   q = the mean of p and the last q

Where it comes to rest with lambda = a = 1, `w - p = -(1 + s^2) d log p_s / dw`: it is the most
probable w under the prior smoothed by s and sharpened to the power `1 + s^2`, which gives N(0, I)
back exactly, and N(m, S) with the covariance `(S + s^2 I) / (1 + s^2)`. With lambda = 0 it is
optimal interpolation.
Reference: a plug-and-play proximal method, Venkatakrishnan, Bouman and Wohlberg (2013), GlobalSIP,
945; the fixed points, Reehorst and Schniter (2019), IEEE Trans. Comput. Imaging 5, 52.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.conjugate_gradients import conjugate_gradients
from isopleth.core.errors import InputError
from isopleth.inference.latent_proximal import Proximal
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational.problem import Problem

__all__ = ["FixedPoint"]

_INNER = 50
_TOLERANCE = 1e-3
"""Of the conjugate gradients of one linearisation, relative to its first gradient."""

_HALVINGS = 6


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """All cases at once, without a sampler: `iterations` calls of the prior, one OI each.

    Half of the last q is kept from the second iteration on; where linear this is the same as
    keeping half of the last w. With lambda = 1 it then comes to rest if every variance of a
    Gaussian prior is above `(1 - 3 s^2) / 4` (always for s > 0.58), whatever is observed. With a
    nonlinear decoder or operator each iteration linearises once, about the last w; a step that
    does not lower the cost around q is halved.

    Args:
        prior: `D(w, s) = E[w0 | w0 + s n = w]` of whitened latents.
        seen: What was read of latents.
        sigma: s, at which the prior is asked.
        strength: lambda, 0 or more: 0 = the prior is not asked.
        amplitude: a, factor of the prior's standard deviation around q.
        iterations: Calls of the prior, at least 1.
        inner: Most conjugate gradients of one linearisation of a nonlinear case.
        tolerance: Of the gradient, relative to the first, that ends them.

    Raises:
        InputError: If a setting is out of range.
    """

    prior: Callable[[Tensor, Tensor], Tensor]
    seen: LatentReadings
    sigma: float = 0.5
    strength: float = 1.0
    amplitude: float = 1.0
    iterations: int = 5
    inner: int = 100
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("sigma", "amplitude", "iterations", "inner", "tolerance"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}: give a positive number.")
        if not 0.0 <= self.strength < math.inf:
            raise InputError(f"strength is {self.strength}: give 0 or more.")

    @torch.no_grad()
    def __call__(self, start: Tensor) -> Tensor:
        """The analysis of every row.

        Args:
            start: Where a nonlinear case is first linearised, (R, *latent), row r of case
                `r mod C`; zeros, the middle of the prior, unless more is known.

        Returns:
            w, shape of `start`.

        Raises:
            InputError: If a latent is not finite, or rows are no multiple of the cases.
        """
        q = torch.zeros_like(start)
        w = self._interpolated(q, start)
        for iteration in range(self.iterations):
            p = self._expected(w)
            q = p if iteration == 0 else 0.5 * (q + p)
            w = self._interpolated(q, w)
        return w

    def _expected(self, w: Tensor) -> Tensor:
        """`p(w)`."""
        if self.strength == 0.0:
            return torch.zeros_like(w)
        s2 = self.sigma**2
        D = self.prior(w, torch.tensor(self.sigma, dtype=w.dtype, device=w.device))
        return self.strength * ((1.0 + s2) * D.to(w) - w) / s2

    def _interpolated(self, q: Tensor, w: Tensor) -> Tensor:
        """OI around q, linearised about w."""
        r2 = torch.tensor(self.amplitude**2, dtype=torch.float64, device=w.device)
        if self.seen.linear:
            return Proximal(seen=self.seen)(q, r2)
        bad = int((~torch.isfinite(w)).sum() + (~torch.isfinite(q)).sum())
        if bad:
            raise InputError(
                f"{bad} latent numbers are not finite: give a finite start, or a smaller strength "
                "or amplitude if it diverged."
            )
        v = ((w - q) / self.amplitude).flatten(1)
        v = _newton(self.seen.problem(q, r2), v)
        return q + self.amplitude * v.reshape(q.shape)


def _newton(problem: Problem, v: Tensor) -> Tensor:
    """One linearisation about v; each row takes the longest of the halved steps that helps."""
    near, cost = problem.linearised(v), problem.cost(v)
    slope = near.gradient()
    step = conjugate_gradients(
        lambda dv: (near.hessian(dv), dv),
        -slope,
        iterations=_INNER,
        target=_TOLERANCE * slope.norm(dim=1),
    )
    best, waiting = v, torch.ones_like(cost, dtype=torch.bool)
    for halving in range(1 + _HALVINGS):
        candidate = torch.where(waiting[:, None], v + 0.5**halving * step, best)
        better = waiting & (problem.cost(candidate) <= cost)
        best = torch.where(better[:, None], candidate, best)
        waiting = waiting & ~better
        if not bool(waiting.any()):
            break
    return best
