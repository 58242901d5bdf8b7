"""Doubling times of errors that grow as known."""

from __future__ import annotations

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.metrics import doubling_time, first_doubling

DAY = np.arange(0.0, 40.5, 0.5)


def test_exponential_growth_has_one_doubling_time() -> None:
    error = 1e-3 * 2.0 ** (DAY / 4.5)
    assert doubling_time(DAY, error, window=(10.0, 30.0)) == pytest.approx(4.5)
    assert doubling_time(DAY, 7.0 * error, window=(10.0, 30.0)) == pytest.approx(4.5)
    assert first_doubling(DAY, error) == pytest.approx(4.5)
    assert first_doubling(DAY + 100.0, error) == pytest.approx(4.5)


def test_decay_is_negative_and_neither_infinite() -> None:
    assert doubling_time(DAY, 2.0 ** (-DAY / 3.0), window=(0.0, 9.0)) == pytest.approx(-3.0)
    assert doubling_time(DAY, np.ones_like(DAY), window=(0.0, 9.0)) == np.inf
    assert np.isnan(first_doubling(DAY, 2.0 ** (-DAY / 3.0)))


def test_only_the_window_counts() -> None:
    error = np.where(DAY <= 10.0, 2.0**-DAY, 2.0 ** (DAY / 5.0))
    error[DAY > 30.0] = 0.0
    assert doubling_time(DAY, error, window=(10.5, 30.0)) == pytest.approx(5.0)


def test_saturation_slows_the_first_doubling() -> None:
    # The logistic curve of Lorenz (1982): de/dt = b e (1 - e), so e doubles from 0.2 to 0.4 in
    # ln(8/3) / b.
    error = 1.0 / (1.0 + 4.0 * np.exp(-0.2 * DAY))
    assert first_doubling(DAY, error) == pytest.approx(np.log(8.0 / 3.0) / 0.2, rel=1e-3)


def test_bad_input() -> None:
    with pytest.raises(InputError, match="there are 1 errors"):
        doubling_time(DAY, np.ones_like(DAY), window=(10.0, 10.2))
    with pytest.raises(InputError, match="not all of them positive"):
        doubling_time(DAY, np.zeros_like(DAY), window=(0.0, 10.0))
    with pytest.raises(InputError, match="do not belong"):
        doubling_time(DAY, DAY[1:], window=(0.0, 10.0))
    with pytest.raises(InputError, match="none to double"):
        first_doubling(DAY, DAY)
    with pytest.raises(InputError, match="none to double"):
        first_doubling([], [])
