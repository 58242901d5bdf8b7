"""What an autoencoder minimises: weighted squares, and the width of its posterior."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from isopleth.core.errors import InputError

__all__ = ["Autoencoding", "AutoencodingLoss", "Posterior"]


class Posterior(Protocol):
    """`q(z | x)`, see `nets.autoencoder.DiagonalGaussian`."""

    @property
    def mean(self) -> Tensor:
        """Shape (B, *latent)."""
        ...

    def sample(self, generator: torch.Generator) -> Tensor:
        """One draw for each row, shape (B, *latent)."""
        ...

    def divergence(self) -> Tensor:
        """`KL(q || N(0, I))` a latent number, shape (B,)."""
        ...


class Autoencoding(Protocol):
    """A network with a posterior and a decoder."""

    def posterior(self, x: Tensor) -> Posterior:
        """`q(z | x)`."""
        ...

    def decode(self, z: Tensor) -> Tensor:
        """`D(z)`."""
        ...


class AutoencodingLoss(nn.Module):
    """`E_x [ ||D(z) - x||_w^2 + beta KL(q(z | x) || N(0, I)) ]`, z drawn from `q(z | x)`.

    The norm is a weighted mean over channels and cells of standardised fields; KL is a mean over
    latent numbers, so beta is the price of a nat in every one of them. With `beta = 0` z is the
    mean of q and the autoencoder is an ordinary one.
    Reference: Kingma and Welling (2014), arXiv:1312.6114; Higgins et al. (2017), beta-VAE.

    Args:
        net: A network that is an `Autoencoding`.
        weights: Such as areas, broadcastable to (channel, lat, lon), not negative.
        beta: Not negative; 1e-6 to 1e-4 keeps reconstructions sharp.

    Raises:
        InputError: If no weight is positive, one is negative, or beta is.
    """

    weights: Tensor

    def __init__(self, net: nn.Module, weights: Tensor, beta: float = 1e-5) -> None:
        super().__init__()
        if bool((weights < 0).any()) or not bool(weights.sum() > 0):
            raise InputError("no cell has a positive weight, or one is negative: give areas.")
        if not beta >= 0:
            raise InputError(f"beta is {beta}: it is a price, give 0 or more.")
        self.net = net
        self.beta = beta
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Loss of one batch, a scalar.

        Args:
            batch: Standardised fields (B, channel, lat, lon).
            generator: Of the draws from q, on the device of the batch.
        """
        net: Autoencoding = self.net  # type: ignore[assignment]
        q = net.posterior(batch)
        z = q.sample(generator) if self.beta else q.mean
        loss = self.error(net.decode(z), batch)
        return loss + self.beta * q.divergence().mean() if self.beta else loss

    def error(self, answer: Tensor, x: Tensor) -> Tensor:
        """Weighted mean square of `answer - x`, a scalar."""
        share = self.weights.expand(x.shape[1:])
        return ((answer - x).square() * (share / share.sum())).sum((-3, -2, -1)).mean()
