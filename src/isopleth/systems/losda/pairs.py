"""Pairs of a truth and what is known of it, on disk: two arrays that are mapped, not loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isopleth.core.errors import DataMissingError, InputError

__all__ = ["PairBatches", "Pairs"]

_TRUTH, _KNOWN = "truth.npy", "known.npy"


class Pairs:
    """`x` (n, channel, lat, lon) and what is known, (n, channel + extra, lat, lon), in a folder.

    Both in standard deviations, float16 or float32; what is known is the background, and fields of
    earlier times behind it. Half precision rounds by 1 part in 2000: far less than an error of a
    background, if not than that of an analysis.

    Args:
        folder: With `truth.npy` and `known.npy`, see `write`.

    Raises:
        DataMissingError: If a file is not there.
        InputError: If they are no pairs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.truth, self.known = (_mapped(self.folder / name) for name in (_TRUTH, _KNOWN))
        a, b = self.truth.shape, self.known.shape
        if len(a) != 4 or len(b) != 4 or a[0] != b[0] or a[2:] != b[2:] or b[1] < a[1]:
            raise InputError(
                f"arrays of shapes {a} and {b} in {self.folder} are no pairs: give (n, channel, "
                "lat, lon) and (n, channel + extra, lat, lon)."
            )

    @classmethod
    def write(cls, folder: Path, truth: Tensor, known: Tensor, *, half: bool = True) -> Pairs:
        """Write pairs that are in memory; larger ones may be written as `.npy` in parts.

        Raises:
            InputError: If a value is not finite, or they are no pairs.
        """
        if not bool(torch.isfinite(truth).all() and torch.isfinite(known).all()):
            raise InputError("a truth or a background is not finite: leave such pairs out.")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        kind = np.float16 if half else np.float32
        for name, value in ((_TRUTH, truth), (_KNOWN, known)):
            np.save(folder / name, value.numpy().astype(kind), allow_pickle=False)
        return cls(folder)

    def __len__(self) -> int:
        """How many pairs."""
        return int(self.truth.shape[0])

    @property
    def state_shape(self) -> tuple[int, int, int]:
        """(channel, lat, lon)."""
        channel, lat, lon = self.truth.shape[1:]
        return channel, lat, lon

    @property
    def extra(self) -> int:
        """Channels known beside the background."""
        return int(self.known.shape[1] - self.truth.shape[1])

    def batch(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """`x` and what is known of pairs, float32, in the order of the indices."""
        x, known = (torch.from_numpy(a[indices].astype(np.float32)) for a in self._both())
        return x, known

    def parts(self, size: int, most: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of `size` in order; `most` = of so many pairs, evenly among all."""
        count = len(self) if most is None else min(most, len(self))
        chosen = np.linspace(0, len(self) - 1, count).round().astype(np.int64)
        for start in range(0, count, size):
            yield self.batch(chosen[start : start + size])

    def _both(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        return self.truth, self.known


class PairBatches:
    """Batches for training, a function of their number: every epoch is shuffled anew.

    Args:
        pairs: Of which they are.
        batch: Pairs in a batch.
        seed: Of the order.

    Raises:
        InputError: If there are fewer pairs than a batch has.
    """

    def __init__(self, pairs: Pairs, batch: int, seed: int = 0) -> None:
        if not 1 <= batch <= len(pairs):
            raise InputError(
                f"{len(pairs)} pairs make no batch of {batch}: make more pairs, or "
                "smaller batches."
            )
        self.pairs, self.batch, self.seed = pairs, batch, seed
        self._order: tuple[int, NDArray[np.int64]] | None = None

    def __call__(self, number: int) -> tuple[Tensor, Tensor]:
        """Batch `number`: `x` (B, channel, lat, lon) and what is known, float32."""
        epoch, place = divmod(number, len(self.pairs) // self.batch)
        if self._order is None or self._order[0] != epoch:
            stream = np.random.default_rng((self.seed, epoch))
            self._order = epoch, stream.permutation(len(self.pairs))
        start = place * self.batch
        return self.pairs.batch(self._order[1][start : start + self.batch])


def _mapped(path: Path) -> NDArray[np.floating]:
    if not path.is_file():
        raise DataMissingError(f"{path} is missing: make the pairs first.")
    array: NDArray[np.floating] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
