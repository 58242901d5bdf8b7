from __future__ import annotations

import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe.columns import ColumnOperator
from isopleth.observe.point import PointOperator

GRID = Grid.regular(10.0, levels=[0.0, 1.0, 2.0])


def test_a_column_is_the_points_above_one_another() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(GRID.shape, generator=generator, dtype=torch.float64)
    lat, lon = [0.0, 88.0, -33.0], [1.0, 2.0, 359.0]
    column = ColumnOperator(GRID, lat, lon, (2, 0))
    points = [PointOperator(GRID, lat, lon, level=level)(x) for level in (2, 0)]
    torch.testing.assert_close(column(x), torch.stack(points, dim=-1))
    assert ColumnOperator(GRID, lat, lon).valid.shape == (3, 3)


@pytest.mark.parametrize(
    ("channels", "sentence"),
    [
        ((3,), "channel 3 does not exist"),
        ((-1,), "channel -1"),
        ((), "at least one"),
        ((0, 0), ""),
    ],
)
def test_channels_must_exist(channels: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence or "each once"):
        ColumnOperator(GRID, [0.0], [0.0], channels)
