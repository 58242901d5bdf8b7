"""Local space-time kriging: the best linear estimate from the nearest profiles of each point.

For a point with neighbours ``y``, local covariance ``C`` (:mod:`isopleth.core.covariance`) and
noise ``R``, the estimate and the error variance of the field are

    mean = c^T (C + R)^-1 y,        variance = C(0) - c^T (C + R)^-1 c

(Matheron 1963; Bretherton, Davis and Fandry 1976; in moving windows Haas 1990, for Argo Kuusela
and Stein 2018). Levels that the same profiles measured share one factorisation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from isopleth.core.covariance import LocalScales, SpaceTimeCovariance
from isopleth.core.errors import InputError
from isopleth.inference.interpolation.blocks import in_blocks
from isopleth.inference.interpolation.kernel import FIRST_RANK, krige_levels
from isopleth.inference.interpolation.scattered import Estimate, Points, Samples

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Ready = tuple[Floats, Ints, Floats, Floats]


class Scales(Protocol):
    """Where the covariance's parameters come from: one set for all, or fitted locally."""

    def at(self, latitude: Floats, longitude: Floats) -> LocalScales:
        """The parameters at ``n`` positions."""
        ...


@dataclass(frozen=True, kw_only=True)
class LocalKriging:
    """Kriging with the ``neighbours`` nearest profiles in the metric of the covariance.

    Args:
        scales: A ``SpaceTimeCovariance`` or a ``ScaleField`` fitted to data.
        neighbours: The most profiles that inform one level of one point.

    Raises:
        InputError: If ``neighbours`` is not positive.
    """

    scales: Scales = field(default_factory=SpaceTimeCovariance)
    neighbours: int = 60

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise InputError(f"neighbours is {self.neighbours}; give at least 1.")

    def __call__(
        self, samples: Samples, points: Points, *, progress: Callable[[float], None] | None = None
    ) -> Estimate:
        """Mean (data unit) and variance (small-scale signal variance), each ``(N, L)``."""
        local = self.scales.at(points.latitude, points.longitude)
        shared = (*layout(points), local, prepared(samples), self.neighbours)
        parts = in_blocks(_estimate, len(points), *shared, progress=progress)
        nothing = np.empty((3, 0, samples.value.shape[1]))
        return Estimate(*np.concatenate([nothing, *parts], axis=1))


def _estimate(
    block: slice, places: Floats, barred: Ints, local: LocalScales, ready: Ready, neighbours: int
) -> Floats:
    """Mean, variance and nearby of one block, shape ``(3, n, L)``."""
    places, barred, scales = places[block], barred[block], local.values[block]
    result = np.empty((3, len(places), ready[2].shape[1]))
    krige_levels(places, barred, scales, local.smoothness, *ready, neighbours, *result)
    return result


def layout(points: Points, rank: int = FIRST_RANK + 1) -> tuple[Floats, Ints]:
    """Points as the compiled kernels want them.

    Returns:
        Places ``(n, 5)``: latitude, longitude in [0, 360), day, cosine and sine of half the
        latitude; labels ``(n, 2)``: group and rank.
    """
    half = 0.5 * np.deg2rad(points.latitude)
    columns = (points.latitude, points.longitude % 360.0, points.day, np.cos(half), np.sin(half))
    places = np.stack(columns, axis=1)
    labels = np.stack([points.group, np.full(len(points), rank, np.int64)], axis=1)
    return np.ascontiguousarray(places), np.ascontiguousarray(labels)


def prepared(samples: Samples) -> Ready:
    """Samples with at least one value, sorted by latitude: places, labels, value, noise.

    Ties are broken by longitude, day and values, never by the order in which profiles were read.
    """
    seen = samples.select(np.flatnonzero(np.isfinite(samples.value).any(axis=1)))
    where, total = seen.points, np.nansum(seen.value, axis=1)
    order = np.lexsort((total, where.day, where.longitude % 360.0, where.latitude))
    chosen = seen.select(order)
    places, labels = layout(chosen.points, FIRST_RANK)
    return places, labels, chosen.value, chosen.noise
