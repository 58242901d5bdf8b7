"""Level by level, block by block: the loop that two-dimensional methods share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from isopleth.inference.interpolation.blocks import Progress, in_blocks
from isopleth.inference.interpolation.scattered import Array, Estimate, Points, Samples

__all__ = ["Solve", "complete_levels", "estimate_by_levels", "in_order", "part"]

Solve = Callable[[Points], Array]
"""From `p` points to their mean and variance at `l` levels, shape `(2, p, l)`."""


def in_order(samples: Samples) -> Samples:
    """The same profiles sorted by latitude, day, longitude, group, noise and values.

    Sums and ties then no longer depend on the order in which profiles were read.
    """
    place = samples.points
    keys = [samples.value.T, samples.noise.T, place.group, place.longitude % 360.0, place.day]
    return samples.select(np.lexsort(np.vstack([*keys, place.latitude])))


def part(points: Points, rows: slice) -> Points:
    """The points of one block."""
    return points.select(np.arange(rows.start, rows.stop))


def complete_levels(samples: Samples) -> Iterator[tuple[NDArray[np.int64], Samples]]:
    """Levels that the same profiles measured with the same noise, with only those profiles.

    One search and one system serve all levels of such a set.

    Yields:
        Indices of the levels, and samples without NaN whose columns are those levels.
    """
    seen = np.isfinite(samples.value)
    alike: dict[bytes, list[int]] = {}
    for level in range(seen.shape[1]):
        noise = np.where(seen[:, level], samples.noise[:, level], np.inf)
        alike.setdefault(blake2b(noise.tobytes()).digest(), []).append(level)
    for same in alike.values():
        rows = np.flatnonzero(seen[:, same[0]])
        columns = np.ix_(rows, np.array(same))
        yield (
            np.array(same),
            Samples(samples.points.select(rows), samples.value[columns], samples.noise[columns]),
        )


def estimate_by_levels(
    samples: Samples,
    points: Points,
    prepare: Callable[[Samples], Solve],
    size: int,
    progress: Progress | None,
) -> Estimate:
    """Estimate every level on its own.

    Args:
        samples: Profiles, NaN = missing.
        points: Where to estimate.
        prepare: From samples without NaN to the function that solves a block of points.
        size: Most points solved at once.
        progress: Gets the fraction done.
    """
    estimate = np.empty((2, len(points), samples.value.shape[1]))
    done = 0
    for levels, complete in complete_levels(in_order(samples)):
        solve = prepare(complete)

        def tell(fraction: float, start: int = done, share: int = levels.size) -> None:
            if progress is not None:
                progress((start + fraction * share) / estimate.shape[2])

        solved = in_blocks(_solved, len(points), solve, points, size=size, progress=tell)
        estimate[:, :, levels] = np.concatenate([estimate[:, :0, levels], *solved], axis=1)
        done += levels.size
    return Estimate(estimate[0], estimate[1])


def _solved(rows: slice, solve: Solve, points: Points) -> Array:
    return solve(part(points, rows))
