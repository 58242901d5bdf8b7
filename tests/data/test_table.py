from __future__ import annotations

import gc
import gzip
import tracemalloc
from pathlib import Path
from types import FunctionType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from isopleth.core.errors import DataMissingError, InputError
from isopleth.data import seawater
from isopleth.data.batches import table_source
from isopleth.data.table import read_frame, read_table

HEADER = "time,lat,lon,depth,temp,platform\n"
ROWS = (
    "2016-01-02T06:00:00Z,10.0,-30.0,100,15.0,a\n"
    "2016-01-01T00:00:00Z,-20.5,200.25,0,25.5,b\n"
    "2016-01-02T06:00:00Z,10.0,-30.0,0,20.0,a\n"
)


def write(folder: Path, text: str, name: str = "obs.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def frame(**columns: object) -> pd.DataFrame:
    rows = {"time": "2016-01-01T00:00Z", "lat": 10.0, "lon": 20.0, "depth": [0.0, 50.0]}
    return pd.DataFrame({**rows, "temp": [20.0, 19.0], **columns})


def test_rows_group_into_profiles_in_any_order(tmp_path: Path) -> None:
    got = read_table(write(tmp_path, HEADER + ROWS))
    assert len(got.stations) == 2
    assert got.value.tolist() == [15.0, 25.5, 20.0]
    assert got.profile.tolist() == [0, 1, 0]
    assert got.longitude.tolist() == [330.0, 200.25, 330.0]
    assert got.platform.tolist() == ["a", "b", "a"]
    assert got.time[1] == np.datetime64("2016-01-01")
    assert np.isnan(got.error).all()
    assert (got.variable, got.source, got.notes) == ("temperature", "obs.csv", ())


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_quotes_comments_and_bom(tmp_path: Path, delimiter: str) -> None:
    text = ("\ufeff# made by hand\n" + '"time",' + HEADER.split(",", 1)[1] + ROWS).replace(
        ",", delimiter
    )
    assert len(read_table(write(tmp_path, text.replace("\ufeff", "")))) == 3
    assert len(read_table(write(tmp_path, text[0] + text.split("\n", 1)[1]))) == 3


def test_gzip_and_parquet_give_the_same(tmp_path: Path) -> None:
    plain = read_table(write(tmp_path, HEADER + ROWS))
    packed = tmp_path / "obs.csv.gz"
    packed.write_bytes(gzip.compress((HEADER + ROWS).encode()))
    parquet = tmp_path / "obs.parquet"
    pd.read_csv(tmp_path / "obs.csv").to_parquet(parquet)
    for other in (read_table(packed), read_table(parquet)):
        pd.testing.assert_frame_equal(other.to_frame(), plain.to_frame())


def test_units_of_parquet_fields_and_erddap_lines(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(frame(temp=[293.15, 292.15]), preserve_index=False)
    kelvin = table.schema.field("temp").with_metadata({"units": "K"})
    schema = table.schema.set(table.schema.get_field_index("temp"), kelvin)
    pyarrow.parquet.write_table(table.cast(schema), tmp_path / "k.parquet")
    assert read_table(tmp_path / "k.parquet").value == pytest.approx([20.0, 19.0])
    text = "time,latitude,longitude,pres,temp\nUTC,degrees_north,degrees_east,dbar,K\n"
    got = read_table(write(tmp_path, text + "2016-01-01T00:00:00Z,10,20,1000,280.15\n"))
    assert got.value == pytest.approx([7.0])
    assert got.rejected.values == 0
    assert got.depth == pytest.approx(float(seawater.depth_from_pressure(1000.0, 10.0)))


def test_zoneless_times_are_utc_and_noted() -> None:
    got = read_frame(frame(time="2016-01-01 06:00"))
    assert got.time[0] == np.datetime64("2016-01-01T06:00")
    assert got.notes == ("the table: times carry no zone and were taken as UTC",)


def test_decimal_years_are_not_guessed() -> None:
    with pytest.raises(InputError, match=r"numbers such as 2016\.04"):
        read_frame(frame(time=2016.04))


def test_kelvin_by_header_is_converted_and_by_mistake_is_told() -> None:
    columns = {"temperature (K)": [293.15, 292.15], "error": 0.5}
    got = read_frame(frame(**columns).drop(columns="temp"))
    assert got.value == pytest.approx([20.0, 19.0])
    assert got.error == pytest.approx([0.5, 0.5])
    with pytest.raises(InputError, match=r"'temp' in the table has a median of 292.*kelvin"):
        read_frame(frame(temp=[293.15, 292.15]))
    with pytest.raises(InputError, match="although the unit is 'degC'"):
        read_frame(frame(**{"temp (degC)": [293.15, 292.15]}).drop(columns="temp"))


def test_values_of_another_kind_are_told() -> None:
    with pytest.raises(InputError, match="outside -3 to 45 degC"):
        read_frame(frame(temp=[1025.0, 1026.0]))


def test_wide_table_in_dbar_and_metres(tmp_path: Path) -> None:
    text = (
        "time,lat,lon,temp100,temp150,temp200\n"
        "2016-01-01T00:02:11Z,-46.7429,321.5122,9.1,7.5974,5.3597\n"
        "2016-01-01T00:07:57Z,-51.857,368.042,7.8521,,7.1556\n"
    )
    path = write(tmp_path, text)
    got = read_table(path, wide="dbar")
    assert got.value.tolist() == [9.1, 7.5974, 5.3597, 7.8521, 7.1556]
    assert got.rejected["value missing"] == 1
    assert got.longitude[3] == pytest.approx(8.042)
    expected = seawater.depth_from_pressure([100.0, 150.0, 200.0], -46.7429)
    assert got.depth[:3] == pytest.approx(expected)
    assert read_table(path, wide="m").depth[:3].tolist() == [100.0, 150.0, 200.0]
    with pytest.raises(InputError, match="look like a wide table"):
        read_table(path)
    with pytest.raises(InputError, match="'feet'"):
        read_table(path, wide="feet")


def test_every_bad_row_is_counted(tmp_path: Path) -> None:
    bad = (
        ",10,20,0,20,a\n"
        "soon,10,20,0,20,a\n"
        "2016-01-01,,20,0,20,a\n"
        "2016-01-01,95,20,0,20,a\n"
        "2016-01-01,10,800,0,20,a\n"
        "2016-01-01,10,20,deep,20,a\n"
        "2016-01-01,10,20,-50,20,a\n"
        "2016-01-01,10,20,0,warm,a\n"
        "2016-01-01,10,20,0,-999,a\n"
        "2016-01-01,10,20,0\n"
    )
    good = "".join(f"2016-01-0{d},10,20,0,20,a\n" for d in range(1, 10))
    got = read_table(write(tmp_path, HEADER + bad + good))
    assert len(got) == 9
    assert got.rejected.values == 10
    assert {row.reason for row in got.rejected.rows} == {
        "row with a wrong number of cells",
        "time missing",
        "time unreadable",
        "position missing or unreadable",
        "latitude outside -90..90",
        "longitude outside -180..540",
        "depth missing or unreadable",
        "depth outside 0..12000",
        "value unreadable",
        "value missing",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lat": 200.0, "lon": 10.0}, "swapped"),
        ({"depth": [-10.0, -50.0]}, "positive down"),
        ({"temp": ["20,5", "19,1"]}, "'20,5'.*decimal point"),
        ({"time": "1 Jan 2016"}, "'1 Jan 2016'.*2016-01-15"),
        ({"temp": [np.nan, np.nan]}, "none of the 2 values.*2 value missing"),
        ({"qc": 4}, "none of the 2 values.*quality flag"),
    ],
)
def test_a_wrong_column_is_a_sentence(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_frame(frame(**change))


def test_columns_that_mix_numbers_and_text() -> None:
    mixed = pd.Series([20.0, "warm"], dtype=object)
    got = read_frame(frame(temp=mixed))
    assert got.value.tolist() == [20.0]
    assert got.rejected["value unreadable"] == 1


def test_quality_and_error_columns() -> None:
    got = read_frame(frame(qc=[1, 3], uncertainty=[0.2, 0.1]))
    assert got.value.tolist() == [20.0]
    assert got.error.tolist() == pytest.approx([0.2])
    assert got.rejected["quality flag other than 1 or 2"] == 1
    assert len(read_frame(frame(qc=[1, 3]), named={"quality": None})) == 2
    assert np.isnan(read_frame(frame(sd=[-1.0, 0.0])).error).all()


def test_slightly_negative_pressure_is_the_surface() -> None:
    assert read_frame(frame(depth=[-0.4, 50.0])).depth.tolist() == [0.0, 50.0]


def test_potential_temperature_becomes_in_situ() -> None:
    rows = frame(theta=[3.0, 3.0], psal=[35.0, 34.0], depth=[0.0, 3000.0]).drop(columns="temp")
    got = read_frame(rows)
    pressure = seawater.pressure_from_depth(3000.0, 10.0)
    assert got.value[0] == pytest.approx(3.0, abs=1e-9)
    assert got.value[1] == pytest.approx(
        float(seawater.in_situ_from_potential(3.0, pressure, 34.0)), abs=1e-9
    )
    assert "potential temperature was converted" in got.notes[0]
    assert read_frame(rows, variable="salinity").value.tolist() == [35.0, 34.0]


def test_profile_numbers_join_rows_that_drift() -> None:
    rows = frame(lat=[10.0, 10.01], profile=7)
    assert len(read_frame(rows).stations) == 1
    assert len(read_frame(rows.drop(columns="profile")).stations) == 2


def test_profile_numbers_that_repeat_elsewhere_are_not_believed() -> None:
    got = read_frame(frame(lat=[10.0, 40.0], profile=7))
    assert len(got.stations) == 2
    assert "'profile' repeats" in got.notes[0]


def test_the_two_zeros_are_one_place() -> None:
    assert len(read_frame(frame(lat=[0.0, -0.0])).stations) == 1


def test_pieces_meet_in_one_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isopleth.data.batches._BLOCK_BYTES", 120)
    text = HEADER + "".join(f"2016-01-01T00:00:00Z,10,20,{z},20.5,a\n" for z in range(200))
    got = read_table(write(tmp_path, text))
    assert len(got) == 200
    assert len(got.stations) == 1


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="there is no file"):
        read_table(tmp_path / "absent.csv")
    cases = {
        b"": "0 bytes",
        HEADER.encode(): "a header and no rows",
        b"\n\n": "no header line",
        bytes(range(256)) * 20: "no text table",
        b"a\x00b,c\n1,2\n": "binary data",
        b"some words\nand more\n": "no table with columns",
        b"time,lat,lat\n": "two columns named 'lat'",
        gzip.compress((HEADER + ROWS * 50).encode())[:-40]: "cannot be read as",
        b"PAR1 and then nothing": "cannot be read as Parquet",
    }
    for content, message in cases.items():
        (tmp_path / "bad.csv").write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_table(tmp_path / "bad.csv")


def test_memory_stays_near_the_size_of_the_result(tmp_path: Path) -> None:
    n = 300_000
    depth = np.tile(np.arange(0.0, 1000.0, 10.0), n // 100)
    rows = pd.DataFrame({"time": "2016-01-01", "lat": np.repeat(np.arange(n // 100) / 100, 100)})
    rows = rows.assign(lon=20.0, depth=depth, temp=10.0)
    rows.to_parquet(tmp_path / "big.parquet", row_group_size=20_000)
    tracemalloc.start()
    got = read_table(tmp_path / "big.parquet")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(got) == n
    assert peak < 500 * n


@pytest.mark.extra_data("ocean/argo_2016_janfeb_100_150_200dbar.csv.gz")
def test_real_wide_table(extra_data: Path) -> None:
    got = read_table(extra_data / "ocean" / "argo_2016_janfeb_100_150_200dbar.csv.gz", wide="dbar")
    assert len(got.stations) == 21_228
    assert len(got) == 63_684
    assert got.rejected.values == 0


def test_a_concatenated_frame_is_read() -> None:
    part = pd.DataFrame(
        {"time": ["2016-01-01"], "lat": [0.0], "lon": [0.0], "depth": [5.0], "temp": [20.0]}
    ).assign(platform="a")
    soundings = read_frame(pd.concat([part, part.assign(lat=1.0)], ignore_index=True))
    assert len(soundings) == 2


def test_a_csv_left_early_is_held_by_no_thread(tmp_path: Path) -> None:
    """Else the process may abort where it ends with the message."""
    source = table_source(write(tmp_path, HEADER + ROWS))
    pieces = source.batches(["temp"])
    next(pieces)
    assert _handlers() == 1
    pieces.close()
    assert _handlers() == 0


def _handlers() -> int:
    functions = (f for f in gc.get_objects() if isinstance(f, FunctionType))
    return sum(f.__qualname__.startswith("_Malformed.handler.") for f in functions)


def test_a_remedy_that_asks_ends_with_its_question(tmp_path: Path) -> None:
    swapped = "2016-01-02T06:00:00Z,120.0,-30.0,100,15.0,a\n"
    with pytest.raises(InputError, match=r"columns swapped\?$"):
        read_table(write(tmp_path, HEADER + swapped))
