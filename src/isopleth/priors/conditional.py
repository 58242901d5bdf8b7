"""A diffusion prior of `x | x_b` in latents: Gaussian before training, told the background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.priors.background_latent import BackgroundLatents, LatentsGiven, rows_of
from isopleth.priors.noise_level import per_row

__all__ = ["ConditionalDenoiser", "ConditionedPrior", "Denoiser", "WhiteGaussian"]

_LOWEST = 1e-4
"""Below this noise level a network is told this one; what it says is multiplied by ~sigma."""


class Denoiser(Protocol):
    """`E[z0 | z0 + sigma n = z, condition]`, row by row."""

    def __call__(self, z: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
        """From (R, *latent), sigma () or (R,) and (R, k, rows, columns) to (R, *latent)."""
        ...


class ConditionalDenoiser(nn.Module):
    """A network that corrects the filter of independent latents, told what is known.

        D(z, s | x_b) = a^2 z / v + (a s / sqrt(v)) P(F([S a^2 z / v, S z / sqrt(v)], c, ln s / 4))
        v = s^2 + a^2

    S makes the latents a field and P brings a field back (`latents.field`, `latents.project`);
    c is what the latents tell of the background (`LatentsGiven.condition`). With F = 0 it is
    exactly the denoiser of N(0, a^2 I): for white EOFs the Wiener filter of the standardised
    error, for others the preconditioning of Karras et al. (2022), arXiv 2206.00364, table 1.

    Args:
        net: `F(inputs (R, 2 c, rows, columns), noise (R,), condition)` to (R, c, rows, columns).
        latents: S, P and the conditions.
        sigma_data: a, standard deviation of a latent number, positive.
        mixed: Whether the network computes in bfloat16.

    Raises:
        InputError: If `sigma_data` is not positive.
    """

    def __init__(
        self,
        net: nn.Module,
        latents: BackgroundLatents,
        *,
        sigma_data: float = 1.0,
        mixed: bool = False,
    ) -> None:
        super().__init__()
        if not sigma_data > 0.0:
            raise InputError(f"sigma_data is {sigma_data}: give a positive number.")
        self.net, self.latents = net, latents
        self.sigma_data, self.mixed = sigma_data, mixed

    def given(self, known: Tensor) -> ConditionedPrior:
        """The prior of C cases.

        Args:
            known: Backgrounds (C, channel, lat, lon), with the channels of earlier times, if the
                latents want some, behind them.

        Raises:
            InputError: As the latents.
        """
        latents = self.latents.given(known)
        return ConditionedPrior(self, latents, latents.condition)

    def forward(self, z: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
        """`D`, shape of z: (R, *latent), sigma () or (R,), condition (R, k, rows, columns).

        Raises:
            InputError: If z is no batch of latents.
        """
        if z.shape[1:] != self.latents.latent_shape:
            raise InputError(
                f"z has shape {tuple(z.shape)}: give rows of latents {self.latents.latent_shape}."
            )
        level, a2 = per_row(sigma, z), self.sigma_data**2
        v = level.square() + a2
        filtered = z * (a2 / v)
        inputs = [self.latents.field(part) for part in (filtered, z * v.rsqrt())]
        noise = level.clamp_min(_LOWEST).log().div(4.0).flatten().expand(len(z))
        with torch.autocast(z.device.type, torch.bfloat16, enabled=self.mixed):
            F = self.net(torch.cat(inputs, 1), noise, condition)
        correction = self.latents.project(F.to(z.dtype))
        return filtered + level * self.sigma_data * v.rsqrt() * correction

    def loss_weight(self, sigma: Tensor) -> Tensor:
        """`1 / c_out^2`, shape of `sigma`: a squared error becomes a ratio to the filter's."""
        return sigma.square().reciprocal() + 1.0 / self.sigma_data**2


@dataclass(frozen=True, eq=False)
class ConditionedPrior:
    """`prior(z, sigma) = E[z0 | z0 + sigma n = z, x_b]` for rows r of case `r mod C`.

    Args:
        denoiser: Is told the condition of every row.
        latents: Of these cases: `latents.decode` makes states of z.
        condition: Of these cases, (C, k, rows, columns).
    """

    denoiser: Denoiser
    latents: LatentsGiven
    condition: Tensor

    def __call__(self, z: Tensor, sigma: Tensor) -> Tensor:
        """From (R, *latent), sigma () or (R,), to (R, *latent).

        Raises:
            InputError: If the rows are no multiple of the cases.
        """
        return self.denoiser(z, sigma, rows_of(self.condition, len(z)))


@dataclass(frozen=True)
class WhiteGaussian:
    """`prior(z, sigma) = a^2 z / (a^2 + sigma^2)`: the exact denoiser of N(0, a^2 I).

    The control of a trained prior: the same latents and the same sampler, with a tuned covariance
    and nothing learned.

    Args:
        scale: a, positive.

    Raises:
        InputError: If it is not.

    >>> WhiteGaussian()(torch.ones(1, 2), torch.tensor(1.0))
    tensor([[0.5000, 0.5000]])
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        """Check the scale."""
        if not self.scale > 0.0:
            raise InputError(f"scale is {self.scale}: give a positive number.")

    def __call__(self, z: Tensor, sigma: Tensor) -> Tensor:
        """Shape of z, (R, *latent); sigma () or (R,)."""
        a2 = self.scale**2
        return z * (a2 / (a2 + per_row(sigma, z).square()))
