"""Contenders that have a learned emulator in place of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from isopleth.core.protocols import Observed
from isopleth.dynamics.gridded import GriddedWorld
from isopleth.dynamics.learned import EmulatedWorld, load_emulator
from isopleth.dynamics.rollout import rollout
from isopleth.inference.kalman import Located
from isopleth.inference.variational import ByCase, FourDVar, GaussNewton, Increment
from isopleth.observe.observation import Observation
from isopleth.studies.tuning import Dimension, LogUniform, Uniform
from isopleth.studies.twin.background import batched
from isopleth.studies.twin.statistics import Seen, Statistics
from isopleth.studies.twin.world import Cases

__all__ = ["EMULATED", "EmulatedFourD"]

_TOGETHER = 16


@dataclass(frozen=True, kw_only=True)
class EmulatedFourD:
    """Strong-constraint 4D-Var in which a network takes the place of the model everywhere.

    The error of the network is allowed for in the observations: `R_k = (1 + growth k) R` at the
    k-th time of the window.
    """

    name: ClassVar[str] = "4D-Var, emulator"
    space: ClassVar[Mapping[str, Dimension]] = {
        "amplitude": LogUniform(0.4, 2.5),
        "growth": Uniform(0.0, 2.0),
    }
    amplitude: float = 1.0
    growth: float = 0.2

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The network's forecast from the analysis at the window's start."""
        climate, step = stats.quasigeostrophic.climate, stats.model.step_seconds
        network = EmulatedWorld(load_emulator(), climate.world)
        model = GriddedWorld(
            climate.world, climate.mean, climate.sd, seconds=step, dynamics=network
        )
        method = FourDVar(
            control=Increment(stats.errors.scaled(self.amplitude)),
            dynamics=model,
            length=len(stats.steps) - 1,
            solver=GaussNewton(outer=2, inner=15, tolerance=1e-2),
        )
        parts = []
        for rows in torch.arange(len(cases)).split(_TOGETHER):
            own = {
                k: ByCase([[self._allowing(o, k) for o in each[row]] for row in rows.tolist()])
                for k, each in seen.items()
            }
            parts.append(method(cases.background[rows], own).state)
        x = torch.cat(parts)
        path = rollout(lambda y: batched(model.step, y), x, len(stats.steps) - 1)
        return torch.stack([x, *path], 1)

    def _allowing(self, seen: Observed, step: int) -> Observed:
        """The observation with the network's error in its variance."""
        assert isinstance(seen, Located)
        inner = seen.observation
        assert isinstance(inner, Observation)
        return replace(inner, variance=inner.variance * (1.0 + self.growth * step))


EMULATED = (EmulatedFourD,)
