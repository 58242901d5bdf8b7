from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from isopleth.core.errors import InputError
from isopleth.data.soundings import Soundings, Stations
from isopleth.data.vertical import VerticalRule, to_levels

EVERYWHERE = VerticalRule(gap=1e9, near=0.0, near_fraction=0.0, surface=-1.0)


def soundings(
    profile: np.ndarray, depth: np.ndarray, value: np.ndarray, error: np.ndarray | None = None
) -> Soundings:
    n = int(profile.max()) + 1
    at = Stations(
        np.full(n, np.datetime64("2016-01-01", "ns")),
        np.zeros(n),
        np.arange(n, dtype=float) % 360.0,
        np.array([str(i) for i in range(n)]),
    )
    unknown = np.full(depth.size, np.nan)
    return Soundings(
        at, profile.astype(np.int32), depth, value, unknown if error is None else error
    )


def one(depth: list[float], value: list[float], error: list[float] | None = None) -> Soundings:
    sd = None if error is None else np.array(error)
    return soundings(np.zeros(len(depth)), np.array(depth), np.array(value, dtype=float), sd)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_agrees_with_scipy_for_many_profiles_at_once(data: st.DataObject) -> None:
    seed = data.draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    sizes = data.draw(st.lists(st.integers(2, 9), min_size=1, max_size=5))
    profile = np.repeat(np.arange(len(sizes)), sizes)
    depth = np.concatenate([np.sort(rng.choice(900, n, replace=False)) for n in sizes]) + 0.5
    value = rng.normal(size=depth.size).round(1)
    order = rng.permutation(depth.size)
    levels = np.arange(0.0, 900.0, 37.0)
    rows = soundings(profile[order], depth[order], value[order])
    try:
        got = to_levels(rows, levels, rule=EVERYWHERE)
    except InputError:
        reject()  # two values between two levels
    kept = dict(zip(got.platform, got.value, strict=True))
    for number in range(len(sizes)):
        z, v = depth[profile == number], value[profile == number]
        expected = PchipInterpolator(z, v, extrapolate=False)(levels)
        row = kept.get(str(number), np.full(levels.size, np.nan))
        np.testing.assert_allclose(row, expected, atol=1e-9)


def test_gap_is_not_bridged_but_a_level_near_a_measurement_takes_it() -> None:
    casts = to_levels(one([100.0, 198.0, 240.0], [10.0, 8.0, 7.0]), [100.0, 150.0, 200.0, 241.0])
    assert casts.value[0, 0] == 10.0
    assert np.isnan(casts.value[0, 1])
    assert 7.0 < casts.value[0, 2] < 8.0
    assert casts.value[0, 3] == 7.0


def test_gap_may_be_wider_at_depth() -> None:
    casts = to_levels(one([900.0, 1100.0, 1500.0], [5.0, 4.0, 3.0]), [1000.0, 1200.0])
    assert np.isfinite(casts.value[0, 0])
    assert np.isnan(casts.value[0, 1])


def test_pressures_of_round_numbers_reach_their_levels() -> None:
    depth = [99.3, 148.9, 198.4, 990.0, 1975.0]
    casts = to_levels(one(depth, [5.0, 4.0, 3.0, 2.0, 1.0]), [100, 150, 200, 1000, 2000])
    assert casts.value[0, 0] == pytest.approx(5.0, abs=0.02)
    assert casts.value[0, 2:].tolist() == [3.0, 2.0, 1.0]


def test_top_ten_metres_reach_the_surface_and_no_more() -> None:
    casts = to_levels(one([8.0, 30.0], [20.0, 19.0]), [0.0, 5.0])
    assert casts.value[0].tolist() == [20.0, 20.0]
    with pytest.raises(InputError, match="cover 15 to 30 m"):
        to_levels(one([15.0, 30.0], [20.0, 19.0]), [0.0, 5.0])


def test_never_overshoots() -> None:
    depth = np.arange(0.0, 400.0, 20.0)
    value = np.where(depth < 200.0, 20.0, 10.0)
    casts = to_levels(one(list(depth), list(value)), np.arange(0.0, 380.0, 3.0))
    assert casts.value.min() >= 10.0 - 1e-12
    assert casts.value.max() <= 20.0 + 1e-12


def test_repeated_depths_are_averaged_and_errors_interpolated() -> None:
    rows = one([0.0, 0.0, 40.0], [10.0, 12.0, 11.0], [0.1, 0.3, 0.4])
    casts = to_levels(rows, [0.0, 20.0])
    assert casts.value[0].tolist() == pytest.approx([11.0, 11.0])
    assert casts.error[0].tolist() == pytest.approx([0.2, 0.3])


def test_profiles_that_reach_nothing_are_left_out_and_noted() -> None:
    rows = soundings(
        np.array([0, 0, 1]), np.array([0.0, 30.0, 500.0]), np.array([20.0, 19.0, 5.0])
    )
    casts = to_levels(rows, [0.0, 20.0])
    assert casts.platform.tolist() == ["0"]
    assert casts.notes == ("1 profiles reach none of the levels and were left out",)


def test_bad_levels_and_impossible_depths() -> None:
    rows = one([0.0, 30.0], [20.0, 19.0])
    for levels in ([], [10.0, 0.0], [-5.0, 0.0]):
        with pytest.raises(InputError, match="levels"):
            to_levels(rows, levels)
    with pytest.raises(InputError, match="quality"):
        to_levels(one([0.0, 99999.0], [20.0, 19.0]), [0.0])


def test_ten_thousand_profiles_take_seconds() -> None:
    n, depths = 10_000, 100
    profile = np.repeat(np.arange(n), depths)
    depth = np.tile(np.linspace(5.0, 1500.0, depths), n)
    rows = soundings(profile, depth, 25.0 * np.exp(-depth / 500.0))
    started = time.perf_counter()
    casts = to_levels(rows, [0, 10, 20, 50, 100, 150, 200, 300, 500, 700, 1000, 1500])
    assert time.perf_counter() - started < 3.0
    assert np.isfinite(casts.value).all()
