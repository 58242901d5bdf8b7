"""One piece of a table: cells to numbers, rows that cannot be used set aside with their reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from isopleth.core.variables import Variable, convert
from isopleth.data import seawater
from isopleth.data.cells import Numbers, parse_flags, parse_names, parse_numbers
from isopleth.data.grouping import Piece, RowColumns, piece_of
from isopleth.data.instants import Instants, parse_instants
from isopleth.data.lexicon import Column, Columns
from isopleth.data.profile_files import turned
from isopleth.data.units import below_surface, to_own_unit

__all__ = ["REMEDIES", "Chunk", "Reading", "read_chunk"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

REMEDIES = {
    "time missing": "give each row a time",
    "time unreadable": "write times as 2016-01-15T06:00:00Z",
    "position missing or unreadable": "write latitude and longitude as decimal degrees",
    "latitude outside -90..90": "are the latitude and longitude columns swapped?",
    "longitude outside -180..540": "write longitude in degrees east",
    "depth missing or unreadable": "write depth in m or pressure in dbar as a plain number",
    "depth outside 0..12000": "depth is in m below the surface, positive down",
    "value unreadable": "write values with a decimal point and no unit",
}
"""Reasons that point to a wrong column when most rows fail for them, and what to do."""


@dataclass(frozen=True)
class Reading:
    """How a table is read.

    Args:
        columns: Which column plays which role.
        variable: What the values are.
        pressure: Whether the vertical coordinate, or the levels of a wide table, are in dbar.
    """

    columns: Columns
    variable: Variable
    pressure: bool

    @property
    def value_role(self) -> str:
        """The role of the values: the variable's own, or potential temperature."""
        return self.variable.name if self.variable.name in self.columns.roles else "potential"

    @property
    def value_column(self) -> Column:
        """The column of the values, the shallowest of a wide table."""
        levels = self.columns.levels
        return next(iter(levels.values())) if levels else self.columns.roles[self.value_role]

    @property
    def converts(self) -> bool:
        """Whether the values are potential temperature and become in-situ."""
        return not self.columns.levels and self.value_role == "potential"


@dataclass(frozen=True)
class Chunk:
    """What one piece of a table gave.

    Args:
        piece: The rows that can be used, None if there are none.
        counts: Values refused, by reason, in the order of the tests.
        examples: A text that could not be read, by reason.
        total: Values in the piece.
        zoneless: Whether a time came without a zone.
    """

    piece: Piece | None
    counts: Mapping[str, int]
    examples: Mapping[str, str] = field(default_factory=dict)
    total: int = 0
    zoneless: bool = False


@dataclass(frozen=True)
class _Cells:
    """The parsed columns of m rows and the n values in them (n = m for a long table).

    `row` says to which row a value belongs, shape (n,); `vertical` is depth or pressure, shape
    (n,).
    """

    instants: Instants
    latitude: Numbers
    longitude: Numbers
    row: npt.NDArray[np.int64]
    vertical: Numbers
    value: Numbers
    good: Bools


def read_chunk(batch: pa.RecordBatch, reading: Reading) -> Chunk:
    """The usable rows of a piece of a table, and why the others are not."""
    cells = _cells(batch, reading)
    kept = np.ones(cells.row.size, dtype=bool)
    counts = {}
    for reason, bad in _failures(cells).items():
        counts[reason] = int((kept & bad).sum())
        kept &= ~bad
    examples = {
        "time unreadable": cells.instants.example,
        "value unreadable": cells.value.example,
        "depth missing or unreadable": cells.vertical.example,
        "position missing or unreadable": cells.latitude.example or cells.longitude.example,
    }
    piece = piece_of(_rows(batch, reading, cells, kept)) if kept.any() else None
    zoneless = cells.instants.zoneless
    return Chunk(piece, counts, {k: v for k, v in examples.items() if v}, kept.size, zoneless)


def _cells(batch: pa.RecordBatch, reading: Reading) -> _Cells:
    time = reading.columns.roles["time"]
    instants = parse_instants(batch.column(time.header), time.header)
    latitude, longitude = (_numbers(batch, reading, role) for role in ("latitude", "longitude"))
    assert latitude is not None
    assert longitude is not None
    row, vertical, value = (
        _wide(batch, reading) if reading.columns.levels else _long(batch, reading)
    )
    quality = reading.columns.get("quality")
    good = np.ones(batch.num_rows, dtype=bool)
    if quality is not None:
        good = parse_flags(batch.column(quality.header))
    return _Cells(instants, latitude, longitude, row, vertical, value, good[row])


def _long(
    batch: pa.RecordBatch, reading: Reading
) -> tuple[npt.NDArray[np.int64], Numbers, Numbers]:
    vertical = _numbers(batch, reading, "pressure" if reading.pressure else "depth")
    value = _numbers(batch, reading, reading.value_role)
    assert vertical is not None
    assert value is not None
    return np.arange(batch.num_rows), vertical, value


def _wide(
    batch: pa.RecordBatch, reading: Reading
) -> tuple[npt.NDArray[np.int64], Numbers, Numbers]:
    """One value for each row and level, row by row."""
    levels = reading.columns.levels
    parsed = [parse_numbers(batch.column(c.header), c.header) for c in levels.values()]
    value = np.stack([p.value for p in parsed], axis=1).reshape(-1)
    unreadable = np.stack([p.unreadable for p in parsed], axis=1).reshape(-1)
    example = next((p.example for p in parsed if p.example), "")
    vertical = np.tile(np.array(list(levels)), batch.num_rows)
    sound = np.zeros(vertical.size, dtype=bool)
    row = np.repeat(np.arange(batch.num_rows), len(levels))
    return row, Numbers(vertical, sound), Numbers(value, unreadable, example)


def _failures(cells: _Cells) -> dict[str, Bools]:
    """Why a value cannot be used, in the order of the tests, each of shape (n,)."""
    row, lat, lon = cells.row, cells.latitude.value, cells.longitude.value
    vertical = cells.vertical.value
    return {
        "time missing": cells.instants.missing[row],
        "time unreadable": cells.instants.unreadable[row],
        "position missing or unreadable": (np.isnan(lat) | np.isnan(lon))[row],
        "latitude outside -90..90": (np.abs(lat) > 90.0)[row],
        "longitude outside -180..540": ((lon < -180.0) | (lon > 540.0))[row],
        "depth missing or unreadable": np.isnan(vertical),
        "depth outside 0..12000": np.isnan(below_surface(vertical)),
        "value unreadable": cells.value.unreadable,
        "value missing": np.isnan(cells.value.value),
        "quality flag other than 1 or 2": ~cells.good,
    }


def _rows(batch: pa.RecordBatch, reading: Reading, cells: _Cells, kept: Bools) -> RowColumns:
    """The usable values with their units settled."""
    row = cells.row[kept]
    latitude = cells.latitude.value[row]
    vertical = below_surface(cells.vertical.value[kept])
    depth = seawater.depth_from_pressure(vertical, latitude) if reading.pressure else vertical
    value = to_own_unit(cells.value.value[kept], reading.value_column.unit, reading.variable)
    if reading.converts:
        pressure = vertical if reading.pressure else seawater.pressure_from_depth(depth, latitude)
        salinity = _numbers(batch, reading, "salinity")
        practical = seawater.STANDARD_SALINITY if salinity is None else salinity.value[row]
        value = seawater.in_situ_from_potential(value, pressure, practical)
    cast = reading.columns.get("profile")
    return RowColumns(
        time=cells.instants.time[row],
        latitude=latitude,
        longitude=turned(cells.longitude.value[row]),
        platform=_names(batch, reading.columns.get("platform"), row),
        cast=None if cast is None else _names(batch, cast, row),
        depth=depth,
        value=value,
        error=_errors(batch, reading, row),
    )


def _errors(batch: pa.RecordBatch, reading: Reading, row: npt.NDArray[np.int64]) -> Floats:
    """Standard deviations in the variable's unit; what is not positive is unknown."""
    column, numbers = reading.columns.get("error"), _numbers(batch, reading, "error")
    if column is None or numbers is None:
        return np.full(row.size, np.nan)
    error = np.where(numbers.value > 0.0, numbers.value, np.nan)[row]
    unit = column.unit or reading.value_column.unit
    if not unit:
        return error
    return convert(error, unit, reading.variable.units, reading.variable, difference=True)


def _names(
    batch: pa.RecordBatch, column: Column | None, row: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], list[str]]:
    if column is None:
        return np.zeros(row.size, dtype=np.int64), [""]
    codes, names = parse_names(batch.column(column.header))
    return codes[row], list(names)


def _numbers(batch: pa.RecordBatch, reading: Reading, role: str) -> Numbers | None:
    column = reading.columns.get(role)
    return None if column is None else parse_numbers(batch.column(column.header), column.header)
