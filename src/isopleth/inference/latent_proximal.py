"""Proximal: a latent drawn towards what was seen, as far as its own uncertainty allows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational.gauss_newton import GaussNewton
from isopleth.inference.variational.problem import Solver
from isopleth.priors.samplers import Noise

__all__ = ["Proximal"]

_BISECTIONS = 10
"""Halvings of a step of a nonlinear case; each reads the latents once."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Proximal:
    """`argmin_z misfit(z) + 1/2 |z - z0|^2 / r2`, and draws of that posterior, row by row.

    Exact where decoder and operators are linear; elsewhere `solver` searches, from z0. With
    `morozov` a row is not brought nearer to its n values than `chi2 = n`, the size of their
    errors: where linear, r2 is lowered until it holds; elsewhere the step is shortened. A latent
    that starts nearer stays where it is. A draw of a posterior has `chi2 = n` on average, its mean
    less: the stop treats the answer as a draw.
    Reference: Rockafellar (1976), SIAM J. Control Optim. 14, 877; Morozov (1966), Sov. Math.
    Dokl. 7, 414.

    Args:
        seen: What was read of latents.
        solver: For a nonlinear case.
        morozov: Whether not to fit the errors of the observations.
    """

    seen: LatentReadings
    solver: Solver = field(default_factory=GaussNewton)
    morozov: bool = False

    @torch.no_grad()
    def __call__(self, z0: Tensor, r2: Tensor) -> Tensor:
        """The answer of every row, shape of z0.

        Args:
            z0: Shape (R, *latent); row r of case `r mod C`.
            r2: Variance, >= 0, () or (R,).

        Raises:
            InputError: If a latent is not finite, rows are no multiple of the cases, or a variance
                is negative.
        """
        variance = _checked(z0, r2)
        if self.seen.linear:
            return self._exact(z0, variance)
        found = self.solver(self.seen.problem(z0, variance)).control
        z = z0 + (variance.sqrt().to(z0).reshape(-1, 1) * found).reshape(z0.shape)
        return self._shortened(z0, z) if self.morozov else z

    @torch.no_grad()
    def draw(self, z0: Tensor, r2: Tensor, noise: Noise) -> Tensor:
        """One draw a row of the posterior of `z ~ N(z0, r2 I)`; `morozov` has no part in it.

        A nonlinear case is solved for perturbed observations from a perturbed z0: randomised
        maximum likelihood, exact where linear.
        Reference: Oliver, He and Reynolds (1996), Proc. 5th ECMOR; Bardsley, Solonen, Haario and
        Laine (2014), SIAM J. Sci. Comput. 36, A1895.

        Args:
            z0: Shape (R, *latent).
            r2: () or (R,).
            noise: Brings R rows.

        Raises:
            InputError: As the call, or if the noise has not R rows.
        """
        variance = _checked(z0, r2)
        n = _numbers(noise, z0)
        if self.seen.linear:
            return self._exact(z0, variance, n)
        problem = self.seen.problem(z0, variance)
        shaken = replace(
            problem,
            values=problem.values + problem.precision * self._errors(noise, z0),
            centre=n.flatten(1),
        )
        found = self.solver(shaken).control
        return z0 + (variance.sqrt().to(z0).reshape(-1, 1) * found).reshape(z0.shape)

    def _exact(self, z0: Tensor, variance: Tensor, noise: Tensor | None = None) -> Tensor:
        """Case by case; the mean, or draws if there is noise."""
        flat = z0.flatten(1)
        answer, each = torch.empty_like(flat), variance.expand(len(z0))
        target = self.seen.per_row(self.seen.counts, len(z0)).to(each)
        systems = self.seen.systems(z0.shape[1:])
        for case, system in enumerate(systems):
            mine = slice(case, None, len(systems))
            centre, r2 = flat[mine], each[mine]
            if noise is not None:
                found = system.draw(centre, r2, noise.flatten(1)[mine])
            elif self.morozov:
                found = system.prox(centre, system.discrepancy(centre, r2, target[mine]))
            else:
                found = system.prox(centre, r2)
            answer[mine] = found.to(flat)
        return answer.reshape(z0.shape)

    def _shortened(self, z0: Tensor, z: Tensor) -> Tensor:
        """As far along each row's step as `chi2 >= n`."""
        target = self.seen.per_row(self.seen.counts, len(z0)).to(z0.device).double()
        rows = (-1, *(1 for _ in z0.shape[1:]))

        def far(share: Tensor) -> Tensor:
            return 2.0 * self.seen.misfit(torch.lerp(z0, z, share.reshape(rows))) >= target

        low, high = z0.new_zeros(len(z0)), z0.new_ones(len(z0))
        whole = far(high)
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            short = far(middle)
            low, high = torch.where(short, middle, low), torch.where(short, high, middle)
        return torch.lerp(z0, z, torch.where(whole, 1.0, low).reshape(rows))

    def _errors(self, noise: Noise, z0: Tensor) -> Tensor:
        """Standard normal numbers (R, n), from a stream of each row's own.

        The padded width n depends on the other cases, so it may not decide how far the streams of
        `noise` are moved: two numbers of a row seed the rest.
        """
        rows, width = len(z0), self.seen.values.shape[1]
        seeds = noise((2,)).float().cpu().contiguous().view(torch.int32).tolist()
        counts = self.seen.per_row(self.seen.counts, rows).tolist()
        errors = np.zeros((rows, width))
        for row, (seed, count) in enumerate(zip(seeds, counts, strict=True)):
            stream = np.random.default_rng([number % 2**32 for number in seed])
            errors[row, :count] = stream.standard_normal(count)
        return torch.from_numpy(errors).to(z0)


def _numbers(noise: Noise, z0: Tensor) -> Tensor:
    n = noise(z0.shape[1:]).to(z0)
    if n.shape != z0.shape:
        raise InputError(
            f"the noise has {len(n)} rows and there are {len(z0)} latents: give one a row."
        )
    return n


def _checked(z0: Tensor, r2: Tensor) -> Tensor:
    bad = int((~torch.isfinite(z0)).sum())
    if bad:
        raise InputError(
            f"{bad} of {z0.numel()} latent numbers are not finite: look at the prior and at the "
            "noise levels."
        )
    variance = torch.as_tensor(r2, dtype=torch.float64, device=z0.device)
    if tuple(variance.shape) not in ((), (len(z0),)) or not bool((variance >= 0.0).all()):
        raise InputError(
            f"variances of shape {tuple(variance.shape)}, the least {float(variance.min()):g}, do "
            f"not go with {len(z0)} latents: give one, or one a row, 0 or more."
        )
    return variance
