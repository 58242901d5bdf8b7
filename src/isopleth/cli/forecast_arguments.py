"""What may be said to `isopleth forecast`; each text below is the help of the option above it.

Only plain types here, so that `--help` and a wrong option answer at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

__all__ = ["ForecastArguments"]

_NOTHING = arg(help_behavior_hint="")


@dataclass(frozen=True, kw_only=True)
class ForecastArguments:
    """Forecast the flow of the atmosphere at 200, 500 and 800 hPa from one state.

    Writes streamfunction, winds and vorticity every 6 hours, of an ensemble mean, spread and
    members, and an HTML report. Where the file holds later times, the forecast is judged against
    them and against persistence. A dry model with the climate of a perpetual winter: to learn and
    to test with, not for decisions about real weather.
    """

    init: Annotated[Path | None, Positional, arg(metavar="INIT.nc", help_behavior_hint="")] = None
    """NetCDF, Zarr or GRIB file of a whole globe with winds, geopotential or streamfunction at
    200, 500 and 800 hPa or at levels around them; members make it an ensemble."""

    days: Annotated[float, arg(metavar="N")] = 10.0
    """Length, a multiple of 6 hours, up to 60 days."""

    model: Annotated[str, arg(metavar="{qg3,unet,vit}")] = "qg3"
    """qg3: the quasi-geostrophic model; unet, vit: networks that learned its steps (T21)."""

    truncation: Annotated[int, arg(metavar="{21,42}")] = 21
    """Of qg3: T21 is 5.6 degrees, T42 2.8 degrees."""

    members: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """How many members (default: those of the file, else one; 10 with --demo)."""

    spread: Annotated[float | None, arg(metavar="M2/S", help_behavior_hint="")] = None
    """Size of the perturbations at 500 hPa where the file has one state (default: 5e5, about 5 m
    of height in middle latitudes)."""

    seed: Annotated[int, arg(metavar="N")] = 0
    """Seed of the perturbations."""

    time: Annotated[str | None, arg(metavar="TIME", help_behavior_hint="")] = None
    """Time of the start, as 2017-01-02T00:00 (default: the first of the file)."""

    out: Annotated[Path, arg(metavar="FILE")] = Path("forecast.nc")
    """Forecast to write, .nc or .zarr; beside it go the report (.html) and, with a truth, the
    scores (.scores.csv). A run that was stopped goes on where it was."""

    demo: Annotated[bool, FlagCreatePairsOff, _NOTHING] = False
    """Run on a synthetic atmosphere: a run of the model itself plays the truth."""
