"""Numbers, dates and units as a person reads them."""

from __future__ import annotations

import calendar

import numpy as np

__all__ = ["amount", "change", "count", "depth_words", "month", "percent", "unit_words"]

_UNITS = {"degC": "°C", "degree_Celsius": "°C", "degrees_C": "°C", "celsius": "°C", "1": ""}


def unit_words(units: str) -> str:
    """A unit as it is printed.

    >>> unit_words("degC"), unit_words("1"), unit_words("K")
    ('°C', '', 'K')
    """
    return _UNITS.get(units, units)


def amount(value: float, *, unit: str = "", sign: bool = False, places: int | None = None) -> str:
    r"""A number with a true minus sign, and a dash for NaN.

    Args:
        value: Any number.
        unit: Written after it.
        sign: Whether positive numbers get a plus.
        places: Decimals; two, and three below 0.1, when absent.

    >>> amount(1.2345, unit="°C"), amount(-0.0123), amount(0.5, sign=True), amount(np.nan)
    ('1.23\xa0°C', '−0.012', '+0.50', '–')
    >>> amount(-0.0001, places=3), amount(2.0, places=1, sign=True)
    ('0.000', '+2.0')
    """
    if not np.isfinite(value):
        return "–"
    if places is None:
        places = 3 if abs(value) < 0.0995 else 2
    # Rounded first, so that nothing is written as minus zero.
    shown = round(float(value), places) + 0.0
    text = f"{shown:+.{places}f}" if sign and shown else f"{shown:.{places}f}"
    return text.replace("-", "\N{MINUS SIGN}") + (f"\N{NO-BREAK SPACE}{unit}" if unit else "")


def percent(share: float, *, places: int = 0) -> str:
    r"""A share as per cent.

    >>> percent(0.256), percent(0.8964, places=1), percent(0.0004)
    ('26\xa0%', '89.6\xa0%', 'under\xa01\xa0%')
    """
    if not np.isfinite(share):
        return "–"
    if 0.0 < 100.0 * share < 0.5 and places == 0:
        return "under\N{NO-BREAK SPACE}1\N{NO-BREAK SPACE}%"
    return f"{100.0 * share:.{places}f}\N{NO-BREAK SPACE}%"


def count(number: int, noun: str) -> str:
    """A number of things.

    >>> count(1, "profile"), count(12345, "profile")
    ('1 profile', '12,345 profiles')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def change(ratio: float) -> str:
    r"""How much smaller or larger a score is than its reference.

    >>> change(0.74), change(1.1), change(1.001)
    ('26\xa0% smaller', '10\xa0% larger', 'the same')
    """
    if not np.isfinite(ratio):
        return "–"
    if abs(ratio - 1.0) < 0.005:
        return "the same"
    return f"{percent(abs(1.0 - ratio))} {'smaller' if ratio < 1.0 else 'larger'}"


def depth_words(depth: float) -> str:
    r"""A level.

    >>> depth_words(0.0), depth_words(12.5)
    ('0\xa0m', '12.5\xa0m')
    """
    return f"{depth:g}\N{NO-BREAK SPACE}m"


def month(time: np.datetime64) -> str:
    """Month and year.

    >>> month(np.datetime64("2016-01-16T12:00"))
    'January 2016'
    """
    if np.isnat(time):
        return "an unknown month"
    year, number = str(time.astype("datetime64[M]")).split("-")
    return f"{calendar.month_name[int(number)]} {year}"
