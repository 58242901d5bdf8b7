"""The swath against spherical geometry done another way, and against published instruments."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.core.region import Region
from isopleth.observe.average import Beam
from isopleth.observe.orbit import Orbit
from isopleth.observe.sphere import destination, distance
from isopleth.observe.swath import Footprints, Scanner, Swath

NODE = np.datetime64("2019-03-21T12:00:00")
ORBIT = Orbit.sun_synchronous(altitude=833e3, node_hour=21.5, node_time=NODE)
AMSU = Scanner(half_angle=48.33, positions=30, beam_width=3.3, scan_seconds=8.0)


def seconds(number: float) -> np.timedelta64:
    return np.timedelta64(round(number * 1e3), "ms")


def window(start: float, end: float, scanner: Scanner = AMSU) -> Footprints:
    return Swath(ORBIT, scanner)(NODE + seconds(start), NODE + seconds(end))


def test_the_width_is_that_of_the_triangle() -> None:
    """The slant range from the law of cosines, the width from the law of sines."""
    for degrees in (10.0, 30.0, 48.33, 55.0):
        scanner = Scanner(half_angle=degrees, positions=2, beam_width=1.0, scan_seconds=1.0)
        a, R, scan = ORBIT.radius, EARTH_RADIUS, np.radians(degrees)
        slant = a * np.cos(scan) - np.sqrt(R**2 - (a * np.sin(scan)) ** 2)
        width = 2.0 * R * np.arcsin(slant * np.sin(scan) / R)
        assert Swath(ORBIT, scanner).width == pytest.approx(width, rel=1e-12)
        seen = window(0.0, 1.0, scanner)
        apart = distance(seen.latitude[0], seen.longitude[0], seen.latitude[1], seen.longitude[1])
        # The two are half a second, some 3.7 km, apart along the track as well.
        assert float(apart) == pytest.approx(width, rel=1e-3)


def test_published_instruments() -> None:
    """Swaths and footprints as the agencies round them."""
    metop = Orbit.sun_synchronous(altitude=817e3, node_hour=21.5, node_time=NODE)
    avhrr = Scanner(half_angle=55.37, positions=2, beam_width=0.075, scan_seconds=1.0 / 6.0)
    assert Swath(metop, avhrr).width == pytest.approx(2900e3, rel=0.01)  # EUMETSAT, AVHRR/3
    across, along = AMSU.size(metop.radius)
    assert across[[14, 15]] == pytest.approx([47.6e3, 47.6e3], rel=0.02)  # EUMETSAT, AMSU-A
    assert along[[14, 15]] == pytest.approx([47.6e3, 47.6e3], rel=0.02)
    assert across[29] / across[15] == pytest.approx(3.0, abs=0.2)  # CIRA: "three times larger"


def test_footprints_grow_towards_both_edges_alike() -> None:
    for size in AMSU.size(ORBIT.radius):
        np.testing.assert_allclose(size, size[::-1])
        assert (np.diff(size[15:]) > 0.0).all()
    across, along = AMSU.size(ORBIT.radius)
    assert (across >= along).all()


def test_beams_as_wide_as_their_step_tile_the_swath() -> None:
    step = 2.0 * 48.0 / 31.0
    tiles = Scanner(half_angle=48.0, positions=32, beam_width=step, scan_seconds=1.0)
    edges = Scanner(half_angle=48.0 + 0.5 * step, positions=2, beam_width=1e-6, scan_seconds=1.0)
    across, _ = tiles.size(ORBIT.radius)
    whole = EARTH_RADIUS * np.diff(edges.reach(ORBIT.radius))
    assert across.sum() == pytest.approx(whole[0], rel=1e-12)


def test_times_lie_in_the_window_and_rise() -> None:
    seen = window(100.0, 1000.0)
    assert (seen.time >= NODE + seconds(100.0)).all()
    assert (seen.time < NODE + seconds(1000.0)).all()
    assert (np.diff(seen.time) > np.timedelta64(0)).all()
    assert len(seen) == pytest.approx(900.0 / 8.0 * 30.0, abs=1)


@pytest.mark.parametrize("cut", [407.0, 408.0, 411.3])
def test_windows_that_meet_give_the_window_of_both(cut: float) -> None:
    one, other, both = window(-200.0, cut), window(cut, 900.0), window(-200.0, 900.0)
    for name in ("latitude", "longitude", "time", "scan_position"):
        parts = np.concatenate([getattr(one, name), getattr(other, name)])
        assert (parts == getattr(both, name)).all()


def test_the_middle_of_the_scan_follows_the_track() -> None:
    odd = Scanner(half_angle=40.0, positions=31, beam_width=2.0, scan_seconds=8.0)
    seen = window(0.0, 6000.0, odd)
    middle = seen.select(seen.scan_position == 15)
    latitude, longitude = ORBIT.track(middle.time)
    assert distance(latitude, longitude, middle.latitude, middle.longitude).max() < 20.0
    assert middle.time[0] == NODE + seconds(4.0)


def test_the_azimuth_is_the_direction_of_the_scan() -> None:
    seen = window(0.0, 6000.0)
    inner = seen.select(seen.scan_position == 20)
    outer = seen.select(seen.scan_position == 21)
    gap = EARTH_RADIUS * np.diff(AMSU.reach(ORBIT.radius))[20]
    there = destination(inner.latitude, inner.longitude, inner.beam.azimuth, gap)
    # Between the two the satellite moves on by 8 / 30 s, about 2 km.
    assert distance(*there, outer.latitude, outer.longitude).max() < 2.5e3


def test_a_day_covers_the_sphere_but_for_gaps_near_the_equator() -> None:
    seen = window(
        0.0, 86400.0, Scanner(half_angle=48.33, positions=30, beam_width=3.3, scan_seconds=60.0)
    )
    cells, _, _ = np.histogram2d(
        seen.latitude, seen.longitude, bins=(np.arange(-90, 91, 10), np.arange(0, 361, 10))
    )
    assert (cells > 0).mean() > 0.95
    assert (cells[[4, 13]].sum(axis=1) > 0).all()
    # Orbits converge towards the poles: more footprints on each square kilometre.
    density = cells.sum(axis=1) / np.cos(np.radians(np.arange(-85, 90, 10)))
    assert density[15] > 2.0 * density[9]


def test_a_region_keeps_what_lies_in_it() -> None:
    grid = Grid.regular(5.0, levels=[0.0, 1.0], region=Region.parse("20N:60N,30W:30E"))
    seen = window(0.0, 43200.0).within(grid)
    assert 0 < len(seen) < len(window(0.0, 43200.0))
    operator = seen.operator(grid, (1,))
    assert operator.valid.shape == (len(seen), 1)
    assert operator.valid.float().mean() > 0.95
    x = torch.full(grid.shape, 3.0, dtype=torch.float64)
    torch.testing.assert_close(
        operator(x)[operator.valid], torch.full((int(operator.valid.sum()),), 3.0).double()
    )


def test_thinning_keeps_beam_and_place_together() -> None:
    seen = window(0.0, 800.0)
    few = seen.select(slice(None, None, 7))
    assert (few.beam.across == seen.beam.across[::7]).all()
    assert (few.latitude == seen.latitude[::7]).all()


def test_one_beam_can_stand_for_all() -> None:
    times = np.array([NODE, NODE])
    beam = Beam.circular(5e4)
    seen = Footprints(np.zeros(2), np.zeros(2), times, np.zeros(2, dtype=int), beam)
    assert seen.select([1]).beam.across.tolist() == [5e4]
    with pytest.raises(InputError, match=r"longitude \(1,\)"):
        Footprints(np.zeros(2), np.zeros(1), times, np.zeros(2, dtype=int), beam)
    three = Beam.circular([5e4] * 3)
    with pytest.raises(InputError, match=r"beam \(3,\)"):
        Footprints(np.zeros(2), np.zeros(2), times, np.zeros(2, dtype=int), three)


def test_what_makes_no_sense_is_named() -> None:
    with pytest.raises(InputError, match="is empty: end it after"):
        window(10.0, 10.0)
    wide = Scanner(half_angle=61.0, positions=2, beam_width=3.0, scan_seconds=1.0)
    with pytest.raises(InputError, match=r"a scan to 62.5 degrees looks past the Earth.* 62.1"):
        window(0.0, 10.0, wide)
    with pytest.raises(InputError, match="does not look down"):
        Scanner(half_angle=89.0, positions=2, beam_width=3.0, scan_seconds=1.0)
    with pytest.raises(InputError, match="a scan of 0 positions"):
        Scanner(half_angle=40.0, positions=0, beam_width=3.0, scan_seconds=1.0)
    empty = window(0.0, 8.0).select([])
    with pytest.raises(InputError, match="there are 0 footprints"):
        empty.operator(Grid.regular(5.0, levels=[0.0]))
