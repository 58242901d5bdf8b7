"""The variables Isopleth knows, with their CF names, units and plausible range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError

__all__ = ["VARIABLES", "Variable", "convert", "lookup", "same_units"]


@dataclass(frozen=True)
class Variable:
    """What a number on the map means.

    Args:
        name: Name inside Isopleth and in its files.
        standard_name: CF standard name.
        long_name: For axes and titles.
        units: Unit of every value inside Isopleth.
        valid_min: Smallest value that sea water can have, in `units`.
        valid_max: Largest value that sea water can have, in `units`.
        cmap: Name of the cmocean colour map.
    """

    name: str
    standard_name: str
    long_name: str
    units: str
    valid_min: float
    valid_max: float
    cmap: str

    def plausible(self, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which values, in `units`, lie in the valid range; NaN does not.

        >>> lookup("temperature").plausible([10.0, 283.15, float("nan")]).tolist()
        [True, False, False]
        """
        array = np.asarray(values, dtype=np.float64)
        return np.asarray((array >= self.valid_min) & (array <= self.valid_max))

    @property
    def attrs(self) -> dict[str, str]:
        """CF attributes of a field of this variable."""
        return {
            "standard_name": self.standard_name,
            "long_name": self.long_name,
            "units": self.units,
        }


def _temperature(name: str, standard_name: str, long_name: str) -> Variable:
    return Variable(name, standard_name, long_name, "degC", -3.0, 45.0, "thermal")


VARIABLES: dict[str, Variable] = {
    v.name: v
    for v in (
        _temperature("temperature", "sea_water_temperature", "in-situ temperature"),
        _temperature(
            "potential_temperature", "sea_water_potential_temperature", "potential temperature"
        ),
        _temperature(
            "conservative_temperature",
            "sea_water_conservative_temperature",
            "conservative temperature",
        ),
        _temperature("sea_surface_temperature", "sea_surface_temperature", "surface temperature"),
        Variable(
            "salinity", "sea_water_practical_salinity", "practical salinity", "1", 0, 45, "haline"
        ),
    )
}
"""Every variable by its name; temperatures are ITS-90 in degC."""

_ALIASES = {
    "temp": "temperature",
    "t": "temperature",
    "temp_adjusted": "temperature",
    "in_situ_temperature": "temperature",
    "thetao": "potential_temperature",
    "theta": "potential_temperature",
    "votemper": "potential_temperature",
    "ptemp": "potential_temperature",
    "pt": "potential_temperature",
    "bigthetao": "conservative_temperature",
    "ct": "conservative_temperature",
    "tos": "sea_surface_temperature",
    "sst": "sea_surface_temperature",
    "analysed_sst": "sea_surface_temperature",
    "sea_surface_foundation_temperature": "sea_surface_temperature",
    "psal": "salinity",
    "psal_adjusted": "salinity",
    "so": "salinity",
    "sal": "salinity",
    "salt": "salinity",
    "s": "salinity",
    "vosaline": "salinity",
    "sea_water_salinity": "salinity",
}

_CELSIUS = (1.0, 0.0)
_KELVIN = (1.0, -273.15)
_FAHRENHEIT = (5.0 / 9.0, -160.0 / 9.0)
_PRACTICAL = (1.0, 0.0)

_TEMPERATURE_UNITS = {
    **dict.fromkeys(("degc", "c", "celsius", "degreec", "degreecelsius", "degcelsius"), _CELSIUS),
    **dict.fromkeys(("degreesc", "degreescelsius", "°c", "degc(its-90)"), _CELSIUS),
    **dict.fromkeys(("k", "kelvin", "degk", "degreek", "degreeskelvin", "degreesk"), _KELVIN),
    **dict.fromkeys(("degf", "f", "fahrenheit", "degreefahrenheit", "°f"), _FAHRENHEIT),
}
_SALINITY_UNITS = dict.fromkeys(
    ("1", "psu", "pss", "pss-78", "pss78", "1e-3", "0.001", "1e-03", "ppt", "dimensionless"),
    _PRACTICAL,
)


def lookup(name: str) -> Variable:
    """The variable with this name, CF standard name or well-known alias, in any case.

    Raises:
        InputError: If the name is unknown.

    >>> lookup("thetao").name, lookup("sea_water_practical_salinity").name
    ('potential_temperature', 'salinity')
    """
    key = name.strip().lower()
    key = _ALIASES.get(key, key)
    for variable in VARIABLES.values():
        if key in (variable.name, variable.standard_name):
            return variable
    known = ", ".join(VARIABLES)
    raise InputError(f"the variable {name!r} is not known: use one of {known}.")


def convert(
    values: npt.ArrayLike,
    from_units: str,
    to_units: str,
    variable: Variable | str,
    *,
    difference: bool = False,
) -> npt.NDArray[np.float64]:
    """Values in another unit, `to = (from * a + b - d) / c` by way of the variable's own unit.

    Args:
        values: Any shape.
        from_units: Unit of `values`, as written in files: K, kelvin, degC, Celsius, PSU ...
        to_units: Unit wanted.
        variable: The variable or its name.
        difference: True for differences and standard deviations, which have no offset.

    Raises:
        InputError: If a unit is unknown for this variable.

    >>> convert([273.15, 300.0], "K", "degC", "temperature").round(2).tolist()
    [0.0, 26.85]
    >>> convert(0.5, "K", "degC", "temperature", difference=True).tolist()
    0.5
    """
    kind = lookup(variable) if isinstance(variable, str) else variable
    scale_in, offset_in = _to_own(from_units, kind)
    scale_out, offset_out = _to_own(to_units, kind)
    array = np.asarray(values, dtype=np.float64)
    if difference:
        return array * (scale_in / scale_out)
    if (scale_in, offset_in) == (scale_out, offset_out):
        return array.copy()
    return (array * scale_in + (offset_in - offset_out)) / scale_out


def same_units(one: str, other: str, variable: Variable | str) -> bool:
    """Whether two spellings mean the same unit of a variable.

    >>> same_units("degrees_celsius", "degC", "temperature"), same_units("K", "C", "temperature")
    (True, False)
    """
    kind = lookup(variable) if isinstance(variable, str) else variable
    return _to_own(one, kind) == _to_own(other, kind)


def _to_own(units: str, variable: Variable) -> tuple[float, float]:
    """Factor and offset that bring `units` to the variable's own unit."""
    table = _SALINITY_UNITS if variable.units == "1" else _TEMPERATURE_UNITS
    key = units.strip().lower().replace("_", "").replace(" ", "")
    if key not in table:
        raise InputError(
            f"the unit {units!r} is not one of {variable.long_name}: "
            f"convert the values to {variable.units} and write that as their unit."
        )
    return table[key]
