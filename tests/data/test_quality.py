from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.data.profiles import Profiles
from isopleth.data.quality import QualityLimits, check, flags, reasons
from isopleth.data.soundings import Soundings, Stations

LEVELS = np.array([0.0, 20.0, 50.0, 100.0, 300.0, 600.0, 1000.0])
CODE = {reason: code for code, reason in reasons().items()}


def profiles(n: int = 6) -> Profiles:
    shape = (n, LEVELS.size)
    return Profiles(
        np.datetime64("2016-01-01", "ns") + np.arange(n) * np.timedelta64(1, "D"),
        np.linspace(10.0, 20.0, n),
        np.linspace(300.0, 320.0, n),
        LEVELS,
        np.broadcast_to(4.0 + 16.0 * np.exp(-LEVELS / 200.0), shape).copy(),
        np.full(shape, np.nan),
        np.array([f"float{i}" for i in range(n)]),
    )


def soundings(casts: Profiles) -> Soundings:
    at = Stations(casts.time, casts.latitude, casts.longitude, casts.platform)
    depth = np.broadcast_to(casts.depth, casts.value.shape)
    return Soundings.from_matrix(at, depth, casts.value, casts.error)


def changed(**columns: np.ndarray) -> Profiles:
    return dataclasses.replace(profiles(), **columns)


def test_clean_profiles_pass_untouched() -> None:
    kept, table = check(profiles())
    assert table.values == 0
    np.testing.assert_array_equal(kept.value, profiles().value)


@pytest.mark.parametrize("value", [-999.0, 99.99, 285.0, 1e20])
def test_gross_range(value: float) -> None:
    casts = profiles()
    casts.value[2, 3] = value
    kept, table = check(casts)
    assert table["outside the range of sea water"] == 1
    assert np.isnan(kept.value[2, 3])
    assert len(kept) == len(casts)


def test_position_zero_zero_and_beyond_the_pole() -> None:
    casts = changed(
        latitude=np.array([0.0, 0.0, 95.0, np.nan, 1.0, 2.0]),
        longitude=np.array([0.0, 10.0, 10.0, 10.0, 0.0, 20.0]),
    )
    kept, table = check(casts)
    assert kept.platform.tolist() == ["float1", "float4", "float5"]
    assert table.rows[0].profiles == 3


def test_missing_time() -> None:
    times = profiles().time.copy()
    times[4] = np.datetime64("NaT")
    kept, table = check(changed(time=times))
    assert table["time missing"] == LEVELS.size
    assert len(kept) == 5


def test_of_duplicates_the_fuller_one_is_kept() -> None:
    casts = profiles()
    casts.value[0, 3:] = np.nan
    double = Profiles.concat([casts, profiles().select(slice(0, 2))])
    kept, table = check(double)
    assert len(kept) == 6
    assert table["duplicated profile"] == 3 + LEVELS.size
    assert np.isfinite(kept.value).all()
    assert table.rows[0].profiles == 2


def test_same_place_and_time_of_another_platform_is_no_duplicate() -> None:
    other = dataclasses.replace(profiles(), platform=np.array(["ship"] * 6))
    kept, _ = check(Profiles.concat([profiles(), other]))
    assert len(kept) == 12


def test_repeated_and_impossible_depths() -> None:
    rows = soundings(profiles(2))
    depth = rows.depth.copy()
    depth[1], depth[3] = depth[0], 20_000.0
    kept, table = check(dataclasses.replace(rows, depth=depth))
    assert table["depth impossible or repeated"] == 2
    assert len(kept) == len(rows) - 2
    assert kept.rejected == table


@pytest.mark.parametrize(("level", "size", "caught"), [(2, 12.0, True), (2, 4.0, False)])
def test_shallow_spike(level: int, size: float, caught: bool) -> None:
    casts = profiles()
    casts.value[1, level] += size
    assert bool(flags(casts)[1, level] == CODE["spike"]) is caught
    assert (flags(casts)[1] == 0).sum() == LEVELS.size - caught


def test_deep_spike_has_a_lower_threshold() -> None:
    casts = profiles()
    casts.value[1, 5] += 5.0
    assert flags(casts)[1, 5] == CODE["spike"]
    generous = QualityLimits(spike_deep=6.0)
    assert flags(casts, limits=generous)[1, 5] == 0


def test_a_missing_value_code_does_not_make_its_neighbours_spikes() -> None:
    casts = profiles()
    casts.value[1, 3] = -999.0
    assert np.flatnonzero(flags(casts)[1]).tolist() == [3]


def test_stuck_sensor_but_not_a_mixed_layer() -> None:
    casts = profiles()
    casts.value[3] = 12.0
    casts.value[4, :3] = 12.0
    found = flags(casts)
    assert (found[3] == CODE["stuck at one value"]).all()
    assert (found[4] == 0).all()


def test_far_from_climatology_is_robust_to_its_bias() -> None:
    casts = profiles()
    climatology = casts.value - 1.5
    casts.value[2, 0] += 12.0
    found = flags(casts, climatology)
    assert found[2, 0] == CODE["far from the climatology"]
    assert (found == 0).sum() == found.size - 1


def test_given_spread_is_used_and_unknown_climatology_is_not_tested() -> None:
    casts = profiles()
    climatology = casts.value.copy()
    climatology[:, 0] = np.nan
    casts.value[2, 0] += 12.0
    casts.value[2, 6] += 4.0
    wide = np.full(casts.value.shape, 10.0)
    loose = QualityLimits(spike_deep=9.0)
    assert (flags(casts, climatology, climatology_sd=wide, limits=loose) == 0).all()
    tight = QualityLimits(background_sds=3.0, spike_deep=9.0)
    found = flags(casts, climatology, climatology_sd=np.ones_like(wide), limits=tight)
    assert np.argwhere(found).tolist() == [[2, 6]]


def test_climatology_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="evaluate it at each value"):
        flags(profiles(), np.zeros(3))


def test_soundings_and_profiles_agree() -> None:
    casts = profiles()
    casts.value[1, 2] += 12.0
    casts.value[0, 0] = 99.0
    rows = soundings(casts)
    assert flags(rows).tolist() == flags(casts).reshape(-1).tolist()
    kept, table = check(rows)
    assert len(kept) + table.values == len(rows)


def test_salinity_has_its_own_limits() -> None:
    casts = dataclasses.replace(profiles(), variable="salinity")
    casts.value[:] = 35.0 + 0.001 * np.arange(LEVELS.size)
    casts.value[1, 2] += 1.0
    assert flags(casts)[1, 2] == CODE["spike"]


def test_nothing_at_all_and_nothing_left_are_sentences() -> None:
    empty = changed(value=np.full((6, LEVELS.size), np.nan))
    with pytest.raises(InputError, match="only NaN"):
        check(empty)
    with pytest.raises(InputError, match="42 outside the range"):
        check(changed(value=np.full((6, LEVELS.size), 300.0)))


def test_ten_thousand_profiles_of_fifty_levels_take_less_than_two_seconds() -> None:
    n, depth = 10_000, np.linspace(5.0, 2000.0, 50)
    rng = np.random.default_rng(0)
    value = np.broadcast_to(4.0 + 16.0 * np.exp(-depth / 300.0), (n, 50))
    casts = Profiles(
        np.datetime64("2016-01-01", "ns") + np.arange(n) * np.timedelta64(4, "m"),
        rng.uniform(-60.0, 60.0, n),
        rng.uniform(0.0, 360.0, n),
        depth,
        value + rng.normal(scale=0.3, size=(n, 50)),
        np.full((n, 50), np.nan),
        np.array([str(i % 3000) for i in range(n)]),
    )
    started = time.process_time()
    _, table = check(casts, value)
    assert time.process_time() - started < 2.0
    assert table.values == 0


@pytest.mark.extra_data("ocean/argo_2016_janfeb_100_150_200dbar.csv.gz")
def test_real_argo_is_hardly_touched(extra_data) -> None:  # type: ignore[no-untyped-def]
    from isopleth.data.climatology import load_climatology
    from isopleth.data.table import read_table
    from isopleth.data.vertical import to_levels

    path = extra_data / "ocean" / "argo_2016_janfeb_100_150_200dbar.csv.gz"
    casts = to_levels(read_table(path, wide="dbar"), [100.0, 150.0, 200.0])
    climatology = load_climatology().at(casts.time, casts.latitude, casts.longitude, casts.depth)
    _, table = check(casts, climatology)
    assert table.values <= 10
