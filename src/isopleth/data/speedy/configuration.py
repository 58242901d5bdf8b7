"""What a nature run is: its length, its interval, its levels and its seed."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, timedelta

from isopleth.core.errors import InputError

__all__ = ["CALM_DAYS", "CHUNK", "NatureRun", "days_of", "every_of", "levels_of"]

FIRST_DAY = date(2001, 1, 1)
"""Where the kept part begins; the sea's temperatures are a climatology, so years are names."""
STEP_MINUTES = 30
"""Time step of the model."""
CALM_DAYS = 30
"""Spin-up below which the atmosphere still remembers that it began at rest without water."""
CHUNK = 40
"""States in a chunk of the store, and between two saved states of the model."""
LOWEST, HIGHEST = 1100.0, 30.0
"""Pressures, hPa, between which levels are possible: the top sigma level lies near 25 hPa."""

_EVERY = re.compile(r"(\d+)\s*(min|h|d)")
_MINUTES = {"min": 1, "h": 60, "d": 24 * 60}
_DAY = 24 * 60


@dataclass(frozen=True, kw_only=True)
class NatureRun:
    """A SPEEDY nature run at T31 with eight levels; all but its length is its identity.

    Args:
        days: Length of the kept part, d.
        minutes: Interval between kept states, min; divides a day, a multiple of the step.
        spinup: Days that are run before and not kept.
        levels: Pressures in hPa, the lowest level last as in the model; empty for the model's own
            eight sigma levels.
        seed: Of the place of a 10-hPa wave in the surface pressure of the initial state at rest.

    Raises:
        InputError: If a value is out of its range.
    """

    days: int
    minutes: int = 360
    spinup: int = 60
    levels: tuple[float, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        if self.days < 1:
            raise InputError(f"a run of {self.days} days keeps nothing: give 1 day or more.")
        if self.spinup < 0:
            raise InputError(f"a spin-up of {self.spinup} days is not possible: give 0 or more.")
        if not 0 <= self.seed < 2**31:
            raise InputError(f"the seed {self.seed} is not one: give an integer from 0 to 2^31-1.")
        if self.minutes % STEP_MINUTES or self.minutes < STEP_MINUTES or _DAY % self.minutes:
            raise InputError(
                f"an interval of {self.minutes} minutes does not fit: give one that divides a day "
                f"and is a multiple of the model's step of {STEP_MINUTES} minutes, as 6h."
            )
        for level in self.levels:
            if not HIGHEST <= level <= LOWEST:
                raise InputError(
                    f"the level {level:g} hPa is out of the model's reach: give pressures from "
                    f"{HIGHEST:g} to {LOWEST:g} hPa."
                )
        if sorted(set(self.levels)) != list(self.levels):
            raise InputError("the levels are not in order: give each once, the highest first.")

    @property
    def intervals(self) -> int:
        """Kept states."""
        return self.days * _DAY // self.minutes

    @property
    def spinup_intervals(self) -> int:
        """Intervals run before the first one that is kept."""
        return self.spinup * _DAY // self.minutes

    @property
    def start(self) -> date:
        """First day of the spin-up."""
        return FIRST_DAY - timedelta(days=self.spinup)

    def identity(self) -> str:
        """All that one folder can hold only one of, as JSON; the length may grow.

        >>> NatureRun(days=1).identity() == NatureRun(days=9).identity()
        True
        """
        own = {"minutes": self.minutes, "spinup_days": self.spinup, "seed": self.seed}
        return json.dumps({**own, "levels_hpa": list(self.levels)}, sort_keys=True)


def days_of(years: int | None, days: int | None) -> int:
    """The length in days: whole calendar years from 2001 on, or the days themselves.

    Raises:
        InputError: Unless exactly one of them is given, and is positive.

    >>> days_of(2, None), days_of(4, None), days_of(None, 10)
    (730, 1461, 10)
    """
    if (years is None) == (days is None):
        raise InputError("the length is not clear: give either --years or --days.")
    if years is None:
        return days or 0
    if not 1 <= years <= 1000:
        raise InputError(f"a run of {years} years is not possible: give 1 to 1000.")
    return (date(FIRST_DAY.year + years, 1, 1) - FIRST_DAY).days


def every_of(text: str) -> int:
    """Minutes of an interval such as 6h, 90min or 1d.

    Raises:
        InputError: If it is no number with one of these units.

    >>> every_of("6h"), every_of("30min"), every_of("1d")
    (360, 30, 1440)
    """
    found = _EVERY.fullmatch(text.strip())
    if found is None:
        raise InputError(f"the interval {text!r} is not known: write it as 6h, 30min or 1d.")
    return int(found[1]) * _MINUTES[found[2]]


def levels_of(text: str) -> tuple[float, ...]:
    """Pressures in hPa from `sigma` (none: the model's own levels) or `850,500,200`, in any order.

    Raises:
        InputError: If a part is not a number.

    >>> levels_of("850,500,200"), levels_of("sigma")
    ((200.0, 500.0, 850.0), ())
    """
    if text.strip().lower() == "sigma":
        return ()
    try:
        return tuple(sorted(float(part) for part in text.split(",")))
    except ValueError as error:
        raise InputError(
            f"the levels {text!r} are not known: write sigma, or pressures in hPa as 850,500,200."
        ) from error
