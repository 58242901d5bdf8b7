"""A demonstration on data that ship with the package, where the answer is known everywhere.

No float measurement may be shipped, so the profiles are made of two real things: the times and
positions of the Argo profiles of January 2016, and the January field of the shipped monthly atlas
read at those positions. The first guess is the *annual* mean of the same atlas. The job is then to
find the season from 15,000 scattered profiles, and its truth, the January field, is known on the
whole grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from isopleth.core.grid import Grid
from isopleth.data import Climatology, Profiles, load_climatology
from isopleth.data.cards import open_asset, read_card
from isopleth.metrics import coverage_gaussian, rmse

__all__ = [
    "LEVELS",
    "MONTH",
    "NOTE",
    "Demonstration",
    "TruthScore",
    "annual_mean",
    "prepare",
    "sources",
]

MONTH = "2016-01"
LEVELS = (0.0, 10.0, 30.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 700.0, 1000.0)
"""Levels of the atlas mapped unless others are asked for, m: enough to show the season fade."""

POSITIONS, ATLAS = "argo_positions_201601", "ocean_temperature_monthly"
NOTE = (
    "Demonstration, not the state of the ocean in January 2016: the positions and times are those "
    "of the real Argo profiles of that month, but the temperatures are read at those positions "
    "from the January field of the shipped monthly atlas (World Ocean Atlas: a mean of real "
    "measurements over many years, no float measurements), and the first guess is the annual mean "
    "of the same atlas. The map shows how well the season is found from the profiles alone."
)


@dataclass(frozen=True)
class TruthScore:
    """An analysis against the true field, over the area of all cells and levels.

    Args:
        rmse: Root mean square error of the analysis, in its unit.
        rmse_climatology: The same of the first guess.
        coverage90: Share of the ocean inside the analysis's 90 % interval.
    """

    rmse: float
    rmse_climatology: float
    coverage90: float


@dataclass(frozen=True)
class Demonstration:
    """Profiles, the first guess, and the field the profiles were read from.

    Args:
        profiles: Real positions and times, atlas temperatures.
        climatology: Annual mean of the atlas.
        truth: The monthly atlas.
    """

    profiles: Profiles
    climatology: Climatology
    truth: Climatology

    def score(self, analysis: xr.Dataset) -> TruthScore:
        """Compare an analysis of these profiles with the field they were read from."""
        lat, lon, depth = (analysis[name].values for name in ("lat", "lon", "depth"))
        grid = Grid(lat, lon, depth, analysis["mask"].values > 0)
        truth = self.truth.on(grid, analysis["time"].values)
        mean, first_guess = analysis["temperature"].values, analysis["climatology"].values
        error = analysis["temperature_standard_error"].values
        return TruthScore(
            float(rmse(mean, truth, weights=grid.weights)),
            float(rmse(first_guess, truth, weights=grid.weights)),
            float(coverage_gaussian(mean, error, truth, weights=grid.weights)),
        )


def prepare(levels: ArrayLike | None = None) -> Demonstration:
    """Read the atlas at the positions of the Argo profiles of January 2016.

    Args:
        levels: Depths in m; `LEVELS` by default.

    >>> demonstration = prepare([0.0, 100.0])
    >>> len(demonstration.profiles) > 14_000, demonstration.climatology.values.shape[0]
    (True, 1)
    """
    truth = load_climatology()
    depth = np.atleast_1d(np.asarray(LEVELS if levels is None else levels, np.float64))
    table = _positions()
    time = table["time"].dt.tz_localize(None).to_numpy().astype("datetime64[ns]")
    latitude, longitude = (table[name].to_numpy(np.float64) for name in ("latitude", "longitude"))
    value = truth.at(time, latitude, longitude, depth)
    profiles = Profiles(
        time,
        latitude,
        longitude,
        depth,
        value,
        np.full(value.shape, np.nan),
        table["platform"].to_numpy().astype(str),
        truth.variable.name,
        (NOTE,),
    )
    return Demonstration(profiles.select(_seen(value)), annual_mean(truth), truth)


def sources() -> dict[str, str]:
    """The shipped files behind it and the SHA-256 of each."""
    return {card.file: card.sha256 for card in map(read_card, (POSITIONS, ATLAS))}


def annual_mean(monthly: Climatology) -> Climatology:
    """The mean of the twelve months, as a climatology of its own."""
    mean = monthly.values.mean(axis=0, keepdims=True, dtype=np.float64).astype(np.float32)
    return replace(monthly, values=mean, epoch=f"annual mean; {monthly.epoch}")


@cache
def _positions() -> pd.DataFrame:
    return pd.read_csv(open_asset(POSITIONS), compression="gzip", parse_dates=["time"])


def _seen(value: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(value).any(axis=1))
