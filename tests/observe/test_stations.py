from __future__ import annotations

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.data.bathymetry import is_ocean
from isopleth.observe.networks import FixedNetwork, Singles
from isopleth.observe.positions import Positions, cell_of
from isopleth.observe.sphere import distance
from isopleth.observe.stations import LandStations

GRID = Grid.regular(5.0, levels=[0.0, 1.0])


def earth() -> np.ndarray:
    """1 where the centre of a cell is land."""
    lat, lon = np.meshgrid(GRID.latitude, GRID.longitude, indexing="ij")
    return 1.0 - is_ocean(lat.ravel(), lon.ravel()).reshape(lat.shape)


LAND = earth()


def draw(seed: int = 0, **settings: object) -> Positions:
    network = LandStations(**{"count": 400, "land": LAND, "reads": Singles((0,)), **settings})  # type: ignore[arg-type]
    return network(GRID, torch.Generator().manual_seed(seed))


def on_land(at: Positions) -> np.ndarray:
    return LAND.ravel()[cell_of(GRID, at.latitude, at.longitude)] == 1.0


def nearest(at: Positions) -> float:
    """Median distance to the nearest other station, m."""
    lat, lon = at.latitude, at.longitude
    apart = distance(lat[:, None], lon[:, None], lat, lon)
    np.fill_diagonal(apart, np.inf)
    return float(np.median(apart.min(axis=1)))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.85, 1.0])
def test_the_land_share_is_as_asked(share: float) -> None:
    at = draw(land_share=share)
    assert len(at) == 400
    assert on_land(at).sum() == round(400 * share)


def test_the_northern_share_is_that_of_the_land() -> None:
    at = draw(count=4000, land_share=1.0, rural_share=1.0)
    area = LAND * GRID.cell_area()
    north = area[GRID.latitude > 0.0].sum() / area.sum()
    assert north > 0.6
    assert (at.latitude > 0.0).mean() == pytest.approx(north, abs=0.03)


def test_stations_crowd_around_towns() -> None:
    uniform = draw(land_share=1.0, rural_share=1.0)
    crowded = draw(land_share=1.0, rural_share=0.0, towns=20, spread=150e3)
    assert nearest(crowded) < 0.5 * nearest(uniform)


def test_the_first_town_is_the_largest() -> None:
    """With a tiny spread stations sit on their towns, which follow the rank-size rule."""
    at = draw(count=3000, land_share=1.0, rural_share=0.0, towns=4, spread=1.0)
    _, sizes = np.unique(at.latitude.round(3), return_counts=True)
    expected = 1.0 / np.arange(1, 5) / (1.0 / np.arange(1, 5)).sum()
    assert np.sort(sizes)[::-1] / 3000 == pytest.approx(expected, abs=0.03)


def test_the_displacement_has_the_spread_asked_for() -> None:
    everywhere = np.ones(GRID.shape[1:])
    settings = {"land": everywhere, "towns": 1, "spread": 300e3, "count": 4000}
    at = draw(**settings, land_share=1.0, rural_share=0.0)
    radians = np.radians([at.latitude, at.longitude])
    vectors = np.stack(
        [
            np.cos(radians[0]) * np.cos(radians[1]),
            np.cos(radians[0]) * np.sin(radians[1]),
            np.sin(radians[0]),
        ]
    )
    middle = vectors.mean(axis=1)
    lat = np.degrees(np.arcsin(middle[2] / np.linalg.norm(middle)))
    lon = np.degrees(np.arctan2(middle[1], middle[0]))
    away = distance(lat, lon, at.latitude, at.longitude)
    assert np.sqrt(0.5 * np.mean(away**2)) == pytest.approx(300e3, rel=0.05)


def test_a_fraction_of_land_draws_its_share() -> None:
    land = np.zeros(GRID.shape[1:])
    land[18, :36], land[18, 36:] = 1.0, 0.25
    at = draw(count=4000, land=land, land_share=1.0, rural_share=1.0)
    assert (at.longitude < 180.0).mean() == pytest.approx(0.8, abs=0.03)


def test_each_draw_has_its_own_towns_and_one_can_be_kept() -> None:
    assert (draw(0).latitude == draw(0).latitude).all()
    assert (draw(0).latitude != draw(1).latitude).any()
    network = LandStations(count=30, land=LAND)
    fixed = FixedNetwork.drawn(network, GRID, torch.Generator().manual_seed(0))
    assert len(fixed(GRID, torch.Generator())) == 60


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"count": 0}, "a network of 0 stations"),
        ({"towns": 0}, "0 towns"),
        ({"spread": -1.0}, "spread -1 m"),
        ({"land_share": 1.5}, "land_share is 1.5"),
        ({"rural_share": -0.1}, "rural_share is -0.1"),
        ({"land": LAND * 2.0}, "goes from 0 to 2"),
        ({"land": np.full(GRID.shape[1:], np.nan)}, "goes from nan"),
        ({"land": LAND[:3]}, r"shape \(3, 72\), the grid \(36, 72\)"),
        ({"land": LAND * 0.0}, "mask needs both land and sea"),
        ({"land": LAND * 0.0 + 1.0}, "mask needs both land and sea"),
    ],
)
def test_what_makes_no_sense_is_named(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        draw(**settings)


def test_a_spread_that_finds_no_land_is_named() -> None:
    island = np.zeros(GRID.shape[1:])
    island[18, 0] = 1e-4
    with pytest.raises(InputError, match="make the spread smaller"):
        draw(land=island, land_share=1.0, rural_share=0.0, spread=5e6)
