"""Sea floor and ocean mask: known places, known totals, and no seam."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.data import bathymetry
from isopleth.data.bathymetry import is_ocean, ocean_mask, sea_floor_depth
from isopleth.data.cards import open_asset

LEVELS = np.array([0.0, 10.0, 100.0, 500.0, 1000.0, 4000.0])


def _one_degree() -> Grid:
    grid = Grid.regular(1.0, levels=LEVELS)
    return grid.with_mask(ocean_mask(grid.latitude, grid.longitude, LEVELS))


@pytest.mark.parametrize(
    ("place", "latitude", "longitude"),
    [
        ("Mediterranean Sea", 35.0, 18.0),
        ("Black Sea", 43.0, 34.0),
        ("Sea of Azov", 46.0, 36.5),
        ("Red Sea", 20.0, 38.5),
        ("Persian Gulf", 26.5, 51.5),
        ("Gulf of Bothnia", 63.0, 20.0),
        ("White Sea", 65.7, 37.5),
        ("Hudson Bay", 60.0, -85.0),
        ("Gulf of California", 27.0, -111.5),
        ("Strait of Georgia", 49.0, -123.5),
        ("Sea of Japan", 40.0, 135.0),
        ("North Pole", 90.0, 0.0),
    ],
)
def test_seas_joined_to_the_ocean_are_ocean(place: str, latitude: float, longitude: float) -> None:
    assert is_ocean(latitude, longitude).all(), place


@pytest.mark.parametrize(
    ("place", "latitude", "longitude"),
    [
        ("Caspian Sea", 42.0, 51.0),
        ("Lake Superior", 47.5, -88.0),
        ("Lake Ladoga", 60.9, 31.5),
        ("Dead Sea", 31.5, 35.5),
        ("Lake Victoria", -1.0, 33.0),
        ("Lake Eyre", -28.5, 137.3),
        ("Qattara Depression", 29.7, 27.2),
        ("Lake Maracaibo", 9.7, -71.6),
        ("South Pole", -90.0, 0.0),
    ],
)
def test_lakes_and_depressions_are_land(place: str, latitude: float, longitude: float) -> None:
    assert not is_ocean(latitude, longitude).any(), place


def test_argo_floats_are_in_the_ocean() -> None:
    """14,961 real positions: all but a few at steep coasts, and hardly any over a shelf."""
    table = pd.read_csv(open_asset("argo_positions_201601"), compression="gzip")
    assert is_ocean(table["latitude"], table["longitude"]).mean() > 0.999
    assert np.mean(sea_floor_depth(table["latitude"], table["longitude"]) > 300.0) > 0.97


def test_depth_is_that_of_the_cell_at_its_centre_and_signed() -> None:
    depth = sea_floor_depth([11.35, 27.99], [142.2, 86.93])
    assert depth[0] > 7000.0  # Mariana Trench
    assert depth[1] < -4000.0  # Himalaya
    grid, cells, _ = bathymetry._floor()
    at = sea_floor_depth(np.repeat(grid.latitude[100], 3), grid.longitude[[0, 5, -1]])
    np.testing.assert_allclose(at, cells[100, [0, 5, -1]])


def test_depth_is_continuous_across_greenwich() -> None:
    lat = np.linspace(-60.0, 60.0, 50)
    west, east = sea_floor_depth(lat, np.full(50, -1e-9)), sea_floor_depth(lat, np.full(50, 1e-9))
    np.testing.assert_allclose(west, east, atol=1e-3)
    np.testing.assert_allclose(sea_floor_depth(lat, lat), sea_floor_depth(lat, lat + 360.0))


def test_ocean_covers_seventy_one_percent_and_is_3_7_km_deep() -> None:
    """Charette and Smith (2010), doi:10.5670/oceanog.2010.51: 361.9e6 km2, 3,682 m."""
    grid = _one_degree()
    assert (grid.weights * grid.mask[0]).sum() == pytest.approx(0.7095, abs=0.01)
    share, floor = bathymetry._cell_floor(grid)
    mean = (grid.weights * share * floor).sum() / (grid.weights * share).sum()
    assert mean == pytest.approx(3682.0, rel=0.03)


def test_mask_shrinks_with_depth() -> None:
    mask = _one_degree().mask
    assert not (mask[1:] & ~mask[:-1]).any()
    assert mask[-1].sum() < 0.7 * mask[0].sum()


def test_mask_on_the_bathymetry_s_own_cells_is_the_connected_ocean() -> None:
    fine, _, ocean = bathymetry._floor()
    np.testing.assert_array_equal(ocean_mask(fine.latitude, fine.longitude, [0.0])[0], ocean)


def test_region_across_greenwich_has_the_global_mask() -> None:
    whole = ocean_mask(np.arange(69.5, 30.0, -1.0), np.arange(0.5, 360.0), LEVELS)
    part = ocean_mask(np.arange(69.5, 30.0, -1.0), np.arange(340.5, 380.0), LEVELS)
    columns = np.arange(340, 380) % 360
    # The outermost cells of a region are as wide as their neighbours, so nothing differs.
    np.testing.assert_array_equal(part, whole[:, :, columns])


def test_coarse_cell_follows_its_majority_and_mean() -> None:
    """By hand: the 2-degree cells against the 6 x 6 cells of the bathymetry in each."""
    latitude, longitude = np.arange(39.0, -40.0, -2.0), np.arange(1.0, 360.0, 2.0)
    mask = ocean_mask(latitude, longitude, [0.0, 1000.0])
    fine, depth, ocean = bathymetry._floor()
    for i, j in [(3, 70), (10, 55), (20, 140), (35, 10), (0, 6)]:
        rows = np.abs(fine.latitude - latitude[i]) < 1.0
        columns = np.abs(fine.longitude - longitude[j]) < 1.0
        area = np.cos(np.radians(fine.latitude[rows]))[:, None] * np.ones(columns.sum())
        wet = ocean[np.ix_(rows, columns)]
        share = (area * wet).sum() / area.sum()
        floor = (area * wet * depth[np.ix_(rows, columns)]).sum() / max((area * wet).sum(), 1e-9)
        assert mask[0, i, j] == (share > 0.5)
        assert mask[1, i, j] == (share > 0.5 and floor > 1000.0)


def test_bad_positions_are_refused() -> None:
    with pytest.raises(InputError, match=r"latitude 91 is outside \[-90, 90\]"):
        is_ocean([91.0], [0.0])
    with pytest.raises(InputError, match="1 of 2 positions are NaN"):
        sea_floor_depth([0.0, np.nan], [0.0, 0.0])
    with pytest.raises(InputError, match="give one of each per point"):
        sea_floor_depth([0.0, 1.0], [0.0])
