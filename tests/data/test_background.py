from __future__ import annotations

import numpy as np
import pytest

from isopleth.data.background import far_from_background, local_centre_and_spread


def test_spread_is_that_of_the_cell_and_ignores_outliers() -> None:
    rng = np.random.default_rng(1)
    n = 4000
    latitude = np.where(np.arange(n) < n // 2, 5.0, 45.0)
    sd = np.where(latitude == 5.0, 0.5, 2.0)
    anomaly = 1.0 + sd * rng.normal(size=n)
    anomaly[:20] = 50.0
    centre, spread = local_centre_and_spread(latitude, np.full(n, 310.0), np.zeros(n), anomaly)
    for lat, truth in ((5.0, 0.5), (45.0, 2.0)):
        assert centre[latitude == lat].mean() == pytest.approx(1.0, abs=0.15)
        assert spread[latitude == lat].mean() == pytest.approx(truth, rel=0.1)


def test_thin_cells_take_the_spread_of_their_layer() -> None:
    latitude = np.array([5.0] * 100 + [65.0])
    anomaly = np.append(np.linspace(-1.0, 1.0, 100), 0.3)
    _, spread = local_centre_and_spread(latitude, np.full(101, 10.0), np.full(101, 60.0), anomaly)
    assert spread[-1] == pytest.approx(spread[0], rel=0.05)


def test_nothing_unknown_is_refused() -> None:
    place = np.zeros(3)
    anomaly = np.array([0.0, np.nan, 30.0])
    sd = np.array([1.0, 1.0, np.nan])
    assert far_from_background(place, place, place, anomaly, sd=sd).tolist() == [False] * 3
