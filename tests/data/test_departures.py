from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from isopleth.core import Grid, InputError
from isopleth.core.variables import lookup
from isopleth.data import Climatology, Profiles
from isopleth.data.boxes import boxes
from isopleth.data.departures import departures
from isopleth.data.preparation import around, middle, on_levels, prepared

GRID = Grid.regular(10.0, levels=[0.0, 100.0])
CLIMATOLOGY = Climatology(GRID, np.full((1, *GRID.shape), 10.0), "made up", lookup("temperature"))


def make(value: list[list[float]], day: list[int] | None = None) -> Profiles:
    v = np.array(value)
    n = len(v)
    time = np.datetime64("2016-01-01", "ns") + np.array(day or [0] * n) * np.timedelta64(1, "D")
    lon = np.full(n, 20.0)
    return Profiles(time, np.zeros(n), lon, GRID.levels, v, np.zeros(v.shape), np.full(n, "a"))


def test_departures_leave_out_what_is_empty() -> None:
    found = departures(make([[11.0, np.nan], [8.0, 9.0], [np.nan, 7.0]]), CLIMATOLOGY, fewest=2)
    np.testing.assert_array_equal(found.value, [[1.0, np.nan], [-2.0, -1.0], [np.nan, -3.0]])
    few = departures(make([[11.0, np.nan], [8.0, 9.0], [np.nan, np.nan]]), CLIMATOLOGY, fewest=2)
    assert few.depth.tolist() == [0.0]
    np.testing.assert_array_equal(few.value, [[1.0], [-2.0]])


def test_departures_of_something_else_are_refused() -> None:
    salt = replace(make([[35.0, 35.0]]), variable="salinity")
    with pytest.raises(InputError, match="hold salinity and the climatology temperature"):
        departures(salt, CLIMATOLOGY, fewest=1)
    with pytest.raises(InputError, match=r"no level has 3 values .* \(at most 2 at one level\)"):
        departures(make([[1.0, 2.0], [3.0, np.nan]]), CLIMATOLOGY, fewest=3)


def test_boxes_may_have_a_length_in_time() -> None:
    profiles = make([[1.0, 1.0]] * 3, [0, 1, 9])
    assert len(set(boxes(profiles, 1.0))) == 1
    first, second, third = boxes(profiles, 1.0, 5.0)
    assert first == second != third


def test_a_table_is_read_put_on_levels_and_checked() -> None:
    table = pd.DataFrame(
        {"time": "2016-01-05", "lat": 5.0, "lon": 5.0, "depth": [0.0, 100.0], "temp": [9.0, 60.0]}
    )
    found = prepared(table, GRID.levels, CLIMATOLOGY)
    np.testing.assert_array_equal(found.value, [[9.0, np.nan]])
    assert prepared(found, np.array([5.0]), CLIMATOLOGY) is found


def test_the_window_around_a_month_is_closed_to_the_rest() -> None:
    profiles = make([[1.0, 1.0]] * 3, [-20, 3, 50])
    assert len(around(profiles, "2016-01", 0.0)) == 1
    assert len(around(profiles, "2016-01", 20.0)) == 3
    with pytest.raises(InputError, match="2016-03"):
        around(profiles, "2016-03", 60.0)
    assert middle("2016-02") == np.datetime64("2016-02-15T12:00")


def test_levels_that_are_lacking_are_named() -> None:
    profiles = make([[1.0, 2.0]])
    assert on_levels(profiles, np.array([100.0])).value.tolist() == [[2.0]]
    with pytest.raises(InputError, match="lack the level 50 m"):
        on_levels(profiles, np.array([50.0]))
