"""Quantities of the atmosphere and the sea surface: names in files, units, and what is possible.

`core.variables` is about sea water and its many temperatures; this table is what an analysis of
several fields at once needs. A field that is not in it keeps its own name and unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError

__all__ = ["GRAVITY", "QUANTITIES", "Quantity", "find_quantity", "named_quantity"]

GRAVITY = 9.80665
"""Standard gravity, m s-2 (3rd CGPM, 1901): geopotential over it is geopotential height."""

Linear = tuple[float, float]

_KELVIN: Mapping[str, Linear] = {
    **dict.fromkeys(("k", "kelvin", "degk"), (1.0, 0.0)),
    **dict.fromkeys(("degc", "c", "celsius", "degreecelsius", "degreescelsius"), (1.0, 273.15)),
    **dict.fromkeys(("degf", "f", "fahrenheit"), (5.0 / 9.0, 459.67 * 5.0 / 9.0)),
}
_CELSIUS = {unit: (scale, offset - 273.15) for unit, (scale, offset) in _KELVIN.items()}
_HEIGHT: Mapping[str, Linear] = {
    **dict.fromkeys(("m", "gpm", "meter", "meters", "metre", "metres"), (1.0, 0.0)),
    **dict.fromkeys(("dam", "gpdm", "dagpm"), (10.0, 0.0)),
    "km": (1000.0, 0.0),
    **dict.fromkeys(("m2s-2", "m2/s2", "j/kg", "jkg-1"), (1.0 / GRAVITY, 0.0)),
}
_SPEED: Mapping[str, Linear] = {
    **dict.fromkeys(("ms-1", "m/s", "mps"), (1.0, 0.0)),
    **dict.fromkeys(("kmh-1", "km/h"), (1.0 / 3.6, 0.0)),
    **dict.fromkeys(("kt", "kts", "knot", "knots"), (1852.0 / 3600.0, 0.0)),
}
_PRESSURE: Mapping[str, Linear] = {
    **dict.fromkeys(("pa", "pascal"), (1.0, 0.0)),
    **dict.fromkeys(("hpa", "mb", "mbar", "millibar", "millibars"), (100.0, 0.0)),
    "kpa": (1000.0, 0.0),
}
_MASS: Mapping[str, Linear] = {
    **dict.fromkeys(("kgkg-1", "kg/kg", "1"), (1.0, 0.0)),
    **dict.fromkeys(("gkg-1", "g/kg"), (1e-3, 0.0)),
}
_PERCENT: Mapping[str, Linear] = {
    **dict.fromkeys(("%", "percent"), (1.0, 0.0)),
    **dict.fromkeys(("1", "fraction"), (100.0, 0.0)),
}
_SALT: Mapping[str, Linear] = dict.fromkeys(("1", "psu", "1e-3", "0.001", "pss-78"), (1.0, 0.0))


@dataclass(frozen=True)
class Quantity:
    """What the numbers of a field are.

    Args:
        name: Name inside Isopleth and in its files.
        standard_name: CF standard name, "" where unknown.
        long_name: For titles.
        units: Unit of every value inside.
        known: Factor and offset to `units` by spelling of a unit, see `plain_unit`.
        range: Smallest and largest possible value, in `units`.
        aliases: Other names in files and tables, lower case.
        colours: Name of a cmocean colour map.
    """

    name: str
    standard_name: str
    long_name: str
    units: str
    known: Mapping[str, Linear] = field(default_factory=dict, compare=False, repr=False)
    range: tuple[float, float] = (-np.inf, np.inf)
    aliases: tuple[str, ...] = ()
    colours: str = "thermal"

    @property
    def attrs(self) -> dict[str, str]:
        """CF attributes of a field of it."""
        stated = {"standard_name": self.standard_name} if self.standard_name else {}
        return {**stated, "long_name": self.long_name, "units": self.units}

    def goes_by(self, name: str) -> bool:
        """Whether a file or table may call it so.

        >>> named_quantity("t").goes_by("Air_Temperature"), named_quantity("t").goes_by("q")
        (True, False)
        """
        return name.strip().lower() in (self.name.lower(), self.standard_name, *self.aliases)

    def convert(
        self, values: npt.ArrayLike, units: str, *, difference: bool = False
    ) -> npt.NDArray[np.float64]:
        """Values in the quantity's own unit.

        Args:
            values: Any shape.
            units: Their unit, as files write it.
            difference: True for standard deviations, which have no offset.

        Raises:
            InputError: If the unit is none of the quantity.

        >>> named_quantity("z").convert(98.0665, "m**2 s**-2").round(6).tolist()
        10.0
        >>> named_quantity("t").convert(0.5, "degC", difference=True).tolist()
        0.5
        """
        known = {plain_unit(self.units): (1.0, 0.0), **self.known}
        key = plain_unit(units)
        if key not in known:
            raise InputError(
                f"the unit {units!r} is not one of {self.long_name}: write the values in "
                f"{self.units} and say so."
            )
        scale, offset = known[key]
        return np.asarray(values, np.float64) * scale + (0.0 if difference else offset)


def plain_unit(units: str) -> str:
    """One spelling for many: lower case without blanks, powers and dots.

    >>> plain_unit("m**2 s**-2"), plain_unit("m s^-1"), plain_unit("degree_Celsius")
    ('m2s-2', 'ms-1', 'degreecelsius')
    """
    text = units.strip().lower().replace("**", "").replace("^", "")
    return text if text in ("1e-3", "0.001") else "".join(c for c in text if c not in " ._*")


def _air(name: str, short: str, long_name: str, *aliases: str) -> Quantity:
    return Quantity(
        name,
        short,
        long_name,
        "K",
        _KELVIN,
        (150.0, 350.0),
        aliases,
    )


def _wind(name: str, standard_name: str, long_name: str, *aliases: str) -> Quantity:
    limits = (-200.0, 200.0)
    return Quantity(
        name, standard_name, long_name, "m s-1", _SPEED, limits, aliases, colours="balance"
    )


def _pressure(name: str, standard_name: str, long_name: str, *aliases: str) -> Quantity:
    limits = (30_000.0, 110_000.0)
    return Quantity(
        name, standard_name, long_name, "Pa", _PRESSURE, limits, aliases, colours="haline"
    )


QUANTITIES: tuple[Quantity, ...] = (
    _air(
        "air_temperature", "air_temperature", "air temperature", "t", "ta", "temperature", "temp"
    ),
    Quantity(
        "geopotential_height",
        "geopotential_height",
        "geopotential height",
        "m",
        _HEIGHT,
        (-1000.0, 90_000.0),
        ("z", "gh", "zg", "hgt", "geopotential", "height"),
        colours="haline",
    ),
    _wind("eastward_wind", "eastward_wind", "eastward wind", "u", "ua", "uwnd"),
    _wind("northward_wind", "northward_wind", "northward wind", "v", "va", "vwnd"),
    Quantity(
        "streamfunction",
        "atmosphere_horizontal_streamfunction",
        "streamfunction",
        "m2 s-1",
        {"m2/s": (1.0, 0.0), "km2s-1": (1e6, 0.0), "1e6m2s-1": (1e6, 0.0)},
        aliases=("psi", "strf", "stream", "stream_function"),
        colours="balance",
    ),
    Quantity(
        "specific_humidity",
        "specific_humidity",
        "specific humidity",
        "kg kg-1",
        _MASS,
        (0.0, 0.1),
        ("q", "hus", "shum"),
        colours="rain",
    ),
    Quantity(
        "relative_humidity",
        "relative_humidity",
        "relative humidity",
        "%",
        _PERCENT,
        (0.0, 150.0),
        ("r", "rh", "hur", "hurs"),
        colours="rain",
    ),
    _air("temperature_2m", "air_temperature", "air temperature at 2 m", "t2m", "2t", "tas"),
    _wind("eastward_wind_10m", "eastward_wind", "eastward wind at 10 m", "u10", "10u", "uas"),
    _wind("northward_wind_10m", "northward_wind", "northward wind at 10 m", "v10", "10v", "vas"),
    _pressure(
        "sea_level_pressure",
        "air_pressure_at_mean_sea_level",
        "pressure at mean sea level",
        *("msl", "psl", "mslp", "slp", "prmsl", "air_pressure_at_sea_level"),
    ),
    _pressure("surface_pressure", "surface_air_pressure", "surface pressure", "sp", "ps"),
    Quantity(
        "sea_surface_temperature",
        "sea_surface_temperature",
        "sea surface temperature",
        "degC",
        _CELSIUS,
        (-3.0, 45.0),
        ("sst", "tos", "analysed_sst"),
    ),
    Quantity(
        "sea_water_temperature",
        "sea_water_temperature",
        "sea water temperature",
        "degC",
        _CELSIUS,
        (-3.0, 45.0),
        ("thetao", "votemper", "sea_water_potential_temperature"),
    ),
    Quantity(
        "salinity",
        "sea_water_practical_salinity",
        "practical salinity",
        "1",
        _SALT,
        (0.0, 45.0),
        ("so", "sal", "psal", "vosaline", "sea_water_salinity"),
        colours="haline",
    ),
)
"""The quantities with a conversion of units; where two go by one CF name, the first."""


def named_quantity(name: str) -> Quantity | None:
    """The first quantity that goes by this name, or None.

    >>> named_quantity("2t").name, named_quantity("air_temperature").name
    ('temperature_2m', 'air_temperature')
    """
    return next((q for q in QUANTITIES if q.goes_by(name)), None)


def find_quantity(name: str, standard_name: str, units: str) -> Quantity:
    """What a field of a file is: by its CF name, by its own, or itself with its own unit.

    Args:
        name: Of the field in its file.
        standard_name: As the file states it, "" for none.
        units: As the file states them.

    >>> find_quantity("tas", "air_temperature", "K").name
    'temperature_2m'
    >>> find_quantity("t", "sea_water_temperature", "degC").name
    'sea_water_temperature'
    >>> find_quantity("ozone", "", "mol m-3").units
    'mol m-3'
    """
    by_name = named_quantity(name)
    stated = named_quantity(standard_name) if standard_name else None
    if by_name is not None and standard_name in ("", by_name.standard_name):
        stated = by_name
    return stated or Quantity(name, standard_name, name.replace("_", " "), units)
