"""The nearest samples of a point by a k-d tree, without those of the point's own group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from isopleth.core.grid import EARTH_RADIUS
from isopleth.inference.interpolation.scattered import NO_GROUP, Array, Points

__all__ = ["EARTH_RADIUS_KM", "Neighbourhoods", "positions_km", "separation"]

EARTH_RADIUS_KM = EARTH_RADIUS / 1000.0

Ints = NDArray[np.int64]

_MARGIN = 8
"""Samples fetched beyond those needed, so that a few of the own group cost no second query."""

_PAIRS = 1 << 22
"""Most (point, sample) pairs in memory during one query."""


def positions_km(points: Points, km_per_day: float = 0.0) -> Array:
    """Positions in km from the Earth's centre, and time as a fourth length where it counts.

    Args:
        points: The `n` places and times.
        km_per_day: Length that stands for a day; 0 leaves time out.

    Returns:
        Shape `(n, 3)`, or `(n, 4)` with time.
    """
    place = EARTH_RADIUS_KM * points.unit_vectors
    if km_per_day == 0.0:
        return place
    return np.concatenate([place, km_per_day * points.day[:, None]], axis=1)


def separation(place: Array) -> Array:
    """Straight-line distances among the neighbours of each point: `(p, k, d)` to `(p, k, k)`."""
    square = np.zeros((*place.shape[:2], place.shape[1]))
    for axis in range(place.shape[2]):
        square += np.square(place[:, :, None, axis] - place[:, None, :, axis])
    return np.asarray(np.sqrt(square))


class Neighbourhoods:
    """The `k` nearest of `n` samples: straight-line distance, own group left out.

    The answer for a point does not depend on which other points are asked with it.

    Args:
        position: Where the samples are, shape `(n, d)`.
        group: Their groups, shape `(n,)`.
        count: The most samples of a neighbourhood; `k = min(count, n)`.
    """

    def __init__(self, position: Array, group: Ints, count: int) -> None:
        self.place = position
        self._tree = cKDTree(position)
        self._group = group
        self.k = min(count, len(position))

    def __call__(self, position: Array, group: Ints) -> tuple[Ints, Array]:
        """Indices and distances, nearest first; `-1` and infinity where there are fewer.

        Args:
            position: Where to look from, shape `(p, d)`.
            group: Group of each, shape `(p,)`; `NO_GROUP` leaves nothing out.

        Returns:
            Two arrays of shape `(p, k)`.
        """
        item = np.full((len(position), self.k), -1, np.int64)
        distance = np.full(item.shape, np.inf)
        pending, fetch = np.arange(len(position)), self.k + _MARGIN
        while pending.size and self.k:
            fetch = min(fetch, self._tree.n)
            left = []
            for rows in np.array_split(pending, -(-pending.size * fetch // _PAIRS)):
                item[rows], distance[rows] = self._query(position[rows], group[rows], fetch)
                left.append(rows[np.isinf(distance[rows, -1])])
            pending = np.concatenate(left) if fetch < self._tree.n else pending[:0]
            fetch *= 4
        return item, distance

    def _query(self, position: Array, group: Ints, fetch: int) -> tuple[Ints, Array]:
        """The nearest `k` among the nearest `fetch` that are of another group."""
        distance, item = self._tree.query(position, k=np.arange(1, fetch + 1))
        own = (self._group[item] == group[:, None]) & (group[:, None] != NO_GROUP)
        order = np.argsort(own, axis=1, kind="stable")[:, : self.k]
        barred = np.take_along_axis(own, order, axis=1)
        nearest = np.take_along_axis(item, order, axis=1)
        return (
            np.where(barred, -1, nearest),
            np.where(barred, np.inf, np.take_along_axis(distance, order, axis=1)),
        )
