"""MemberNoise: random numbers that belong to a member, whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from isopleth.core.errors import InputError

__all__ = ["MemberNoise"]


class MemberNoise:
    """Standard normal numbers, one stream for every member: `noise(shape)`.

    The stream of a member is seeded from the pair (seed, member number) alone, so an ensemble
    may be made in any batches, in any order, on any machines. Numbers are drawn on the CPU and
    then moved: a GPU sees the same. A call continues the streams where the last one stopped.
    Reference: the seeds are spread by numpy's SeedSequence (O'Neill 2015).

    Args:
        seed: Of the whole ensemble, >= 0.
        members: Number of each member, >= 0, all different; their order is that of the rows.
        device: Where the numbers are wanted.

    Raises:
        InputError: If a number is negative or a member is named twice.

    >>> whole, part = MemberNoise(0, range(8)), MemberNoise(0, [7])
    >>> torch.equal(whole((2, 3))[7], part((2, 3))[0])
    True
    """

    def __init__(
        self, seed: int, members: Sequence[int], *, device: torch.device | str = "cpu"
    ) -> None:
        numbers = tuple(int(member) for member in members)
        if seed < 0 or min(numbers, default=0) < 0 or len(set(numbers)) < len(numbers):
            raise InputError(
                f"seed {seed} and members {list(numbers)} cannot seed the noise: give numbers "
                "that are not negative, and every member once."
            )
        self.seed = seed
        self.members = numbers
        self.device = torch.device(device)
        self._streams = [_stream(seed, member) for member in numbers]

    def __len__(self) -> int:
        return len(self.members)

    def __call__(self, shape: Sequence[int]) -> Tensor:
        """The next numbers of every stream, float32, shape (members, *shape)."""
        rows = torch.empty(len(self), *shape)
        for row, stream in zip(rows, self._streams, strict=True):
            row.normal_(generator=stream)
        return rows.to(self.device)


def _stream(seed: int, member: int) -> torch.Generator:
    state = np.random.SeedSequence([seed, member]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
