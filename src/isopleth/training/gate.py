"""The gate a trained prior must pass: its error against the Wiener filter's, by noise level.

A network that denoises no better than the exact denoiser of a fitted Gaussian has learnt nothing
that optimal interpolation does not know, whatever its loss curve looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isopleth.core.errors import InputError

__all__ = ["DenoisingTest", "Ratio", "mse_by_noise_level"]

Prior = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Ratio:
    """Mean square errors of one prior over those of another, by noise level.

    Args:
        sigmas: Noise levels, shape (k,).
        value: sum of errors / sum of the reference's errors, on the same fields and noise.
        standard_error: Of `value`, by linearisation over the fields, which count as independent.
    """

    sigmas: Tensor
    value: Tensor
    standard_error: Tensor


@dataclass(frozen=True, eq=False)
class DenoisingTest:
    """Fields that no prior was trained on, and the noise that every prior is given.

    Args:
        states: Fields, 0 on land, shape (n, level, lat, lon).
        mask: True = ocean, shape (level, lat, lon).
        sigmas: Noise levels, in the unit of the states.
        seed: Of the noise; the noise of a field depends on the seed, the number of the level and
            the number of the field only.
        weights: Such as cell areas, broadcastable to the mask; None = all alike.
        batch: How many fields a prior is asked for at once.

    Raises:
        InputError: If there are no states, or their shape is not the mask's.
    """

    states: Tensor
    mask: Tensor
    sigmas: Sequence[float] | Tensor
    seed: int = 0
    weights: Tensor | None = None
    batch: int = 32

    def __post_init__(self) -> None:
        """Check the shapes."""
        if self.states.ndim != 4 or not len(self.states):
            raise InputError(
                f"states of shape {tuple(self.states.shape)} cannot test: give (n, level, lat, "
                "lon) with at least one field."
            )
        if self.mask.shape != self.states.shape[1:]:
            raise InputError(
                f"the mask has shape {tuple(self.mask.shape)}, a state "
                f"{tuple(self.states.shape[1:])}: give both on one grid."
            )

    def errors(self, prior: Prior) -> Tensor:
        """Weighted mean square error of every field at every level, shape (k, n)."""
        rows = [self._errors_at(prior, level, float(s)) for level, s in enumerate(self.sigmas)]
        return torch.stack(rows)

    def mse(self, prior: Prior) -> Tensor:
        """Mean of `errors` over the fields, shape (k,)."""
        return self.errors(prior).mean(1)

    def ratio(self, prior: Prior, reference: Prior) -> Ratio:
        """How the error of `prior` compares with that of `reference`; below 1 is better."""
        ours, theirs = self.errors(prior).double(), self.errors(reference).double()
        value = ours.mean(1) / theirs.mean(1)
        left = ours - value[:, None] * theirs
        count = left.shape[1]
        spread = left.square().sum(1).div(max(count - 1, 1)).sqrt() / count**0.5
        error = spread / theirs.mean(1) if count > 1 else torch.full_like(value, torch.inf)
        return Ratio(torch.as_tensor(self.sigmas), value, error)

    @torch.no_grad()
    def _errors_at(self, prior: Prior, level: int, sigma: float) -> Tensor:
        share = self.mask.to(self.states) * (1.0 if self.weights is None else self.weights)
        share = share / share.sum()
        parts = []
        for start in range(0, len(self.states), self.batch):
            x = torch.where(self.mask, self.states[start : start + self.batch], 0.0)
            noise = torch.stack([self._noise(level, start + i) for i in range(len(x))])
            noisy = torch.where(self.mask, x + sigma * noise.to(x), 0.0)
            answer = prior(noisy, torch.full((len(x),), sigma, dtype=x.dtype, device=x.device))
            error = torch.where(self.mask, answer - x, 0.0)
            parts.append((share * error**2).sum((-3, -2, -1)))
        return torch.cat(parts)

    def _noise(self, level: int, field: int) -> Tensor:
        seed = np.random.SeedSequence([self.seed, level, field]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(seed) >> 1)
        return torch.randn(self.states.shape[1:], generator=generator)


def mse_by_noise_level(
    prior: Prior, states: Tensor, mask: Tensor, sigmas: Sequence[float] | Tensor, seed: int = 0
) -> Tensor:
    """E ||prior(x + sigma n, sigma) - x||^2 per ocean cell, for each sigma; shape (k,).

    The shorthand of `DenoisingTest(states, mask, sigmas, seed).mse(prior)`.

    >>> mask = torch.ones(1, 4, 4, dtype=torch.bool)
    >>> nothing = torch.zeros(3, 1, 4, 4)
    >>> mse_by_noise_level(lambda x, sigma: 0 * x, nothing, mask, [0.1, 1.0]).tolist()
    [0.0, 0.0]
    """
    return DenoisingTest(states, mask, sigmas, seed).mse(prior)
