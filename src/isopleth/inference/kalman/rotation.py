"""Rotation: members drawn anew from the same mean and covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.protocols import Analysis, Observed
from isopleth.inference.kalman.predicted import anything_seen

__all__ = ["Rotation"]


@dataclass(frozen=True, eq=False)
class Rotation:
    """The analysis with its deviations turned at random: same mean, same covariance.

    Undoes the few outlying members that repeated transforms of one ensemble produce. The rotation
    is uniform among those that leave the mean alone.
    Reference: Sakov and Oke (2008), Mon. Weather Rev. 136, 1042, sec. 4; uniform rotations,
    Mezzadri (2007), Not. Am. Math. Soc. 54, 592.

    Args:
        analysis: Any.
        generator: Of the rotations; on the CPU.
    """

    analysis: Analysis
    generator: torch.Generator

    @torch.no_grad()
    def __call__(self, background: Tensor, observations: Sequence[Observed]) -> Tensor:
        """Members of `x | y`, `(N, *state)`; as they are where nothing was seen."""
        members = self.analysis(background, observations)
        if not anything_seen(observations):
            return members
        mean = members.mean(0)
        turn = _rotation(len(members), self.generator).to(members)
        return mean + torch.tensordot(turn, members - mean, 1)


def _rotation(size: int, generator: torch.Generator) -> Tensor:
    """Orthogonal, with rows that sum to one, shape (size, size), float64."""
    Q, R = torch.linalg.qr(
        torch.randn(size - 1, size - 1, generator=generator, dtype=torch.float64)
    )
    Q = Q * R.diagonal().sign()
    start = torch.eye(size, dtype=torch.float64)
    start[:, 0] = 1.0
    basis = torch.linalg.qr(start)[0]
    inner = basis[:, 1:] @ Q @ basis[:, 1:].T
    return inner + torch.full((size, size), 1.0 / size, dtype=torch.float64)
