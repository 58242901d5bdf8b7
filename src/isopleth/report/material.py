"""What a report is made of, checked at birth, with the quantities that several chapters share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.variables import Variable, lookup
from isopleth.data.profiles import Profiles
from isopleth.data.rejections import RejectionTable
from isopleth.report.words import month, unit_words

__all__ = ["SCORE_COLUMNS", "Material", "Rejected"]

Floats = npt.NDArray[np.float64]

SCORE_COLUMNS = (
    "depth",
    "n",
    "rmse",
    "rmse_climatology",
    "bias",
    "bias_climatology",
    "crps",
    "crps_climatology",
    "coverage90",
)

_WITHHELD = ("observed", "mean", "standard_deviation", "climatology", "lat", "lon", "time")
_WANTED_DEPTHS = (10.0, 100.0, 300.0, 1000.0)
_PANELS = 4


@dataclass(frozen=True, eq=False)
class Rejected:
    """What quality control refused.

    Args:
        table: Numbers by reason.
        longitude: Degrees east of refused profiles, where known, shape (n,).
        latitude: Degrees north, shape (n,).
    """

    table: RejectionTable
    longitude: Floats = field(default_factory=lambda: np.empty(0))
    latitude: Floats = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True, eq=False)
class Material:
    """A reconstruction and the evidence about it.

    Args:
        analysis: The analysis: NAME, NAME_standard_error, climatology, error_of_prior and
            observations_nearby on (depth, lat, lon), optionally NAME_members; scalar time.
        used: Profiles that went in.
        withheld: Predictions at profiles held back, or None.
        provenance: Names and values of how it was made; mappings and lists are laid out.
        scores: Score by level at the profiles held back, with SCORE_COLUMNS, or None.
        rejected: What quality control refused, or None if that is not known.

    Raises:
        InputError: If a variable or a column is missing; the message names it.
    """

    analysis: xr.Dataset
    used: Profiles
    withheld: xr.Dataset | None
    provenance: Mapping[str, object]
    scores: pd.DataFrame | None = None
    rejected: Rejected | None = None

    def __post_init__(self) -> None:
        """Check that everything the chapters read is there."""
        parts = (
            self.name,
            f"{self.name}_standard_error",
            "climatology",
            "error_of_prior",
            "observations_nearby",
        )
        _expect("the analysis", "variable", parts, self.analysis.variables)
        _expect(
            "the analysis", "coordinate", ("time", "depth", "lat", "lon"), self.analysis.coords
        )
        if self.withheld is not None:
            _expect("the withheld predictions", "variable", _WITHHELD, self.withheld.variables)
        if self.scores is not None:
            _expect("the score table", "column", SCORE_COLUMNS, self.scores.columns)

    @cached_property
    def name(self) -> str:
        """The variable that was mapped: that of the profiles."""
        return self.used.variable

    @cached_property
    def variable(self) -> Variable:
        """Its entry in the table of variables."""
        return lookup(self.name)

    @cached_property
    def noun(self) -> str:
        """The variable in a sentence."""
        return self.name.replace("_", " ")

    @cached_property
    def unit(self) -> str:
        """Unit as printed."""
        return unit_words(str(self.analysis[self.name].attrs.get("units", self.variable.units)))

    def label(self, quantity: str) -> str:
        """A quantity with the unit, for a colour bar."""
        return f"{quantity} ({self.unit})" if self.unit else quantity

    @cached_property
    def month(self) -> str:
        """Month of the analysis in words."""
        return month(np.datetime64(self.analysis["time"].values.item(), "ns"))

    @cached_property
    def mean(self) -> xr.DataArray:
        """The analysed field (depth, lat, lon)."""
        return self.analysis[self.name].transpose("depth", "lat", "lon").load()

    @cached_property
    def climatology(self) -> xr.DataArray:
        """The climatology (depth, lat, lon)."""
        return self.analysis["climatology"].transpose("depth", "lat", "lon").load()

    @cached_property
    def anomaly(self) -> xr.DataArray:
        """Analysed field less climatology."""
        return self.mean - self.climatology

    @cached_property
    def error(self) -> xr.DataArray:
        """Standard error of the analysed field."""
        return self.analysis[f"{self.name}_standard_error"].transpose("depth", "lat", "lon").load()

    @cached_property
    def left(self) -> xr.DataArray:
        """Standard error over the error before any observation."""
        return self.error / self.analysis["error_of_prior"]

    @cached_property
    def grid(self) -> Grid:
        """The grid, ocean where the analysis has values."""
        lat, lon, depth = (self.analysis[axis].values for axis in ("lat", "lon", "depth"))
        return Grid(lat, lon, depth, np.isfinite(self.mean.values))

    @cached_property
    def shown(self) -> list[float]:
        """Up to four levels for maps: near 10, 100, 300 and 1000 m, or spread over the levels.

        Levels without ocean are passed over.
        """
        depth = self.grid.levels[self.grid.mask.any(axis=(1, 2))]
        if depth.size <= _PANELS:
            return [float(d) for d in depth]
        near = {int(np.abs(depth - wanted).argmin()) for wanted in _WANTED_DEPTHS}
        if len(near) < _PANELS:
            near = {round(i) for i in np.linspace(0, depth.size - 1, _PANELS)}
        return [float(depth[i]) for i in sorted(near)]

    @cached_property
    def main(self) -> float:
        """The level of single maps: of those shown, the one nearest 100 m."""
        return min(self.shown, key=lambda depth: abs(depth - 100.0))

    def ocean_share(self, where: npt.ArrayLike, depth: float) -> float:
        """Share of the ocean's area at a level where a condition holds.

        Args:
            where: Boolean, shape (nlat, nlon).
            depth: One of the levels.
        """
        level = int(np.abs(self.grid.levels - depth).argmin())
        area = self.grid.cell_area() * self.grid.mask[level]
        return float((area * np.asarray(where)).sum() / area.sum()) if area.any() else np.nan


def _expect(what: str, part: str, names: tuple[str, ...], found: object) -> None:
    missing = [name for name in names if name not in found]  # type: ignore[operator]
    if missing:
        raise InputError(
            f"{what} has no {part} {missing[0]!r}: the report needs {', '.join(names)}."
        )
