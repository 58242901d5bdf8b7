"""Residual kriging: the mean where it is right, kriging where there is no mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.inference.interpolation import Points, Samples
from isopleth.inference.interpolation.kriging import LocalKriging
from isopleth.inference.residual_kriging import ResidualKriging
from isopleth.observe import ProfileOperator

GRID = Grid.regular(5.0, levels=[0.0, 100.0])
LAND = np.zeros(GRID.shape, dtype=bool)
LAND[:, :, 40:] = True  # from 200 E
GRID = GRID.with_mask(~LAND)
KRIGING = LocalKriging(scales=SpaceTimeCovariance(nugget=1e-6), neighbours=20)
METHOD = ResidualKriging(grid=GRID, interpolation=KRIGING)


def places(count: int, seed: int, west: float = 20.0, east: float = 60.0) -> Points:
    rng = np.random.default_rng(seed)
    lat, lon = rng.uniform(-20.0, 20.0, count), rng.uniform(west, east, count)
    return Points(lat, lon, rng.uniform(0.0, 30.0, count))


def mean() -> Tensor:
    lat, lon = np.meshgrid(GRID.latitude, GRID.longitude, indexing="ij")
    level = np.cos(np.deg2rad(lat)) * np.sin(np.deg2rad(3.0 * lon))
    field = torch.from_numpy(np.stack([2.0 * level, level]))
    return torch.where(torch.tensor(GRID.mask), field, torch.nan)


def read(field: Tensor, points: Points) -> np.ndarray:
    at = ProfileOperator(GRID, points.latitude, points.longitude, GRID.levels)
    return at(field).numpy()


def samples(seed: int = 0, **where: float) -> Samples:
    points = places(60, seed, **where)
    value = np.random.default_rng(seed + 1).standard_normal((60, 2))
    value[::5, 1] = np.nan
    return Samples(points, value)


def test_a_mean_that_is_right_is_left_alone() -> None:
    at = places(40, 0)
    exact = Samples(at, read(mean(), at))
    assert np.nanmax(np.abs(METHOD.residuals(mean(), exact).value)) == 0.0
    asked = places(25, 9)
    assert METHOD(mean(), exact, asked).mean == pytest.approx(read(mean(), asked), abs=1e-9)


def test_without_a_mean_it_is_kriging() -> None:
    nothing = torch.zeros(GRID.shape)
    seen, asked = samples(), places(25, 9)
    found, plain = METHOD(nothing, seen, asked), KRIGING(seen, asked)
    assert np.array_equal(found.mean, plain.mean)
    assert np.array_equal(found.variance, plain.variance)


def test_it_is_the_mean_and_the_kriged_rest() -> None:
    """Kriging is linear: `m + k(y - m) = k(y) + (m - k(m))`."""
    seen, asked = samples(), places(25, 9)
    smooth = Samples(
        seen.points, np.where(np.isnan(seen.value), np.nan, read(mean(), seen.points))
    )
    wanted = KRIGING(seen, asked).mean - KRIGING(smooth, asked).mean + read(mean(), asked)
    assert METHOD(mean(), seen, asked).mean == pytest.approx(wanted, abs=1e-9)


def test_it_passes_through_exact_samples() -> None:
    seen = samples()
    found = METHOD(mean(), seen, seen.points).mean
    known = np.isfinite(seen.value)
    assert found[known] == pytest.approx(seen.value[known], abs=1e-3)
    assert np.isfinite(found).all()


def test_where_the_grid_has_no_ocean_the_interpolation_stands_alone() -> None:
    seen, asked = samples(west=250.0, east=280.0), places(25, 9, west=250.0, east=280.0)
    assert np.array_equal(METHOD(mean(), seen, asked).mean, KRIGING(seen, asked).mean)


def test_a_withheld_group_does_not_inform_itself() -> None:
    seen = samples().regrouped(np.arange(60) // 6)
    found = METHOD(mean(), seen, seen.points).mean
    changed = seen.value.copy()
    changed[:6] += 5.0
    again = METHOD(mean(), Samples(seen.points, changed), seen.points).mean
    assert np.array_equal(found[:6], again[:6])
    assert not np.array_equal(found[6:], again[6:])


def test_levels_must_agree() -> None:
    with pytest.raises(InputError, match="3 levels and the grid 2"):
        METHOD(mean(), Samples(places(4, 0), np.zeros((4, 3))), places(2, 1))
