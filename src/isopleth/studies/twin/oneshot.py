"""Contenders for one analysis from a background and the observations of its time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from isopleth.core.protocols import Observed
from isopleth.inference.interpolation.shapes import GaspariCohn
from isopleth.inference.kalman import LETKF, PriorInflation
from isopleth.inference.kalman.located import positions
from isopleth.inference.variational import (
    ByCase,
    GaussNewton,
    Increment,
    SampleCovariance,
    SpectralCovariance,
    StaticOI,
    ThreeDVar,
)
from isopleth.inference.variational.readings import Readings
from isopleth.inference.variational.tangent import along
from isopleth.studies.tuning import Choice, Dimension, LogUniform, Uniform
from isopleth.studies.twin.statistics import Seen, Statistics
from isopleth.studies.twin.world import Cases

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
_LOOPS = 4
"""Linearisations of a nonlinear operator."""

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
        B = SpectralCovariance(stats.spectral, amplitude=self.amplitude, length=self.length)
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
        first = estimate(cases.background)
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
        method = PriorInflation(LETKF(geometry=stats.globe, radius=self.radius), self.factor)
        rows = [method(m, list(o)).mean(0) for m, o in zip(cases.members, seen[0], strict=True)]
        return torch.stack(rows)[:, None]


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
            members: Whose deviations from their mean make P, (N, 3, nlat, nlon).
            seen: Of the case.
        """
        read = Readings(seen, members)
        X = members - members.mean(0)
        scale = self.share * self.amplitude**2 / (len(members) - 1)
        near, among = self._tapers(stats, seen)
        H, y, R = read.case(0), read.values[0].double(), 1.0 / read.precision[0].double()
        at = centre
        for _ in range(1 if read.linear else _LOOPS):
            push = H if read.linear else partial(_tangent, H, at)
            Y = push(X).double()
            crossed = static.cross(push, members)
            system = (1.0 - self.share) * crossed.HBH.double() + scale * among * (Y.T @ Y)
            factor = torch.linalg.cholesky(system + torch.diag(R))
            d = y - H(at[None])[0].double() + push((at - centre)[None])[0].double()
            z = torch.cholesky_solve(d[:, None], factor)[:, 0]
            local = near @ (Y * z).T  # (columns, N)
            step = torch.einsum("nlc,cn->lc", X.double().flatten(2), local).reshape(X.shape[1:])
            static_step = crossed.increment(z[None])[0].double()
            at = centre + ((1.0 - self.share) * static_step + scale * step).to(centre)
        return at

    def _tapers(self, stats: Statistics, seen: list[Observed]) -> tuple[Tensor, Tensor]:
        """The taper between the grid's columns and the observations, and among the observations."""
        diameter, taper = 2.0 * stats.globe.chordal_radius, GaspariCohn()
        reach = diameter * math.sin(min(self.radius / diameter, 0.5 * math.pi))
        chords = stats.chords(positions(seen))
        near, among = (torch.from_numpy(taper((d / reach).numpy())) for d in chords)
        return near, among


@dataclass(frozen=True, kw_only=True)
class HybridAroundBackground(Hybrid):
    """The same around the background, which the members do not better."""

    name: ClassVar[str] = "hybrid EnVar around background"

    def _centre(self, cases: Cases, row: int) -> Tensor:
        return cases.background[row]


def _tangent(H: Callable[[Tensor], Tensor], at: Tensor, rows: Tensor) -> Tensor:
    return along(H, at.expand_as(rows), rows)


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
