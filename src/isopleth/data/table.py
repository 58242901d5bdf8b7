"""Point tables: CSV, Parquet or pandas, one measured value in a row, or one profile (wide form).

Ten million rows pass through in pieces; what stays in memory is the result, about 30 bytes a value
and 60 bytes a profile. Rows that cannot be used are counted by reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from isopleth.core.errors import InputError
from isopleth.core.variables import lookup
from isopleth.data.batches import FrameSource, Source, table_source
from isopleth.data.grouping import NotOneCastError, Piece, assemble
from isopleth.data.lexicon import find_columns, is_length, is_pressure
from isopleth.data.rejections import RejectionTable
from isopleth.data.rows import REMEDIES, Chunk, Reading, read_chunk
from isopleth.data.soundings import Soundings
from isopleth.data.units import check_plausible

__all__ = ["read_frame", "read_table"]

_MALFORMED = "row with a wrong number of cells"


def read_table(
    path: str | Path,
    *,
    variable: str = "temperature",
    wide: str | None = None,
    named: Mapping[str, str | None] | None = None,
) -> Soundings:
    """Soundings from a CSV (plain or gzip; comma, semicolon or tab) or Parquet file.

    Columns are found by name (`isopleth.data.lexicon.ROLES`), units in the header, as in
    "temperature (K)" or "depth_m". Times without a zone are UTC; longitudes may be in [-180, 180]
    or [0, 360); depth (m) is preferred to pressure (dbar, converted by TEOS-10); potential
    temperature is converted to in-situ with the salinity of the row or 35; of an optional quality
    column 1 and 2 are kept. Rows form a profile when platform, time and position agree, or
    platform and profile number if there is such a column.

    Args:
        path: The file.
        variable: "temperature" or "salinity".
        wide: Unit ("dbar" or "m") of the levels in names such as temp100, temp150, for tables with
            one profile in a row.
        named: Header of a role, for other names; None leaves the role out.

    Raises:
        DataMissingError: If the file does not exist.
        InputError: If it is empty or damaged, a column is missing, the unit cannot be true, or
            most rows cannot be used.
    """
    return _read(table_source(Path(path)), variable, wide, named)


def read_frame(
    frame: pd.DataFrame,
    *,
    variable: str = "temperature",
    wide: str | None = None,
    named: Mapping[str, str | None] | None = None,
) -> Soundings:
    """Soundings from a pandas DataFrame, by the rules of `read_table`.

    >>> rows = pd.DataFrame({"time": ["2016-01-01"] * 2, "lat": 10.0, "lon": -30.0,
    ...                      "depth": [0.0, 100.0], "temp": [20.0, 15.0]})
    >>> soundings = read_frame(rows)
    >>> soundings.value.tolist(), soundings.longitude.tolist(), len(soundings.stations)
    ([20.0, 15.0], [330.0, 330.0], 1)
    """
    return _read(FrameSource(frame), variable, wide, named)


@dataclass
class _Tally:
    """What has been read so far."""

    pieces: list[Piece] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    total: int = 0
    zoneless: bool = False

    def add(self, chunk: Chunk, malformed: int) -> None:
        """Count a piece, and the malformed rows before it."""
        self.total += chunk.total + malformed
        self.zoneless |= chunk.zoneless
        self.examples = {**chunk.examples, **self.examples}
        for reason, count in {_MALFORMED: malformed, **chunk.counts}.items():
            self.counts[reason] = self.counts.get(reason, 0) + count
        if chunk.piece is not None:
            self.pieces.append(chunk.piece)


def _read(
    source: Source, variable: str, wide: str | None, named: Mapping[str, str | None] | None
) -> Soundings:
    if wide is not None and not (is_pressure(wide) or is_length(wide)):
        raise InputError(f"the levels of a wide table cannot be in {wide!r}: use 'dbar' or 'm'.")
    columns = find_columns(
        list(source.headers), variable, named=named, units=source.units, wide=wide is not None
    )
    pressure = is_pressure(wide) if wide is not None else columns.get("pressure") is not None
    reading = Reading(columns, lookup(variable), pressure)
    try:
        return _stream(source, reading)
    except NotOneCastError:
        column = columns.roles["profile"].header
        others = {role: c for role, c in columns.roles.items() if role != "profile"}
        soundings = _stream(source, replace(reading, columns=replace(columns, roles=others)))
        note = (
            f"{source.name}: the column {column!r} repeats in places or times far apart, so "
            "profiles were formed by platform, time and position"
        )
        return replace(soundings, notes=(*soundings.notes, note))


def _stream(source: Source, reading: Reading) -> Soundings:
    """Read all pieces and put them together."""
    tally = _Tally()
    with closing(source.batches(reading.columns.headers)) as batches:
        for batch, malformed in batches:
            tally.add(read_chunk(batch, reading), malformed)
    rejected = RejectionTable.of(tally.counts)
    _check_tally(source, tally, rejected)
    soundings = assemble(
        tally.pieces, variable=reading.variable.name, source=source.name, rejected=rejected
    )
    _check_values(source, reading, soundings)
    return replace(soundings, notes=_notes(source, reading, tally))


def _check_tally(source: Source, tally: _Tally, rejected: RejectionTable) -> None:
    """A table of which nothing, or less than half, can be used is a wrong column."""
    if tally.total == 0:
        raise InputError(f"{source.name} has a header and no rows: there is nothing to read.")
    for reason, remedy in REMEDIES.items():
        if rejected[reason] > tally.total / 2:
            example = tally.examples.get(reason, "")
            such = f" (such as {example!r})" if example else ""
            end = "" if remedy.endswith("?") else "."
            raise InputError(
                f"{rejected[reason]} of {tally.total} values in {source.name} have "
                f"{reason}{such}: {remedy}{end}"
            )
    if not tally.pieces:
        raise InputError(
            f"none of the {tally.total} values in {source.name} can be used ({rejected}): "
            "look at the missing-value code and the quality column."
        )


def _check_values(source: Source, reading: Reading, soundings: Soundings) -> None:
    column = reading.value_column
    where = f"{column.header!r} in {source.name}"
    check_plausible(soundings.value, reading.variable, column.unit, where)


def _notes(source: Source, reading: Reading, tally: _Tally) -> tuple[str, ...]:
    notes = []
    if tally.zoneless:
        notes.append(f"{source.name}: times carry no zone and were taken as UTC")
    if reading.converts:
        notes.append(f"{source.name}: potential temperature was converted to in-situ by TEOS-10")
    return tuple(notes)
