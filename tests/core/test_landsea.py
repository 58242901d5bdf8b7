from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid

LAT = [30.0, 0.0, -30.0]
LON = [0.0, 10.0, 20.0, 30.0]


def test_ocean_is_where_there_ever_was_a_value() -> None:
    values = np.full((2, 3, 4), np.nan)
    values[0, 0, 0] = values[1, 2, 3] = 1.0
    field = xr.DataArray(values, {"time": [0, 1], "lat": LAT, "lon": LON})
    assert Grid.from_dataset(field).mask.sum() == 2
    with pytest.raises(InputError, match="no ocean cell"):
        Grid.from_dataset(field.where(False))


@pytest.mark.parametrize(
    ("name", "attrs", "values", "named"),
    [
        ("mask", {}, [1, 1, 0, 1], None),
        ("wetness", {}, [1, 1, 0, 1], "wetness"),
        ("sftof", {"units": "%"}, [100.0, 60.0, 20.0, 50.0], None),
        ("lsm", {}, [0.0, 0.1, 0.9, 0.4], None),
        ("land", {"standard_name": "land_binary_mask"}, [0, 0, 1, 0], None),
        ("lsm", {}, [0, 0, 1, 0], "lsm"),
        ("mask", {}, [1.0, 1.0, np.nan, 1.0], None),
    ],
)
def test_a_mask_variable_wins_over_nan(
    name: str, attrs: dict[str, str], values: list[float], named: str | None
) -> None:
    mask = xr.DataArray(np.tile(values, (3, 1)), dims=("lat", "lon"), attrs=attrs)
    field = xr.DataArray(np.full((2, 3, 4), np.nan), dims=("depth", "lat", "lon"))
    whole = xr.Dataset(
        {"t": field, name: mask}, {"depth": [0.0, 9.0], "lat": LAT[::-1], "lon": LON}
    )
    grid = Grid.from_dataset(whole, mask=named)
    assert grid.mask[:, 0].tolist() == [[True, True, False, True]] * 2


def test_bit_flags_are_not_taken_for_a_mask() -> None:
    field = xr.DataArray([[1.0, np.nan], [1.0, 1.0]], dims=("lat", "lon"))
    flags = xr.DataArray([[1, 2], [1, 9]], dims=("lat", "lon"))
    whole = xr.Dataset({"sst": field, "mask": flags}, {"lat": [1.0, 0.0], "lon": [0.0, 1.0]})
    assert Grid.from_dataset(whole).mask[0].tolist() == [[True, False], [True, True]]
    with pytest.raises(InputError, match="holds values from 1 to 9"):
        Grid.from_dataset(whole, mask="mask")
