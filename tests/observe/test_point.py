from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.region import Region
from isopleth.observe.point import PointOperator

GLOBE = Grid.regular(10.0, levels=[0.0])
LEVELS = Grid.regular(10.0, levels=[5.0, 50.0, 100.0])
ATLANTIC = Grid.regular(10.0, levels=[0.0], region=Region.parse("20N:60N,30W:30E"))


def cells(grid: Grid, seed: int = 0) -> torch.Tensor:
    return torch.randn(grid.shape, generator=torch.Generator().manual_seed(seed)).double()


def plane(grid: Grid) -> torch.Tensor:
    """A field that bilinear interpolation gets exactly right, away from the seam."""
    lat, lon = np.meshgrid(grid.latitude, grid.longitude, indexing="ij")
    return torch.from_numpy(2.0 + 0.1 * lat - 0.03 * lon + 1e-3 * lat * lon)[None]


def test_the_centre_of_a_cell_reads_that_cell() -> None:
    x = cells(GLOBE)
    lat, lon = np.meshgrid(GLOBE.latitude, GLOBE.longitude, indexing="ij")
    y = PointOperator(GLOBE, lat.ravel(), lon.ravel())(x)
    torch.testing.assert_close(y, x.flatten())


@settings(deadline=None, max_examples=40)
@given(st.floats(-85, 85), st.floats(5, 355))
def test_a_plane_is_interpolated_exactly(lat: float, lon: float) -> None:
    y = PointOperator(GLOBE, [lat], [lon])(plane(GLOBE))
    assert y.item() == pytest.approx(2.0 + 0.1 * lat - 0.03 * lon + 1e-3 * lat * lon, abs=1e-9)


def test_the_seam_is_closed() -> None:
    x = cells(GLOBE)
    at = PointOperator(GLOBE, [5.0, 5.0, 5.0], [0.0, 360.0, 2.5])
    row = x[0, 8]
    middle = 0.5 * (row[-1] + row[0])
    torch.testing.assert_close(at(x)[:2], middle.expand(2))
    torch.testing.assert_close(at(x)[2], 0.25 * row[-1] + 0.75 * row[0])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 35), st.floats(-90, 90), st.floats(-180, 360))
def test_turning_the_earth_changes_nothing(shift: int, lat: float, lon: float) -> None:
    x = cells(GLOBE)
    still = PointOperator(GLOBE, [lat], [lon])(x)
    turned = PointOperator(GLOBE, [lat], [lon + 10.0 * shift])(x.roll(shift, dims=-1))
    torch.testing.assert_close(turned, still)
    signed = PointOperator(GLOBE, [lat], [(lon + 180.0) % 360.0 - 180.0])(x)
    torch.testing.assert_close(signed, still)


@pytest.mark.parametrize(("sign", "row"), [(1, 0), (-1, -1)])
def test_the_pole_is_crossed(sign: int, row: int) -> None:
    x = cells(GLOBE)
    near, far = x[0, row, 4], x[0, row, 22]
    y = PointOperator(GLOBE, [sign * 90.0, sign * 87.5, sign * 87.5], [45.0, 45.0, 225.0])(x)
    expected = [0.5 * (near + far), 0.75 * near + 0.25 * far, 0.25 * near + 0.75 * far]
    torch.testing.assert_close(y, torch.stack(expected))


def test_a_row_on_the_pole_is_the_pole() -> None:
    lat, lon = np.linspace(90, -90, 19), np.arange(0.0, 360.0, 10.0)
    grid = Grid(lat, lon, np.array([0.0]), np.ones((1, 19, 36), dtype=bool))
    y = PointOperator(grid, [90.0, -90.0], [20.0, 30.0])(cells(grid))
    torch.testing.assert_close(y, cells(grid)[0, [0, -1], [2, 3]])


def test_a_regional_grid_reads_its_cells_and_nothing_outside() -> None:
    lat, lon = [25, 20.0, 60.0, 40.0, 61.0, 40, 40, 25], [-25, 330.0, 30.0, 0.0, 0, 31, -31, 200]
    at = PointOperator(ATLANTIC, lat, lon)
    assert at.valid.tolist() == [True, True, True, True, False, False, False, False]
    x = cells(ATLANTIC)
    y = at(x)
    torch.testing.assert_close(y[:3], torch.stack([x[0, -1, 0], x[0, -1, 0], x[0, 0, -1]]))
    torch.testing.assert_close(y[3], x[0, 1:3, 2:4].mean())
    assert (y[4:] == 0).all()


def test_weights_are_those_of_the_ocean_corners() -> None:
    ocean = np.ones(GLOBE.shape, dtype=bool)
    ocean[0, 8, 10] = False
    x = cells(GLOBE)
    # Rows 7 and 8 are 15N and 5N, columns 9 and 10 are 95E and 105E: 8N 102E is 0.3 and 0.7 away.
    parts = {(8, 9): 0.7 * 0.3, (7, 9): 0.3 * 0.3, (7, 10): 0.3 * 0.7}
    expected = sum(weight * x[0, row, column] for (row, column), weight in parts.items())
    y = PointOperator(GLOBE.with_mask(ocean), [8.0], [102.0])(x)
    torch.testing.assert_close(y[0], expected / sum(parts.values()))


def test_no_ocean_corner_is_not_valid_and_reads_zero() -> None:
    ocean = np.zeros(GLOBE.shape, dtype=bool)
    ocean[0, 0] = True
    at = PointOperator(GLOBE.with_mask(ocean), [0.0, 85.0], [100.0, 100.0])
    assert at.valid.tolist() == [False, True]
    assert at(torch.full(GLOBE.shape, 7.0))[0] == 0.0


def test_a_constant_is_read_as_it_is_wherever_valid() -> None:
    rng = np.random.default_rng(0)
    grid = GLOBE.with_mask(rng.random(GLOBE.shape) < 0.5)
    at = PointOperator(grid, rng.uniform(-90, 90, 500), rng.uniform(-180, 360, 500))
    y = at(torch.full(GLOBE.shape, 7.0).double())
    torch.testing.assert_close(y[at.valid], torch.full((int(at.valid.sum()),), 7.0).double())
    assert 0 < at.valid.sum() < 500


def test_level_and_depth() -> None:
    x = torch.tensor([20.0, 10.0, 4.0])[:, None, None].expand(LEVELS.shape)
    lat, lon = np.zeros(3), np.full(3, 40.0)
    assert PointOperator(LEVELS, lat, lon, level=1)(x).tolist() == pytest.approx([10.0] * 3)
    assert PointOperator(LEVELS, lat, lon, level=[0, 2, 1])(x).tolist() == pytest.approx(
        [20.0, 4.0, 10.0]
    )
    at = PointOperator(LEVELS, lat, lon, depth=[0.0, 75.0, 101.0])
    assert at(x).tolist() == pytest.approx([20.0, 7.0, 0.0])
    assert at.valid.tolist() == [True, True, False]


def test_the_matrix_is_the_operator() -> None:
    rng = np.random.default_rng(1)
    grid = LEVELS.with_mask(rng.random(LEVELS.shape) < 0.8)
    at = PointOperator(grid, rng.uniform(-90, 90, 50), rng.uniform(0, 360, 50), depth=30.0)
    x = cells(grid)
    torch.testing.assert_close((at.matrix() @ x.flatten()[:, None])[:, 0], at(x))


@pytest.mark.parametrize(
    ("lat", "lon", "options", "sentence"),
    [
        ([95.0], [0.0], {"level": 0}, "position 0 is latitude 95"),
        ([0.0, np.nan], [0.0, 1.0], {"level": 0}, "position 1 is latitude nan"),
        ([0.0], [np.inf], {"level": 0}, "longitude inf"),
        ([0.0, 1.0], [0.0], {"level": 0}, r"shape \(2,\) and longitude \(1,\)"),
        ([0.0], [0.0], {}, "the grid has 3 levels: say which"),
        ([0.0], [0.0], {"level": 3}, "level 3 does not exist"),
        ([0.0], [0.0], {"level": 0.5}, "level 0.5 does not exist"),
        ([0.0], [0.0], {"level": -1}, "level -1 does not exist"),
        ([0.0], [0.0], {"level": 1, "depth": 5.0}, "give one of them"),
        ([0.0], [0.0], {"depth": [5.0, 6.0, 7.0]}, r"depth has shape \(3,\) for 1 points"),
    ],
)
def test_what_makes_no_sense_is_named(
    lat: list[float], lon: list[float], options: dict[str, float], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        PointOperator(LEVELS, lat, lon, **options)


def test_a_field_of_another_grid_is_refused() -> None:
    at = PointOperator(GLOBE, [0.0], [0.0])
    with pytest.raises(InputError, match=r"\(1, 3, 3\) does not end in the grid's \(1, 18, 36\)"):
        at(torch.ones(1, 3, 3))
    with pytest.raises(InputError, match=r"\(5,\) do not end in the observations' \(1,\)"):
        at.adjoint(torch.ones(5))
