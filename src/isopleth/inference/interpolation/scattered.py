"""The nouns of interpolation: scattered samples, the points to estimate, and the estimate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from isopleth.core.errors import InputError

Array = NDArray[np.float64]
NO_GROUP = -1


@dataclass(frozen=True)
class Points:
    """Where and when to estimate.

    Args:
        latitude: Degrees north, shape ``(n,)``.
        longitude: Degrees east, any convention, shape ``(n,)``.
        day: Time in days from any fixed origin shared with the samples, shape ``(n,)``.
        group: Integer label, shape ``(n,)``; a sample never informs a point of its own group
            (``NO_GROUP`` excludes nothing). This is how boxes are withheld.

    Raises:
        InputError: If the shapes differ, a coordinate is not finite or a latitude impossible.
    """

    latitude: Array
    longitude: Array
    day: Array
    group: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        shape = np.shape(self.latitude)
        if np.size(self.group) == 0:
            object.__setattr__(self, "group", np.full(shape, NO_GROUP, np.int64))
        for name in ("latitude", "longitude", "day", "group"):
            values = np.asarray(getattr(self, name))
            if values.shape != shape or values.ndim != 1:
                raise InputError(
                    f"{name} has shape {values.shape} where latitude has {shape}; "
                    "give one-dimensional arrays of equal length."
                )
            if not np.isfinite(values).all():
                raise InputError(f"{name} holds values that are not finite; remove them first.")
            dtype = np.int64 if name == "group" else np.float64
            object.__setattr__(self, name, np.ascontiguousarray(values, dtype))
        beyond = np.abs(self.latitude) > 90.0
        if beyond.any():
            raise InputError(
                f"latitude {self.latitude[beyond][0]:g} is outside [-90, 90]; check the order of "
                "latitude and longitude."
            )

    def __len__(self) -> int:
        return len(self.latitude)

    def select(self, index: NDArray[np.generic]) -> Points:
        """The points at an index or boolean array."""
        return Points(
            self.latitude[index], self.longitude[index], self.day[index], self.group[index]
        )

    def ungrouped(self) -> Points:
        """The same points without groups: every sample may inform them."""
        return Points(self.latitude, self.longitude, self.day)

    @property
    def unit_vectors(self) -> Array:
        """Positions on the unit sphere, shape ``(n, 3)``."""
        lat, lon = np.deg2rad(self.latitude), np.deg2rad(self.longitude)
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 1)


@dataclass(frozen=True)
class Samples:
    """Scattered vertical profiles of an anomaly with zero prior mean.

    Args:
        points: The positions, times and groups of the ``n`` profiles.
        value: Anomalies, shape ``(n, L)``; NaN where a level was not measured.
        noise: Observation-error variance in units of the small-scale signal variance *beyond*
            the covariance's own nugget, shape ``(n, L)``; zero by default.

    Raises:
        InputError: If shapes differ, a value is infinite or a noise is negative.
    """

    points: Points
    value: Array
    noise: Array = field(default_factory=lambda: np.empty((0, 0)))

    def __post_init__(self) -> None:
        value = np.ascontiguousarray(self.value, np.float64)
        if value.ndim != 2 or len(value) != len(self.points):
            raise InputError(
                f"value has shape {value.shape} for {len(self.points)} profiles; "
                "give one row a profile and one column a level."
            )
        if np.isinf(value).any():
            raise InputError("value holds infinite numbers; mark missing levels by NaN.")
        noise = np.zeros_like(value) if np.size(self.noise) == 0 else np.asarray(self.noise)
        noise = np.ascontiguousarray(np.broadcast_to(noise, value.shape), np.float64)
        if not (noise >= 0).all():
            raise InputError("noise holds a negative or missing variance; give zero or more.")
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "noise", noise)

    def __len__(self) -> int:
        return len(self.points)

    def select(self, index: NDArray[np.generic]) -> Samples:
        """The profiles at an index or boolean array."""
        return Samples(self.points.select(index), self.value[index], self.noise[index])

    def regrouped(self, group: NDArray[np.int64]) -> Samples:
        """The same profiles with other group labels."""
        return replace(self, points=replace(self.points, group=group))


@dataclass(frozen=True)
class Estimate:
    """A Gaussian estimate of the anomaly at ``n`` points and ``L`` levels.

    Args:
        mean: Shape ``(n, L)``.
        variance: Error variance of the field, without observation noise, shape ``(n, L)``;
            its unit is the method's own (kriging: small-scale signal variance; EnOI: data unit
            squared). NaN where the method has no opinion.
        nearby: Effective number of samples close by, shape ``(n, L)``, where the method counts
            them.
    """

    mean: Array
    variance: Array
    nearby: Array | None = None


class Interpolation(Protocol):
    """A method: settings at birth, samples and points in the call."""

    def __call__(
        self, samples: Samples, points: Points, *, progress: Callable[[float], None] | None = None
    ) -> Estimate:
        """Estimate the anomaly at every point; ``progress`` gets the fraction done."""
        ...
