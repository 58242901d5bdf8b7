"""What may be said on the command line; each text below is the help of the option above it.

Only plain types here, so that `--help` and a wrong option answer at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

__all__ = ["Reconstruct", "Results", "Train"]

_NOTHING = arg(help_behavior_hint="")


@dataclass(frozen=True, kw_only=True)
class Reconstruct:
    """Map one month of the ocean from scattered profiles, with its uncertainty and a report.

    Reads Argo *_prof.nc, EN4 and CF profile files and tables (CSV, CSV.GZ, Parquet), several at
    once. Writes the analysis (mean, standard error, members) and, beside it, an HTML report with
    maps, a section, and the score at profiles that were held back.
    """

    observations: Annotated[
        tuple[Path, ...], Positional, arg(metavar="OBS...", help_behavior_hint="")
    ] = ()
    """Files of profiles, of any of these kinds."""

    month: Annotated[str | None, arg(metavar="YYYY-MM", help_behavior_hint="")] = None
    """Month to map (default: the one with most profiles)."""

    grid: Annotated[str | None, arg(metavar="1deg|2deg|FILE", help_behavior_hint="")] = None
    """Cell size in degrees, or a NetCDF file whose grid, levels and mask are taken (default: 1deg;
    for reconmost and mmps the 2-degree cells of their prior)."""

    region: Annotated[str | None, arg(metavar="S:N,W:E", help_behavior_hint="")] = None
    """Box to map, as 20N:60N,80W:0 (default: the globe)."""

    levels: Annotated[str | None, arg(metavar="M,M,...", help_behavior_hint="")] = None
    """Depths in m, as 0,10,100 (default: those of the climatology, of the grid file, or of the
    prior, which knows no others)."""

    members: Annotated[int, arg(metavar="N")] = 16
    """Number of possible states of the ocean to draw; 0 for none."""

    method: Literal["kriging", "isotropic", "smoke", "reconmost", "mmps"] = "kriging"
    """kriging: scales fitted place by place; isotropic: the simple reference; smoke: a fast, rough
    run to try a command out; mmps: members drawn from a trained diffusion prior given the
    profiles; reconmost: the mean of the same prior, guided cell by cell."""

    weights: Annotated[Path | None, arg(metavar="CARD", help_behavior_hint="")] = None
    """Card of the weights of a training, for reconmost and mmps (default: the shipped ones)."""

    obs_error: Annotated[float | None, arg(metavar="SD", help_behavior_hint="")] = None
    """Standard deviation of the measurement error where a file gives none, in the data's unit
    (default: learned from the data, with the unresolved scales)."""

    withhold: Annotated[float, arg(metavar="SHARE")] = 0.1
    """Share of the month's 1-degree boxes held back to score the method, 0 to 0.5."""

    seed: Annotated[int, arg(metavar="N")] = 0
    """Seed of the boxes held back and of the members."""

    out: Annotated[Path, arg(metavar="FILE")] = Path("analysis.nc")
    """Analysis to write, .nc or .zarr; the report is written beside it as .html."""

    climatology: Annotated[str | None, arg(metavar="FILE[:NAME]", help_behavior_hint="")] = None
    """NetCDF file of 12 monthly means, or 1 annual mean, to take anomalies from, and its variable
    (default: the shipped World Ocean Atlas, 0 to 1000 m)."""

    window_days: Annotated[float | None, arg(metavar="DAYS", help_behavior_hint="")] = None
    """Profiles up to this many days before and after the month are used (default: 31; 0 for
    reconmost)."""

    wide: Annotated[Literal["dbar", "m"] | None, arg(metavar="dbar|m", help_behavior_hint="")] = (
        None
    )
    """Unit of the levels in column names such as temp100, for tables with one profile a row."""

    variable: Literal["temperature", "salinity"] = "temperature"
    """What to map: in-situ temperature (degC) or practical salinity."""

    demo: Annotated[bool, FlagCreatePairsOff, _NOTHING] = False
    """Run on data shipped with the package, without OBS: temperatures of the atlas for January,
    read at the real Argo positions of January 2016, mapped from the annual mean."""


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train the prior of a system, or go on with a training that was interrupted.

    Makes the training states where they are not there yet, or reads them from files, trains,
    compares with a baseline (the denoiser with the Wiener filter, the emulator with persistence)
    on states it has not seen, and writes the weights with their card.
    """

    system: Annotated[Literal["reconmost", "forecast", "losda"], Positional]
    """What to train: the ocean prior of `reconstruct --method reconmost` and `mmps`, a network
    of `forecast --model`, or the prior of `assimilate --method losda`."""

    recipe: Annotated[
        Literal["small", "paper", "unet", "vit", "smoke"] | None,
        Positional,
        arg(help_behavior_hint=""),
    ] = None
    """For reconmost, small (default): the shipped prior, hours on a CPU; paper: the prior as
    published, days on a GPU, from CMIP6 files of your own. For forecast, unet (default) or vit:
    the shipped networks, an hour on a CPU. For losda, small (default): up to an hour on a CPU.
    smoke: a few steps of a tiny network, to try it out."""

    files: Annotated[tuple[Path, ...], arg(metavar="FILE...", help_behavior_hint="")] = ()
    """For paper: monthly NetCDF files of thetao on the grid of the EN4 analyses; the last month
    is held back to judge on."""

    pairs: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    """For losda: the folder of pairs that `isopleth prepare losda` made."""

    earlier: Annotated[bool, FlagCreatePairsOff, _NOTHING] = False
    """For losda: tell the network the forecast that was made a cycle earlier, too; analyses then
    need it (`assimilate --earlier`)."""

    folder: Annotated[Path, arg(metavar="DIR", aliases=["--out"])] = Path("training")
    """Gets the states, the checkpoint, the log, the weights and the card."""

    hours: Annotated[float | None, arg(metavar="H", help_behavior_hint="")] = None
    """Stop after this wall time; the same command goes on (default: when the recipe is done)."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Print the tables of the measured results, NAME.json, in a folder."""

    folder: Annotated[Path, Positional, arg(metavar="DIR")] = Path("results")
    """Folder of the result files."""
