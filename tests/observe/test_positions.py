from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.region import Region
from isopleth.observe.positions import Positions, cell_of, draw_cells, scatter_within

GLOBE = Grid.regular(10.0, levels=[0.0, 1.0])
ATLANTIC = Grid.regular(10.0, levels=[0.0], region=Region.parse("20N:60N,30W:30E"))


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("grid", [GLOBE, ATLANTIC])
def test_a_centre_lies_in_its_own_cell(grid: Grid) -> None:
    lat, lon = np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
    cells = np.arange(lat.size)
    assert (cell_of(grid, lat.ravel(), lon.ravel()) == cells).all()
    assert (cell_of(grid, lat.ravel() + 4.9, lon.ravel() - 364.9) == cells).all()


def test_outside_a_region_there_is_no_cell() -> None:
    found = cell_of(ATLANTIC, [61.0, 19.0, 40.0, 40.0, 60.0], [0.0, 0.0, 31.0, 200.0, -30.0])
    assert found.tolist() == [-1, -1, -1, -1, 0]


def test_poles_lie_in_the_last_rows() -> None:
    assert cell_of(GLOBE, [90.0, -90.0], [0.0, 359.0]).tolist() == [0, 18 * 36 - 1]


def test_a_point_scattered_in_a_cell_lies_in_it() -> None:
    cell = np.repeat(np.arange(18 * 36), 5)
    lat, lon = scatter_within(GLOBE, cell, stream())
    assert (cell_of(GLOBE, lat, lon) == cell).all()


def test_scatter_is_uniform_in_the_sine_of_latitude() -> None:
    lat, _ = scatter_within(GLOBE, np.zeros(4000, dtype=np.int64), stream())
    share = (np.sin(np.radians(lat)) - np.sin(np.radians(80))) / (1.0 - np.sin(np.radians(80)))
    assert stats.kstest(share, "uniform").pvalue > 1e-3


def test_cells_come_as_often_as_they_weigh() -> None:
    weight = np.array([[1.0, 0.0, 3.0], [2.0, 4.0, 0.0]])
    times = np.bincount(draw_cells(weight, 20_000, stream()), minlength=6)
    assert times[[1, 5]].tolist() == [0, 0]
    kept = times[[0, 2, 3, 4]]
    assert stats.chisquare(kept, np.array([1, 3, 2, 4]) * 2000.0).pvalue > 1e-3


def test_distinct_cells_are_distinct_and_the_first_follows_the_weights() -> None:
    weight = np.array([1.0, 0.0, 3.0, 2.0, 4.0])
    generator = stream()
    draws = np.stack([draw_cells(weight, 3, generator, distinct=True) for _ in range(4000)])
    assert all(len(set(row)) == 3 and 1 not in row for row in draws.tolist())
    first = np.bincount(draws[:, 0], minlength=5)[[0, 2, 3, 4]]
    assert stats.chisquare(first, np.array([1, 3, 2, 4]) * 400.0).pvalue > 1e-3
    # The second of w = 4 after the first of w = 3: 4 / (10 - 3).
    after = draws[draws[:, 0] == 2, 1]
    assert (after == 4).mean() == pytest.approx(4.0 / 7.0, abs=0.05)


def test_all_cells_can_be_drawn_and_no_more() -> None:
    assert sorted(draw_cells([1.0, 2.0, 0.0], 2, stream(), distinct=True)) == [0, 1]
    with pytest.raises(InputError, match="3 points cannot be drawn from 2 open cells"):
        draw_cells([1.0, 2.0, 0.0], 3, stream(), distinct=True)
    with pytest.raises(InputError, match="1 points cannot be drawn from 0 open cells"):
        draw_cells([0.0], 1, stream())
    with pytest.raises(InputError, match="0 points"):
        draw_cells([1.0], 0, stream())


def test_positions_are_read_where_they_are() -> None:
    x = torch.randn(GLOBE.shape, generator=stream(), dtype=torch.float64)
    at = Positions([85.0, -5.0], [-355.0, 15.0], [1, 0])
    torch.testing.assert_close(at.operator(GLOBE)(x), torch.stack([x[1, 0, 0], x[0, 9, 1]]))
    with pytest.raises(ValueError, match="read-only"):
        at.latitude[0] = 1.0


@pytest.mark.parametrize(
    ("latitude", "longitude", "channel", "sentence"),
    [
        ([], [], [], "there are 0 positions"),
        ([1.0], [1.0, 2.0], [0], r"longitude \(2,\)"),
        ([95.0], [0.0], [0], "position 0 is latitude 95"),
        ([0.0, np.nan], [0.0, 0.0], [0, 0], "position 1 is latitude nan"),
        ([0.0], [0.0], [-1], "channel -1 is no index"),
        ([0.0], [0.0], [0.5], "channel 0.5 is no index"),
    ],
)
def test_what_makes_no_sense_is_named(
    latitude: list[float], longitude: list[float], channel: list[float], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        Positions(latitude, longitude, channel)


def test_a_channel_that_does_not_exist_is_named() -> None:
    with pytest.raises(InputError, match="level 2 does not exist"):
        Positions([0.0], [0.0], [2]).operator(GLOBE)
