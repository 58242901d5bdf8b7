from __future__ import annotations

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.data.rejections import RejectionTable
from isopleth.data.soundings import Soundings, Stations


def stations(n: int, first_day: str = "2016-01-01") -> Stations:
    time = np.datetime64(first_day, "ns") + np.arange(n) * np.timedelta64(10, "D")
    return Stations(time, np.linspace(-10, 10, n), np.linspace(0, 350, n), np.array(["f"] * n))


def soundings(variable: str = "temperature") -> Soundings:
    value = np.array([[20.0, np.nan, 5.0], [np.nan] * 3, [21.0, 11.0, np.nan]])
    depth = np.broadcast_to([0.0, 100.0, 500.0], (3, 3))
    return Soundings.from_matrix(
        stations(3),
        depth,
        value,
        np.full((3, 3), 0.1),
        variable=variable,
        source="a.nc",
        rejected=RejectionTable.of({"spike": 1}),
    )


def test_matrix_becomes_rows_and_empty_profiles_go() -> None:
    rows = soundings()
    assert len(rows) == 4
    assert len(rows.stations) == 2
    assert rows.depth.tolist() == [0.0, 500.0, 0.0, 100.0]
    assert rows.time[2] == np.datetime64("2016-01-21")
    assert rows.longitude.tolist() == [0.0, 0.0, 350.0, 350.0]
    assert rows.platform.tolist() == ["f"] * 4


def test_select_drops_stations_without_rows() -> None:
    rows = soundings().select(np.array([False, False, True, True]))
    assert len(rows.stations) == 1
    assert rows.profile.tolist() == [0, 0]
    assert rows.latitude.tolist() == [10.0, 10.0]


def test_within_takes_the_window() -> None:
    assert soundings().within("2016-01-20", "2016-02-01").value.tolist() == [21.0, 11.0]
    with pytest.raises(InputError, match="cover 2016-01-01 to 2016-01-21"):
        soundings().within("2020-01-01", "2020-02-01")


def test_concat_renumbers_profiles_and_adds_refusals() -> None:
    both = Soundings.concat([soundings(), soundings()])
    assert len(both.stations) == 4
    assert both.latitude.tolist() == [-10.0, -10.0, 10.0, 10.0] * 2
    assert both.rejected["spike"] == 2
    assert both.source == "a.nc"


def test_concat_of_two_variables_is_refused() -> None:
    with pytest.raises(InputError, match="salinity, temperature"):
        Soundings.concat([soundings(), soundings("salinity")])
    with pytest.raises(InputError, match="nothing"):
        Soundings.concat([])


def test_frame_has_a_column_for_each_property() -> None:
    frame = soundings().to_frame()
    assert list(frame.columns[:5]) == ["time", "latitude", "longitude", "depth", "value"]
    assert len(frame) == 4


def test_shapes_longitudes_and_stations_are_checked() -> None:
    rows = soundings()
    with pytest.raises(InputError, match="shapes"):
        Soundings(rows.stations, rows.profile, rows.depth[:2], rows.value, rows.error)
    with pytest.raises(InputError, match="there are 1 stations"):
        Soundings(stations(1), rows.profile, rows.depth, rows.value, rows.error)
    with pytest.raises(InputError, match="longitude -30"):
        Stations(rows.time[:1], np.zeros(1), np.array([-30.0]), np.array(["x"]))
