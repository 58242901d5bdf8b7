from __future__ import annotations

import pytest

from isopleth.core.errors import InputError
from isopleth.data.lexicon import find_columns, split_unit

PLACE = ["time", "lat", "lon"]


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [
        ("Temperature (degC)", "temperature", "degC"),
        ("TEMP [K]", "temp", "K"),
        ("temp_k", "temp", "k"),
        ("depth_m", "depth", "m"),
        ("Pressure (dbar)", "pressure", "dbar"),
        ("sea-water temperature", "sea_water_temperature", ""),
        ("platform_c", "platform", "c"),
        ("date_c", "date", "c"),
        ("my_k", "my_k", ""),
    ],
)
def test_units_in_headers(header: str, name: str, unit: str) -> None:
    assert split_unit(header) == (name, unit)


@pytest.mark.parametrize(
    "headers",
    [
        ["TIME", "LATITUDE", "LONGITUDE", "DEPTH", "TEMP"],
        ["juld", "Lat", "Long", "pres", "t"],
        ["date", "nav_lat", "nav_lon", "z", "value"],
        ["datetime", "lat", "lon", "dbar", "sea_water_temperature"],
    ],
)
def test_many_spellings(headers: list[str]) -> None:
    columns = find_columns(headers, "temperature")
    assert sorted(columns.headers) == sorted(headers)


def test_depth_is_preferred_to_pressure() -> None:
    columns = find_columns([*PLACE, "pres", "depth", "temp"], "temperature")
    assert columns.get("pressure") is None
    assert columns.roles["depth"].header == "depth"


def test_unit_decides_between_depth_and_pressure() -> None:
    columns = find_columns([*PLACE, "depth (dbar)", "temp"], "temperature")
    assert columns.roles["pressure"].header == "depth (dbar)"
    columns = find_columns([*PLACE, "z", "temp"], "temperature", units={"z": "dbar"})
    assert "pressure" in columns.roles
    with pytest.raises(InputError, match="'fathom'"):
        find_columns([*PLACE, "depth (fathom)", "temp"], "temperature")


def test_missing_column_lists_what_was_found_and_what_is_accepted() -> None:
    with pytest.raises(InputError, match=r"holds latitude.*time, breite.*latitude, lat"):
        find_columns(["time", "breite", "lon", "depth", "temp"], "temperature")
    with pytest.raises(InputError, match=r"depth or pressure.*level.*pres"):
        find_columns([*PLACE, "level", "temp"], "temperature")
    with pytest.raises(InputError, match="holds temperature"):
        find_columns([*PLACE, "depth", "chlorophyll"], "temperature")


def test_wide_columns_need_the_option() -> None:
    headers = [*PLACE, "temp100", "temp150", "temp_200.5"]
    with pytest.raises(InputError, match="wide='dbar'"):
        find_columns(headers, "temperature")
    columns = find_columns(headers, "temperature", wide=True)
    assert list(columns.levels) == [100.0, 150.0, 200.5]
    with pytest.raises(InputError, match="no column such as temp100"):
        find_columns([*PLACE, "depth", "temp"], "temperature", wide=True)


def test_named_columns_win_and_none_leaves_out() -> None:
    headers = [*PLACE, "depth", "temp", "T_corrected", "qc"]
    named = {"temperature": "T_corrected", "quality": None}
    columns = find_columns(headers, "temperature", named=named)
    assert columns.roles["temperature"].header == "T_corrected"
    assert columns.get("quality") is None
    with pytest.raises(InputError, match="no column 'x'"):
        find_columns(headers, "temperature", named={"temperature": "x"})
    with pytest.raises(InputError, match="'colour' is no role"):
        find_columns(headers, "temperature", named={"colour": "qc"})


def test_salinity_is_read_only_where_potential_temperature_needs_it() -> None:
    headers = [*PLACE, "depth", "temp", "theta", "psal"]
    assert set(find_columns(headers, "temperature").roles) == {*_roles(), "temperature"}
    headers.remove("temp")
    assert set(find_columns(headers, "temperature").roles) == {*_roles(), "potential", "salinity"}
    assert set(find_columns(headers, "salinity").roles) == {*_roles(), "salinity"}
    with pytest.raises(InputError, match="not 'oxygen'"):
        find_columns(headers, "oxygen")


def test_flags_and_errors_are_those_of_the_variable() -> None:
    both = ["temp_qc", "psal_qc", "temp_error", "psal_error"]
    columns = find_columns([*PLACE, "depth", "temp", "psal", *both], "salinity")
    assert columns.roles["quality"].header == "psal_qc"
    assert columns.roles["error"].header == "psal_error"
    assert "quality" not in find_columns([*PLACE, "depth", "temp", "psal_qc"], "temperature").roles


def _roles() -> set[str]:
    return {"time", "latitude", "longitude", "depth"}
