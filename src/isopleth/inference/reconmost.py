"""ReconMOST: the denoising chain is pulled towards the observed cells at every step.

On the variance-preserving path `x_t = sqrt(abar_t) x0 + sqrt(1 - abar_t) n`, where the prior is
asked at `x_t / sqrt(abar_t)` for the noise level `sqrt(1 / abar_t - 1)`, a step is

    x0      = clamp(E[x0 | x_t])
    mu      = mean of q(x_{t-1} | x0, x_t)
    x_{t-1} = mu + beta_t g + [noise] sqrt(beta_t) z,     z = 0 at the last step

and `g`, the gradient of `-|y - x0|^2` over the observed cells, is one of

    Fixed    g = s 2 (y - x0)                 with respect to x0: not through the network
    Dynamic  g = 2 (dx0/dx_t)' (y - x0)       s = 1, through the network

Without noise only x_T is random: the chain ends near the posterior mean and knows no spread.
Reference: the published program of ReconMOST (2025), written anew from its equations; its epsilon
network becomes a prior by `x0 = (x_t - sqrt(1 - abar_t) eps) / sqrt(abar_t)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from isopleth.core.errors import InputError
from isopleth.priors.samplers import Noise
from isopleth.priors.schedules import LinearVp

__all__ = ["Dynamic", "Fixed", "Gradient", "ReconMOST"]

Function = Callable[[Tensor], Tensor]

_REACH = 2  # cells; the published kernel is 5 x 5, with a standard deviation of one cell


class Gradient(Protocol):
    """Which way to pull a chain."""

    @property
    def ahead(self) -> bool:
        """Whether the gradient is taken at (mu, t - 1) instead of (x_t, t)."""
        ...

    def __call__(self, denoised: Function, misfit: Function, x: Tensor) -> tuple[Tensor, Tensor]:
        """`E[x0 | x]` and `g`, both of the shape of x, `(B, level, lat, lon)`.

        Args:
            denoised: From x to `E[x0 | x]`.
            misfit: From x0 to `y - x0` on the seen cells and 0 elsewhere.
            x: Where the chain is.
        """
        ...


@dataclass(frozen=True)
class Fixed:
    """`g = s 2 (y - x0)`: no derivative of the network, one evaluation a step.

    Args:
        strength: `s`; the published value is 4.
        soft: Spread `g` by a Gaussian of one cell over 5 x 5 cells, 1 at its peak and so 6.2 in
            all, as published; across the seam of longitude, with 0 beyond the first and last row.

    Raises:
        InputError: If the strength is not positive.
    """

    strength: float = 4.0
    soft: bool = False
    ahead: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check the strength."""
        if not self.strength > 0.0:
            raise InputError(f"strength is {self.strength}: give a positive number, such as 4.")

    def __call__(self, denoised: Function, misfit: Function, x: Tensor) -> tuple[Tensor, Tensor]:
        """`E[x0 | x]` and `g`."""
        x0 = denoised(x)
        g = 2.0 * self.strength * misfit(x0)
        return x0, _spread(g) if self.soft else g


@dataclass(frozen=True)
class Dynamic:
    """`g = 2 (dx0/dx_t)' (y - x0)`: the strength follows from the network's own derivative.

    Args:
        ahead: Take the gradient at (mu, t - 1), with a second evaluation; the last step, which
            has no t - 1, takes it at x_t.
    """

    ahead: bool = False

    def __call__(self, denoised: Function, misfit: Function, x: Tensor) -> tuple[Tensor, Tensor]:
        """`E[x0 | x]` and `g`."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            x0 = denoised(x)
        apart = 2.0 * misfit(x0.detach())
        return x0.detach(), torch.autograd.grad(x0, x, apart)[0]


@dataclass(frozen=True, eq=False)
class ReconMOST:
    """Members guided by cells: `(noise, shape) -> (members, level, lat, lon)`.

    `beta_t` times the gradient's factor must stay moderate: `Fixed(4)` is stable with 50 steps,
    `Fixed(4, soft=True)`, whose kernel sums to 6.2, wants the published 1000.

    Args:
        prior: `(x, sigma) -> E[x0 | x0 + sigma n = x]`.
        cells: `y`, shape `(level, lat, lon)`, or with a leading axis: one a member. Not looked at
            where not seen.
        seen: True = observed, shape of `cells`.
        gradient: `Fixed` or `Dynamic`.
        steps: Of the chain, 21 or more; the published number is 1000.
        noise: Whether a step adds its noise; published results do not.
        clamp: Bounds of x0, in the unit of x; the published ones are (-1, 1) of its own scaling.

    Raises:
        InputError: If there are too few steps, a shape does not fit or a seen value is missing.
    """

    prior: Callable[[Tensor, Tensor], Tensor]
    cells: Tensor
    seen: Tensor
    gradient: Gradient = field(default_factory=Fixed)
    steps: int = 1000
    noise: bool = False
    clamp: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        LinearVp(self.steps)
        if self.cells.shape != self.seen.shape:
            raise InputError(
                f"the cells have shape {tuple(self.cells.shape)} and the flags "
                f"{tuple(self.seen.shape)}: give one flag for every cell."
            )
        if not torch.isfinite(self.cells[self.seen]).all():
            raise InputError("a seen cell has no finite value: take it out of `seen`.")

    @property
    def evaluations(self) -> int:
        """How often the prior is asked for one member."""
        return 2 * self.steps - 1 if self.gradient.ahead else self.steps

    @torch.no_grad()
    def __call__(
        self,
        noise: Noise,
        shape: Sequence[int],
        *,
        progress: Callable[[float], None] | None = None,
    ) -> Tensor:
        """Run the chain.

        Args:
            noise: One row for each member, as `MemberNoise`.
            shape: `(level, lat, lon)`.
            progress: Gets the fraction done.
        """
        path = LinearVp(self.steps)
        abar = path.alpha_bar.tolist()
        times = list(zip(path.betas.tolist(), abar, [1.0, *abar[:-1]], strict=True))
        x = noise(shape)
        for done, (beta, now, before) in enumerate(reversed(times), start=1):
            x = self._guided(x, beta, now, before)
            if self.noise and done < self.steps:
                x = x + beta**0.5 * noise(shape)
            if progress is not None:
                progress(done / self.steps)
        return x

    def _guided(self, x: Tensor, beta: float, now: float, before: float) -> Tensor:
        """`mu + beta_t g`, with `abar` of this step and of the one before it on the path."""
        if self.gradient.ahead and before < 1.0:
            mu = _mean_before(self._clamped(self._denoised(x, now)), x, beta, now, before)
            _, g = self.gradient(lambda at: self._denoised(at, before), self._misfit, mu)
        else:
            x0, g = self.gradient(lambda at: self._denoised(at, now), self._misfit, x)
            mu = _mean_before(self._clamped(x0), x, beta, now, before)
        return mu + beta * g

    def _denoised(self, x: Tensor, abar: float) -> Tensor:
        return self.prior(x / abar**0.5, x.new_tensor((1.0 / abar - 1.0) ** 0.5))

    def _clamped(self, x0: Tensor) -> Tensor:
        return x0 if self.clamp is None else x0.clamp(*self.clamp)

    def _misfit(self, x0: Tensor) -> Tensor:
        return torch.where(self.seen.to(x0.device), self.cells.to(x0) - self._clamped(x0), 0.0)


def _mean_before(x0: Tensor, x: Tensor, beta: float, now: float, before: float) -> Tensor:
    """Mean of `q(x_{t-1} | x0, x_t)` (Ho et al. 2020, eq. 7)."""
    gone, left = 1.0 - now, 1.0 - before
    return beta * before**0.5 / gone * x0 + (1.0 - beta) ** 0.5 * left / gone * x


def _spread(g: Tensor) -> Tensor:
    """Every level convolved with `exp(-(i^2 + j^2) / 2)`, |i|, |j| <= 2."""
    bell = torch.exp(-0.5 * torch.arange(-_REACH, _REACH + 1).to(g).square())
    kernel = (bell[:, None] * bell).expand(g.shape[-3], 1, -1, -1)
    round_the_seam = torch.cat([g[..., -_REACH:], g, g[..., :_REACH]], -1)
    framed = pad(round_the_seam, (0, 0, _REACH, _REACH))
    return conv2d(framed, kernel, groups=g.shape[-3])
