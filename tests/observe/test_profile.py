from __future__ import annotations

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.observe.point import PointOperator
from isopleth.observe.profile import ProfileOperator

GRID = Grid.regular(10.0, levels=[5.0, 50.0, 100.0, 300.0])


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values).double()[:, None, None].expand(GRID.shape)


def test_linear_in_depth_without_extrapolation() -> None:
    depth = [0.0, 5.0, 27.5, 100.0, 250.0, 300.0, 300.1, np.nan, -1.0]
    at = ProfileOperator(GRID, [0.0], [0.0], depth)
    y = at(column(20.0, 10.0, 4.0, 0.0))[0]
    assert y[:6].tolist() == pytest.approx([20.0, 20.0, 15.0, 4.0, 1.0, 0.0])
    assert at.valid[0].tolist() == [True] * 6 + [False] * 3
    assert (y[6:] == 0).all()


def test_a_deep_first_level_is_not_the_surface() -> None:
    grid = Grid.regular(10.0, levels=[20.0, 50.0])
    assert ProfileOperator(grid, [0.0], [0.0], [10.0, 20.0]).valid.tolist() == [[False, True]]


def test_one_row_of_depths_a_profile() -> None:
    depth = [[5.0, 50.0], [100.0, np.nan]]
    at = ProfileOperator(GRID, [0.0, 30.0], [10.0, 20.0], depth)
    y = at(column(20.0, 10.0, 4.0, 0.0))
    assert y.flatten().tolist() == pytest.approx([20.0, 10.0, 4.0, 0.0])
    assert at.valid.tolist() == [[True, True], [True, False]]


def test_profiles_agree_with_points() -> None:
    rng = np.random.default_rng(0)
    grid = GRID.with_mask(rng.random(GRID.shape) < 0.8)
    lat, lon, depth = rng.uniform(-90, 90, 40), rng.uniform(-180, 180, 40), rng.uniform(0, 320, 40)
    x = torch.from_numpy(rng.normal(size=grid.shape))
    profiles = ProfileOperator(grid, lat, lon, depth[:, None])
    points = PointOperator(grid, lat, lon, depth=depth)
    torch.testing.assert_close(profiles(x)[:, 0], points(x))
    assert torch.equal(profiles.valid[:, 0], points.valid)


def test_below_the_sea_floor_nothing_is_read() -> None:
    ocean = np.ones(GRID.shape, dtype=bool)
    ocean[2:] = False
    ocean[3, 0] = True
    at = ProfileOperator(GRID.with_mask(ocean), [0.0], [0.0], [50.0, 60.0, 100.0, 300.0])
    assert at.valid.tolist() == [[True, False, False, False]]
    assert at(column(20.0, 10.0, 4.0, 0.0))[0, 0].item() == pytest.approx(10.0)


def test_depths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"depth has shape \(2, 3\) for 1 profiles"):
        ProfileOperator(GRID, [0.0], [0.0], np.ones((2, 3)))
