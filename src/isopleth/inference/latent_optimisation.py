"""LO-SDA: a reverse diffusion whose clean estimate is drawn to the observations by optimisation.

The clean latent that a prior expects at noise level s is uncertain by about `r^2`, and is moved
within that uncertainty to where it fits what was seen:

    z0 = E[z0 | z_s],   r^2 = rho s0^2 s^2 / (s^2 + s0^2)
    z* = argmin_z 1/2 |R^-1/2 (y - H D(z))|^2 + 1/2 |z - z0|^2 / r^2

`LatentOptimisation` is this correction, prior -> prior; `Finish` is the optimisation after the
last step; `latent_optimisation_sampler` moves the noisy latent instead, sampler -> sampler. For a
prior `N(m, s0^2 I)`, linear H D and rho = 1, r^2 is the posterior variance and z* is
`E[z0 | z_s, y]`: samplers then draw from the posterior, and without their noise
(`without_noise`) end at its mean, which is 3D-Var's minimum.
Reference: arXiv 2510.22562 describes alternating steps of diffusion and latent optimisation; the
proximal form is ours, after Song, Kwon, Zhang, Hu, Qu and Shen (2024), ICLR, arXiv 2307.08123.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.latent_proximal import Proximal
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational.gauss_newton import GaussNewton
from isopleth.inference.variational.problem import Solver
from isopleth.priors.noise_level import per_row
from isopleth.priors.samplers import Noise

__all__ = ["Finish", "LatentOptimisation", "without_noise"]

Prior = Callable[[Tensor, Tensor], Tensor]


def without_noise(rows: int, like: Tensor) -> Noise:
    """Zeros in the place of a sampler's noise: one path, from the middle of the prior.

    Args:
        rows: R.
        like: Brings precision and device.

    >>> without_noise(2, torch.zeros(1))((3,)).shape
    torch.Size([2, 3])
    """

    def noise(shape: Sequence[int]) -> Tensor:
        return like.new_zeros(rows, *shape)

    return noise


@dataclass(frozen=True, eq=False)
class LatentOptimisation:
    """The prior given observations: `(z (R, *latent), sigma) -> z*`; every sampler takes it.

    Rows are independent; row r is of case `r mod C`. One call asks the prior once.

    Args:
        prior: `E[z0 | z0 + sigma n = z]`.
        seen: What was read of latents.
        rho: Factor of the prior variance: more = nearer to the observations.
        spread: `s0`, standard deviation of a latent number given the background; 1 if whitened.
        below: Highest noise level at which the estimate is moved.
        morozov: Whether to stop at `chi2 = n`, see `Proximal`.
        solver: For a nonlinear decoder or operator.

    Raises:
        InputError: If a number is not positive.
    """

    prior: Prior
    seen: LatentReadings
    rho: float = 1.0
    spread: float = 1.0
    below: float = math.inf
    morozov: bool = False
    solver: Solver = field(default_factory=GaussNewton)

    def __post_init__(self) -> None:
        """Check the numbers."""
        _positive(rho=self.rho, spread=self.spread, below=self.below)

    def __call__(self, z: Tensor, sigma: Tensor) -> Tensor:
        """`z*`, shape of z, without a graph.

        Raises:
            InputError: As `Proximal`, or if `sigma` is neither () nor (R,).
        """
        level = per_row(sigma, z).double().flatten()
        with torch.no_grad():
            z0 = self.prior(z, sigma)
        active = level <= self.below
        if not bool(active.any()):
            return z0
        s2, s02 = level.square(), self.spread**2
        r2 = torch.where(active, self.rho * s02 * s2 / (s2 + s02), 0.0)
        pull = Proximal(seen=self.seen, solver=self.solver, morozov=self.morozov)
        return pull(z0, r2.expand(len(z0)))


@dataclass(frozen=True, eq=False)
class Finish:
    """The final optimisation: the nearest latent to an analysis that fits what was seen.

        z_a = argmin_z 1/2 |R^-1/2 (y - H D(z))|^2 + 1/2 |z - z_T|^2 / s_min^2

    It asks the observations once more, so that without `morozov` their errors are fitted.

    Args:
        seen: What was read of latents.
        spread: `s_min`, how far a latent number may go.
        morozov: Whether to stop at `chi2 = n`; an analysis that fits as well stays as it is.
        solver: For a nonlinear decoder or operator.

    Raises:
        InputError: If `spread` is not positive.
    """

    seen: LatentReadings
    spread: float = 0.1
    morozov: bool = True
    solver: Solver = field(default_factory=GaussNewton)

    def __post_init__(self) -> None:
        """Check the number."""
        _positive(spread=self.spread)

    def __call__(self, z: Tensor) -> Tensor:
        """`z_a`, shape of z, (R, *latent); raises as `Proximal`."""
        pull = Proximal(seen=self.seen, solver=self.solver, morozov=self.morozov)
        return pull(z, torch.tensor(self.spread**2, dtype=torch.float64))


def _positive(**settings: float) -> None:
    for name, value in settings.items():
        if not value > 0.0:
            raise InputError(f"{name} is {value}: give a positive number.")
