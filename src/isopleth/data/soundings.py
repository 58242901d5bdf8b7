"""Soundings: what every reader of observations returns, one row for each measured value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from isopleth.core.errors import InputError
from isopleth.data import windows
from isopleth.data.rejections import RejectionTable

__all__ = ["Soundings", "Stations"]

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Stations:
    """When, where and by what each profile was taken.

    Args:
        time: UTC, datetime64[ns], shape (p,).
        latitude: Degrees north, shape (p,).
        longitude: Degrees east in [0, 360), shape (p,).
        platform: Float, ship or mooring, "" where unknown, shape (p,).

    Raises:
        InputError: If the shapes differ or a longitude lies outside [0, 360).
    """

    time: windows.Times
    latitude: Floats
    longitude: Floats
    platform: Texts

    def __post_init__(self) -> None:
        """Check the shapes and the longitudes."""
        shapes = {np.shape(a) for a in (self.time, self.latitude, self.longitude, self.platform)}
        if len(shapes) != 1:
            raise InputError(f"the columns of the stations have shapes {sorted(shapes)}: use one.")
        outside = (self.longitude < 0.0) | (self.longitude >= 360.0)
        if outside.any():
            raise InputError(
                f"longitude {self.longitude[outside][0]:g} is outside [0, 360): "
                "use longitude % 360."
            )

    def __len__(self) -> int:
        """Number of profiles."""
        return len(self.time)

    def take(self, index: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Stations:
        """The stations at these positions."""
        return Stations(
            self.time[index], self.latitude[index], self.longitude[index], self.platform[index]
        )


@dataclass(frozen=True, eq=False)
class Soundings:
    """A long table of measured values; row `i` belongs to station `profile[i]`.

    Args:
        stations: The profiles, p of them.
        profile: Index into the stations, int32, shape (n,).
        depth: m, positive down, shape (n,).
        value: In the unit of the variable, shape (n,).
        error: Standard deviation of the measurement's error, NaN = unknown, shape (n,).
        variable: Name in `isopleth.core.variables.VARIABLES`.
        source: The files.
        rejected: What the readers refused.
        notes: What a person should know of how the files were read.

    Raises:
        InputError: If the columns differ in length or a row names no station.
    """

    stations: Stations
    profile: npt.NDArray[np.int32]
    depth: Floats
    value: Floats
    error: Floats
    variable: str = "temperature"
    source: str = ""
    rejected: RejectionTable = field(default_factory=RejectionTable)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the lengths."""
        shapes = {np.shape(a) for a in (self.profile, self.depth, self.value, self.error)}
        if len(shapes) != 1:
            raise InputError(
                f"the columns of the soundings have shapes {sorted(shapes)}: use one."
            )
        if len(self.profile) and not 0 <= self.profile.min() <= self.profile.max() < len(
            self.stations
        ):
            raise InputError(
                f"a row belongs to profile {self.profile.max()}, but there are "
                f"{len(self.stations)} stations: number the profiles from 0."
            )

    @classmethod
    def from_matrix(
        cls, stations: Stations, depth: Floats, value: Floats, error: Floats, **labels: object
    ) -> Soundings:
        """Soundings from profiles that lie in the rows of matrices.

        Args:
            stations: The p profiles; those without any value are left out of the result.
            depth: m, shape (p, L).
            value: NaN = no value, shape (p, L).
            error: Standard deviation, NaN = unknown, shape (p, L).
            **labels: `variable`, `source`, `rejected`, `notes`.
        """
        row, level = np.nonzero(np.isfinite(value) & np.isfinite(depth))
        kept, profile = np.unique(row, return_inverse=True)
        return cls(
            stations.take(kept),
            profile.astype(np.int32),
            depth[row, level],
            value[row, level],
            error[row, level],
            **labels,  # type: ignore[arg-type]
        )

    @classmethod
    def concat(cls, parts: Sequence[Soundings]) -> Soundings:
        """The rows of several tables after one another.

        Raises:
            InputError: If there is no part, or if they hold different variables.
        """
        names = {part.variable for part in parts}
        if len(names) != 1:
            raise InputError(
                f"the parts hold {', '.join(sorted(names)) or 'nothing'}: "
                "read files of one variable at a time."
            )
        if len(parts) == 1:
            return parts[0]
        offsets = np.cumsum([0] + [len(part.stations) for part in parts[:-1]])
        profile = [part.profile + n for part, n in zip(parts, offsets, strict=True)]
        return cls(
            _joined([part.stations for part in parts]),
            np.concatenate(profile).astype(np.int32),
            np.concatenate([part.depth for part in parts]),
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.error for part in parts]),
            parts[0].variable,
            ", ".join(dict.fromkeys(part.source for part in parts if part.source)),
            RejectionTable.total_of(part.rejected for part in parts),
            tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        )

    def __len__(self) -> int:
        """Number of values."""
        return len(self.value)

    @property
    def time(self) -> windows.Times:
        """Time of each row, shape (n,)."""
        return self.stations.time[self.profile]

    @property
    def latitude(self) -> Floats:
        """Latitude of each row, shape (n,)."""
        return self.stations.latitude[self.profile]

    @property
    def longitude(self) -> Floats:
        """Longitude of each row, shape (n,)."""
        return self.stations.longitude[self.profile]

    @property
    def platform(self) -> Texts:
        """Platform of each row, shape (n,)."""
        return self.stations.platform[self.profile]

    def select(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.integer]) -> Soundings:
        """The soundings of these rows; stations left without a row are dropped."""
        kept, profile = np.unique(self.profile[rows], return_inverse=True)
        return replace(
            self,
            stations=self.stations.take(kept),
            profile=profile.astype(np.int32),
            depth=self.depth[rows],
            value=self.value[rows],
            error=self.error[rows],
        )

    def within(self, start: str | np.datetime64, stop: str | np.datetime64) -> Soundings:
        """The soundings with `start <= time < stop`.

        Raises:
            InputError: If there are none; the message names the range that the data cover.
        """
        return self.select(windows.within(self.stations.time, start, stop)[self.profile])

    def to_frame(self) -> pd.DataFrame:
        """The table with one column for each property of a row."""
        names = ("time", "latitude", "longitude", "depth", "value", "error", "profile", "platform")
        return pd.DataFrame({name: getattr(self, name) for name in names})


def _joined(parts: Sequence[Stations]) -> Stations:
    columns = ("time", "latitude", "longitude", "platform")
    return Stations(*(np.concatenate([getattr(part, c) for part in parts]) for c in columns))
