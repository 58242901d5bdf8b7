"""Times as people write them in tables, to UTC."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from isopleth.core.errors import InputError

__all__ = ["Instants", "parse_instants"]

Bools = npt.NDArray[np.bool_]

_ZONE = r"[T :0-9](Z|z|[+-]\d{2}:?\d{2}|UTC)$"
_COMPACT_DATE = r"^\d{8}$"
_FIRST, _LAST = np.datetime64("1700-01-01", "us"), np.datetime64("2260-01-01", "us")


@dataclass(frozen=True)
class Instants:
    """Parsed times.

    Args:
        time: UTC, datetime64[ns], NaT where missing or unreadable, shape (n,).
        missing: Cells without text, shape (n,).
        zoneless: Whether any time came without a zone and was taken as UTC.
        example: A text that could not be read, "" for none.
    """

    time: npt.NDArray[np.datetime64]
    missing: Bools
    zoneless: bool
    example: str = ""

    @property
    def unreadable(self) -> Bools:
        """Cells with text that is no time."""
        return np.isnat(self.time) & ~self.missing


def parse_instants(column: pa.Array, name: str) -> Instants:
    """Times of a column of dates, timestamps or ISO 8601 text; no zone means UTC.

    Args:
        column: Arrow array of text, date or timestamp, shape (n,).
        name: Header of the column, for messages.

    Raises:
        InputError: If the column holds numbers: a decimal year and a "days since" cannot be told
            apart, so neither is guessed.

    >>> print(parse_instants(pa.array(["2016-01-01T00:02:11+01:00", "2016-01-02"]), "time").time)
    ['2015-12-31T23:02:11.000000000' '2016-01-02T00:00:00.000000000']
    """
    missing = column.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        zoneless = getattr(column.type, "tz", None) is None
        micro = column.cast(pa.timestamp("us", getattr(column.type, "tz", None)), safe=False)
        return Instants(_nanoseconds(_numpy(micro)), missing, zoneless)
    if not _is_text(column.type):
        raise _numeric(name, column)
    # Few distinct times stand on many rows: parse each once.
    encoded = pc.dictionary_encode(column)
    texts = pc.utf8_trim_whitespace(encoded.dictionary.cast(pa.string()))
    _refuse_numbers(name, texts)
    zone = pc.match_substring_regex(texts, _ZONE).to_numpy(zero_copy_only=False).astype(bool)
    parsed = np.append(_parse(texts, zone), np.datetime64("NaT"))
    index = pc.fill_null(encoded.indices, len(texts)).to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(np.isnat(parsed[:-1]))
    example = texts[int(bad[0])].as_py() if bad.size else ""
    zoneless = bool((~zone & ~np.isnat(parsed[:-1])).any())
    return Instants(parsed[index], missing, zoneless, example)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind)) or (
        pa.types.is_dictionary(kind) and _is_text(kind.value_type)
    )


def _parse(texts: pa.Array, zone: Bools) -> npt.NDArray[np.datetime64]:
    """Distinct texts to datetime64[ns]; Arrow's fast parser when all are alike, else pandas."""
    try:
        if zone.all():
            micro = texts.cast(pa.timestamp("us", "UTC"))
        elif not zone.any():
            micro = texts.cast(pa.timestamp("us"))
        else:
            raise pa.ArrowInvalid
        return _nanoseconds(_numpy(micro))
    except pa.ArrowInvalid:
        series = pd.Series(texts.to_pylist(), dtype=object)
        times = pd.to_datetime(series, format="ISO8601", utc=True, errors="coerce")
        return _nanoseconds(times.dt.tz_localize(None).to_numpy().astype("datetime64[us]"))


def _numpy(column: pa.Array) -> npt.NDArray[np.datetime64]:
    """An Arrow timestamp column in UTC as datetime64[us], null as NaT."""
    integers = pc.fill_null(column.cast(pa.int64()), np.iinfo(np.int64).min)
    return np.asarray(integers.to_numpy(zero_copy_only=False)).view("datetime64[us]")


def _nanoseconds(micro: npt.NDArray[np.datetime64]) -> npt.NDArray[np.datetime64]:
    """Microseconds to nanoseconds; what nanoseconds cannot hold becomes NaT."""
    held = (micro >= _FIRST) & (micro < _LAST)
    return np.where(held, micro, np.datetime64("NaT")).astype("datetime64[ns]")


def _refuse_numbers(name: str, texts: pa.Array) -> None:
    """Text that is a number is no time, except a date written YYYYMMDD."""
    numeric = pc.match_substring_regex(texts, r"^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$")
    date = pc.match_substring_regex(texts, _COMPACT_DATE)
    bare = pc.and_not(numeric, date)
    if len(texts) and pc.all(bare).as_py():
        raise _numeric(name, texts)


def _numeric(name: str, column: pa.Array) -> InputError:
    example = next((v for v in column.to_pylist()[:1000] if v is not None), "nothing")
    return InputError(
        f"the time column {name!r} holds numbers such as {example}: a decimal year or days since "
        "some date are not guessed; write times as 2016-01-15T06:00:00Z."
    )
