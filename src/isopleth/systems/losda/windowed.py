"""LO-SDA-4D: the observations of a window, through the model, held against one learned prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from isopleth.inference.fixed_point import FixedPoint
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational import ByCase
from isopleth.inference.variational.readings import Window
from isopleth.studies.tuning import Dimension, LogUniform, Uniform
from isopleth.studies.twin.frozen import Cases
from isopleth.studies.twin.statistics import Seen, Statistics
from isopleth.systems.losda.learned import LearnedStatistics

__all__ = ["FixedPointsInWindow", "UninformedInWindow"]

_TOGETHER = 16
"""Cases at once: about a GB for the adjoint of a day at T21."""


@dataclass(frozen=True, kw_only=True)
class FixedPointsInWindow:
    """The fixed point with the window's readings of the forecast from the analysis.

        w <- argmin 1/2 sum_k |R^-1/2 (y_k - H_k M_k D(w))|^2 + 1/2 |w - q|^2 / a^2

    one linearisation of the model an iteration; 4D-Var with a prior that knows the background.
    """

    name: ClassVar[str] = "LO-SDA-4D"
    space: ClassVar[Mapping[str, Dimension]] = {
        "sigma": LogUniform(0.2, 2.0),
        "strength": Uniform(0.2, 1.6),
        "amplitude": LogUniform(0.5, 2.0),
    }
    sigma: float = 0.7
    strength: float = 1.0
    amplitude: float = 1.0
    iterations: int = 3

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The forecast from the analysis at the window's start."""
        assert isinstance(stats, LearnedStatistics)
        parts = []
        for rows in torch.arange(len(cases)).split(_TOGETHER):
            chosen = rows.tolist()
            own = {step: ByCase([each[row] for row in chosen]) for step, each in seen.items()}
            parts.append(self._analysed(stats, stats.known(cases)[rows], own))
        return stats.trajectory(torch.cat(parts), len(stats.steps))

    def _analysed(
        self, stats: LearnedStatistics, known: Tensor, seen: Mapping[int, ByCase]
    ) -> Tensor:
        assert stats.denoiser is not None
        with torch.no_grad():
            prior = stats.denoiser.given(known)
        window = Window(seen, known)

        def decode(z: Tensor) -> list[Tensor]:
            x, states = prior.latents.decode(z), []
            for step in range(max(window.steps) + 1):
                if step:
                    x = stats.model.step(x)
                if step in window.steps:
                    states.append(x)
            return states

        method = FixedPoint(
            prior=prior,
            seen=LatentReadings(window, decode),
            sigma=self.sigma,
            strength=self.strength,
            amplitude=self.amplitude,
            iterations=self.iterations,
            inner=15,
            tolerance=1e-2,
        )
        w = method(torch.zeros(len(known), *stats.denoiser.latents.latent_shape))
        with torch.no_grad():
            return prior.latents.decode(w)


@dataclass(frozen=True, kw_only=True)
class UninformedInWindow(FixedPointsInWindow):
    """The control, lambda = 0: 4D-Var around the learned mean with the learned spread."""

    name: ClassVar[str] = "control 4D, lambda = 0"
    space: ClassVar[Mapping[str, Dimension]] = {"amplitude": LogUniform(0.5, 2.0)}
    strength: float = 0.0
