from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from isopleth.core.channels import PRESSURE, Channels
from isopleth.core.errors import InputError
from isopleth.core.quantities import Quantity, named_quantity

LAT, LON = [30.0, 0.0, -30.0], [0.0, 90.0, 180.0, 270.0]
T, P = named_quantity("t"), named_quantity("msl")
assert T is not None
assert P is not None


def fields(*lead: int) -> dict[Quantity, xr.DataArray]:
    rng = np.random.default_rng(0)
    dims = ("member",)[: len(lead)]
    here = {"lat": LAT, "lon": LON}
    t = rng.normal(250.0, 5.0, (*lead, 2, 3, 4))
    p = rng.normal(1e5, 500.0, (*lead, 3, 4))
    assert T is not None
    assert P is not None
    return {
        T: xr.DataArray(
            t, {"pressure": [500.0, 850.0], **here}, (*dims, "pressure", "lat", "lon")
        ),
        P: xr.DataArray(p, here, (*dims, "lat", "lon")),
    }


def test_there_and_back() -> None:
    given = fields()
    channels = Channels.of(given, PRESSURE)
    x = channels.tensor(given)
    assert tuple(x.shape) == channels.shape == (3, 3, 4)
    for quantity, field in channels.fields(x).items():
        np.testing.assert_array_equal(field.values, given[quantity].values)
        assert field.units == quantity.units
    assert channels.fields(x)[T].pressure.units == "hPa"


def test_members_keep_their_axis_and_levels_are_chosen_by_value() -> None:
    channels = Channels.of(fields(), PRESSURE)
    members = fields(5)
    x = channels.tensor(members)
    members[T] = members[T].isel(pressure=[1, 0])
    assert torch.equal(channels.tensor(members), x)


def test_a_masked_cell_is_zero_inside_and_nan_outside() -> None:
    given = fields()
    given[P][1, 2] = np.nan
    channels = Channels.of(given, PRESSURE)
    x = channels.tensor(given)
    assert float(x[2, 1, 2]) == 0.0
    assert np.isnan(channels.fields(x)[P].values[1, 2])
    assert channels.grid.mask.sum() == 35


def test_what_does_not_fit_is_refused() -> None:
    channels = Channels.of(fields(), PRESSURE)
    other = fields(3)
    with pytest.raises(InputError, match="another grid"):
        channels.tensor({q: f.isel(lat=[0, 1]) for q, f in other.items()})
    with pytest.raises(InputError, match="no air temperature at 500 hPa"):
        channels.tensor({**other, T: other[T].isel(pressure=[1])})
    with pytest.raises(InputError, match="no pressure at mean sea level"):
        channels.tensor({T: other[T]})
    other[T][2, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="air temperature at 500 hPa of member 2"):
        channels.tensor(other)
