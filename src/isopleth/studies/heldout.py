"""What is hidden from a method before it is judged: whole boxes of ocean, each of them once.

A float reports from nearly the same place for months, so hiding single profiles leaves their twins
in view. Hiding every profile of a one-degree box at once does not. One split of 10 % can be off by
15 %, so all boxes are hidden, fold after fold, and the partition into folds is repeated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isopleth.core.errors import InputError
from isopleth.data.boxes import box_ids

__all__ = ["HeldOut", "block_ids", "box_ids", "follow", "partition", "partitions"]

Ints = NDArray[np.int64]


def block_ids(latitude: ArrayLike, longitude: ArrayLike, size_deg: float = 5.0) -> Ints:
    """Number of the 5-degree block of each position: the unit a bootstrap resamples.

    Errors of neighbouring profiles are alike, so blocks wider than the correlation of errors are
    drawn, not profiles. Arguments as in `box_ids`.
    """
    return box_ids(latitude, longitude, size_deg)


def partition(ids: ArrayLike, folds: int = 10, *, seed: int | Sequence[int]) -> Ints:
    """The fold (0 to `folds - 1`) in which each profile is hidden.

    The distinct boxes are permuted at random and cut into `folds` parts of equal size (to within
    one box), so profiles of one box share a fold and each is hidden exactly once.

    Args:
        ids: (n,) box of each profile.
        folds: Number of parts, at least 2.
        seed: Of the permutation.

    Returns:
        (n,) fold numbers; independent of the order of the profiles.

    Raises:
        InputError: There are fewer boxes than folds, or fewer than 2 folds.
    """
    boxes, inverse = np.unique(np.asarray(ids), return_inverse=True)
    if not 2 <= folds <= len(boxes):
        raise InputError(
            f"{len(boxes)} boxes cannot be cut into {folds} folds: "
            "ask for at least 2 folds and at most one per box."
        )
    fold_of_box = np.empty(len(boxes), dtype=np.int64)
    parts = np.array_split(np.random.default_rng(seed).permutation(len(boxes)), folds)
    for fold, part in enumerate(parts):
        fold_of_box[part] = fold
    return fold_of_box[inverse]


def follow(ids: ArrayLike, fold: ArrayLike, other_ids: ArrayLike) -> Ints:
    """Fold of other profiles (another month's, say) hidden together with the boxes of these.

    Args:
        ids: (n,) box of each profile that was partitioned.
        fold: (n,) its fold.
        other_ids: (m,) box of each other profile.

    Returns:
        (m,) fold of the same box; -1, never hidden, where none of the partitioned profiles lies.
    """
    boxes, first = np.unique(np.asarray(ids), return_index=True)
    others = np.asarray(other_ids)
    at = np.minimum(np.searchsorted(boxes, others), len(boxes) - 1)
    return np.where(boxes[at] == others, np.asarray(fold)[first][at], -1)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The folds of a partition, to iterate over: `for train, test in HeldOut(fold)`.

    Attributes:
        fold: (n,) fold in which each profile is hidden; -1 is never hidden, always in training.
    """

    fold: Ints

    def __len__(self) -> int:
        """Number of folds."""
        return int(self.fold.max(initial=-1)) + 1

    def __iter__(self) -> Iterator[tuple[Ints, Ints]]:
        """Indices (train, test) of one fold after another; together they are all profiles."""
        for fold in range(len(self)):
            hidden = self.fold == fold
            yield np.flatnonzero(~hidden), np.flatnonzero(hidden)


def partitions(
    ids: ArrayLike, *, count: int = 3, folds: int = 10, seed: int = 0
) -> tuple[HeldOut, ...]:
    """Independent random partitions of the same boxes: every profile is hidden `count` times.

    Arguments and errors as in `partition`; the k-th partition has the seed `[seed, k]`.
    """
    return tuple(HeldOut(partition(ids, folds, seed=[seed, k])) for k in range(count))
