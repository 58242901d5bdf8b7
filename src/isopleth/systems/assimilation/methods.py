"""The methods: each makes an analysis of one posed problem; a name selects one in the CLI only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from isopleth.core.channels import Channels
from isopleth.core.protocols import Analysis
from isopleth.inference.kalman import (
    ETKF,
    LETKF,
    RTPS,
    EnKF,
    Located,
    Predicted,
    PriorInflation,
    Sphere,
)
from isopleth.inference.screening import Readable
from isopleth.systems.assimilation.envar import EnsembleSeen, MixedSeen
from isopleth.systems.assimilation.recipe import Recipe
from isopleth.systems.assimilation.solving import Pointwise, analysis_deviation, solve
from isopleth.systems.assimilation.statistics import Statistics

__all__ = ["Analysed", "Hybrid", "LocalEnsemble", "Method", "Posed", "Static", "WholeEnsemble"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Posed:
    """What is to be analysed.

    Args:
        channels: Of the states.
        background: `x_b`, float64, shape (channel, lat, lon).
        members: About `x_b`, shape (N, channel, lat, lon); None without an ensemble.
        statistics: Of the static covariance; None where no method wants it.
        recipe: Numbers.
    """

    channels: Channels
    background: Tensor
    members: Tensor | None
    statistics: Statistics | None
    recipe: Recipe


@dataclass(frozen=True, eq=False, kw_only=True)
class Analysed:
    """An analysis.

    Args:
        mean: `x_a`, shape (channel, lat, lon).
        spread: Standard deviation of its error as the method has it; None where not computed.
        members: Shape (N, channel, lat, lon), or None.
        chi_square: `d' (H B H' + R)^-1 d / p`; of the ensemble filters, whose covariance is
            noisy or no matrix, with its diagonal alone.
        remarks: What did not go as it should.
    """

    mean: Tensor
    spread: Tensor | None = None
    members: Tensor | None = None
    chi_square: float = float("nan")
    remarks: tuple[str, ...] = ()


class Method(Protocol):
    """A way to an analysis."""

    @property
    def words(self) -> str:
        """What it is, in a line."""
        ...

    @property
    def needs_ensemble(self) -> bool:
        """Whether it cannot do without members."""
        ...

    @property
    def needs_statistics(self) -> bool:
        """Whether it wants a static covariance."""
        ...

    @property
    def localised(self) -> bool:
        """Whether the recipe's radius matters."""
        ...

    def background_deviation(self, posed: Posed) -> Tensor:
        """`s_b` of every cell, shape of a state."""
        ...

    def at(self, posed: Posed, read: Readable) -> Tensor:
        """`s_b` at the observations, `sqrt(diag H B H')`, shape (n,)."""
        ...

    def __call__(self, posed: Posed, read: Readable, *, errors: bool = True) -> Analysed:
        """The analysis; `errors=False` leaves out what is slow to compute of its error."""
        ...


@dataclass(frozen=True)
class Static:
    """3D-Var with a static covariance, see `statistics` and `solving`."""

    words: str = "3D-Var: a static background covariance, minimised in observation space"
    needs_ensemble: bool = False
    needs_statistics: bool = True
    localised: bool = False

    def background_deviation(self, posed: Posed) -> Tensor:
        """Of the statistics."""
        assert posed.statistics is not None
        return posed.statistics.deviation

    def at(self, posed: Posed, read: Readable) -> Tensor:
        """Of the covariance as the observations see it."""
        return torch.from_numpy(self._seen(posed, read).deviation)

    def __call__(self, posed: Posed, read: Readable, *, errors: bool = True) -> Analysed:
        """The minimum, and its error where there are few enough observations."""
        deviation = self.background_deviation(posed)
        return _minimum(posed, read, self._seen(posed, read), deviation if errors else None)

    def _seen(self, posed: Posed, read: Readable) -> Pointwise:
        assert posed.statistics is not None
        return posed.statistics.seen(posed.channels, read)


@dataclass(frozen=True)
class LocalEnsemble:
    """LETKF: an ensemble transform at every column, from the observations near it."""

    words: str = "LETKF: an ensemble transform at every column, from the observations near it"
    needs_ensemble: bool = True
    needs_statistics: bool = False
    localised: bool = True

    def background_deviation(self, posed: Posed) -> Tensor:
        """Of the members."""
        return _inflated(posed).std(0)

    def at(self, posed: Posed, read: Readable) -> Tensor:
        """Of what the members would have read."""
        return read.operator(_inflated(posed)).std(0)

    def __call__(self, posed: Posed, read: Readable, *, errors: bool = True) -> Analysed:
        """Mean, spread and members."""
        return _filtered(posed, read, _letkf(posed))


@dataclass(frozen=True)
class WholeEnsemble:
    """A filter without localisation: every observation moves every column.

    Args:
        make: The filter, new for every analysis, so that draws repeat.
        words: What it is.
    """

    make: Callable[[], Analysis]
    words: str
    needs_ensemble: bool = True
    needs_statistics: bool = False
    localised: bool = False

    @classmethod
    def etkf(cls) -> WholeEnsemble:
        """The ensemble transform Kalman filter."""
        return cls(ETKF, "ETKF: one ensemble transform of the whole state, not localised")

    @classmethod
    def enkf(cls, seed: int = 0) -> WholeEnsemble:
        """The stochastic ensemble Kalman filter; seed of its draws of the observations."""
        return cls(
            lambda: EnKF(torch.Generator().manual_seed(seed)),
            "EnKF: perturbed observations, the whole state, not localised",
        )

    def background_deviation(self, posed: Posed) -> Tensor:
        """Of the members."""
        return _inflated(posed).std(0)

    def at(self, posed: Posed, read: Readable) -> Tensor:
        """Of what the members would have read."""
        return read.operator(_inflated(posed)).std(0)

    def __call__(self, posed: Posed, read: Readable, *, errors: bool = True) -> Analysed:
        """Mean, spread and members."""
        assert posed.members is not None
        remark = (
            f"without localisation {len(posed.members)} members fit at most "
            f"{len(posed.members) - 1} patterns of the whole state and take chance correlations "
            "far away for real: the analysis and its spread are too sure; letkf is the remedy"
        )
        return _filtered(posed, read, self.make(), (remark,))


@dataclass(frozen=True)
class Hybrid:
    """Hybrid EnVar: one minimisation with static and localised ensemble covariance.

    The error is that of the mixed covariance; members are those of an LETKF, around its mean.
    The analysis of `inference.kalman.HybridEnVar`, with its matrices laid out for observations at
    points. Reference: Hamill and Snyder (2000), Mon. Weather Rev. 128, 2905; Lorenc (2003), Q. J.
    R. Meteorol. Soc. 129, 3183.
    """

    words: str = (
        "hybrid EnVar: static and localised ensemble covariance together in one minimisation, "
        "members of an LETKF around its mean"
    )
    needs_ensemble: bool = True
    needs_statistics: bool = True
    localised: bool = True

    def background_deviation(self, posed: Posed) -> Tensor:
        """Of both, added in the variance."""
        assert posed.statistics is not None
        share = posed.recipe.ensemble_share
        static, own = posed.statistics.deviation.square(), _inflated(posed).var(0)
        return ((1.0 - share) * static + share * own).sqrt()

    def at(self, posed: Posed, read: Readable) -> Tensor:
        """Of the covariance as the observations see it."""
        return torch.from_numpy(self._seen(posed, read).deviation)

    def __call__(self, posed: Posed, read: Readable, *, errors: bool = True) -> Analysed:
        """The minimum, its error where there are few enough observations, and members."""
        deviation = self.background_deviation(posed)
        found = _minimum(posed, read, self._seen(posed, read), deviation if errors else None)
        if not errors:
            return found
        assert posed.members is not None
        members = _letkf(posed)(posed.members, [_placed(read)])
        return replace(found, members=members - members.mean(0) + found.mean)

    def _seen(self, posed: Posed, read: Readable) -> Pointwise:
        assert posed.statistics is not None
        share, radius = posed.recipe.ensemble_share, posed.recipe.radius_km
        static = posed.statistics.seen(posed.channels, read)
        own = EnsembleSeen(_inflated(posed), posed.channels.grid, radius, read)
        return MixedSeen(((1.0 - share, static), (share, own)))


def _minimum(posed: Posed, read: Readable, seen: Pointwise, deviation: Tensor | None) -> Analysed:
    """Of the cost; its error from the background's deviation, not computed without that."""
    r, count = posed.recipe, len(read.reports)
    found = solve(seen, read, posed.background, iterations=r.iterations, tolerance=r.tolerance)
    remarks, spread = list(found.remarks), None
    if deviation is not None and count <= r.most_exact:
        variance = deviation.square()
        spread = analysis_deviation(seen, read, posed.channels.grid, variance, r.nearest)
    elif deviation is not None:
        remarks.append(
            f"the error of the analysis is not computed for more than {r.most_exact:,} "
            f"observations (there are {count:,})"
        )
    return Analysed(
        mean=posed.background + found.increment,
        spread=spread,
        chi_square=found.chi_square,
        remarks=tuple(remarks),
    )


def _filtered(
    posed: Posed, read: Readable, analysis: Analysis, remarks: Sequence[str] = ()
) -> Analysed:
    """Mean, spread and members of a filter, inflated and relaxed as the recipe has it."""
    assert posed.members is not None
    r, where = posed.recipe, _placed(read)
    analysis = PriorInflation(analysis, r.inflation) if r.inflation != 1.0 else analysis
    analysis = RTPS(analysis, r.relaxation) if r.relaxation else analysis
    members = analysis(posed.members, [where])
    seen = Predicted.of(_inflated(posed), [where])
    each = seen.innovation.square() / (seen.spread.square() + seen.variance)
    return Analysed(
        mean=members.mean(0),
        spread=members.std(0),
        members=members,
        chi_square=float(each.mean()),
        remarks=tuple(remarks),
    )


def _letkf(posed: Posed) -> Analysis:
    return LETKF(geometry=Sphere.of(posed.channels.grid), radius=posed.recipe.radius_km)


def _placed(read: Readable) -> Located:
    at = read.reports
    return Located.on_sphere(read.observation, at.latitude, at.longitude)


def _inflated(posed: Posed) -> Tensor:
    assert posed.members is not None
    mean = posed.members.mean(0)
    return mean + posed.recipe.inflation * (posed.members - mean)
