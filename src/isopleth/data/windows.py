"""Windows of time, half open: `start <= time < stop`, in UTC."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError

__all__ = ["Times", "instant", "month_window", "span", "within"]

Times = npt.NDArray[np.datetime64]


def month_window(month: str) -> tuple[np.datetime64, np.datetime64]:
    """First instant of a month and of the next.

    Args:
        month: Written YYYY-MM.

    Raises:
        InputError: If the month has another form.

    >>> start, stop = month_window("2016-02")
    >>> print(start.astype("datetime64[D]"), stop.astype("datetime64[D]"))
    2016-02-01 2016-03-01
    """
    try:
        first: np.datetime64 = np.datetime64(month, "M")
    except ValueError:
        first = np.datetime64("NaT")
    if np.isnat(first) or len(month.strip()) != 7:
        raise InputError(f"the month {month!r} is not understood: write it as YYYY-MM, 2016-01.")
    return _nanoseconds(first), _nanoseconds(first + np.timedelta64(1, "M"))


def instant(value: str | np.datetime64) -> np.datetime64:
    """An instant in UTC to the nanosecond.

    Args:
        value: A `datetime64`, or a date or time as in ISO 8601; a zone of Z or none is UTC.

    Raises:
        InputError: If the text is no date.

    >>> print(instant("2016-01-15T06:00Z"))
    2016-01-15T06:00:00.000000000
    """
    try:
        parsed = np.datetime64(
            value.strip().removesuffix("Z") if isinstance(value, str) else value
        )
    except ValueError as error:
        raise InputError(
            f"the time {value!r} is not understood: write it as 2016-01-15 or 2016-01-15T06:00Z."
        ) from error
    return _nanoseconds(parsed)


def span(time: Times) -> str:
    """First and last day of some times, as a phrase for messages; NaT is ignored.

    >>> span(np.array(["2016-01-03", "2016-01-01", "NaT"], dtype="datetime64[ns]"))
    '2016-01-01 to 2016-01-03'
    """
    known = time[~np.isnat(time)]
    if known.size == 0:
        return "no time at all"
    first, last = known.min(), known.max()
    return f"{first.astype('datetime64[D]')} to {last.astype('datetime64[D]')}"


def within(
    time: Times, start: str | np.datetime64, stop: str | np.datetime64
) -> npt.NDArray[np.bool_]:
    """Which times lie in `[start, stop)`; NaT does not.

    Args:
        time: Shape (n,).
        start: First instant of the window.
        stop: First instant after the window.

    Raises:
        InputError: If the window is empty, or if no time lies in it; the message names the range
            that the data do cover.

    >>> time = np.array(["2016-01-31T23:59", "2016-02-01"], dtype="datetime64[ns]")
    >>> within(time, "2016-01", "2016-02").tolist()
    [True, False]
    """
    first, last = instant(start), instant(stop)
    if not first < last:
        raise InputError(f"the window from {start} to {stop} is empty: stop must follow start.")
    inside = (time >= first) & (time < last)
    if not inside.any():
        days = f"{first.astype('datetime64[D]')} and {last.astype('datetime64[D]')}"
        raise InputError(
            f"no observation lies between {days}: the data cover {span(time)}; "
            "choose a month inside that range."
        )
    return np.asarray(inside)


def _nanoseconds(value: np.datetime64) -> np.datetime64:
    return value.astype("datetime64[ns]")
