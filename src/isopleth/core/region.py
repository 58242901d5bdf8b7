"""Region: a box of latitude and longitude, which may lie across Greenwich or the dateline."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError

__all__ = ["Region"]

_BOUND = re.compile(r"^([+-]?\d+(?:\.\d+)?)\s*°?\s*([NSEW]?)$", re.IGNORECASE)
_REMEDY = "write it as SOUTH:NORTH,WEST:EAST, for example 20N:60N,80W:0"


@dataclass(frozen=True)
class Region:
    """A latitude-longitude box, unwrapped: `0 <= west < 360` and `west < east <= west + 360`.

    Args:
        south: Southern edge, degrees north, in [-90, 90].
        north: Northern edge, degrees north, in [-90, 90], greater than `south`.
        west: Western edge, degrees east; any finite value, brought into [0, 360).
        east: Eastern edge, degrees east; brought into (west, west + 360].

    Raises:
        InputError: If an edge is not finite, a latitude leaves [-90, 90], or the box is empty.

    >>> Region(20, 60, -80, 0)
    Region(south=20.0, north=60.0, west=280.0, east=360.0)
    """

    south: float
    north: float
    west: float
    east: float

    def __post_init__(self) -> None:
        """Check the edges and unwrap the longitudes."""
        for name in ("south", "north", "west", "east"):
            value = float(getattr(self, name))
            if not math.isfinite(value):
                raise InputError(f"the region's {name} edge is {value}: give a finite number.")
            object.__setattr__(self, name, value)
        if not -90.0 <= self.south < self.north <= 90.0:
            raise InputError(
                f"a region from latitude {self.south:g} to {self.north:g} is not possible: "
                "give south < north, both within -90 and 90."
            )
        if self.west == self.east:
            raise InputError(
                f"a region from longitude {self.west:g} to {self.east:g} has no width: "
                "for the whole circle write 0:360."
            )
        width = (self.east - self.west) % 360.0 or 360.0
        object.__setattr__(self, "west", self.west % 360.0)
        object.__setattr__(self, "east", self.west + width)

    @classmethod
    def parse(cls, text: str) -> Region:
        """Read `SOUTH:NORTH,WEST:EAST`, with N, S, E, W or signed numbers; spaces are ignored.

        Args:
            text: For example `20N:60N,80W:0`, or `-30:30,120:-70` (across the dateline).

        Raises:
            InputError: If the text has another form.

        >>> Region.parse("20N:60N,80W:0")
        Region(south=20.0, north=60.0, west=280.0, east=360.0)
        >>> Region.parse("30S:30N, 120E:70W").east
        290.0
        """
        parts = [part.split(":") for part in text.replace(" ", "").split(",")]
        if len(parts) != 2 or any(len(part) != 2 for part in parts):
            raise InputError(f"the region {text!r} is not understood: {_REMEDY}.")
        south, north = sorted(_bound(bound, "NS", text) for bound in parts[0])
        west, east = (_bound(bound, "EW", text) for bound in parts[1])
        return cls(south, north, west, east)

    @property
    def width(self) -> float:
        """Extent in longitude, degrees, in (0, 360]."""
        return self.east - self.west

    def contains(self, latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which positions lie in the box, edges included; longitudes in any convention.

        >>> Region.parse("20N:60N,80W:0").contains([30, 30, 70], [-20, 20, -20]).tolist()
        [True, False, False]
        """
        lat = np.asarray(latitude, dtype=np.float64)
        lon = np.asarray(longitude, dtype=np.float64)
        inside = (lat >= self.south) & (lat <= self.north)
        east_of_west = (lon - self.west) % 360.0
        on_east_edge = (self.east - lon) % 360.0 == 0.0
        return np.asarray(inside & ((east_of_west <= self.width) | on_east_edge))

    def __str__(self) -> str:
        """The text that `parse` reads back.

        >>> str(Region(20, 60, 280, 360))
        '20N:60N,80W:0E'
        """
        lat = ":".join(_label(v, "NS") for v in (self.south, self.north))
        if self.width == 360.0:
            return f"{lat},{self.west:.10g}E:{self.east:.10g}E"
        return f"{lat}," + ":".join(_label(_signed(v), "EW") for v in (self.west, self.east))


def _bound(text: str, letters: str, whole: str) -> float:
    """One bound in signed degrees; `letters` are the positive and the negative direction."""
    match = _BOUND.match(text)
    if match is None or (match[2] and match[2].upper() not in letters):
        raise InputError(f"{text!r} in the region {whole!r} is not understood: {_REMEDY}.")
    value = float(match[1])
    return -value if match[2].upper() == letters[1] else value


def _signed(longitude: float) -> float:
    return (longitude + 180.0) % 360.0 - 180.0


def _label(value: float, letters: str) -> str:
    return f"{abs(value):.10g}{letters[0] if value >= 0 else letters[1]}"
