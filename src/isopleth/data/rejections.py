"""RejectionTable: how many values were refused and why, so that nothing is lost silently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Rejection", "RejectionTable"]


@dataclass(frozen=True)
class Rejection:
    """One reason and what it cost.

    Args:
        reason: A short phrase, for example "temperature flagged bad".
        values: Number of values refused.
        profiles: Number of profiles that lost at least one value to this reason; None where the
            values were refused before they could be put into profiles.
    """

    reason: str
    values: int
    profiles: int | None = None


@dataclass(frozen=True)
class RejectionTable:
    """Reasons in the order in which they were tested; a value is counted once, by its first.

    >>> table = RejectionTable.of({"time missing": 2, "spike": 0, "position (0, 0)": 1})
    >>> print(table)
    2 time missing, 1 position (0, 0)
    >>> (table + RejectionTable.of({"spike": 4}))["spike"], table["spike"]
    (4, 0)
    """

    rows: tuple[Rejection, ...] = ()

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> RejectionTable:
        """The table of these counts of values; reasons that cost nothing are left out."""
        return cls(tuple(Rejection(reason, int(n)) for reason, n in counts.items() if n))

    @classmethod
    def total_of(cls, tables: Iterable[RejectionTable]) -> RejectionTable:
        """The sum of several tables."""
        total = cls()
        for table in tables:
            total = total + table
        return total

    @property
    def values(self) -> int:
        """Number of values refused for any reason."""
        return sum(row.values for row in self.rows)

    def __getitem__(self, reason: str) -> int:
        """Number of values refused for this reason, 0 if it never happened."""
        return sum(row.values for row in self.rows if row.reason == reason)

    def __add__(self, other: RejectionTable) -> RejectionTable:
        """The table of both; equal reasons are added."""
        merged = {row.reason: row for row in self.rows}
        for row in other.rows:
            merged[row.reason] = _sum(merged.get(row.reason), row)
        return RejectionTable(tuple(merged.values()))

    def __len__(self) -> int:
        """Number of reasons."""
        return len(self.rows)

    def __str__(self) -> str:
        """Counts and reasons in one line."""
        return ", ".join(f"{row.values} {row.reason}" for row in self.rows) or "none"


def _sum(one: Rejection | None, other: Rejection) -> Rejection:
    if one is None:
        return other
    known = one.profiles is not None and other.profiles is not None
    profiles = (one.profiles or 0) + (other.profiles or 0) if known else None
    return Rejection(one.reason, one.values + other.values, profiles)
