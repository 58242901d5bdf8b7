"""The command line's words, checked and turned into values before any slow work starts."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from isopleth.cli.arguments import Reconstruct
from isopleth.cli.methods import METHODS, Method
from isopleth.core.errors import DataMissingError, InputError
from isopleth.core.region import Region
from isopleth.data import month_window
from isopleth.systems.kriging import demo

__all__ = ["Request", "check"]

SUFFIXES = (".nc", ".zarr")
_MOST_WITHHELD = 0.5
_ATLAS_ONLY = "the demonstration reads the shipped atlas"


@dataclass(frozen=True, kw_only=True)
class Request:
    """A reconstruction that can be tried.

    Args:
        asked: The words as they were given.
        month: `YYYY-MM`, or None for the one with most profiles.
        region: Box, or None for the globe.
        levels: Depths in m, increasing, or None.
        method: How to map, with its settings.
        out: Analysis to write.
    """

    asked: Reconstruct
    month: str | None
    region: Region | None
    levels: tuple[float, ...] | None
    method: Method
    out: Path

    @property
    def report(self) -> Path:
        """The report beside the analysis."""
        return self.out.with_suffix(".html")


def check(asked: Reconstruct) -> Request:
    """Check every word that can be checked without reading data.

    Raises:
        InputError: If one cannot be used.
        DataMissingError: If a file is not there.
    """
    _check_numbers(asked)
    _check_sources(asked)
    _check_prior(asked)
    if asked.month is not None:
        month_window(asked.month)
    out = _out(asked.out)
    _check_nothing_is_replaced(asked, out)
    return Request(
        asked=asked,
        month=demo.MONTH if asked.demo else asked.month,
        region=None if asked.region is None else Region.parse(asked.region),
        levels=None if asked.levels is None else _levels(asked.levels),
        method=_method(asked),
        out=out,
    )


def _check_numbers(asked: Reconstruct) -> None:
    share, members, error, days = asked.withhold, asked.members, asked.obs_error, asked.window_days
    if not 0.0 <= share <= _MOST_WITHHELD:
        raise InputError(
            f"--withhold {share:g} is not possible: give a share of the boxes from 0 to "
            f"{_MOST_WITHHELD:g}, such as 0.1."
        )
    if members < 0:
        raise InputError(f"--members {members} is not possible: give 0 or more.")
    if asked.seed < 0:
        raise InputError(f"--seed {asked.seed} is not possible: give 0 or more.")
    if error is not None and not (math.isfinite(error) and error > 0.0):
        raise InputError(
            f"--obs-error {error:g} is not possible: give a standard deviation above 0, in the "
            "unit of the data."
        )
    if days is not None and not 0.0 <= days <= 366.0:
        raise InputError(f"--window-days {days:g} is not possible: give 0 to 366 days.")


def _check_sources(asked: Reconstruct) -> None:
    if asked.demo:
        _check_demo(asked)
        return
    if not asked.observations:
        raise InputError(
            "no file of observations was given: name at least one, or try --demo on the data "
            "shipped with the package."
        )
    for path in asked.observations:
        if not path.exists():
            raise DataMissingError(f"there is no file {str(path)!r}: check the path.")


def _check_nothing_is_replaced(asked: Reconstruct, out: Path) -> None:
    """What is read is not written over, neither by the analysis nor by the report."""
    named = asked.climatology or ""
    files = (named, named.rpartition(":")[0], asked.grid or "")
    sources = (*asked.observations, *(Path(file) for file in files if file))
    for target in (out, out.with_suffix(".html")):
        for source in sources:
            if target.exists() and source.exists() and target.samefile(source):
                raise InputError(
                    f"--out {str(out)!r} would replace {str(source)!r}, which is to be read: "
                    "choose another name."
                )


def _check_demo(asked: Reconstruct) -> None:
    if asked.observations:
        raise InputError(
            f"--demo was given together with {str(asked.observations[0])!r}: leave one out."
        )
    if asked.month not in (None, demo.MONTH):
        raise InputError(
            f"--demo has the profiles of {demo.MONTH} only, not of {asked.month}: "
            "leave --month out."
        )
    if asked.climatology is not None or asked.variable != "temperature":
        option = "--climatology" if asked.climatology is not None else "--variable"
        raise InputError(f"{_ATLAS_ONLY} of temperature: leave {option} out.")


def _check_prior(asked: Reconstruct) -> None:
    """A trained prior knows one variable, about one climatology."""
    if not METHODS[asked.method].learned:
        if asked.weights is not None:
            raise InputError(
                f"--method {asked.method} has no weights: leave --weights out, or choose "
                "--method mmps."
            )
        return
    if asked.variable != "temperature" or asked.climatology is not None:
        option = "--climatology" if asked.climatology is not None else "--variable"
        raise InputError(
            f"the prior of --method {asked.method} was trained on temperature about the shipped "
            f"climatology: leave {option} out, or use --method kriging."
        )
    if asked.weights is not None and not asked.weights.is_file():
        raise DataMissingError(f"there is no card {str(asked.weights)!r}: check the path.")


def _levels(text: str) -> tuple[float, ...]:
    """Depths of a list such as `0,10,100`."""
    try:
        depths = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(
            f"the levels {text!r} are not understood: write depths in m as 0,10,100."
        ) from error
    wrong = [depth for depth in depths if not (math.isfinite(depth) and depth >= 0.0)]
    if wrong:
        raise InputError(
            f"the level {wrong[0]:g} m is not possible: give depths in m, positive down."
        )
    if len(set(depths)) < len(depths):
        raise InputError(f"the levels {text!r} hold a depth twice: give each once.")
    return tuple(sorted(depths))


def _method(asked: Reconstruct) -> Method:
    method = METHODS[asked.method]
    return method if asked.window_days is None else method.windowed(asked.window_days)


def _out(path: Path) -> Path:
    """Where the analysis goes.

    Raises:
        InputError: If the name says no format, or something else is in its place.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"--out {str(path)!r} has no known format: end it in {' or '.join(SUFFIXES)}."
        )
    store = path.is_dir() and any((path / name).exists() for name in ("zarr.json", ".zgroup"))
    if path.is_dir() and not (store and path.suffix == ".zarr"):
        raise InputError(f"--out {str(path)!r} is a folder already: choose another name.")
    if path.suffix == ".zarr" and path.is_file():
        raise InputError(f"--out {str(path)!r} is a file already: choose another name.")
    report = path.with_suffix(".html")
    if report.is_dir():
        raise InputError(
            f"the report would be {str(report)!r}, which is a folder already: choose another "
            "--out."
        )
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise InputError(
            f"--out {str(path)!r} lies in {str(above)!r}, which is no folder that can be written "
            "to: choose another place."
        )
    return path
