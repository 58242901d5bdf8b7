from __future__ import annotations

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.core.quantities import GRAVITY, QUANTITIES, find_quantity, named_quantity, plain_unit


@pytest.mark.parametrize(
    ("name", "units", "given", "wanted"),
    [
        ("t", "degC", 0.0, 273.15),
        ("t", "degF", 32.0, 273.15),
        ("z", "m2 s-2", GRAVITY, 1.0),
        ("z", "gpm", 5500.0, 5500.0),
        ("u", "knots", 1.0, 1852.0 / 3600.0),
        ("msl", "hPa", 1013.25, 101325.0),
        ("q", "g/kg", 5.0, 0.005),
        ("sst", "K", 273.15, 0.0),
    ],
)
def test_units_are_converted(name: str, units: str, given: float, wanted: float) -> None:
    quantity = named_quantity(name)
    assert quantity is not None
    np.testing.assert_allclose(quantity.convert(given, units), wanted, atol=1e-9)


def test_a_standard_deviation_has_no_offset() -> None:
    quantity = named_quantity("t")
    assert quantity is not None
    np.testing.assert_allclose(quantity.convert(1.8, "degF", difference=True), 1.0)


def test_a_unit_of_something_else_is_refused() -> None:
    quantity = named_quantity("t")
    assert quantity is not None
    with pytest.raises(InputError, match="'hPa' is not one of air temperature"):
        quantity.convert(1.0, "hPa")


def test_no_name_means_two_things() -> None:
    for quantity in QUANTITIES:
        for alias in (quantity.name, *quantity.aliases):
            owners = [q.name for q in QUANTITIES if q.goes_by(alias)]
            assert owners[0] == quantity.name, alias


def test_the_cf_name_decides_unless_the_own_name_says_more() -> None:
    assert find_quantity("foo", "air_temperature", "K").name == "air_temperature"
    assert find_quantity("t2m", "air_temperature", "K").name == "temperature_2m"
    assert find_quantity("t", "sea_water_temperature", "degC").name == "sea_water_temperature"
    assert find_quantity("ozone", "", "kg m-2").units == "kg m-2"


def test_units_of_own_fields_are_compared_as_plain_text() -> None:
    ozone = find_quantity("ozone", "", "kg m-2")
    assert float(ozone.convert(2.0, "kg m**-2")) == 2.0
    assert plain_unit("kg m**-2") == plain_unit("kg m^-2")
