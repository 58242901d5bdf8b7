"""Neighbourhoods against a sort of all distances."""

from __future__ import annotations

import numpy as np
import pytest

from isopleth.inference.interpolation.scattered import NO_GROUP, Points
from isopleth.inference.interpolation.tree import Neighbourhoods, positions_km, separation


def brute(
    position: np.ndarray, group: np.ndarray, at: np.ndarray, own: int, count: int
) -> np.ndarray:
    distance = np.linalg.norm(position - at, axis=1)
    distance[(group == own) & (own != NO_GROUP)] = np.inf
    order = np.argsort(distance)[:count]
    return np.where(np.isinf(distance[order]), -1, order)


@pytest.mark.parametrize("groups", [1, 2, 30])
@pytest.mark.parametrize("count", [1, 7, 500])
def test_against_a_sort(groups: int, count: int) -> None:
    rng = np.random.default_rng(groups)
    position, group = rng.standard_normal((300, 3)), rng.integers(0, groups, 300)
    at, own = rng.standard_normal((40, 3)), rng.integers(-1, groups, 40)
    search = Neighbourhoods(position, group, count)
    item, distance = search(at, own)
    assert item.shape == distance.shape == (40, search.k) == (40, min(count, 300))
    for p in range(40):
        np.testing.assert_array_equal(item[p], brute(position, group, at[p], own[p], count))
    found = item >= 0
    np.testing.assert_array_equal(np.isfinite(distance), found)
    gap = np.linalg.norm(position[item] - at[:, None], axis=2)
    np.testing.assert_allclose(distance[found], gap[found])


def test_without_samples() -> None:
    search = Neighbourhoods(np.empty((0, 3)), np.empty(0, np.int64), 5)
    item, distance = search(np.zeros((4, 3)), np.zeros(4, np.int64))
    assert item.shape == distance.shape == (4, 0)


def test_positions_across_greenwich_and_in_time() -> None:
    place = Points(np.zeros(3), np.array([359.5, -0.5, 0.5]), np.array([0.0, 0.0, 2.0]))
    xyz = positions_km(place)
    np.testing.assert_allclose(xyz[0], xyz[1], atol=1e-9)
    assert np.linalg.norm(xyz[0] - xyz[2]) == pytest.approx(111.19, abs=0.01)
    assert positions_km(place, 10.0)[:, 3].tolist() == [0.0, 0.0, 20.0]


def test_separation() -> None:
    place = np.random.default_rng(0).standard_normal((5, 6, 4))
    expected = np.linalg.norm(place[:, :, None] - place[:, None], axis=3)
    np.testing.assert_allclose(separation(place), expected)
