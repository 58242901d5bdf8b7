"""Growth of errors: how long it takes until they double."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from isopleth.core.errors import InputError

__all__ = ["doubling_time", "first_doubling"]


def doubling_time(time: ArrayLike, error: ArrayLike, *, window: tuple[float, float]) -> float:
    """Time in which an exponentially growing error doubles, `ln(2) / b`, unit of `time`.

    b is the slope of `ln(error)` against time by least squares inside the window; choose it after
    the error has turned into the directions that grow and before it saturates. Negative if the
    error decays, infinite if it does neither.
    Reference: Lorenz (1982), Tellus 34, 505.

    Args:
        time: Of each error, increasing, shape (n,).
        error: Root mean square or any other size that is proportional to the error, shape (n,).
        window: First and last time used, ends included.

    Raises:
        InputError: If the shapes differ, fewer than two times are inside the window or an error
            there is not positive.

    >>> round(doubling_time([0.0, 1.0, 2.0], [1.0, 2.0, 4.0], window=(0.0, 2.0)), 12)
    1.0
    """
    t, e = np.asarray(time, dtype=np.float64), np.asarray(error, dtype=np.float64)
    _check(t.shape, e.shape)
    inside = (t >= window[0]) & (t <= window[1])
    if inside.sum() < 2 or not (e[inside] > 0.0).all():
        raise InputError(
            f"between {window[0]:g} and {window[1]:g} there are {inside.sum()} errors, not all of "
            "them positive: widen the window; it takes two positive errors."
        )
    t = t[inside] - t[inside].mean()
    slope = float(t @ np.log(e[inside]) / (t @ t))
    return float(np.log(2.0) / slope) if slope else float("inf")


def first_doubling(time: ArrayLike, error: ArrayLike) -> float:
    """Time after the first one at which the error is twice what it was then, unit of `time`.

    Linear in `ln(error)` between two times; NaN if it never is.

    Args:
        time: Of each error, increasing, shape (n,).
        error: Size of the error, shape (n,); the first positive.

    Raises:
        InputError: If the shapes differ or the first error is not positive.

    >>> round(first_doubling([0.0, 2.0, 4.0], [1.0, 0.9, 4.0]), 2)
    3.07
    """
    t, e = np.asarray(time, dtype=np.float64), np.asarray(error, dtype=np.float64)
    _check(t.shape, e.shape)
    if not (e.size and e[0] > 0.0):
        raise InputError(f"the first of {e.size} errors is not positive: there is none to double.")
    above = np.flatnonzero(e >= 2.0 * e[0])
    if not above.size:
        return float("nan")
    pair = slice(above[0] - 1, above[0] + 1)
    return float(np.interp(np.log(2.0 * e[0]), np.log(e[pair]), t[pair]) - t[0])


def _check(time: tuple[int, ...], error: tuple[int, ...]) -> None:
    if time != error or len(time) != 1:
        raise InputError(
            f"times of shape {time} do not belong to errors of shape {error}: give one error a "
            "time."
        )
