"""Readings: what was seen of every case of a batch, as one row of numbers a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import LinearOperator, Observed
from isopleth.observe.counted import counted, counted_variance

__all__ = ["ByCase", "Observations", "Reader", "Readings", "Window", "for_rows"]


@dataclass(frozen=True)
class ByCase:
    """Observations that differ from case to case, one sequence a row of the batch.

    Args:
        cases: In the order of the backgrounds.

    Raises:
        InputError: If there is no case.
    """

    cases: Sequence[Sequence[Observed]]

    def __post_init__(self) -> None:
        """Check that there is one."""
        if not len(self.cases):
            raise InputError("there are 0 cases: give one sequence of observations a background.")


Observations = Sequence[Observed] | ByCase
"""One sequence that every case shares, or one a case."""


class Reader(Protocol):
    """`H`, `y` and `R` of a batch, as one row of numbers a case."""

    values: Tensor
    precision: Tensor
    counts: Tensor

    @property
    def linear(self) -> bool:
        """Whether every operator is."""
        ...

    def __call__(self, x: Any) -> Tensor:
        """`H(x)`, shape (R, n)."""
        ...

    def case(self, row: int) -> Callable[[Any], Tensor]:
        """`H` of row r alone, applied to any number of rows."""
        ...


class Readings:
    """`H(x)`, `y` and `R` at one time, the values that count of all observations in one row.

    Row r of x belongs to case `r mod C`, so that members on an outer axis share the observations
    of their case. A case with fewer values than another is padded: value 0, precision 0.

    Attributes:
        values: `y`, shape (C, n); C = 1 where all rows share the observations.
        precision: `1 / R`, 0 where padded, shape (C, n).
        counts: Values that count, shape (C,).

    Args:
        observations: Shared, or one sequence a case.
        like: Brings precision and device.

    Raises:
        InputError: If a value that counts has no positive, finite variance.
    """

    def __init__(self, observations: Observations, like: Tensor) -> None:
        each = observations.cases if isinstance(observations, ByCase) else (observations,)
        self._cases = [
            [(seen, counted(seen).to(like.device)) for seen in sequence] for sequence in each
        ]
        counts = [sum(len(at) for _, at in case) for case in self._cases]
        self.counts = torch.tensor(counts)
        self.width = max(counts)
        self.values = like.new_zeros(len(counts), self.width)
        self.precision = torch.zeros_like(self.values)
        for row, case in enumerate(self._cases):
            if counts[row]:
                parts = [seen.values.to(like).flatten()[at] for seen, at in case]
                self.values[row, : counts[row]] = torch.cat(parts)
                variance = torch.cat([counted_variance(seen, at, like) for seen, at in case])
                self.precision[row, : counts[row]] = 1.0 / variance

    @property
    def linear(self) -> bool:
        """Whether every operator is."""
        return all(isinstance(o.operator, LinearOperator) for case in self._cases for o, _ in case)

    def __call__(self, x: Tensor) -> Tensor:
        """`H(x)`, from (R, *state) to (R, n); R a multiple of C."""
        if len(self._cases) == 1:
            return self._read(self._cases[0], x)
        grouped = x.unflatten(0, (-1, len(self._cases)))
        rows = [self._read(case, grouped[:, i]) for i, case in enumerate(self._cases)]
        return torch.stack(rows, 1).flatten(0, 1)

    def case(self, row: int) -> Callable[[Tensor], Tensor]:
        """`H` of row r alone, from (k, *state) to (k, n)."""
        return lambda x: self._read(self._cases[row % len(self._cases)], x)

    def _read(self, case: Sequence[tuple[Observed, Tensor]], x: Tensor) -> Tensor:
        parts = [seen.operator(x).flatten(1)[:, at].to(x) for seen, at in case if len(at)]
        missing = self.width - sum(part.shape[1] for part in parts)
        return torch.cat([*parts, x.new_zeros(len(x), missing)], 1)


class Window:
    """Readings at several steps of a window, side by side.

    Attributes:
        steps: When, in steps since the start of the window, ascending.
        values, precision, counts: As in `Readings`, all steps in one row.

    Args:
        observations: By step; an empty mapping will do.
        like: Brings precision and device.

    Raises:
        InputError: If steps have different numbers of cases, or as in `Readings`.
    """

    def __init__(self, observations: Mapping[int, Observations], like: Tensor) -> None:
        self.steps = tuple(sorted(observations))
        self.parts = [Readings(observations[step], like) for step in self.steps]
        cases = {len(part.counts) for part in self.parts} - {1}
        if len(cases) > 1:
            raise InputError(
                f"the steps of the window have {sorted(cases)} cases: give one sequence a case "
                "at every step."
            )
        C = max(cases, default=1)
        none = like.new_zeros(C, 0)
        self.values = torch.cat([none, *(p.values.expand(C, -1) for p in self.parts)], 1)
        self.precision = torch.cat([none, *(p.precision.expand(C, -1) for p in self.parts)], 1)
        self.counts = torch.zeros(C, dtype=torch.long)
        for part in self.parts:
            self.counts = self.counts + part.counts

    @property
    def linear(self) -> bool:
        """Whether every operator is."""
        return all(part.linear for part in self.parts)

    def __call__(self, x: Sequence[Tensor]) -> Tensor:
        """`H(x)` from one state `(R, *state)` a step, shape (R, n)."""
        return torch.cat([part(each) for part, each in zip(self.parts, x, strict=True)], 1)

    def case(self, row: int) -> Callable[[Sequence[Tensor]], Tensor]:
        """`H` of row r alone, from one (k, *state) a step to (k, n)."""
        reads = [part.case(row) for part in self.parts]
        return lambda states: torch.cat([H(x) for H, x in zip(reads, states, strict=True)], 1)


def for_rows(seen: Reader, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Values and precision, each (R or 1, n), and the number of values that count, (R,).

    Raises:
        InputError: If the rows are no multiple of the cases.
    """
    cases = len(seen.counts)
    if rows % cases:
        raise InputError(
            f"there are {rows} backgrounds and observations for {cases} cases: give one "
            "sequence of observations a background."
        )
    times = rows // cases
    counts = seen.counts.repeat(times)
    if cases == 1:
        return seen.values, seen.precision, counts
    return seen.values.repeat(times, 1), seen.precision.repeat(times, 1), counts
