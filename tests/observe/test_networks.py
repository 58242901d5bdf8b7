from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.region import Region
from isopleth.observe.networks import (
    Columns,
    FixedNetwork,
    Network,
    Percent,
    RandomCells,
    RandomPoints,
    Singles,
)
from isopleth.observe.positions import Positions, cell_of

GRID = Grid.regular(10.0, levels=[0.0, 1.0, 2.0])
REGION = Grid.regular(10.0, levels=[0.0], region=Region.parse("20N:60N,30W:30E"))
HALF = GRID.with_mask(np.broadcast_to(GRID.latitude[:, None] > 0.0, GRID.shape[1:]))


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_points_are_uniform_by_area() -> None:
    at = RandomPoints(5000, Columns((0,)))(GRID, stream())
    assert stats.kstest(np.sin(np.radians(at.latitude)), "uniform", (-1.0, 2.0)).pvalue > 1e-3
    assert stats.kstest(at.longitude, "uniform", (0.0, 360.0)).pvalue > 1e-3


def test_larger_cells_are_drawn_more_often() -> None:
    generator = stream()
    network = RandomCells(1, Columns((0,)))
    rows = np.concatenate([network(GRID, generator).latitude for _ in range(1000)])
    found = np.array([(rows == latitude).sum() for latitude in GRID.latitude])
    assert stats.chisquare(found, 1000 * GRID.weights.sum(axis=1)).pvalue > 1e-3


def test_columns_read_every_chosen_channel_at_every_point() -> None:
    at = RandomPoints(7, Columns((0, 2)))(GRID, stream())
    assert at.channel.tolist() == [0, 2] * 7
    assert (at.latitude[::2] == at.latitude[1::2]).all()
    assert len(np.unique(at.latitude)) == 7


def test_singles_read_each_channel_as_often() -> None:
    at = RandomPoints(3000, Singles())(GRID, stream())
    assert len(at) == len(np.unique(at.latitude)) == 3000
    assert stats.chisquare(np.bincount(at.channel)).pvalue > 1e-3


@pytest.mark.parametrize(
    ("reads", "values"), [(Columns(), 3 * 13), (Singles(), 39), (Singles((1,)), 13)]
)
def test_percent_is_of_the_places_that_can_be_read(reads: Columns | Singles, values: int) -> None:
    # 2 % of 18 x 36 columns is 13, of three channels' cells 39.
    for network in (RandomPoints(Percent(2.0), reads), RandomCells(Percent(2.0), reads)):
        assert len(network(GRID, stream())) == values


@pytest.mark.parametrize("reads", [Columns(), Singles()])
def test_different_cells_are_different_and_their_centres(reads: Columns | Singles) -> None:
    at = RandomCells(Percent(50.0), reads)(GRID, stream())
    places = np.stack([at.channel, cell_of(GRID, at.latitude, at.longitude)])
    assert np.unique(places, axis=1).shape[1] == len(at) == 972
    assert set(at.latitude) <= set(GRID.latitude)
    assert set(at.longitude) <= set(GRID.longitude)


@pytest.mark.parametrize("network", [RandomPoints(500), RandomCells(200)])
def test_masked_cells_are_left_out(network: Network) -> None:
    at = network(HALF, stream())
    assert (at.latitude > 0.0).all()
    assert at.operator(HALF).valid.all()


def test_a_region_is_not_left() -> None:
    at = RandomPoints(500)(REGION, stream())
    assert at.operator(REGION).valid.all()
    assert at.longitude.max() > 300.0 > 60.0 > at.longitude.min()


@pytest.mark.parametrize(
    "network", [RandomPoints(20), RandomPoints(20, Singles()), RandomCells(20)]
)
def test_the_generator_decides(network: Network) -> None:
    one, again, other = (network(GRID, stream(seed)) for seed in (0, 0, 1))
    assert (one.latitude == again.latitude).all()
    assert (one.channel == again.channel).all()
    assert (one.latitude != other.latitude).any()


def test_a_fixed_network_does_not_move() -> None:
    network = FixedNetwork.drawn(RandomPoints(20), GRID, stream())
    generator = stream(5)
    before = generator.get_state()
    assert network(GRID, generator) is network(GRID, stream(6))
    assert torch.equal(generator.get_state(), before)


def test_fixed_positions_must_lie_on_the_grid() -> None:
    network = FixedNetwork(Positions([40.0, 0.0, 40.0], [10.0, 10.0, 90.0], [0, 0, 0]))
    with pytest.raises(InputError, match="2 of 3 positions are outside the grid, the first at"):
        network(REGION, stream())
    with pytest.raises(InputError, match="channel 1 does not exist"):
        FixedNetwork(Positions([40.0], [10.0], [1]))(REGION, stream())


@pytest.mark.parametrize("make", [RandomPoints, RandomCells])
def test_nothing_is_no_network(make: type[RandomPoints] | type[RandomCells]) -> None:
    with pytest.raises(InputError, match="a network of 0 points sees nothing"):
        make(0)
    with pytest.raises(InputError, match="less than one"):
        make(Percent(1e-3))(GRID, stream())
    with pytest.raises(InputError, match="channel 3 does not exist: the grid's channels are 0"):
        make(5, Columns((0, 3)))(GRID, stream())
    with pytest.raises(InputError, match="name at least one"):
        make(5, Singles(()))(GRID, stream())
    with pytest.raises(InputError, match="each once"):
        make(5, Columns((1, 1)))(GRID, stream())


@pytest.mark.parametrize("percent", [0.0, -1.0, 101.0, float("nan")])
def test_a_share_is_a_share(percent: float) -> None:
    with pytest.raises(InputError, match="percent of the cells"):
        Percent(percent)


def test_no_more_cells_than_there_are() -> None:
    with pytest.raises(InputError, match="649 points cannot be drawn from 648 open cells"):
        RandomCells(649)(GRID, stream())
