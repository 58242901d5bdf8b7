from __future__ import annotations

import math

import pytest

from isopleth.core.errors import InputError
from isopleth.studies import (
    Headline,
    Row,
    average,
    evaluate,
    headline_fields,
    largest,
    ratio_of,
    select,
    smallest,
)
from isopleth.studies.rows import meets


def _row(method: str, setting: str, value: float) -> Row:
    return Row(method=method, setting=setting, metric="rmse", unit="K", value=value)


ROWS = [
    _row("kriging", "Jan", 0.9),
    _row("kriging", "Feb", 0.8),
    _row("isotropic", "Jan", 1.0),
    _row("isotropic", "Feb", 1.0),
]
JAN, FEB = select("kriging", "Jan", "rmse"), select("kriging", "Feb", "rmse")
JAN_RATIO = ratio_of(JAN, select("isotropic", "Jan", "rmse"))
FEB_RATIO = ratio_of(FEB, select("isotropic", "Feb", "rmse"))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (JAN, 0.9),
        ({"row": JAN}, 0.9),
        (JAN_RATIO, 0.9),
        (largest(JAN_RATIO, FEB_RATIO), 0.9),
        (smallest(JAN, FEB), 0.8),
        (average(JAN_RATIO, FEB_RATIO), 0.85),
        (ratio_of(average(JAN, FEB), JAN), 0.85 / 0.9),
    ],
)
def test_sources_by_hand(source: dict, value: float) -> None:
    assert evaluate(source, ROWS) == pytest.approx(value)


def test_headline_fields_are_those_of_a_result() -> None:
    fields = headline_fields(
        iter(ROWS),
        {"worst": Headline(largest(JAN_RATIO, FEB_RATIO), ("<=", 0.95)), "jan": Headline(JAN)},
    )
    assert fields["headline"] == {"worst": 0.9, "jan": 0.9}
    assert fields["headline_from"] == {"worst": {"max": [JAN_RATIO, FEB_RATIO]}, "jan": JAN}
    assert fields["targets"] == {"worst": ("<=", 0.95)}


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"sum": [JAN]},
        {"ratio": [JAN]},
        {"ratio": [JAN, FEB, JAN]},
        {"max": []},
        {"max": 3},
        {"ratio": 3},
        {"method": "kriging"},
        "kriging",
        3.0,
        {"row": "kriging"},
    ],
)
def test_malformed_sources_are_refused(source: object) -> None:
    with pytest.raises(InputError, match="is not understood"):
        evaluate(source, ROWS)


def test_a_missing_row_and_a_zero_are_named() -> None:
    with pytest.raises(InputError, match="'Mar', 'rmse'"):
        evaluate(select("kriging", "Mar", "rmse"), ROWS)
    with pytest.raises(InputError, match="divides by zero"):
        evaluate(ratio_of(JAN, select("none", "Jan", "rmse")), [*ROWS, _row("none", "Jan", 0.0)])


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (("<=", 0.9), True),
        (("<=", 0.89), False),
        ((">=", 0.9), True),
        ((">=", 0.91), False),
        (("in", (0.87, 0.93)), True),
        (("in", (0.91, 0.93)), False),
    ],
)
def test_targets_include_their_ends(target, met: bool) -> None:
    assert meets(0.9, target) is met


@pytest.mark.parametrize("target", [("<", 1.0), ("in", 0.9), ("<=", (0.1, 0.2))])
def test_malformed_targets_are_refused(target) -> None:
    with pytest.raises(InputError, match="target"):
        meets(0.9, target)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"value": math.nan}, "not finite"),
        ({"ci95": (0.1, math.inf)}, "not finite"),
        ({"ci95": (0.2, 0.1)}, "upside down"),
        ({"unit": ""}, "empty name"),
    ],
)
def test_impossible_rows_are_refused(changes: dict, sentence: str) -> None:
    fields = {"method": "a", "setting": "b", "metric": "c", "unit": "1", "value": 1.0}
    with pytest.raises(InputError, match=sentence):
        Row(**(fields | changes))
