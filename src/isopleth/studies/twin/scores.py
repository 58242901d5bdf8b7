"""How good one analysis of every case is, and its ensemble: all scores case by case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isopleth.core.protocols import Observed
from isopleth.inference.variational import ByCase
from isopleth.inference.variational.readings import Readings
from isopleth.metrics.ensemble import crps_ensemble
from isopleth.studies.twin.climate import area, square_error
from isopleth.studies.twin.frozen import Cases, Space
from isopleth.studies.twin.statistics import Seen, Statistics

__all__ = ["Ensemble", "Truths", "scores"]

Floats = NDArray[np.float64]

_RANKED = 211
"""Every so many cells one whose rank is counted: neighbours say the same."""


@runtime_checkable
class Ensemble(Protocol):
    """A contender whose answer is a distribution."""

    def ensemble(self, stats: Statistics, cases: Cases, seen: Seen) -> Tensor:
        """Members of every case, (N, n, channel, nlat, nlon)."""
        ...


@dataclass(frozen=True, eq=False)
class Truths:
    """What the analyses are held against.

    Args:
        climate: Brings areas and the spectrum.
        truth: Shape (n, channel, nlat, nlon).
        seen: What was assimilated of every case.
        withheld: What was not.
        later: The truth when forecasts are scored, (n, times, channel, nlat, nlon).
    """

    climate: Space
    truth: Tensor
    seen: Sequence[Sequence[Observed]]
    withheld: Sequence[Sequence[Observed]]
    later: Tensor


def scores(
    truths: Truths, mean: Tensor, forecasts: Tensor, members: Tensor | None
) -> dict[str, Floats]:
    """Scores of every case, by name; the first axis is the case.

        square_error (n,)           area mean over all channels of (x_a - x)^2
        square_error_by_level (n, channel)
        obs_chi2 (n,)               mean of (y - H x_a)^2 / R over what was assimilated
        withheld_chi2 (n,)          the same over what was not: 1 + the error of H x_a over R
        power (n, T + 1)            variance of x_a by degree over that of the truth
        forecast_square_error (n, times)
        crps (n,), variance (n,)    fair score; (N + 1) / N of the members' variance
        ranks (n, N + 1)            how often the truth has each rank

    Args:
        truths: Of the cases.
        mean: The analyses, (n, channel, nlat, nlon).
        forecasts: From them, at the times of `truths.later`.
        members: (N, n, channel, nlat, nlon), or None: then the last three are not there.
    """
    climate = truths.climate
    levels = (mean - truths.truth).square() * (climate.channels * area(climate))
    found = {
        "square_error": square_error(climate, mean, truths.truth),
        "square_error_by_level": levels.sum((-2, -1)),
        "obs_chi2": _chi2(truths.seen, mean),
        "withheld_chi2": _chi2(truths.withheld, mean),
        "power": _power(climate, mean) / _power(climate, truths.truth),
        "forecast_square_error": square_error(climate, forecasts, truths.later),
    }
    if members is not None:
        found |= _of_members(climate, members, truths.truth)
    return {name: values.double().numpy() for name, values in found.items()}


def _chi2(seen: Sequence[Sequence[Observed]], x: Tensor) -> Tensor:
    read = Readings(ByCase(seen), x)
    square = read.precision * (read.values - read(x)).square()
    return square.sum(1) / read.counts.to(x)


def _power(climate: Space, x: Tensor) -> Tensor:
    return climate.sphere.power(climate.sphere.analysis(x)).sum(-2)


def _of_members(climate: Space, members: Tensor, truth: Tensor) -> dict[str, Tensor]:
    weights, count = area(climate), len(members)
    crps = torch.from_numpy(crps_ensemble(members.numpy(), truth.numpy())).to(truth)
    cells = (m.flatten(-3)[..., ::_RANKED] for m in (members, truth))
    below = torch.lt(*cells).sum(0)  # (n, cells)
    ranks = torch.nn.functional.one_hot(below, count + 1).sum(1)
    return {
        "crps": (crps * weights).sum((-3, -2, -1)),
        "variance": (members.var(0) * weights).sum((-3, -2, -1)) * (count + 1) / count,
        "ranks": ranks,
    }
