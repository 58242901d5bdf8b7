"""Coastlines: the same whatever the edge of the map, and where the bathymetry has a coast."""

from __future__ import annotations

import numpy as np
import pytest

from isopleth.data.bathymetry import is_ocean
from isopleth.data.coastline import coastlines


def _length(lines: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Sum of the great-circle lengths of all segments, degrees."""
    total = 0.0
    for longitude, latitude in lines:
        lon, lat = np.radians(longitude), np.radians(latitude)
        points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
        chord = np.linalg.norm(np.diff(points, axis=1), axis=0)
        total += float(np.degrees(2.0 * np.arcsin(chord / 2.0)).sum())
    return total


@pytest.mark.parametrize("west", [0.0, -180.0, 30.0, -100.0, 290.0])
def test_lines_stay_on_the_map(west: float) -> None:
    lines = coastlines(west)
    for longitude, latitude in lines:
        assert longitude.shape == latitude.shape
        assert longitude.size >= 2
        assert longitude.min() >= west - 1e-9
        assert longitude.max() <= west + 360.0 + 1e-9
        assert np.abs(np.diff(longitude)).max() < 60.0
        assert np.abs(latitude).max() <= 90.0


@pytest.mark.parametrize("west", [-180.0, 30.0, -100.0])
def test_cutting_neither_adds_nor_loses_coast(west: float) -> None:
    assert _length(coastlines(west)) == pytest.approx(_length(coastlines(0.0)), rel=1e-4)


def test_line_across_the_edge_reaches_it_from_both_sides() -> None:
    """Antarctica, Eurasia and Africa cross Greenwich."""
    lines = coastlines(0.0)
    west = sorted(lat[i] for lon, lat in lines for i in (0, -1) if lon[i] == 0.0)
    east = sorted(lat[i] for lon, lat in lines for i in (0, -1) if lon[i] == 360.0)
    assert len(west) >= 3
    np.testing.assert_allclose(west, east)


def test_coast_of_the_map_is_coast_of_the_bathymetry() -> None:
    """Within 1.5 degrees of nearly every point of the coast there are both sea and land."""
    longitude = np.concatenate([lon for lon, lat in coastlines() if lon.size > 20])
    latitude = np.concatenate([lat for lon, lat in coastlines() if lon.size > 20])
    chosen = np.abs(latitude) < 65.0
    step = np.arange(-1.5, 1.6, 0.5)
    lat, lon = latitude[chosen][::7], longitude[chosen][::7]
    around = [is_ocean(np.clip(lat + dy, -90, 90), lon + dx) for dy in step for dx in step]
    wet = np.mean(around, axis=0)
    assert np.mean((wet > 0.0) & (wet < 1.0)) > 0.97
