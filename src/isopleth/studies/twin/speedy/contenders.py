"""Contenders whose covariances are samples: few beside the size of a state, so localised.

Spurious correlations of n samples are about `n^-1/2` each, and there are as many as observations:
with 1500 errors and 5000 values they would add up to more than the signal. A taper removes those
of places far apart; its radius is tuned like the amplitude.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from isopleth.core.protocols import Observed
from isopleth.inference.kalman.located import positions
from isopleth.inference.variational import SampleCovariance
from isopleth.studies.tuning import Choice, Dimension, LogUniform, Uniform
from isopleth.studies.twin.frozen import Cases
from isopleth.studies.twin.localised import Localised, blended, tapers
from isopleth.studies.twin.oneshot import Background, Hybrid, Local, Spectral
from isopleth.studies.twin.statistics import Seen, Statistics

__all__ = [
    "ONE_SHOT",
    "LocalisedHybrid",
    "LocalisedHybridAroundBackground",
    "LocalisedRegressed",
    "LocalisedStatic",
    "localised",
]

_RADIUS = LogUniform(1000.0, 10_000.0)
_AMPLITUDE = LogUniform(0.4, 2.5)

Space = Mapping[str, Dimension]


def localised(
    stats: Statistics,
    B: SampleCovariance,
    radius: float,
    centres: Tensor,
    seen: Sequence[Sequence[Observed]],
) -> Tensor:
    """Optimal interpolation of every case with tapered samples, shape of the centres.

    Args:
        stats: Bring the distances.
        B: Samples and their amplitude.
        radius: Where the taper reaches 0, km.
        centres: First guesses, (n, *state).
        seen: Of every case.
    """
    rows = []
    for centre, observed in zip(centres, seen, strict=True):
        part = _part(stats, B, radius, observed)
        rows.append(blended(centre, [part], observed))
    return torch.stack(rows)


@dataclass(frozen=True, kw_only=True)
class LocalisedStatic:
    """3D-Var with the localised covariance of background errors, solved exactly."""

    name: ClassVar[str] = "3D-Var"
    space: ClassVar[Space] = {"amplitude": _AMPLITUDE, "radius": _RADIUS}
    amplitude: float = 1.0
    radius: float = 3000.0

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The analysis."""
        B = stats.errors.scaled(self.amplitude)
        return localised(stats, B, self.radius, cases.background, seen[0])[:, None]


@dataclass(frozen=True, kw_only=True)
class LocalisedRegressed:
    """The same around the linear regression of the truth on the background."""

    name: ClassVar[str] = "3D-Var around regression"
    space: ClassVar[Space] = {
        "amplitude": _AMPLITUDE,
        "radius": _RADIUS,
        "ridge": Choice((0.3, 1.0, 3.0, 10.0)),
    }
    amplitude: float = 1.0
    radius: float = 3000.0
    ridge: float = 1.0

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The analysis."""
        estimate, B = stats.world.regression(self.ridge)  # half a GB: not kept for every ridge
        first = estimate(cases.background)
        B = B.scaled(self.amplitude)
        return localised(stats, B, self.radius, first, seen[0])[:, None]


@dataclass(frozen=True, kw_only=True)
class LocalisedHybrid:
    """Hybrid EnVar around the members' mean: localised samples and localised members together.

    See `oneshot.Hybrid`; the samples have a radius of their own.
    """

    name: ClassVar[str] = "hybrid EnVar"
    space: ClassVar[Space] = {
        "share": Uniform(0.0, 1.0),
        "radius": _RADIUS,
        "static_radius": _RADIUS,
        "amplitude": _AMPLITUDE,
    }
    share: float = 0.5
    radius: float = 2500.0
    static_radius: float = 3000.0
    amplitude: float = 1.0

    def __call__(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """The analysis of every case."""
        hybrid = Hybrid(share=self.share, radius=self.radius, amplitude=self.amplitude)
        B = stats.errors.scaled((1.0 - self.share) ** 0.5 or 1e-6)
        rows = []
        for row, (members, observed) in enumerate(zip(cases.members, seen[0], strict=True)):
            static = _part(stats, B, self.static_radius, observed)
            centre = self._centre(cases, row)
            rows.append(hybrid.with_static(centre, stats, static, members, list(observed)))
        return torch.stack(rows)[:, None]

    def _centre(self, cases: Cases, row: int) -> Tensor:
        return cases.members[row].mean(0)


@dataclass(frozen=True, kw_only=True)
class LocalisedHybridAroundBackground(LocalisedHybrid):
    """The same around the background, which the members do not better."""

    name: ClassVar[str] = "hybrid EnVar around background"

    def _centre(self, cases: Cases, row: int) -> Tensor:
        return cases.background[row]


def _part(
    stats: Statistics, B: SampleCovariance, radius: float, seen: Sequence[Observed]
) -> Localised:
    taper = tapers(stats.globe, positions(seen), radius)
    return Localised(B.root, B.amplitude**2, taper)


ONE_SHOT = (
    Background,
    Spectral,
    LocalisedStatic,
    LocalisedRegressed,
    Local,
    LocalisedHybrid,
    LocalisedHybridAroundBackground,
)
