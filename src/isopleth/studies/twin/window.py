"""Contenders for a window: observations at several times, a trajectory as the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from isopleth.inference.kalman import LETKF, PriorInflation
from isopleth.inference.lagged import LaggedOI
from isopleth.inference.variational import (
    ByCase,
    FourDVar,
    GaussNewton,
    Increment,
    SampleCovariance,
    StaticOI,
)
from isopleth.studies.tuning import Dimension, LogUniform, Uniform
from isopleth.studies.twin.background import batched
from isopleth.studies.twin.oneshot import optimal
from isopleth.studies.twin.statistics import Seen, Statistics
from isopleth.studies.twin.world import Cases

__all__ = ["WINDOW", "Filtered", "FirstGuessTime", "FourD", "Free", "Lagged", "Sequential"]

_AMPLITUDE = LogUniform(0.4, 2.5)

Space = Mapping[str, Dimension]


@dataclass(frozen=True, kw_only=True)
class Free:
    """The forecast from the background."""

    name: ClassVar[str] = "background"
    space: ClassVar[Space] = {}

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """Its trajectory."""
        return stats.trajectory(cases.background, len(stats.steps))


@dataclass(frozen=True, kw_only=True)
class FirstGuessTime:
    """3D-Var with the first guess at the time of each observation: one increment for all times."""

    name: ClassVar[str] = "3D-Var, FGAT"
    space: ClassVar[Space] = {"amplitude": _AMPLITUDE}
    amplitude: float = 0.8

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The trajectory of the background plus the increment."""
        B, times = stats.errors, len(stats.steps)
        root = B.root[:, None].expand(-1, times, *B.state_shape)
        return _lagged(stats, replace(B, root=root, amplitude=self.amplitude), cases, seen)


@dataclass(frozen=True, kw_only=True)
class Sequential:
    """3D-Var at every time, with forecasts between: a filter of one state."""

    name: ClassVar[str] = "3D-Var, sequential"
    space: ClassVar[Space] = {"amplitude": _AMPLITUDE, "later": LogUniform(0.1, 1.5)}
    amplitude: float = 1.0
    later: float = 0.6

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """Each analysis knows the observations up to its time."""
        x, found = cases.background, []
        for step in stats.steps:
            if step:
                x = batched(stats.model.step, x)
            B = stats.errors.scaled(self.later if step else self.amplitude)
            x = optimal(B, x, seen[step])
            found.append(x)
        return torch.stack(found, 1)


@dataclass(frozen=True, kw_only=True)
class Lagged:
    """4D-OI: covariances of forecast errors at all times of the window, no model."""

    name: ClassVar[str] = "4D-OI"
    space: ClassVar[Space] = {"amplitude": _AMPLITUDE}
    amplitude: float = 1.0

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The trajectory."""
        return _lagged(stats, stats.lagged.scaled(self.amplitude), cases, seen)


@dataclass(frozen=True, kw_only=True)
class FourD:
    """Strong-constraint 4D-Var with the perfect model and the full covariance."""

    name: ClassVar[str] = "4D-Var"
    space: ClassVar[Space] = {"amplitude": _AMPLITUDE}
    amplitude: float = 1.0

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The forecast from the analysis at the window's start."""
        method = FourDVar(
            control=Increment(stats.errors.scaled(self.amplitude)),
            dynamics=stats.model,
            length=len(stats.steps) - 1,
            solver=GaussNewton(outer=2, inner=15, tolerance=1e-2),
        )
        parts = []
        for rows in torch.arange(len(cases)).split(_TOGETHER):
            own = {
                step: ByCase([each[row] for row in rows.tolist()]) for step, each in seen.items()
            }
            parts.append(method(cases.background[rows], own).state)
        return stats.trajectory(torch.cat(parts), len(stats.steps))


@dataclass(frozen=True, kw_only=True)
class Filtered:
    """LETKF at every time, with forecasts between: a filter of an ensemble."""

    name: ClassVar[str] = "LETKF, sequential"
    space: ClassVar[Space] = {"radius": LogUniform(1500.0, 12000.0), "factor": Uniform(1.0, 1.4)}
    radius: float = 4000.0
    factor: float = 1.05

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """Each mean knows the observations up to its time."""
        method = PriorInflation(LETKF(geometry=stats.globe, radius=self.radius), self.factor)
        rows = []
        for case, members in enumerate(cases.members):
            found, x = [], members
            for step in stats.steps:
                if step:
                    x = batched(stats.model.step, x)
                x = method(x, list(seen[step][case]))
                found.append(x.mean(0))
            rows.append(torch.stack(found))
        return torch.stack(rows)


_TOGETHER = 16
"""Cases of 4D-Var at once: about a GB for the adjoint of a day at T21."""


def _lagged(stats: Statistics, B: SampleCovariance, cases: Cases, seen: Seen) -> Tensor:
    method = LaggedOI(StaticOI(covariance=B), stats.steps)
    background = stats.trajectory(cases.background, len(stats.steps))
    return method(background, {step: ByCase(each) for step, each in seen.items()}).state


WINDOW = (Free, FirstGuessTime, Sequential, Lagged, FourD, Filtered)
