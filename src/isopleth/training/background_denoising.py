"""Denoising the latents of a truth, told its background: what is minimised, and the gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError
from isopleth.priors.conditional import ConditionalDenoiser, Denoiser
from isopleth.training.gate import Ratio
from isopleth.training.objectives import DenoisingLoss, NoiseLevels

__all__ = ["BackgroundDenoising", "LatentTest"]


class BackgroundDenoising(nn.Module):
    """`DenoisingLoss` of `z = E(x | x_b)` for pairs of a truth and what is known.

    Its norm weighs latents by `latents.weights`: white EOFs by their variances, so that it is the
    mean over area of the squared error of the standardised field. Only the network of the
    denoiser is trained; the latents are frozen here.

    Args:
        denoiser: D with its latents.
        levels: Distribution of sigma.
        weighting: lambda; None = `1 / c_out^2`, which makes 1 the loss of the untrained denoiser
            of latents that are N(0, I).
    """

    def __init__(
        self,
        denoiser: ConditionalDenoiser,
        levels: NoiseLevels | None = None,
        weighting: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        latents = denoiser.latents
        if isinstance(latents, nn.Module):
            latents.requires_grad_(False)
        mask = torch.ones(latents.latent_shape, dtype=torch.bool, device=latents.weights.device)
        self.denoising = DenoisingLoss(
            denoiser, mask, latents.weights, levels=levels, weighting=weighting
        )
        self._latents = (latents,)  # a tuple: the denoiser holds them as a module already

    def forward(self, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
        """Mean over a batch of pairs (x, known), a scalar.

        Args:
            batch: Truths (B, channel, lat, lon) and what is known of each, (B, channel + extra,
                lat, lon).
            generator: Of the noise and its levels, on the device of the batch.
        """
        x, known = batch
        with torch.no_grad():
            given = self._latents[0].given(known)
            z, condition = given.encode(x), given.condition
        loss: Tensor = self.denoising((z, condition), generator)
        return loss


@dataclass(frozen=True, eq=False)
class LatentTest:
    """Latents that no denoiser was trained on, what is told of each, and noise for them.

    Args:
        latents: Shape (n, *latent).
        condition: Shape (n, k, rows, columns).
        weights: Of squared errors, broadcastable to `latent`.
        sigmas: Noise levels.
        seed: Of the noise, which depends on it and the number of the level.
        batch: How many latents a denoiser is asked for at once.

    Raises:
        InputError: If there are no latents, or not as many conditions.
    """

    latents: Tensor
    condition: Tensor
    weights: Tensor
    sigmas: Sequence[float]
    seed: int = 0
    batch: int = 256

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not len(self.latents) or len(self.latents) != len(self.condition):
            raise InputError(
                f"{len(self.latents)} latents with {len(self.condition)} conditions cannot test: "
                "give one condition for each, and at least one."
            )

    @torch.no_grad()
    def errors(self, denoiser: Denoiser) -> Tensor:
        """Weighted mean square error at every level, shape (levels, n)."""
        rows = [self._errors_at(denoiser, n, sigma) for n, sigma in enumerate(self.sigmas)]
        return torch.stack(rows)

    def mean(self, denoiser: Denoiser) -> Tensor:
        """Mean of `errors` over the latents, shape (levels,), float64."""
        return self.errors(denoiser).double().mean(1)

    def ratio(self, denoiser: Denoiser, reference: Denoiser) -> Ratio:
        """Error of `denoiser` over that of `reference`, below 1 is better; cases independent."""
        ours, theirs = self.errors(denoiser).double(), self.errors(reference).double()
        value = ours.mean(1) / theirs.mean(1)
        left = ours - value[:, None] * theirs
        error = left.std(1) / len(self.latents) ** 0.5 / theirs.mean(1)
        return Ratio(torch.tensor(self.sigmas), value, error)

    def variance(self) -> Tensor:
        """Weighted mean square of the latents, a scalar: 1 where they are white."""
        return (self.latents.square() * self._share).flatten(1).sum(1).mean()

    def to(self, device: torch.device) -> LatentTest:
        """The same test on a device."""
        parts = (self.latents.to(device), self.condition.to(device), self.weights.to(device))
        return LatentTest(*parts, self.sigmas, self.seed, self.batch)

    @property
    def _share(self) -> Tensor:
        whole = self.weights.to(self.latents).expand(self.latents.shape[1:])
        return whole / whole.sum()

    def _errors_at(self, denoiser: Denoiser, level: int, sigma: float) -> Tensor:
        stream = torch.Generator().manual_seed(self.seed + 1_000_003 * level)
        noise = torch.randn(self.latents.shape, generator=stream).to(self.latents)
        tested, share = (self.latents, noise, self.condition), self._share
        errors = []
        for z, n, condition in zip(*(v.split(self.batch) for v in tested), strict=True):
            level_of_rows = torch.full((len(z),), sigma).to(z)
            answer = denoiser(z + sigma * n, level_of_rows, condition)
            errors.append(((answer - z).square() * share).flatten(1).sum(1))
        return torch.cat(errors)
