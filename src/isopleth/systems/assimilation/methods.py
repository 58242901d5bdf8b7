"""The methods: each makes an analysis of one posed problem; a name selects one in the CLI only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from isopleth.core.channels import Channels
from isopleth.core.protocols import Analysis
from isopleth.inference.kalman import (
    LETKF,
    RTPS,
    Located,
    Predicted,
    PriorInflation,
    Sphere,
)
from isopleth.systems.assimilation.covariance import KernelCovariance
from isopleth.systems.assimilation.exact import Innovations
from isopleth.systems.assimilation.recipe import Recipe
from isopleth.systems.assimilation.screening import Readable
from isopleth.systems.assimilation.statistics import Statistics

__all__ = ["Analysed", "LocalEnsemble", "Method", "Posed", "Static"]


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

    @cached_property
    def static(self) -> KernelCovariance:
        """`B` of the statistics."""
        assert self.statistics is not None
        return self.statistics.covariance(self.channels)


@dataclass(frozen=True, eq=False, kw_only=True)
class Analysed:
    """An analysis.

    Args:
        mean: `x_a`, shape (channel, lat, lon).
        spread: Standard deviation of its error as the method has it; None where not computed.
        members: Shape (N, channel, lat, lon), or None.
        chi_square: `d' (H B H' + R)^-1 d / p`; of the LETKF, whose localised covariance is no
            matrix, with its diagonal alone.
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

    def background_deviation(self, posed: Posed) -> Tensor:
        """`s_b` of every cell, shape of a state."""
        ...

    def at(self, posed: Posed, seen: Readable) -> Tensor:
        """`s_b` at the observations, `sqrt(diag H B H')`, shape (n,)."""
        ...

    def __call__(self, posed: Posed, seen: Readable, *, errors: bool = True) -> Analysed:
        """The analysis; `errors=False` leaves out what is slow to compute of its error."""
        ...


@dataclass(frozen=True)
class Static:
    """3D-Var with a static covariance, see `covariance`, `statistics` and `exact`."""

    words: str = "3D-Var: a static background covariance, minimised in observation space"
    needs_ensemble: bool = False
    needs_statistics: bool = True

    def background_deviation(self, posed: Posed) -> Tensor:
        """Of the statistics."""
        assert posed.statistics is not None
        return posed.statistics.deviation

    def at(self, posed: Posed, seen: Readable) -> Tensor:
        """Exact."""
        return torch.from_numpy(Innovations(posed.static, seen).deviation)

    def __call__(self, posed: Posed, seen: Readable, *, errors: bool = True) -> Analysed:
        """The minimum, and its error where there are few enough observations."""
        r, count = posed.recipe, len(seen.reports)
        system = Innovations(posed.static, seen)
        found = system.solve(posed.background, iterations=r.iterations, tolerance=r.tolerance)
        remarks, spread = [], None
        if not found.converged:
            remarks.append(
                f"the minimisation had not converged after {r.iterations} iterations: allow more"
            )
        if errors and count <= r.most_exact:
            spread = torch.from_numpy(system.analysis_deviation(r.nearest))
        elif errors:
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


@dataclass(frozen=True)
class LocalEnsemble:
    """LETKF: an ensemble transform at every column, from the observations near it."""

    words: str = "LETKF: an ensemble transform at every column, from the observations near it"
    needs_ensemble: bool = True
    needs_statistics: bool = False

    def background_deviation(self, posed: Posed) -> Tensor:
        """Of the members."""
        return _inflated(posed).std(0)

    def at(self, posed: Posed, seen: Readable) -> Tensor:
        """Of what the members would have read."""
        return seen.operator(_inflated(posed)).std(0)

    def __call__(self, posed: Posed, seen: Readable, *, errors: bool = True) -> Analysed:
        """Mean, spread and members."""
        assert posed.members is not None
        where = _placed(seen)
        members = self.filter(posed)(posed.members, [where])
        seen_by = Predicted.of(_inflated(posed), [where])
        each = seen_by.innovation.square() / (seen_by.spread.square() + seen_by.variance)
        chi = float(each.mean())
        mean = members.mean(0)
        return Analysed(mean=mean, spread=members.std(0), members=members, chi_square=chi)

    def filter(self, posed: Posed) -> Analysis:
        """With inflation and relaxation where the recipe asks for them."""
        r = posed.recipe
        found: Analysis = LETKF(geometry=Sphere.of(posed.channels.grid), radius=r.radius_km)
        found = PriorInflation(found, r.inflation) if r.inflation != 1.0 else found
        return RTPS(found, r.relaxation) if r.relaxation else found


def _placed(seen: Readable) -> Located:
    at = seen.reports
    return Located.on_sphere(seen.observation, at.latitude, at.longitude)


def _inflated(posed: Posed) -> Tensor:
    assert posed.members is not None
    mean = posed.members.mean(0)
    return mean + posed.recipe.inflation * (posed.members - mean)
