from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path

from isopleth.data.coastline import coastlines
from isopleth.report.rings import dense, rings, without_cuts


def test_shuffled_pieces_across_the_dateline_close() -> None:
    pieces = [
        ([-180.0, -170.0, -170.0], [5.0, 5.0, -5.0]),
        ([170.0, 170.0, 180.0], [-5.0, 5.0, 5.0]),
        ([-170.0, -180.0], [-5.0, -5.0]),
        ([180.0, 170.0], [-5.0, -5.0]),
    ]
    (ring,) = rings(pieces)
    lon, lat = ring
    assert (lon[0], lat[0]) == (lon[-1], lat[-1])
    assert np.ptp(lon) == 20.0


def test_a_line_along_the_cut_is_dropped() -> None:
    assert rings([([180.0, 180.0], [60.0, 70.0])]) == []


def test_an_island_halved_by_the_cut_is_closed_along_it() -> None:
    ((lon, lat),) = rings([([180.0, 170.0, 180.0], [70.0, 71.0, 72.0])])
    assert (lon[-1], lat[-1]) == (180.0, 70.0)


def test_a_ring_round_the_pole_is_closed_through_it() -> None:
    lon = np.append(np.arange(-180.0, 180.0, 10.0), -180.0)
    ((east, north),) = rings([(lon, np.full(lon.size, -70.0))])
    assert north.min() == -90.0
    assert (east[0], north[0]) == (east[-1], north[-1])
    assert Path(np.column_stack([east, north])).contains_point((15.0, -80.0))


def test_an_open_line_stays_open() -> None:
    ((lon, _),) = rings([([0.0, 10.0], [0.0, 0.0])])
    assert lon.tolist() == [0.0, 10.0]


def test_dense_keeps_the_corners_and_shortens_the_sides() -> None:
    lon, lat = dense(np.array([0.0, 30.0, 30.0]), np.array([0.0, 0.0, 1.0]))
    assert {(0.0, 0.0), (30.0, 0.0), (30.0, 1.0)} <= set(zip(lon, lat, strict=True))
    assert np.hypot(np.diff(lon), np.diff(lat)).max() <= 2.0


def test_strokes_leave_out_the_cut() -> None:
    lon = np.array([170.0, 180.0, 180.0, 170.0])
    pieces = list(without_cuts(lon, np.array([60.0, 60.0, 70.0, 70.0])))
    assert [piece[0].tolist() for piece in pieces] == [[170.0, 180.0], [180.0, 170.0]]


@pytest.mark.parametrize("west", [-180.0, 0.0, 20.0, 100.0])
def test_the_shipped_coastlines_close_however_they_are_cut(west: float) -> None:
    closed = rings(coastlines(west))
    assert all(np.isclose(lon[0], lon[-1]) and np.isclose(lat[0], lat[-1]) for lon, lat in closed)
    assert len(closed) in (125, 126), "Wrangel Island is one ring or, cut along 180 degrees, two"


@pytest.mark.parametrize(
    ("place", "land"),
    [((100.0, 60.0), True), ((-60.0, -10.0), True), ((0.0, -85.0), True), ((178.0, 67.0), True),
     ((-150.0, 0.0), False), ((-30.0, 40.0), False), ((80.0, -40.0), False)],
)  # fmt: skip
def test_known_places_are_on_the_right_side(place: tuple[float, float], *, land: bool) -> None:
    inside = any(
        Path(np.column_stack([lon + turn, lat])).contains_point(place)
        for lon, lat in rings(coastlines())
        for turn in (-360.0, 0.0, 360.0)
    )
    assert inside is land
