from __future__ import annotations

import numpy as np
import pytest

from isopleth.report.words import amount, change, month, percent, unit_words


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0.0, "0.000"), (-1e-9, "0.000"), (0.0994, "0.099"), (0.0996, "0.10"), (-12.345, "−12.35")],
)
def test_amounts(value: float, wanted: str) -> None:
    assert amount(value) == wanted


def test_a_number_and_its_unit_stay_on_one_line() -> None:
    assert amount(1.0, unit="°C") == "1.00\N{NO-BREAK SPACE}°C"
    assert "\N{NO-BREAK SPACE}" in percent(0.5)


def test_small_shares_are_not_nought() -> None:
    assert percent(0.0).startswith("0")
    assert percent(1e-5).startswith("under")


def test_changes() -> None:
    assert change(0.5) == "50\N{NO-BREAK SPACE}% smaller"
    assert change(1.25) == "25\N{NO-BREAK SPACE}% larger"
    assert change(float("nan")) == "–"


def test_months() -> None:
    assert month(np.datetime64("2015-12-31T23:00", "ns")) == "December 2015"
    assert month(np.datetime64("NaT")) == "an unknown month"


def test_units() -> None:
    assert unit_words("degree_Celsius") == "°C"
