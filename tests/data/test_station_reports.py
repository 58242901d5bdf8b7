from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from isopleth.core.channels import DEPTH, PRESSURE
from isopleth.core.errors import DataMissingError, InputError
from isopleth.core.quantities import named_quantity
from isopleth.data.station_reports import read_report_frame, read_reports


def table(rows: int = 3, **columns: object) -> pd.DataFrame:
    usual = {
        "Station": [f"S{i}" for i in range(rows)],
        "time": "2017-01-02T00:00:00Z",
        "lat": 50.0,
        "lon": -3.0,
        "variable": "air_temperature",
        "level (hPa)": 500.0,
        "value": 250.0,
        "unit": "K",
        "error": 0.5,
    }
    return pd.DataFrame({**usual, **columns}, index=range(rows))


def test_columns_are_found_and_nothing_is_lost() -> None:
    read = read_report_frame(table(lat=[50.0, 95.0, None], error=[0.5, 0.5, 0.5]))
    assert read.station.tolist() == ["S0", "S1", "S2"]
    assert read.longitude.tolist() == [357.0] * 3
    assert read.reason.tolist() == [
        "",
        "latitude is outside -90 to 90",
        "position is missing or cannot be read",
    ]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("error", 0.0, "error is zero or negative"),
        ("error", -1.0, "error is zero or negative"),
        ("error", None, "error is missing or cannot be read"),
        ("value", "warm", "value is missing or cannot be read"),
        ("time", "yesterday", "time cannot be read"),
        ("time", None, "time is missing"),
        ("lon", 1000.0, "longitude is outside -180 to 540"),
        ("level (hPa)", "ground", "level cannot be read"),
    ],
)
def test_a_bad_cell_costs_its_row(column: str, value: object, reason: str) -> None:
    frame = table().astype({column: object})
    frame.loc[1, column] = value
    assert read_report_frame(frame).reason.tolist() == ["", reason, ""]


def test_values_take_the_unit_of_their_quantity() -> None:
    t, z = named_quantity("t"), named_quantity("z")
    assert t is not None
    assert z is not None
    frame = table(
        5,
        variable=["t", "Z", "q", "t", "t"],
        unit=["degC", "m2 s-2", "kg kg-1", "hPa", "K"],
        value=[-20.0, 50000.0, 0.001, 250.0, 20.0],
    )
    read = read_report_frame(frame).matched([t, z])
    np.testing.assert_allclose(read.value[:2], [253.15, 50000.0 / 9.80665])
    np.testing.assert_allclose(read.error[:2], [0.5, 0.5 / 9.80665])
    assert read.quantity[:2].tolist() == [0, 1]
    assert read.reason[2].startswith("variable is none of the background")
    assert read.reason[3] == "unit hPa is none of this variable"
    assert read.reason[4] == "value is not possible"


def test_levels_in_pascal_and_metres() -> None:
    pascal = table().rename(columns={"level (hPa)": "pressure (Pa)"})
    pascal["pressure (Pa)"] = 50000.0
    assert read_report_frame(pascal, PRESSURE).level.tolist() == [500.0] * 3
    metres = table().rename(columns={"level (hPa)": "depth_m"})
    assert read_report_frame(metres, DEPTH).level.tolist() == [500.0] * 3
    with pytest.raises(InputError, match="give the levels in hPa or Pa"):
        read_report_frame(metres, PRESSURE)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    for column in ("error", "unit", "variable", "value", "time"):
        with pytest.raises(InputError, match=f"holds the {column}"):
            read_report_frame(table().drop(columns=column))
    with pytest.raises(InputError, match="no rows"):
        read_report_frame(table().iloc[:0])
    with pytest.raises(DataMissingError):
        read_reports(tmp_path / "none.csv")


def test_a_csv_is_read_like_a_frame(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "o.csv", index=False)
    one, other = read_reports(tmp_path / "o.csv"), read_report_frame(table())
    pd.testing.assert_frame_equal(one.frame(), other.frame())
