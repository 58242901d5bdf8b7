"""The names under which tables and files hold what we need, and the unit that a name may carry."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from isopleth.core.errors import InputError

__all__ = ["ROLES", "Column", "Columns", "find_columns", "is_length", "is_pressure", "split_unit"]

ROLES: dict[str, tuple[str, ...]] = {
    "time": ("time", "datetime", "date_time", "timestamp", "time_utc", "obs_time", "juld", "date"),
    "latitude": ("latitude", "lat", "nav_lat", "latitude_deg"),
    "longitude": ("longitude", "lon", "long", "nav_lon", "longitude_deg"),
    "depth": ("depth", "deph", "z", "depth_below_surface", "sample_depth"),
    "pressure": ("pressure", "pres", "press", "pres_adjusted", "sea_water_pressure", "dbar"),
    "temperature": (
        "temperature",
        "temp",
        "value",
        "t",
        "temp_adjusted",
        "sea_water_temperature",
        "water_temperature",
        "in_situ_temperature",
    ),
    "potential": ("potential_temperature", "theta", "potm", "ptmp", "ptemp", "thetao"),
    "salinity": (
        "salinity",
        "psal",
        "sal",
        "practical_salinity",
        "psal_adjusted",
        "sea_water_practical_salinity",
        "value",
        "s",
    ),
    "error": (
        "error",
        "uncertainty",
        "sd",
        "std",
        "sigma",
        "standard_error",
        "value_error",
        "temp_error",
        "temperature_error",
        "temp_adjusted_error",
        "temperature_uncertainty",
        "psal_error",
        "salinity_error",
    ),
    "quality": (
        "quality",
        "qc",
        "flag",
        "quality_flag",
        "qc_flag",
        "temp_qc",
        "temperature_qc",
        "temp_adjusted_qc",
        "value_qc",
        "psal_qc",
        "salinity_qc",
    ),
    "platform": ("platform", "platform_number", "platform_id", "wmo", "wmo_id", "id", "float"),
    "profile": ("profile", "profile_id", "profile_number", "cast", "cast_id", "n_prof"),
}
"""What a column may mean, and its accepted names in order of preference, in any case."""

_METRES = frozenset(("m", "meter", "meters", "metre", "metres"))
_DECIBARS = frozenset(("dbar", "dbars", "decibar", "decibars", "db"))
_SUFFIXES = frozenset((*_METRES, *_DECIBARS, "degc", "celsius", "c", "k", "kelvin", "psu", "degf"))
_BRACKETED = re.compile(r"^(?P<name>[^(\[]+?)\s*[(\[](?P<unit>[^)\]]*)[)\]]\s*$")
_WIDE = {
    "temperature": re.compile(r"^(?:t|temp|temperature)_?(?P<level>\d+(?:\.\d+)?)$"),
    "salinity": re.compile(r"^(?:s|sal|psal|salinity)_?(?P<level>\d+(?:\.\d+)?)$"),
}

_OF_THE_OTHER = {"temperature": ("psal", "salinity"), "salinity": ("temp",)}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        header: Name as the table writes it.
        unit: Unit that the header carries, "" for none.
    """

    header: str
    unit: str = ""


@dataclass(frozen=True)
class Columns:
    """Which column plays which role, and in the wide form which holds which level.

    Args:
        roles: Column of each role that the table has.
        levels: Column of each level of a wide table, empty for a long one.
    """

    roles: Mapping[str, Column]
    levels: Mapping[float, Column]

    def get(self, role: str) -> Column | None:
        """The column that plays a role, or None."""
        return self.roles.get(role)

    @property
    def headers(self) -> list[str]:
        """Every header that has to be read."""
        return list(dict.fromkeys(c.header for c in (*self.roles.values(), *self.levels.values())))


def is_length(unit: str) -> bool:
    """Whether a unit is the metre, in any spelling."""
    return unit.strip().lower() in _METRES


def is_pressure(unit: str) -> bool:
    """Whether a unit is the decibar, in any spelling."""
    return unit.strip().lower() in _DECIBARS


def split_unit(header: str) -> tuple[str, str]:
    """Plain name and unit of a header, "" for none.

    >>> split_unit("Temperature [degC]"), split_unit("depth_m"), split_unit("LATITUDE")
    (('temperature', 'degC'), ('depth', 'm'), ('latitude', ''))
    """
    found = _BRACKETED.match(header.strip())
    if found:
        return _plain(found["name"]), found["unit"].strip()
    name = _plain(header)
    stem, _, suffix = name.rpartition("_")
    if stem and suffix in _SUFFIXES and any(stem in names for names in ROLES.values()):
        return stem, suffix
    return name, ""


def find_columns(
    headers: Sequence[str],
    variable: str,
    *,
    named: Mapping[str, str | None] | None = None,
    units: Mapping[str, str] | None = None,
    wide: bool = False,
) -> Columns:
    """The role of each column.

    Args:
        headers: Names as the table writes them.
        variable: "temperature" or "salinity".
        named: Header of a role, where the caller knows better; None leaves the role out.
        units: Unit of a header, where it is stated beside it.
        wide: Whether columns such as temp100, temp150 hold the levels.

    Raises:
        InputError: If a needed column is missing; the message lists what was found and what the
            column may be called.
    """
    if variable not in _WIDE:
        raise InputError(f"tables are read for temperature or salinity, not {variable!r}.")
    stated = units or {}
    roles = _by_name(headers, stated, variable)
    for role, header in (named or {}).items():
        roles.pop(role, None)
        if header is not None:
            roles[role] = _named(role, header, headers, stated)
    levels = _levels(headers, variable) if wide else {}
    _need(roles, headers, "time", "latitude", "longitude")
    if wide:
        if not levels:
            raise InputError(
                f"no column such as temp100 was found among {_listed(headers)}: "
                "leave out the wide option for a table with one value in a row."
            )
        for role in ("temperature", "potential", "salinity", "depth", "pressure"):
            roles.pop(role, None)
        return Columns(roles, levels)
    _need_value(roles, headers, variable)
    return Columns(_one_vertical(_one_value(roles, variable), headers), {})


def _by_name(headers: Sequence[str], units: Mapping[str, str], variable: str) -> dict[str, Column]:
    """The best-named column of each role; errors and flags of the other variable do not count."""
    split = {header: split_unit(header) for header in headers}
    roles: dict[str, Column] = {}
    for role, accepted in ROLES.items():
        others = _OF_THE_OTHER[variable] if role in ("error", "quality") else ()
        names = [name for name in accepted if not name.startswith(others)]
        matches = [h for h in headers if split[h][0] in names]
        if matches:
            best = min(matches, key=lambda h: names.index(split[h][0]))
            roles[role] = Column(best, split[best][1] or units.get(best, ""))
    return roles


def _named(role: str, header: str, headers: Sequence[str], units: Mapping[str, str]) -> Column:
    if role not in ROLES:
        raise InputError(f"{role!r} is no role of a column: use one of {', '.join(ROLES)}.")
    if header not in headers:
        raise InputError(f"there is no column {header!r}: the table has {_listed(headers)}.")
    return Column(header, split_unit(header)[1] or units.get(header, ""))


def _levels(headers: Sequence[str], variable: str) -> dict[float, Column]:
    """Column of each level of a wide table, shallowest first."""
    found = {h: _WIDE[variable].match(_plain(h)) for h in headers}
    pairs = {float(m["level"]): Column(h) for h, m in found.items() if m is not None}
    return dict(sorted(pairs.items()))


def _need(roles: Mapping[str, Column], headers: Sequence[str], *needed: str) -> None:
    for role in needed:
        if role not in roles:
            raise InputError(
                f"no column holds {role}: the table has {_listed(headers)}; "
                f"name the column one of {', '.join(ROLES[role])}."
            )


def _need_value(roles: dict[str, Column], headers: Sequence[str], variable: str) -> None:
    if variable == "temperature" and "potential" in roles and "temperature" not in roles:
        return
    levels = _levels(headers, variable)
    if variable not in roles and levels:
        wide = ", ".join(c.header for c in levels.values())
        raise InputError(
            f"the columns {wide} look like a wide table: "
            "say in which unit the numbers are, wide='dbar' or wide='m' (on the command line "
            "--wide dbar or --wide m)."
        )
    _need(roles, headers, variable)


def _one_value(roles: Mapping[str, Column], variable: str) -> dict[str, Column]:
    """The value asked for; salinity stays only where potential temperature needs it."""
    if variable in roles:
        unused = {"temperature", "potential", "salinity"} - {variable}
    else:
        unused = {"temperature"}
    return {role: column for role, column in roles.items() if role not in unused}


def _one_vertical(roles: dict[str, Column], headers: Sequence[str]) -> dict[str, Column]:
    """Depth where there is one, else pressure; the unit in the header has the last word."""
    roles = dict(roles)
    depth, pressure = roles.pop("depth", None), roles.pop("pressure", None)
    if depth is None and pressure is None:
        names = ", ".join((*ROLES["depth"], *ROLES["pressure"]))
        raise InputError(
            f"no column holds depth or pressure: the table has {_listed(headers)}; "
            f"name the column one of {names}."
        )
    chosen = depth if depth is not None else pressure
    assert chosen is not None
    if is_pressure(chosen.unit):
        roles["pressure"] = chosen
    elif is_length(chosen.unit) or not chosen.unit:
        roles["depth" if depth is not None or is_length(chosen.unit) else "pressure"] = chosen
    else:
        raise InputError(
            f"the column {chosen.header!r} is in {chosen.unit!r}: give depth in m or "
            "pressure in dbar."
        )
    return roles


def _plain(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", name.strip().strip('"').lower())


def _listed(headers: Sequence[str]) -> str:
    shown = ", ".join(headers[:20])
    return shown + (f" and {len(headers) - 20} more" if len(headers) > 20 else "")
