from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from isopleth.core.errors import InputError
from isopleth.data.instants import parse_instants


def test_zones_are_converted_and_their_absence_is_told() -> None:
    texts = ["2016-01-01T06:00:00Z", "2016-01-01T06:00:00+02:00", "2016-01-01 06:00"]
    got = parse_instants(pa.array(texts), "time")
    assert got.zoneless
    assert got.time.astype("datetime64[h]").astype(str).tolist() == [
        "2016-01-01T06",
        "2016-01-01T04",
        "2016-01-01T06",
    ]
    assert not parse_instants(pa.array(texts[:2]), "time").zoneless


@pytest.mark.parametrize("text", ["2016-01-01", "20160101", "2016-01-01T00:00:00.000Z"])
def test_dates_alone(text: str) -> None:
    assert parse_instants(pa.array([text]), "t").time[0] == np.datetime64("2016-01-01")


def test_missing_and_unreadable_are_told_apart() -> None:
    column = pa.array(["2016-01-01", None, "soon", "2016-02-30", "0001-01-01"])
    got = parse_instants(column, "time")
    assert got.missing.tolist() == [False, True, False, False, False]
    assert got.unreadable.tolist() == [False, False, True, True, True]
    assert got.example == "soon"


@pytest.mark.parametrize(
    "column", [pa.array(["2016.0411", "2016.05"]), pa.array([24106.5]), pa.array(["24106"])]
)
def test_numbers_are_not_guessed(column: pa.Array) -> None:
    with pytest.raises(InputError, match="not guessed"):
        parse_instants(column, "juld")


def test_typed_columns() -> None:
    instant = np.array(["2016-01-01T12:00"], "datetime64[ns]")
    for kind in (pa.timestamp("ns"), pa.timestamp("s"), pa.timestamp("ms", "UTC")):
        got = parse_instants(pa.array(instant).cast(kind), "time")
        assert got.time.tolist() == instant.tolist()
        assert got.zoneless is (kind.tz is None)
    elsewhere = pa.array(instant).cast(pa.timestamp("ns", "Asia/Tokyo"))
    assert parse_instants(elsewhere, "time").time.tolist() == instant.tolist()
    assert parse_instants(pa.array(instant).cast(pa.date32(), safe=False), "time").time[
        0
    ] == np.datetime64("2016-01-01")
    null = pa.array([None], pa.timestamp("ns"))
    assert np.isnat(parse_instants(null, "time").time[0])
