"""Contenders for one analysis from a background and the observations of its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from isopleth.core.protocols import Observed
from isopleth.inference.kalman import LETKF, PriorInflation
from isopleth.inference.kalman.located import positions
from isopleth.inference.variational import (
    ByCase,
    GaussNewton,
    Increment,
    SampleCovariance,
    StaticOI,
    ThreeDVar,
)
from isopleth.studies.tuning import Choice, Dimension, LogUniform, Uniform
from isopleth.studies.twin.frozen import Cases
from isopleth.studies.twin.localised import Localised, Part, Weighted, blended, tapers
from isopleth.studies.twin.statistics import Seen, Statistics

__all__ = [
    "ONE_SHOT",
    "Background",
    "Climatological",
    "FullCovariance",
    "Hybrid",
    "HybridAroundBackground",
    "Local",
    "Regressed",
    "Spectral",
    "optimal",
]

_RADIUS = LogUniform(1500.0, 12000.0)
_AMPLITUDE = LogUniform(0.4, 2.5)

Space = Mapping[str, Dimension]


def optimal(B: SampleCovariance, background: Tensor, seen: Sequence[Sequence[Observed]]) -> Tensor:
    """Exact 3D-Var of every case, shape of the background."""
    return StaticOI(covariance=B)(background, ByCase(seen)).state


@dataclass(frozen=True, kw_only=True)
class Background:
    """What was there before."""

    name: ClassVar[str] = "background"
    space: ClassVar[Space] = {}

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The background."""
        return cases.background[:, None]


@dataclass(frozen=True, kw_only=True)
class Climatological:
    """3D-Var with the rescaled covariance of states: the weak baseline, shown for comparison."""

    name: ClassVar[str] = "3D-Var, climatological B"
    space: ClassVar[Space] = {"amplitude": LogUniform(0.05, 1.0)}
    amplitude: float = 0.3

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The analysis."""
        B = stats.climatological.scaled(self.amplitude)
        return optimal(B, cases.background, seen[0])[:, None]


@dataclass(frozen=True, kw_only=True)
class Spectral:
    """3D-Var with a control-variable transform: vertical EOFs x isotropic spectra x deviation."""

    name: ClassVar[str] = "3D-Var, spectral B"
    space: ClassVar[Space] = {"amplitude": _AMPLITUDE, "length": LogUniform(0.5, 2.0)}
    amplitude: float = 1.0
    length: float = 1.0

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The analysis."""
        B = stats.modelled(self.amplitude, self.length)
        method = ThreeDVar(Increment(B), GaussNewton(outer=1, inner=80, tolerance=1e-3))
        return method(cases.background, ByCase(seen[0])).state[:, None]


@dataclass(frozen=True, kw_only=True)
class FullCovariance:
    """3D-Var with the full covariance of background errors, solved exactly."""

    name: ClassVar[str] = "3D-Var"
    space: ClassVar[Space] = {"amplitude": _AMPLITUDE}
    amplitude: float = 1.0

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The analysis."""
        B = stats.errors.scaled(self.amplitude)
        return optimal(B, cases.background, seen[0])[:, None]


@dataclass(frozen=True, kw_only=True)
class Regressed:
    """The same around the linear regression of the truth on the background."""

    name: ClassVar[str] = "3D-Var around regression"
    space: ClassVar[Space] = {
        "amplitude": _AMPLITUDE,
        "ridge": Choice((0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
    }
    amplitude: float = 1.0
    ridge: float = 0.3

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The analysis."""
        estimate, B = stats.regression(self.ridge)
        first = estimate(stats.known(cases))
        return optimal(B.scaled(self.amplitude), first, seen[0])[:, None]


@dataclass(frozen=True, kw_only=True)
class Local:
    """LETKF: members that went through the background's own cycle with perturbed observations."""

    name: ClassVar[str] = "LETKF"
    space: ClassVar[Space] = {"radius": _RADIUS, "factor": Uniform(1.0, 1.6)}
    radius: float = 4000.0
    factor: float = 1.1

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The mean of the members."""
        return self.ensemble(stats, cases, seen).mean(0)[:, None]

    def ensemble(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The members, (N, n, 3, nlat, nlon)."""
        method = PriorInflation(LETKF(geometry=stats.globe, radius=self.radius), self.factor)
        rows = [method(m, list(o)) for m, o in zip(cases.members, seen[0], strict=True)]
        return torch.stack(rows, 1)


@dataclass(frozen=True, kw_only=True)
class Hybrid:
    """Hybrid EnVar: static and localised ensemble covariance together, around the members' mean.

        B = (1 - share) B_s + share amplitude^2 (rho o P)

    solved exactly in the space of the observations, where rho is taken between observations; a
    nonlinear operator is linearised anew around the last estimate.
    """

    name: ClassVar[str] = "hybrid EnVar"
    space: ClassVar[Space] = {
        "share": Uniform(0.0, 1.0),
        "radius": _RADIUS,
        "amplitude": _AMPLITUDE,
    }
    share: float = 0.7
    radius: float = 6000.0
    amplitude: float = 1.0

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The analysis of every case."""
        rows = [
            self.around(self._centre(cases, row), stats, stats.errors, members, list(observed))
            for row, (members, observed) in enumerate(zip(cases.members, seen[0], strict=True))
        ]
        return torch.stack(rows)[:, None]

    def _centre(self, cases: Cases, row: int) -> Tensor:
        return cases.members[row].mean(0)

    def around(
        self,
        centre: Tensor,
        stats: Statistics,
        static: SampleCovariance,
        members: Tensor,
        seen: list[Observed],
    ) -> Tensor:
        """The analysis of one case, shape `state`.

        Args:
            centre: The first guess, shape `state`.
            stats: Bring the distances.
            static: `B_s`.
            members: Whose deviations from their mean make P, (N, channel, nlat, nlon).
            seen: Of the case.
        """
        return self.with_static(centre, stats, Weighted(static, 1.0 - self.share), members, seen)

    def with_static(
        self,
        centre: Tensor,
        stats: Statistics,
        static: Part,
        members: Tensor,
        seen: list[Observed],
    ) -> Tensor:
        """The same with any static part, which has its weight already."""
        X = (members - members.mean(0)).double()
        scale = self.share * self.amplitude**2 / (len(members) - 1)
        taper = tapers(stats.globe, positions(seen), self.radius)
        return blended(centre, [static, Localised(X, scale, taper)], seen)


@dataclass(frozen=True, kw_only=True)
class HybridAroundBackground(Hybrid):
    """The same around the background, which the members do not better."""

    name: ClassVar[str] = "hybrid EnVar around background"

    def _centre(self, cases: Cases, row: int) -> Tensor:
        return cases.background[row]


ONE_SHOT = (
    Background,
    Climatological,
    Spectral,
    FullCovariance,
    Regressed,
    Local,
    Hybrid,
    HybridAroundBackground,
)
