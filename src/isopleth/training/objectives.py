"""What is minimised: denoising score matching in noise levels, on the ocean or in latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError

__all__ = [
    "DenoisingLoss",
    "EdmWeight",
    "LogNormal",
    "LogUniform",
    "NoiseLevels",
    "ReferenceWeight",
]


class NoiseLevels(Protocol):
    """A distribution of noise levels, by its quantile function."""

    def __call__(self, u: Tensor, /) -> Tensor:
        """Noise levels for uniform numbers u in (0, 1), same shape."""
        ...


@dataclass(frozen=True)
class LogUniform:
    """ln sigma ~ U(ln low, ln high).

    >>> LogUniform(0.01, 100.0)(torch.tensor([0.5, 1.0])).round(decimals=2).tolist()
    [1.0, 100.0]
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the range."""
        if not 0 < self.low < self.high:
            raise InputError(
                f"noise levels from {self.low} to {self.high} are no range: give 0 < low < high."
            )

    def __call__(self, u: Tensor) -> Tensor:
        """Noise levels low (high / low)^u."""
        return self.low * (self.high / self.low) ** u


@dataclass(frozen=True)
class LogNormal:
    """ln sigma ~ N(mean, spread^2), cut off to [low, high] (Karras et al. 2022: -1.2, 1.2).

    >>> round(LogNormal(0.0, 1.0)(torch.tensor([0.5])).item(), 3)
    1.0
    """

    mean: float = -1.2
    spread: float = 1.2
    low: float = 1e-3
    high: float = 1e3

    def __call__(self, u: Tensor) -> Tensor:
        """Noise levels exp(mean + spread Phi^-1(u))."""
        tiny = torch.finfo(u.dtype).eps
        normal = torch.special.ndtri(u.clamp(tiny, 1 - tiny))
        return torch.exp(self.mean + self.spread * normal).clamp(self.low, self.high)


@dataclass(frozen=True)
class EdmWeight:
    """lambda(sigma) = (sigma^2 + s^2) / (sigma s)^2, s = sigma_data (Karras et al. 2022, table 1).

    The error of the best denoiser of independent N(0, s^2) cells, inverted: every noise level
    then starts with a loss of about 1.
    """

    sigma_data: float = 1.0

    def __call__(self, sigma: Tensor) -> Tensor:
        """Weight of each sample's error, shape of sigma."""
        return (sigma**2 + self.sigma_data**2) / (sigma * self.sigma_data) ** 2


class ReferenceWeight:
    """lambda(sigma) = 1 / MSE of a reference denoiser, between its measured noise levels.

    Fields that are correlated in space are denoised far better than cell by cell. With the error
    of the Wiener filter as reference the loss reads as a ratio to it: below 1 is better.

    Args:
        sigmas: Noise levels, shape (k,), increasing, positive.
        errors: Mean square error of the reference there (`mse_by_noise_level`), shape (k,).

    Raises:
        InputError: If the levels do not increase or an error is not positive.

    >>> weight = ReferenceWeight(torch.tensor([0.1, 10.0]), torch.tensor([0.01, 1.0]))
    >>> weight(torch.tensor([0.01, 1.0, 100.0])).round(decimals=3).tolist()
    [100.0, 10.0, 1.0]
    """

    def __init__(self, sigmas: Tensor, errors: Tensor) -> None:
        rising = bool((sigmas.diff() > 0).all() and sigmas[0] > 0)
        if sigmas.ndim != 1 or sigmas.shape != errors.shape or not rising:
            raise InputError(
                f"noise levels {sigmas.tolist()} with {errors.numel()} errors are no table: give "
                "as many positive, increasing levels as errors."
            )
        if not bool((errors > 0).all()):
            raise InputError(f"a reference error of {errors.min():g} cannot weigh: leave it out.")
        self._x = sigmas.log()
        self._y = errors.log()

    def __call__(self, sigma: Tensor) -> Tensor:
        """Weight by linear interpolation in log-log, constant outside; shape of sigma."""
        x, y = self._x.to(sigma), self._y.to(sigma)
        if len(x) == 1:
            return torch.exp(-y).expand(sigma.shape)
        at = sigma.log().clamp(x[0], x[-1])
        right = torch.searchsorted(x, at.contiguous()).clamp(1, len(x) - 1)
        part = (at - x[right - 1]) / (x[right] - x[right - 1])
        return torch.exp(-torch.lerp(y[right - 1], y[right], part))


class DenoisingLoss(nn.Module):
    """E_sigma E_n lambda(sigma) ||D(x + sigma n, sigma) - x||_w^2: the best D is E[x | x_sigma].

    The norm is a weighted mean over ocean cells; land is 0 in x, in the noise and in the loss.
    x may be latents of any axes: their mask is then all True.
    The noise levels of a batch are spread evenly over the quantiles with one random shift
    (Kingma et al. 2021, appendix I.1): each is still an independent draw from `levels` in law.

    Args:
        denoiser: `denoiser(x (B, *mask.shape), sigma (B,), *condition)`, in the same shape.
        mask: True = ocean, shape (level, lat, lon), or that of a latent.
        weights: Such as cell areas, or variances of white latents, broadcastable to the mask;
            None = all alike.
        levels: Distribution of sigma.
        weighting: lambda; None = `denoiser.loss_weight` if it has one, else that of EDM.

    Raises:
        InputError: If no cell has a weight.
    """

    mask: Tensor
    weights: Tensor

    def __init__(
        self,
        denoiser: nn.Module,
        mask: Tensor,
        weights: Tensor | None = None,
        *,
        levels: NoiseLevels | None = None,
        weighting: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.levels = levels or LogNormal()
        own: Callable[[Tensor], Tensor] = getattr(denoiser, "loss_weight", EdmWeight())
        self.weighting = own if weighting is None else weighting
        share = mask.to(torch.float32) * (1.0 if weights is None else weights)
        if not bool(share.sum() > 0):
            raise InputError("no ocean cell has a positive weight: check the mask.")
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("weights", (share / share.sum()).float(), persistent=False)

    def forward(self, batch: Tensor | tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        """Loss of one batch, a scalar.

        Args:
            batch: Fields (B, *mask.shape), or these and what the denoiser is told besides.
            generator: Of the noise and its levels, on the device of the batch.

        Raises:
            InputError: If the fields do not have the shape of the mask.
        """
        x, *condition = (batch,) if isinstance(batch, Tensor) else batch
        if x.shape[1:] != self.mask.shape:
            raise InputError(
                f"a batch of shape {tuple(x.shape)} is not one of {tuple(self.mask.shape)}: give "
                "the mask the shape of a field or of a latent."
            )
        sigma = self.levels(_quantiles(len(x), generator, x))
        noise = torch.empty_like(x).normal_(generator=generator)
        level = sigma.reshape(-1, *(1 for _ in self.mask.shape))
        noisy = torch.where(self.mask, x + level * noise, 0.0)
        error = self.denoiser(noisy, sigma, *condition).float() - x
        mse = (self.weights * torch.where(self.mask, error, 0.0) ** 2).flatten(1).sum(1)
        return (self.weighting(sigma) * mse).mean()


def _quantiles(count: int, generator: torch.Generator, like: Tensor) -> Tensor:
    """`count` numbers in (0, 1), evenly apart, with one random shift."""
    shift = torch.rand((), generator=generator, device=like.device, dtype=torch.float32)
    even = torch.arange(count, device=like.device, dtype=torch.float32) / count
    return (even + shift) % 1.0
