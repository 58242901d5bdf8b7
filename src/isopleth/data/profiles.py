"""Profiles: observations on common depth levels, one row for each cast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from isopleth.core.errors import InputError
from isopleth.core.variables import lookup
from isopleth.data import windows

__all__ = ["Profiles"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Profiles:
    """n casts on L levels.

    Args:
        time: UTC, datetime64[ns], shape (n,).
        latitude: Degrees north, shape (n,).
        longitude: Degrees east in [0, 360), shape (n,).
        depth: Levels in m, positive down, strictly increasing, shape (L,).
        value: In the unit of the variable, NaN = missing, shape (n, L).
        error: Standard deviation of the measurement's error, NaN = unknown, shape (n, L).
        platform: Float, ship or mooring, "" where unknown, shape (n,).
        variable: Name in `isopleth.core.variables.VARIABLES`.
        notes: What a person should know of how the data came about.

    Raises:
        InputError: If the shapes disagree, the levels do not increase, or a longitude lies outside
            [0, 360).

    >>> casts = Profiles(
    ...     np.array(["2016-01-01", "2016-02-01"], "M8[ns]"), np.zeros(2), np.array([10.0, 350.0]),
    ...     np.array([0.0, 100.0]), np.ones((2, 2)), np.full((2, 2), np.nan), np.array(["a", "b"]))
    >>> len(casts), len(casts.within("2016-01-01", "2016-02-01"))
    (2, 1)
    """

    time: windows.Times
    latitude: Floats
    longitude: Floats
    depth: Floats
    value: Floats
    error: Floats
    platform: npt.NDArray[np.str_]
    variable: str = "temperature"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes, levels and longitudes."""
        n, levels = len(self.time), len(self.depth)
        for name in ("latitude", "longitude", "platform"):
            _expect(name, getattr(self, name), (n,))
        for name in ("value", "error"):
            _expect(name, getattr(self, name), (n, levels))
        if np.any(np.diff(self.depth) <= 0.0) or not np.isfinite(self.depth).all():
            raise InputError(
                f"the levels {np.asarray(self.depth).tolist()} do not increase: sort them."
            )
        outside = (self.longitude < 0.0) | (self.longitude >= 360.0)
        if outside.any():
            raise InputError(
                f"longitude {self.longitude[outside][0]:g} is outside [0, 360): "
                "use longitude % 360."
            )

    def __len__(self) -> int:
        """Number of casts."""
        return len(self.time)

    def select(self, index: npt.NDArray[np.bool_] | npt.NDArray[np.integer] | slice) -> Profiles:
        """The casts at these positions, as a mask, an index or a slice."""
        per_cast = ("time", "latitude", "longitude", "value", "error", "platform")
        return replace(self, **{name: getattr(self, name)[index] for name in per_cast})

    def within(self, start: str | np.datetime64, stop: str | np.datetime64) -> Profiles:
        """The casts with `start <= time < stop`.

        Raises:
            InputError: If there are none; the message names the range that the data cover.
        """
        return self.select(windows.within(self.time, start, stop))

    @classmethod
    def concat(cls, parts: Sequence[Profiles]) -> Profiles:
        """The casts of several sets after one another.

        Raises:
            InputError: If there is no part, or if variables or levels differ.
        """
        if len({part.variable for part in parts}) != 1:
            names = ", ".join(sorted({part.variable for part in parts})) or "nothing"
            raise InputError(f"the parts hold {names}: join casts of one variable.")
        first = parts[0]
        for part in parts[1:]:
            if not np.array_equal(part.depth, first.depth):
                raise InputError(
                    f"the levels {part.depth.tolist()} and {first.depth.tolist()} differ: "
                    "put all soundings on the same levels first."
                )
        per_cast = ("time", "latitude", "longitude", "value", "error", "platform")
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in per_cast
        }
        notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
        return replace(first, **joined, notes=notes)

    def to_dataset(self) -> xr.Dataset:
        """The casts with dimensions (profile, depth) and CF attributes."""
        variable = lookup(self.variable)
        error = {
            "units": variable.units,
            "long_name": f"measurement error of {variable.long_name}",
        }
        coords = {
            "time": ("profile", self.time, {"standard_name": "time"}),
            "lat": ("profile", self.latitude, _attrs("latitude", "degrees_north")),
            "lon": ("profile", self.longitude, _attrs("longitude", "degrees_east")),
            "depth": ("depth", self.depth, _attrs("depth", "m") | {"positive": "down"}),
            "platform": ("profile", self.platform),
        }
        data = {
            self.variable: (("profile", "depth"), self.value, dict(variable.attrs)),
            f"{self.variable}_error": (("profile", "depth"), self.error, error),
        }
        attrs = {
            "featureType": "profile",
            "Conventions": "CF-1.11",
            "comment": "; ".join(self.notes),
        }
        return xr.Dataset(data, coords, attrs)


def _expect(name: str, array: npt.NDArray[np.generic], shape: tuple[int, ...]) -> None:
    if np.shape(array) != shape:
        raise InputError(f"{name} has shape {np.shape(array)}: it must be {shape}.")


def _attrs(standard_name: str, units: str) -> dict[str, str]:
    return {"standard_name": standard_name, "units": units}
