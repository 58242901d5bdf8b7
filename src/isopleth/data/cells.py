"""Cells of a table column to numbers, telling what is missing from what cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from isopleth.core.errors import InputError

__all__ = ["MISSING_TEXTS", "Numbers", "parse_flags", "parse_names", "parse_numbers"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MISSING_TEXTS = ("", "na", "NA", "n/a", "N/A", "nan", "NaN", "NAN", "null", "NULL", "None", "-")
"""Texts that mean "no value"."""

_MISSING_NUMBERS = (-999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, 999999.0)
_HUGE = 1e15
"""Fill values such as 9.96921e36 or 1e20 are beyond this; no measurement is."""

_GOOD_FLAGS = ("1", "2", "1.0", "2.0", "good", "probably good", "probably_good", "ok", "pass")
"""Argo and SeaDataNet code 1 = good and 2 = probably good."""


@dataclass(frozen=True)
class Numbers:
    """A numeric column.

    Args:
        value: NaN where missing or unreadable, shape (n,).
        unreadable: Cells with text that is no number, shape (n,).
        example: One such text, "" for none.
    """

    value: Floats
    unreadable: Bools
    example: str = ""


def parse_numbers(column: pa.Array, name: str) -> Numbers:
    """Numbers of a column of numbers or text; missing-value codes (-999, 99999, 1e20) are NaN.

    Args:
        column: Arrow array, shape (n,).
        name: Header of the column, for messages.

    Raises:
        InputError: If the column holds neither numbers nor text.

    >>> parse_numbers(pa.array(["1.5", " 2", "x", None]), "temp").value.tolist()
    [1.5, 2.0, nan, nan]
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_null(kind):
        return Numbers(np.full(len(column), np.nan), np.zeros(len(column), dtype=bool))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _from_text(column)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise InputError(f"the column {name!r} holds {kind}: it must hold numbers.")
    return Numbers(_blanked(_floats(column)), np.zeros(len(column), dtype=bool))


def parse_names(column: pa.Array) -> tuple[npt.NDArray[np.int64], Sequence[str]]:
    """Codes, shape (n,), and the distinct names they stand for, "" where there is none."""
    text = column if pa.types.is_dictionary(column.type) else column.cast(pa.string())
    encoded = text if pa.types.is_dictionary(column.type) else pc.dictionary_encode(text)
    names = [str(name).strip() for name in encoded.dictionary.to_pylist()]
    codes = pc.fill_null(encoded.indices, len(names)).to_numpy(zero_copy_only=False)
    return codes.astype(np.int64), [*names, ""]


def parse_flags(column: pa.Array) -> Bools:
    """Which quality flags are 1 (good) or 2 (probably good), as number or word, shape (n,)."""
    codes, names = parse_names(column)
    good = np.array([name.lower() in _GOOD_FLAGS for name in names])
    return np.asarray(good[codes])


def _from_text(column: pa.Array) -> Numbers:
    trimmed = pc.utf8_trim_whitespace(column)
    absent = pc.is_in(trimmed, pa.array(MISSING_TEXTS, type=trimmed.type))
    trimmed = pc.if_else(absent, pa.scalar(None, trimmed.type), trimmed)
    try:
        value = _floats(trimmed.cast(pa.float64()))
        return Numbers(_blanked(value), np.zeros(len(column), dtype=bool))
    except pa.ArrowInvalid:
        texts = pd.Series(trimmed.to_pylist(), dtype=object)
        value = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64)
        unreadable = np.isnan(value) & texts.notna().to_numpy()
        example = str(texts[unreadable].iloc[0]) if unreadable.any() else ""
        return Numbers(_blanked(value), unreadable, example)


def _floats(column: pa.Array) -> Floats:
    wide = column.cast(pa.float64(), safe=False)
    return np.array(wide.to_numpy(zero_copy_only=False), dtype=np.float64)


def _blanked(value: Floats) -> Floats:
    """NaN for missing-value codes and fill values."""
    absent = np.isin(value, _MISSING_NUMBERS) | (np.abs(value) >= _HUGE)
    return np.where(absent, np.nan, value)
