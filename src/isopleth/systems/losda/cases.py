"""Cases: the prior of several backgrounds, what was seen of each, and members drawn from both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.protocols import Observed
from isopleth.inference.latent_optimisation import without_noise
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational import ByCase
from isopleth.inference.variational.readings import Readings
from isopleth.priors.background_latent import LatentsGiven
from isopleth.priors.conditional import ConditionalDenoiser, WhiteGaussian
from isopleth.priors.noise import MemberNoise
from isopleth.priors.samplers import Noise

__all__ = ["Bound", "CaseBatches"]

_APART = 1_000_000
"""Members of a case are numbered from this many times its own number."""

Prior = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False, kw_only=True)
class Bound:
    """Some cases whose background and observations are known.

    Attributes:
        prior: `(z, sigma) -> E[z0 | z]`, row r of case `r mod C`.
        latents: Decode z.
        seen: What was read of z.
        known: Backgrounds and what stands behind them, (C, channel + extra, lat, lon).
        observations: Of every case.
        numbers: Of the cases, which seed their members.
    """

    prior: Prior
    latents: LatentsGiven
    seen: LatentReadings
    known: Tensor
    observations: Sequence[Sequence[Observed]]
    numbers: tuple[int, ...]
    latent_shape: tuple[int, ...]

    def noise(self, members: int, seed: int) -> Noise:
        """Numbers of (members C) rows that depend on case and member alone."""
        rows = [n * _APART + member for member in range(members) for n in self.numbers]
        return MemberNoise(seed, rows)

    def still(self) -> Noise:
        """No noise, one row a case."""
        return without_noise(len(self.numbers), self.known)

    def states(self, z: Tensor) -> Tensor:
        """Members of every case, (M, C, *state), from rows (M C, *latent)."""
        return self.latents.decode(z).unflatten(0, (-1, len(self.numbers)))


@dataclass(frozen=True, eq=False)
class CaseBatches:
    """Cuts cases into parts that fit into memory, and binds each; bound ones are kept.

    Args:
        denoiser: The prior.
        trained: Whether its network is asked; else it is N(0, I) in the same latents.
        size: Most cases at once.
    """

    denoiser: ConditionalDenoiser
    trained: bool = True
    size: int = 16

    def __call__(
        self, known: Tensor, observations: Sequence[Sequence[Observed]]
    ) -> Iterator[Bound]:
        """The parts in order.

        Args:
            known: Backgrounds and what stands behind them, (n, channel + extra, lat, lon).
            observations: Of every case.

        Raises:
            InputError: As the latents and the readings.
        """
        for start in range(0, len(known), self.size):
            rows = slice(start, start + self.size)
            yield self._bound(known[rows], observations[rows], start)

    def _bound(
        self, known: Tensor, observations: Sequence[Sequence[Observed]], start: int
    ) -> Bound:
        with torch.no_grad():
            given = self.denoiser.given(known)
        latents = given.latents

        def alone(case: int) -> Callable[[Tensor], Tensor]:
            with torch.no_grad():
                return self.denoiser.latents.given(known[case : case + 1]).decode

        readings = Readings(ByCase(observations), known)
        seen = LatentReadings(readings, latents.decode, linear_decode=latents.linear, alone=alone)
        return Bound(
            prior=given if self.trained else WhiteGaussian(self.denoiser.sigma_data),
            latents=latents,
            seen=seen,
            known=known,
            observations=observations,
            numbers=tuple(range(start, start + len(known))),
            latent_shape=self.denoiser.latents.latent_shape,
        )
