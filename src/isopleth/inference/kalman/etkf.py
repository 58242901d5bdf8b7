"""ETKF: the ensemble transform Kalman filter, without localisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.protocols import Observed
from isopleth.inference.kalman.predicted import Predicted
from isopleth.inference.kalman.transform import ensemble_transform

__all__ = ["ETKF"]


@dataclass(frozen=True)
class ETKF:
    """The exact Kalman update of the ensemble's own mean and covariance (H linear).

    Deterministic: the deviations are multiplied by the symmetric square root, see
    `ensemble_transform`. Without localisation N members fit at most N - 1 directions, so it wants
    more members than the system has growing modes.
    Reference: Bishop, Etherton and Majumdar (2001), Mon. Weather Rev. 129, 420; Sakov and Oke
    (2008), Mon. Weather Rev. 136, 1042, for the symmetric solution.
    """

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
        T = ensemble_transform(S @ S.T, S @ seen.scaled_innovation).to(background)
        mean = background.mean(0)
        return mean + torch.tensordot(T.mT, background - mean, 1)
