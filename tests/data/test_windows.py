from __future__ import annotations

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.data.windows import instant, month_window, span, within

TIMES = np.array(["2016-01-01", "2016-01-31T23:59:59", "2016-02-01", "NaT"], "datetime64[ns]")


def test_month_is_half_open() -> None:
    assert within(TIMES, *month_window("2016-01")).tolist() == [True, True, False, False]


def test_december_ends_in_the_next_year() -> None:
    assert month_window("2015-12")[1] == np.datetime64("2016-01-01")


def test_empty_window_names_the_range_of_the_data() -> None:
    with pytest.raises(InputError, match="cover 2016-01-01 to 2016-02-01"):
        within(TIMES, *month_window("2017-06"))


def test_data_without_any_time_say_so() -> None:
    with pytest.raises(InputError, match="no time at all"):
        within(TIMES[3:], "2016-01", "2016-02")
    assert span(TIMES[3:]) == "no time at all"


@pytest.mark.parametrize("month", ["January 2016", "2016", "2016-13", "2016-01-05", ""])
def test_bad_month_is_named(month: str) -> None:
    with pytest.raises(InputError, match="YYYY-MM"):
        month_window(month)


def test_bad_instant_and_backward_window() -> None:
    with pytest.raises(InputError, match="'yesterday'"):
        instant("yesterday")
    with pytest.raises(InputError, match="stop must follow start"):
        within(TIMES, "2016-02", "2016-01")
