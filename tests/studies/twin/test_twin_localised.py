"""Optimal interpolation with sums of covariances, against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.grid import Grid
from isopleth.core.sphere import Sphere as Harmonics
from isopleth.inference.kalman import Located, Sphere
from isopleth.inference.variational import SampleCovariance, StaticOI
from isopleth.observe.networks import RandomCells
from isopleth.observe.simulated import observed
from isopleth.studies.twin.localised import Localised, Tapers, Weighted, blended, tapers

CHANNELS, CELLS = 2, 8 * 16
GAUSSIAN = GaussianGrid(nlat=8, nlon=16)


@pytest.fixture(scope="module")
def grid() -> Grid:
    open_ = np.ones((CHANNELS, 8, 16), dtype=np.bool_)
    return Grid(GAUSSIAN.latitude, GAUSSIAN.longitude, np.arange(float(CHANNELS)), open_)


def smooth(count: int, seed: int) -> Tensor:
    """Random fields, (count, channel, 8, 16)."""
    harmonics, stream = Harmonics(5, GAUSSIAN), torch.Generator().manual_seed(seed)
    z = torch.randn(count, CHANNELS, harmonics.size, generator=stream)
    return harmonics.synthesis(z / (1.0 + harmonics.degree))


def seen_of(grid: Grid, truth: Tensor) -> Located:
    """Both channels in six cells."""
    draws = torch.Generator().manual_seed(9)
    at = RandomCells(6)(grid, draws)
    seen = observed(at.operator(grid), truth, 0.01, draws)
    return Located.on_sphere(seen, at.latitude, at.longitude)


def test_a_sum_of_parts_without_taper_is_optimal_interpolation(grid: Grid) -> None:
    samples, (x, truth) = smooth(12, 1), smooth(2, 2)
    seen, B = seen_of(grid, truth), SampleCovariance.fit(samples)
    exact = StaticOI(covariance=B)(x, [seen]).state
    n = len(seen.values)
    open_ = Tapers(torch.ones(CELLS, n), torch.ones(n, n), torch.arange(n))
    parts = [Localised(B.root, 0.3, open_), Weighted(B, 0.7)]
    torch.testing.assert_close(blended(x, parts, [seen]), exact, rtol=0.0, atol=2e-3)


def test_a_tapered_part_is_a_schur_product(grid: Grid) -> None:
    X, (x, truth) = smooth(6, 3).double(), smooth(2, 4)
    seen, globe = seen_of(grid, truth), Sphere.of(grid)
    position = np.asarray(seen.position)
    part = Localised(X, 2.0, tapers(globe, position, 6000.0)).cross(seen.operator, x)
    columns = np.stack(np.meshgrid(grid.latitude, grid.longitude, indexing="ij"), -1)
    every = tapers(globe, columns.reshape(-1, 2), 6000.0)
    rho = every.near[:, every.place].repeat(CHANNELS, CHANNELS)
    B = 2.0 * rho * (X.flatten(1).T @ X.flatten(1))
    one = torch.eye(CHANNELS * CELLS).view(-1, CHANNELS, 8, 16)
    H = seen.operator(one).T.double()  # (n, cells): every row reads the centre of one cell
    torch.testing.assert_close(part.HBH, H @ B @ H.T, rtol=1e-4, atol=1e-4)
    z = torch.randn(len(H), generator=torch.Generator().manual_seed(5)).double()
    torch.testing.assert_close(part.increment(z).flatten(), B @ H.T @ z, rtol=1e-4, atol=1e-4)


def test_a_taper_ends_where_it_is_said(grid: Grid) -> None:
    globe, place = Sphere.of(grid), np.array([[grid.latitude[3], 0.0], [grid.latitude[3], 0.0]])
    found = tapers(globe, place, 3000.0)
    assert found.place.tolist() == [0, 0]
    assert found.near.shape == (CELLS, 1)
    assert float(found.near[3 * 16]) == pytest.approx(1.0)
    reach, distance = globe.search(place[:1], 3000.0)(np.arange(CELLS))
    outside = torch.from_numpy(reach[:, 0] < 0)
    assert bool((found.near[outside] == 0.0).all())
    assert bool((found.near[~outside] > 0.0).all())
    assert np.isfinite(distance[:, 0]).sum() == int((~outside).sum())
