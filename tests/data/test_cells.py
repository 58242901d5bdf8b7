from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from isopleth.core.errors import InputError
from isopleth.data.cells import parse_flags, parse_names, parse_numbers


def test_text_to_numbers() -> None:
    got = parse_numbers(pa.array(["1.5", " -2e1 ", "1,5", "NA", "", None]), "temp")
    assert got.value.tolist()[:2] == [1.5, -20.0]
    assert np.isnan(got.value[2:]).all()
    assert got.unreadable.tolist() == [False, False, True, False, False, False]
    assert got.example == "1,5"


@pytest.mark.parametrize("code", [-999.0, -9999.0, 99999.0, 9.96921e36, 1e20, -1e34])
def test_missing_value_codes(code: float) -> None:
    assert np.isnan(parse_numbers(pa.array([code]), "temp").value[0])
    assert np.isnan(parse_numbers(pa.array([str(code)]), "temp").value[0])


@pytest.mark.parametrize("kind", [pa.int16(), pa.float32(), pa.float64(), pa.decimal128(24, 1)])
def test_numeric_types(kind: pa.DataType) -> None:
    got = parse_numbers(pa.array([1, None]).cast(kind), "depth").value
    assert got[0] == 1.0
    assert np.isnan(got[1])


def test_other_types_are_refused() -> None:
    with pytest.raises(InputError, match="'temp' holds bool"):
        parse_numbers(pa.array([True]), "temp")
    assert np.isnan(parse_numbers(pa.array([None]), "temp").value).all()


def test_names_keep_leading_zeros_and_absence() -> None:
    codes, names = parse_names(pa.array(["0123", None, "x ", "0123"]))
    assert [names[c] for c in codes] == ["0123", "", "x", "0123"]
    codes, names = parse_names(pa.array([4901079, None]))
    assert [names[c] for c in codes] == ["4901079", ""]


def test_flags_as_numbers_and_words() -> None:
    assert parse_flags(pa.array([1, 2, 3, None])).tolist() == [True, True, False, False]
    words = pa.array(["Good", "probably good", "bad", "1.0", "0"])
    assert parse_flags(words).tolist() == [True, True, False, True, False]
