"""Analyses as xarray: the field on its grid and the predictions at profiles, with CF metadata.

The analysis has dimensions ``realization, depth, lat, lon`` and the variables

- ``NAME``: the mean, in the data's unit;
- ``NAME_standard_error``: standard deviation of its error as an estimate of the field (absolute,
  in the data's unit; a new measurement differs by more, see ``observation_error``);
- ``NAME_members``: draws of the field given the data;
- ``climatology``: what would be said without data, and ``error_of_prior``: how wrong that is;
- ``observations_nearby``: sum of the correlations with the profiles within one scale length;
- ``observation_error``: standard deviation of a perfect profile about the field, unresolved
  variability included, by level;
- ``mask``: 1 in the ocean. Everything else is NaN on land.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from isopleth import __version__
from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.variables import lookup
from isopleth.data.profiles import Profiles

__all__ = ["Fields", "Header", "Method", "Parts", "Predicted", "analysis", "predictions"]

Floats = NDArray[np.float64]


class Predicted(Protocol):
    """Student-t distributions of observations at n points and L levels."""

    @property
    def location(self) -> Floats:
        """Shape ``(n, L)``, data unit."""
        ...

    @property
    def scale(self) -> Floats:
        """Shape ``(n, L)``, data unit."""
        ...

    @property
    def degrees(self) -> float:
        """Degrees of freedom, one for all."""
        ...

    @property
    def deviation(self) -> Floats:
        """Standard deviation of an observation, ``(n, L)``."""
        ...

    @property
    def field_deviation(self) -> Floats:
        """Standard deviation of the error of the field, without noise, ``(n, L)``."""
        ...


@dataclass(frozen=True, kw_only=True)
class Method:
    """How a method is named in its results.

    Args:
        name: In a few words.
        summary: In a sentence.
        references: Papers.
        short: The word for the history.
    """

    name: str
    summary: str
    references: str
    short: str


@dataclass(frozen=True)
class Fields:
    """The ocean points of a grid, on the levels that were fitted.

    Args:
        source: The grid asked for.
        depth: Levels with observations, ``(L,)``.
        time: Of the analysis.
    """

    source: Grid
    depth: Floats
    time: np.datetime64

    @property
    def grid(self) -> Grid:
        """The grid cut to the fitted levels."""
        wanted = np.isin(self.source.levels, self.depth)
        if not wanted.any():
            raise InputError(
                f"no level of the grid ({self.source.levels.tolist()} m) has observations; the "
                f"profiles reach {self.depth.tolist()} m."
            )
        return Grid(
            self.source.latitude,
            self.source.longitude,
            self.source.levels[wanted],
            self.source.mask[wanted],
        )

    @property
    def positions(self) -> tuple[Floats, Floats]:
        """Latitude and longitude of the columns with any ocean."""
        _, latitude, longitude = self.grid.ocean_points()
        return latitude, longitude

    @property
    def count(self) -> int:
        """Number of columns."""
        return len(self.grid.ocean_points()[0])

    def on_grid(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """``(..., n, L)`` values of the columns on ``(..., depth, lat, lon)``, NaN on land."""
        grid = self.grid
        level = np.isin(self.depth, grid.levels)
        lead = values.shape[:-2]
        out = np.full((*lead, len(grid.levels), grid.mask[0].size), np.nan, np.float32)
        out[..., self.grid.ocean_points()[0]] = np.swapaxes(values[..., level], -1, -2)
        shaped = out.reshape(*lead, *grid.mask.shape)
        shaped[..., ~grid.mask] = np.nan
        return shaped


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the attributes say.

    Args:
        method: What made the analysis.
        variable: Name in ``VARIABLES``.
        epoch: Of the climatology.
        notes: Of the readers.
        profiles: Number of profiles used.
        refused: Values refused by the buddy check.
        recipe: The settings, as plain values.
    """

    method: Method
    variable: str
    epoch: str
    notes: tuple[str, ...]
    profiles: int
    refused: int
    recipe: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What was computed at the ocean columns of the grid.

    Args:
        climatology: On the grid, ``(L, lat, lon)``.
        predictive: Of the anomaly, ``(n, L)``.
        nearby: Effective number of profiles close by, ``(n, L)``.
        prior: Standard deviation before any observation, ``(n, L)``.
        draws: Deviations of the members, ``(M, n, L)``.
    """

    climatology: Floats
    predictive: Predicted
    nearby: Floats
    prior: Floats
    draws: NDArray[np.float32]


def analysis(header: Header, fields: Fields, parts: Parts) -> xr.Dataset:
    """Assemble the analysis."""
    predictive, draws, climatology = parts.predictive, parts.draws, parts.climatology
    name = header.variable
    variable = lookup(name)
    mean = fields.on_grid(predictive.location) + climatology.astype(np.float32)
    members = fields.on_grid(draws)
    members += mean
    covered = np.isfinite(mean)
    unit = {"units": variable.units}
    level = np.isin(fields.depth, fields.grid.levels)
    unresolved = np.sqrt(np.maximum(predictive.deviation**2 - predictive.field_deviation**2, 0))
    shape = ("depth", "lat", "lon")

    def shown(values: NDArray[np.floating]) -> NDArray[np.float32]:
        return np.where(covered, fields.on_grid(values), np.nan).astype(np.float32)

    data = {
        name: (shape, mean, dict(variable.attrs) | {
            "cell_methods": "area: point (analysis at the time given)",
            "ancillary_variables": f"{name}_standard_error observations_nearby",
        }),
        f"{name}_standard_error": (shape, shown(predictive.field_deviation), unit | {
            "standard_name": f"{variable.standard_name} standard_error",
            "long_name": f"standard deviation of the error of the analysed {variable.long_name}",
        }),
        "climatology": (shape, np.where(covered, climatology, np.nan).astype(np.float32), unit | {
            "long_name": f"climatological {variable.long_name}",
            "epoch": header.epoch,
        }),
        "error_of_prior": (shape, shown(parts.prior), unit | {
            "long_name": "standard deviation of the anomaly before any observation",
        }),
        "observations_nearby": (shape, shown(parts.nearby), {
            "units": "1",
            "long_name": "effective number of profiles within one scale length",
        }),
        "mask": (shape, covered.astype(np.int8), {
            "standard_name": "sea_binary_mask", "units": "1",
            "flag_values": np.array([0, 1], np.int8), "flag_meanings": "not_mapped ocean",
        }),
        "observation_error": (("depth",), np.nanmedian(unresolved, axis=0)[level], unit | {
            "long_name": "standard deviation of a perfect profile about the true field",
        }),
    }  # fmt: skip
    if len(draws):
        data[f"{name}_members"] = (("realization", *shape), members, dict(variable.attrs))
    time = xr.Variable((), fields.time.astype("datetime64[ns]"), {"standard_name": "time"})
    coords = dict(fields.grid.to_coords()) | {"time": time}
    if len(draws):
        coords["realization"] = xr.Variable(
            "realization", np.arange(len(draws)), {"standard_name": "realization", "units": "1"}
        )
    return xr.Dataset(data, coords, _attrs(header, variable.long_name))


def predictions(profiles: Profiles, predictive: Predicted, climatology: Floats) -> xr.Dataset:
    """Observed values beside their predictive distributions, dimensions ``profile, depth``."""
    unit = {"units": lookup(profiles.variable).units}
    both = ("profile", "depth")
    return xr.Dataset(
        {
            "observed": (both, profiles.value, unit),
            "mean": (both, climatology + predictive.location, unit),
            "standard_deviation": (both, predictive.deviation, unit),
            "scale": (both, predictive.scale, unit),
            "climatology": (both, climatology, unit),
        },
        {
            "depth": ("depth", profiles.depth, {"units": "m", "positive": "down"}),
            "time": ("profile", profiles.time),
            "lat": ("profile", profiles.latitude, {"units": "degrees_north"}),
            "lon": ("profile", profiles.longitude, {"units": "degrees_east"}),
            "platform": ("profile", profiles.platform),
        },
        {"degrees_of_freedom": predictive.degrees, "distribution": "student_t"},
    )


def _attrs(header: Header, what: str) -> dict[str, object]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "Conventions": "CF-1.11",
        "title": f"Analysis of {what} from {header.profiles} profiles",
        "summary": header.method.summary,
        "source": "; ".join(header.notes) or "in-situ profiles",
        "method": header.method.name,
        "references": header.method.references,
        "history": f"{now} isopleth {__version__} {header.method.short}",
        "climatology_epoch": header.epoch,
        "isopleth_version": __version__,
        "recipe": json.dumps(header.recipe),
        "values_refused_by_buddy_check": header.refused,
    }
