from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from isopleth.core.errors import InputError
from isopleth.core.fields import to_tensor, to_xarray
from isopleth.core.grid import Grid
from isopleth.core.region import Region

GLOBE = Grid.regular(30.0, levels=[0.0, 50.0])


def random_field(grid: Grid, seed: int = 0, **leading: int) -> xr.DataArray:
    values = np.random.default_rng(seed).normal(size=(*leading.values(), *grid.shape))
    names = {name: np.arange(size) for name, size in leading.items()}
    return to_xarray(values, grid, "temperature", leading=names)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 11), st.booleans(), st.booleans(), st.permutations(range(4)))
def test_the_tensor_does_not_depend_on_the_order_in_the_file(
    shift: int, signed: bool, upside_down: bool, order: list[int]
) -> None:
    field = random_field(GLOBE, time=2)
    turned = field.roll(lon=shift, roll_coords=True)
    if signed:
        turned = turned.assign_coords(lon=(turned.lon + 180.0) % 360.0 - 180.0)
    if upside_down:
        turned = turned.isel(lat=slice(None, None, -1), depth=slice(None, None, -1))
    turned = turned.transpose(*[field.dims[i] for i in order])
    for expected, found in zip(to_tensor(field, GLOBE), to_tensor(turned, GLOBE), strict=True):
        assert torch.equal(expected, found)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 11), st.integers(0, 5))
def test_rolling_the_input_rolls_the_tensor(shift: int, seed: int) -> None:
    field = random_field(GLOBE, seed)
    still, _ = to_tensor(field, GLOBE)
    rolled, _ = to_tensor(field.roll(lon=shift, roll_coords=False), GLOBE)
    assert torch.equal(rolled, still.roll(shift, dims=-1))


def test_there_and_back() -> None:
    ocean = np.random.default_rng(0).random(GLOBE.shape) < 0.7
    grid = GLOBE.with_mask(ocean)
    field = random_field(grid, realization=3, time=2)
    values, mask = to_tensor(field, grid, dtype=torch.float64)
    assert values.shape == mask.shape == (3, 2, *grid.shape)
    assert (mask.numpy() == ocean).all()
    names = {"realization": field.realization, "time": field.time}
    xr.testing.assert_identical(to_xarray(values, grid, "temperature", leading=names), field)
    assert Grid.from_dataset(field) == grid


def test_nan_and_land_become_zero_under_the_mask() -> None:
    ocean = np.ones(GLOBE.shape, dtype=bool)
    ocean[:, 0] = False
    field = random_field(GLOBE)
    field[1, 3, 4] = np.nan
    values, mask = to_tensor(field, GLOBE.with_mask(ocean))
    assert not mask[:, 0].any()
    assert not mask[1, 3, 4]
    assert mask.sum() == mask.numel() - 2 * 12 - 1
    assert (values[~mask] == 0).all()
    other = field.copy()
    other[:, 0] = 1e20
    assert torch.equal(to_tensor(other, GLOBE.with_mask(ocean))[0], values)


def test_leading_axes_take_the_house_order() -> None:
    field = random_field(GLOBE, month=2, time=3, realization=4)
    assert to_tensor(field, GLOBE)[0].shape == (4, 3, 2, *GLOBE.shape)


def test_a_field_of_the_globe_is_cut_to_a_region_across_greenwich() -> None:
    box = Grid.regular(30.0, levels=[50.0], region=Region(-60, 60, 300, 60))
    field = random_field(GLOBE)
    values, _ = to_tensor(field, box)
    assert box.longitude.tolist() == [315.0, 345.0, 375.0, 405.0]
    expected = field.sel(depth=[50.0], lat=box.latitude, lon=[315.0, 345.0, 15.0, 45.0])
    np.testing.assert_allclose(values, expected.values, rtol=1e-6)


def test_a_field_without_level_suits_a_grid_of_one() -> None:
    surface = Grid.regular(30.0, levels=[0.0])
    field = random_field(GLOBE, time=2).isel(depth=0, drop=True)
    assert to_tensor(field, surface)[0].shape == (2, 1, 6, 12)
    with pytest.raises(InputError, match="no level axis, but the grid has 2 levels"):
        to_tensor(field, GLOBE)


@pytest.mark.parametrize(
    ("lacking", "sentence"),
    [
        ({"lat": slice(1, None)}, "no latitude 75,"),
        ({"lon": slice(None, -1)}, "no longitude 345,"),
        ({"depth": [0]}, "no depth 50,"),
    ],
)
def test_a_cell_that_the_field_lacks_is_named(lacking: dict[str, slice], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        to_tensor(random_field(GLOBE).isel(lacking), GLOBE)


def test_float32_coordinates_are_the_same_cells() -> None:
    grid = Grid.regular(180.0 / 7.0, levels=[0.0])
    field = random_field(grid).astype("float32")
    for name in ("lat", "lon"):
        field = field.assign_coords({name: field[name].astype("float32")})
    assert to_tensor(field, grid)[1].all()


def test_attributes_out() -> None:
    half = torch.ones(*GLOBE.shape, dtype=torch.bfloat16, requires_grad=True)
    field = to_xarray(half, GLOBE, "salinity", attrs={"cell_methods": "time: mean"})
    assert field.dtype == np.float32
    assert field.attrs["standard_name"] == "sea_water_practical_salinity"
    assert field.attrs["cell_methods"] == "time: mean"
    assert field.depth.attrs["positive"] == "down"
    assert to_xarray(half, GLOBE, "spread").attrs == {}


def test_an_axis_without_a_name_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"\(3, 2, 6, 12\), but its coordinates have \(2, 6, 12\)"
    ):
        to_xarray(torch.ones(3, *GLOBE.shape), GLOBE, "temperature")
