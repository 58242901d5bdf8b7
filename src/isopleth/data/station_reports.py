"""Station reports: a table of observations of several variables, one value in a row.

No row is lost: one that cannot be used keeps its place with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from isopleth.core.channels import PRESSURE, Vertical
from isopleth.core.errors import InputError
from isopleth.core.quantities import Quantity
from isopleth.data.batches import FrameSource, Source, table_source
from isopleth.data.cells import Numbers, parse_names, parse_numbers
from isopleth.data.instants import parse_instants
from isopleth.data.lexicon import ROLES, split_unit

__all__ = ["COLUMNS", "Reports", "read_report_frame", "read_reports"]

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "time": ROLES["time"],
    "latitude": ROLES["latitude"],
    "longitude": ROLES["longitude"],
    "variable": ("variable", "parameter", "quantity", "observed_variable", "varname", "element"),
    "level": ("level", "pressure", "pressure_level", "plev", "pres", "depth", "height", "lev"),
    "value": ("value", "observation", "obs_value", "obs", "observed", "measurement"),
    "unit": ("unit", "units", "value_unit"),
    "error": ("error", "sd", "std", "sigma", "uncertainty", "error_sd", "obs_error", "stdev"),
    "station": ("station", "station_id", "station_name", "platform", "id", "wmo", "name", "site"),
}
"""What a column may mean, and its accepted names, in any case; `level` and `station` may lack."""

_OPTIONAL = ("level", "station")
_LEVEL_UNITS = {"hpa": 1.0, "mb": 1.0, "mbar": 1.0, "pa": 0.01, "m": 1.0, "km": 1000.0, "": 1.0}


@dataclass(frozen=True, eq=False, kw_only=True)
class Reports:
    """Rows of a table of observations.

    Args:
        row: Number of the row in the table, from 1, shape (n,), as every other field.
        station: Name, "" for none.
        time: UTC, NaT where it cannot be read.
        latitude: Degrees north.
        longitude: Degrees east, in [0, 360).
        variable: As the table has it.
        level: Pressure in hPa, or m; NaN for none.
        value: In the unit of `unit`.
        error: Standard deviation of the error, in the unit of `unit`.
        unit: As the table has it; the quantity's own after `matched`.
        reason: Why the row cannot be used, "" if it can.
        quantity: Number of the quantity after `matched`, -1 for none.
    """

    row: npt.NDArray[np.int64]
    station: Texts
    time: npt.NDArray[np.datetime64]
    latitude: Floats
    longitude: Floats
    variable: Texts
    level: Floats
    value: Floats
    error: Floats
    unit: Texts
    reason: npt.NDArray[np.object_]
    quantity: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Number of rows."""
        return self.row.size

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Rows without a reason against them, shape (n,)."""
        return np.asarray(self.reason == "", dtype=bool)

    def refused(self, bad: npt.ArrayLike, reason: str | npt.NDArray[np.object_]) -> Reports:
        """The same with a reason at the rows that are `bad` and had none."""
        here = np.asarray(bad, dtype=bool) & self.usable
        return replace(self, reason=np.where(here, np.asarray(reason, object), self.reason))

    def take(self, index: npt.ArrayLike) -> Reports:
        """Some rows."""
        at = np.asarray(index)
        return Reports(**{name: getattr(self, name)[at] for name in self.__dataclass_fields__})

    def matched(self, quantities: Sequence[Quantity]) -> Reports:
        """Values and errors in the units of these quantities; rows of others are refused.

        Args:
            quantities: Those that can be used.
        """
        which = np.full(len(self), -1)
        value, error = self.value.copy(), self.error.copy()
        unit, bad = self.unit.astype(object), np.zeros(len(self), dtype=bool)
        pairs = pd.MultiIndex.from_arrays([self.variable, self.unit])
        for variable, units in pairs.unique():
            rows = (self.variable == variable) & (self.unit == units)
            found = next((i for i, q in enumerate(quantities) if q.goes_by(variable)), -1)
            if found < 0:
                continue
            which[rows] = found
            q = quantities[found]
            try:
                value[rows] = q.convert(self.value[rows], units)
                error[rows] = q.convert(self.error[rows], units, difference=True)
                unit[rows] = q.units
            except InputError:
                bad |= rows
        done = replace(self, value=value, error=error, unit=unit.astype(str), quantity=which)
        names = ", ".join(q.long_name for q in quantities)
        done = done.refused(which < 0, f"variable is none of the background ({names})")
        wrong = [f"unit {u or '(none)'} is none of this variable" for u in self.unit]
        done = done.refused(bad, np.array(wrong, object))
        low = np.array([q.range[0] for q in quantities])[which]
        high = np.array([q.range[1] for q in quantities])[which]
        return done.refused((value < low) | (value > high), "value is not possible")

    def frame(self) -> pd.DataFrame:
        """The rows as a table; longitudes in [-180, 180)."""
        return pd.DataFrame(
            {
                "row": self.row,
                "station": self.station,
                "time": self.time,
                "latitude": self.latitude,
                "longitude": (self.longitude + 180.0) % 360.0 - 180.0,
                "variable": self.variable,
                "level": self.level,
                "value": self.value,
                "error": self.error,
                "unit": self.unit,
            }
        )


def read_reports(path: Path, vertical: Vertical | None = PRESSURE) -> Reports:
    """Rows of a CSV (plain or gzip; comma, semicolon or tab) or Parquet file.

    Columns are found by name (`COLUMNS`). Times without a zone are UTC, longitudes in any
    convention; pressure levels in hPa unless the header says Pa, as in "level (Pa)".

    Args:
        path: The file.
        vertical: Coordinate of the levels of the background, None without levels.

    Raises:
        DataMissingError: If there is no such file.
        InputError: If it is empty or damaged, or a column is missing.
    """
    return _read(table_source(path), vertical)


def read_report_frame(frame: pd.DataFrame, vertical: Vertical | None = PRESSURE) -> Reports:
    """Rows of a pandas DataFrame, by the rules of `read_reports`.

    >>> rows = {"time": ["2017-01-01"] * 2, "lat": 50.0, "lon": -3.0, "variable": "t",
    ...         "level": 500, "value": [250.0, 251.0], "unit": "K", "error": [0.5, 0.0]}
    >>> read_report_frame(pd.DataFrame(rows)).reason.tolist()
    ['', 'error is zero or negative']
    """
    return _read(FrameSource(frame), vertical)


def _read(source: Source, vertical: Vertical | None) -> Reports:
    columns = _columns(source)
    headers = list(dict.fromkeys(header for header, _ in columns.values()))
    with closing(source.batches(headers)) as batches:
        pieces = [batch for batch, _ in batches]
    rows = sum(piece.num_rows for piece in pieces)
    if rows == 0:
        raise InputError(
            f"{source.name} has a header and no rows: there is nothing to assimilate."
        )
    table = pa.Table.from_batches(pieces).combine_chunks()
    cells = {role: table.column(header).combine_chunks() for role, (header, _) in columns.items()}
    return _rows(cells, columns, rows, vertical)


def _rows(
    cells: Mapping[str, pa.Array],
    columns: Mapping[str, tuple[str, str]],
    rows: int,
    vertical: Vertical | None,
) -> Reports:
    def numbers(role: str) -> Numbers:
        if role not in cells:
            return Numbers(np.full(rows, np.nan), np.zeros(rows, dtype=bool))
        return parse_numbers(cells[role], columns[role][0])

    def names(role: str) -> Texts:
        if role not in cells:
            return np.full(rows, "", dtype="U1")
        codes, texts = parse_names(cells[role])
        return np.array(texts)[codes]

    instants = parse_instants(cells["time"], columns["time"][0])
    lat, lon, level = numbers("latitude"), numbers("longitude"), numbers("level")
    value, error = numbers("value"), numbers("error")
    scale = _level_scale(columns.get("level", ("", "")), vertical)
    reports = Reports(
        row=np.arange(1, rows + 1),
        station=names("station"),
        time=instants.time,
        latitude=lat.value,
        longitude=lon.value % 360.0,
        variable=names("variable"),
        level=level.value * scale,
        value=value.value,
        error=error.value,
        unit=names("unit"),
        reason=np.full(rows, "", dtype=object),
        quantity=np.full(rows, -1),
    )
    for bad, reason in (
        (instants.missing, "time is missing"),
        (instants.unreadable, "time cannot be read"),
        (np.isnan(lat.value) | np.isnan(lon.value), "position is missing or cannot be read"),
        (np.abs(lat.value) > 90.0, "latitude is outside -90 to 90"),
        ((lon.value < -180.0) | (lon.value > 540.0), "longitude is outside -180 to 540"),
        (level.unreadable, "level cannot be read"),
        (np.isnan(value.value), "value is missing or cannot be read"),
        (np.isnan(error.value), "error is missing or cannot be read"),
        (error.value <= 0.0, "error is zero or negative"),
    ):
        reports = reports.refused(bad, reason)
    return reports


def _columns(source: Source) -> dict[str, tuple[str, str]]:
    """Header and unit of each role."""
    found: dict[str, tuple[str, str]] = {}
    split = {header: _name_and_unit(header) for header in source.headers}
    for role, accepted in COLUMNS.items():
        matches = [h for h in source.headers if split[h][0] in accepted]
        if matches:
            best = min(matches, key=lambda h: accepted.index(split[h][0]))
            found[role] = (best, split[best][1] or source.units.get(best, ""))
        elif role not in _OPTIONAL:
            raise InputError(
                f"no column of {source.name} holds the {role}: it has "
                f"{', '.join(source.headers[:12])}; name one of them {' or '.join(accepted[:3])}."
            )
    return found


def _name_and_unit(header: str) -> tuple[str, str]:
    name, unit = split_unit(header)
    stem, _, last = name.rpartition("_")
    if stem in COLUMNS["level"] and last in _LEVEL_UNITS:
        return stem, last
    return name, unit


def _level_scale(column: tuple[str, str], vertical: Vertical | None) -> float:
    header, unit = column
    key = unit.strip().lower()
    pressure = vertical is PRESSURE
    if key not in _LEVEL_UNITS or (key in ("m", "km") and pressure):
        wanted = "hPa or Pa" if pressure else "m"
        raise InputError(f"the column {header!r} is in {unit!r}: give the levels in {wanted}.")
    return _LEVEL_UNITS[key]
