"""What may be said to `isopleth assimilate`; each text below is the help of the option above it.

Only plain types here, so that `--help` and a wrong option answer at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, arg

__all__ = ["Assimilate"]

_NOTHING = arg(help_behavior_hint="")


@dataclass(frozen=True, kw_only=True)
class Assimilate:
    """Combine a background with observations into an analysis of one time.

    Writes the analysis (with increment, background and their spread), a table that says of every
    observation whether it was used and if not why, and an HTML report with maps, innovation
    statistics, a check of the assumed errors and a score at withheld stations.
    """

    background: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """NetCDF, Zarr or GRIB file (the last needs the package cfgrib) of fields on latitude and
    longitude; if it has members, it is its own ensemble."""

    observations: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Table (CSV, CSV.GZ, Parquet) with the columns time, latitude, longitude, variable, level,
    value, unit, error (standard deviation) and station."""

    ensemble: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Members on the grid of the background; their deviations give its error statistics."""

    statistics: Annotated[tuple[Path, ...], arg(metavar="FILE...", help_behavior_hint="")] = ()
    """Forecasts that the static covariance is estimated from: one file with members at one or more
    times, or with two forecasts for the same times, or two files of forecasts for the same times
    from different leads (default: of the ensemble, else stated numbers, which are printed)."""

    method: Annotated[
        Literal["3dvar", "hybrid", "letkf", "etkf", "enkf", "losda", "losda-x0", "losda-daps"]
        | None,
        arg(help_behavior_hint=""),
    ] = None
    """3dvar: a static covariance, of forecasts, of the ensemble or of stated numbers; hybrid:
    static and ensemble covariance together; letkf: local ensemble transform; etkf, enkf: without
    localisation; these need an ensemble (default: letkf with one, else 3dvar). losda: one analysis
    with a learned prior of the truth given the background; losda-daps: members of it; losda-x0:
    one reverse diffusion."""

    weights: Annotated[Path | None, arg(metavar="CARD", help_behavior_hint="")] = None
    """Card of the weights of a training, for losda; they say which variables, levels and grid the
    background must have (default: the shipped ones)."""

    earlier: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """For losda with weights that were trained with it: the forecast for the time of the
    background that was made a cycle earlier."""

    draws: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Members that losda-daps draws (default: 16)."""

    out: Annotated[Path, arg(metavar="FILE")] = Path("analysis.nc")
    """Analysis to write, .nc or .zarr; beside it go the report (.html) and the table of the
    observations (.stations.csv)."""

    time: Annotated[str | None, arg(metavar="TIME", help_behavior_hint="")] = None
    """Time of the background to analyse, as 2017-01-02T00:00 (default: the one with most
    observations around it)."""

    window_hours: Annotated[float, arg(metavar="H")] = 3.0
    """Observations up to this long before and after are used, as if made at the time."""

    deviation: Annotated[tuple[str, ...], arg(metavar="NAME=SD...", help_behavior_hint="")] = ()
    """Standard deviation of the background's error for 3dvar and hybrid, in the unit of the
    variable, as air_temperature=1.2."""

    length: Annotated[tuple[str, ...], arg(metavar="NAME=KM...", help_behavior_hint="")] = ()
    """Length of the background's error correlation for 3dvar and hybrid, km, likewise."""

    radius: Annotated[float | None, arg(metavar="KM", help_behavior_hint="")] = None
    """Distance beyond which an observation has no influence in letkf and in the ensemble's part of
    hybrid (default: the one that suits observations hidden for this choice)."""

    gross: Annotated[float, arg(metavar="N")] = 5.0
    """Observations farther from the background than so many expected deviations are rejected."""

    withhold: Annotated[float, arg(metavar="SHARE")] = 0.1
    """Share of the places with observations that a second analysis does not see and is scored at,
    0 to 0.5."""

    members: Annotated[bool, FlagCreatePairsOff, _NOTHING] = False
    """Write the analysed members too."""

    seed: Annotated[int, arg(metavar="N")] = 0
    """Seed of the withheld places, and of the observations of --demo."""

    demo: Annotated[bool, FlagCreatePairsOff, _NOTHING] = False
    """Run on data shipped with the package: ten members of ERA5, one of which plays the truth, and
    synthetic observations of it."""
