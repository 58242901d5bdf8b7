"""The control: no interpolation at all, the anomaly is zero and the map is the climatology."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isopleth.inference.interpolation.blocks import Progress
from isopleth.inference.interpolation.scattered import (
    NO_GROUP,
    Array,
    Estimate,
    Points,
    Samples,
)

__all__ = ["PriorMean"]


@dataclass(frozen=True)
class PriorMean:
    """Mean 0; variance `1/n sum_i y_i^2` over the samples of a level, data unit squared.

    The mean square, not the spread about the samples' own mean: a bias of the climatology is part
    of its error. Samples of a point's own group do not count. NaN where no sample is left.

    >>> at = Points(np.zeros(2), np.zeros(2), np.zeros(2))
    >>> PriorMean()(Samples(at, np.array([[1.0], [3.0]])), at).variance.ravel().tolist()
    [5.0, 5.0]
    """

    def __call__(
        self, samples: Samples, points: Points, *, progress: Progress | None = None
    ) -> Estimate:
        """Zero at every point; `progress` gets the fraction done."""
        labels, place = np.unique(samples.points.group, return_inverse=True)
        square, count = _sums(samples.value, place, labels.size)
        known = np.isin(points.group, labels) & (points.group != NO_GROUP)
        own = np.where(known, np.searchsorted(labels, points.group), labels.size)
        n = count.sum(axis=0) - np.vstack([count, np.zeros(count.shape[1])])[own]
        total = square.sum(axis=0) - np.vstack([square, np.zeros(count.shape[1])])[own]
        variance = np.divide(total, n, out=np.full(n.shape, np.nan), where=n > 0)
        if progress is not None:
            progress(1.0)
        return Estimate(np.zeros(n.shape), variance)


def _sums(value: Array, place: NDArray[np.int64], groups: int) -> tuple[Array, Array]:
    """Sum of squares and number of values of every group, each of shape `(groups, L)`."""
    seen = np.isfinite(value)
    square, count = np.zeros((groups, value.shape[1])), np.zeros((groups, value.shape[1]))
    np.add.at(square, place, np.where(seen, value, 0.0) ** 2)
    np.add.at(count, place, seen.astype(np.float64))
    return square, count
