"""Smooth random fields have the variance and the covariance that they promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.core.region import Region
from isopleth.data.random_fields import SmoothField

GRID = Grid.regular(5.0, levels=[0.0])
KM = EARTH_RADIUS * 1e-3 * np.pi / 180.0


def drawn(field: SmoothField, count: int = 600) -> np.ndarray:
    generator = torch.Generator().manual_seed(1)
    return torch.stack([field.draw(generator) for _ in range(count)]).numpy()


def test_variance_is_one_everywhere() -> None:
    fields = drawn(SmoothField(GRID, 1500.0, 1000.0))
    assert fields.var(axis=0).mean(axis=1) == pytest.approx(np.ones(36), abs=0.12)
    assert abs(fields.mean()) < 0.02


@pytest.mark.parametrize("row", [3, 10, 18])
def test_covariance_along_the_circle(row: int) -> None:
    length = 2000.0
    fields = drawn(SmoothField(GRID, length, 800.0))[:, row]
    cosine = np.cos(np.radians(GRID.latitude[row]))
    for columns in (2, 5):
        apart = columns * 5.0 * KM * cosine
        found = np.mean(fields * np.roll(fields, columns, axis=1))
        assert found == pytest.approx(np.exp(-(apart**2) / (2 * length**2)), abs=0.08)


def test_covariance_across_the_circles() -> None:
    length = 900.0
    fields = drawn(SmoothField(GRID, 1000.0, length))
    for rows in (1, 2):
        found = np.mean(fields[:, 10:26] * fields[:, 10 + rows : 26 + rows])
        expected = np.exp(-((rows * 5.0 * KM) ** 2) / (2 * length**2))
        assert found == pytest.approx(expected, abs=0.06)


def test_there_is_no_seam() -> None:
    fields = drawn(SmoothField(GRID, 1500.0, 1000.0))
    seam = np.mean((fields[..., 0] - fields[..., -1]) ** 2)
    inside = np.mean((fields[..., 20] - fields[..., 19]) ** 2)
    assert seam == pytest.approx(inside, rel=0.15)


def test_refuses_what_cannot_be_drawn() -> None:
    with pytest.raises(InputError, match="-3"):
        SmoothField(GRID, -3.0, 100.0)
    box = Grid.regular(5.0, levels=[0.0], region=Region.parse("20N:60N,80W:10E"))
    with pytest.raises(InputError, match="regional"):
        SmoothField(box, 100.0, 100.0)
