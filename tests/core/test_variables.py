from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isopleth.core.errors import InputError
from isopleth.core.variables import VARIABLES, convert, lookup, same_units


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_is_found_by_both_its_names(name: str) -> None:
    variable = VARIABLES[name]
    assert lookup(name) is variable
    assert lookup(variable.standard_name) is variable
    assert variable.attrs["units"] == variable.units
    assert variable.valid_min < variable.valid_max


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("TEMP", "temperature"),
        (" thetao ", "potential_temperature"),
        ("PSAL", "salinity"),
        ("tos", "sea_surface_temperature"),
        ("bigthetao", "conservative_temperature"),
    ],
)
def test_well_known_aliases(alias: str, name: str) -> None:
    assert lookup(alias).name == name


def test_an_unknown_name_is_named_with_what_is_known() -> None:
    with pytest.raises(InputError, match=r"'chlorophyll' is not known: use one of temperature"):
        lookup("chlorophyll")


@pytest.mark.parametrize(
    ("value", "unit", "celsius"),
    [(273.15, "K", 0.0), (300.0, "kelvin", 26.85), (68.0, "degF", 20.0), (4.0, "Celsius", 4.0)],
)
def test_temperatures_become_celsius(value: float, unit: str, celsius: float) -> None:
    assert convert(value, unit, "degC", "temperature") == pytest.approx(celsius)


@given(st.floats(-3, 45), st.sampled_from(["K", "degF", "deg C", "degrees_celsius"]))
def test_a_conversion_and_back_changes_nothing(value: float, unit: str) -> None:
    there = convert(value, "degC", unit, "temperature")
    assert convert(there, unit, "degC", "temperature") == pytest.approx(value, abs=1e-9)


def test_a_difference_has_a_scale_but_no_offset() -> None:
    kelvin = convert([0.5, np.nan], "K", "degC", "temperature", difference=True)
    np.testing.assert_array_equal(kelvin, [0.5, np.nan])
    assert convert(9.0, "degF", "degC", "temperature", difference=True) == pytest.approx(5.0)


def test_the_same_unit_gives_an_exact_copy() -> None:
    values = np.array([1.1, np.nan])
    copy = convert(values, "°C", "degC", "temperature")
    np.testing.assert_array_equal(copy, values)
    assert copy is not values


def test_spellings_of_practical_salinity_are_one_unit() -> None:
    assert same_units("PSU", "1e-3", "salinity")


@pytest.mark.parametrize(("unit", "variable"), [("dbar", "temperature"), ("g/kg", "salinity")])
def test_an_unknown_unit_is_named(unit: str, variable: str) -> None:
    with pytest.raises(InputError, match=f"the unit '{unit}'"):
        convert([1.0], unit, lookup(variable).units, variable)
