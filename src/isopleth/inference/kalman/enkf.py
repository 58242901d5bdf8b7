"""EnKF: the stochastic ensemble Kalman filter, perturbed observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.protocols import Observed
from isopleth.inference.kalman.predicted import Predicted

__all__ = ["EnKF"]


@dataclass(frozen=True, eq=False)
class EnKF:
    """Every member is a Kalman update with its own draw of the observations.

        x_i^a = x_i + X' [(N - 1) I + S S']^-1 S R^-1/2 (y + e_i - H x_i),   e_i ~ N(0, R)

    which is the gain `P H' (H P H' + R)^-1` of the sample covariance, solved in the space of the
    members. The draws are centred, so that the mean is that of the unperturbed observations, and
    scaled by `sqrt(N / (N - 1))`, so that their covariance is R on average. Without localisation.
    Reference: Burgers, van Leeuwen and Evensen (1998), Mon. Weather Rev. 126, 1719.

    Args:
        generator: Of the draws; on the CPU. Two analyses in a row have different ones.
    """

    generator: torch.Generator

    @torch.no_grad()
    def __call__(self, background: Tensor, observations: Sequence[Observed]) -> Tensor:
        """Members of `x | y`, shape and precision of the background, `(N, *state)`.

        Raises:
            InputError: As `Predicted.of`.
        """
        seen = Predicted.of(background, observations)
        if not len(seen.values):
            return background
        S = seen.scaled_anomalies
        departures = (seen.values - seen.members) / seen.variance.sqrt() + self._draws(S)
        system = S @ S.T + (len(S) - 1) * torch.eye(len(S), dtype=S.dtype, device=S.device)
        weights = torch.linalg.solve(system, S @ departures.T).to(background)
        return background + torch.tensordot(weights.mT, background - background.mean(0), 1)

    def _draws(self, S: Tensor) -> Tensor:
        """`R^-1/2 e_i`, shape of S."""
        e = torch.randn(S.shape, generator=self.generator, dtype=S.dtype).to(S.device)
        return (e - e.mean(0)) * (len(S) / (len(S) - 1)) ** 0.5
