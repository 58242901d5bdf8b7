"""What a static covariance is estimated from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from isopleth.core.channels import PRESSURE, Channels
from isopleth.core.errors import InputError
from isopleth.core.quantities import named_quantity
from isopleth.systems.assimilation.sample import of_members, of_pairs, sample_of

LAT, LON = np.array([60.0, 50.0, 40.0]), np.array([0.0, 10.0])
DAYS = np.array(["2017-01-02", "2017-01-03", "2017-01-04"], "M8[ns]")


@pytest.fixture
def channels() -> Channels:
    t = named_quantity("t")
    assert t is not None
    coords = {"pressure": [500.0], "lat": LAT, "lon": LON}
    field = xr.DataArray(np.full((1, 3, 2), 250.0), coords, ("pressure", "lat", "lon"))
    return Channels.of({t: field}, PRESSURE)


def data(times: np.ndarray, values: np.ndarray, lead: tuple[str, ...] = ()) -> xr.Dataset:
    coords = {
        "time": times,
        "pressure": ("pressure", [500.0], {"units": "hPa"}),
        "lat": LAT,
        "lon": LON,
    }
    found = xr.Dataset({"t": ((*lead, "time", "pressure", "lat", "lon"), values)}, coords)
    found["t"].attrs = {"units": "K", "standard_name": "air_temperature"}
    return found


def test_members_at_several_times(channels: Channels) -> None:
    rng = np.random.default_rng(0)
    level = np.array([240.0, 250.0, 260.0])[:, None, None, None]
    values = level + rng.normal(0.0, 1.0, (4, 3, 1, 3, 2))
    found = sample_of(channels, data(DAYS, values, ("member",)), "f.nc", 0.7)
    assert found.errors.shape == (12, 1, 3, 2)
    assert found.source == "the deviations of 4 members of f.nc from their mean at each of 3 times"
    np.testing.assert_allclose(found.errors.mean(0), 0.0, atol=1e-12)
    unbiased = values.var(0, ddof=1).mean(0)
    np.testing.assert_allclose(found.errors.square().mean(0).numpy(), unbiased, rtol=1e-9)


def test_pairs_in_one_file_are_differences_for_one_time(channels: Channels) -> None:
    values = 250.0 + np.arange(6.0)[:, None, None, None] ** 2 * np.ones((6, 1, 3, 2))
    times = DAYS[[0, 1, 0, 2, 1, 2]]
    found = sample_of(channels, data(times, values), "f.nc", 0.5)
    assert found.errors[:, 0, 0, 0].tolist() == [-2.0, -7.5, -8.0]
    assert "3 differences of two forecasts in f.nc" in found.source
    assert "(NMC), times 0.50" in found.source


def test_pairs_in_two_files_need_common_times(channels: Channels) -> None:
    ones = np.ones((3, 1, 3, 2))
    long, short = data(DAYS, 250.0 + ones), data(DAYS[::-1], 252.0 - ones)
    found = of_pairs(channels, (long, short), ("48.nc", "24.nc"), 1.0)
    torch.testing.assert_close(found.errors, torch.zeros(3, 1, 3, 2, dtype=torch.float64))
    later = data(DAYS + np.timedelta64(2, "D"), 250.0 + ones)
    with pytest.raises(InputError, match=r"there are 1 pairs .* take at least 2"):
        of_pairs(channels, (long, later), ("48.nc", "24.nc"), 1.0)


def test_samples_that_cannot_be_used(channels: Channels) -> None:
    ones = np.full((3, 1, 3, 2), 250.0)
    with pytest.raises(InputError, match="there are 0 pairs of forecasts for one time"):
        sample_of(channels, data(DAYS, ones), "f.nc", 1.0)
    with pytest.raises(InputError, match=r"f\.nc has 1 member: a covariance"):
        sample_of(channels, data(DAYS, ones[None], ("member",)), "f.nc", 1.0)
    broken = data(DAYS, np.stack([ones, ones]), ("member",))
    broken["t"][1, 0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"f\.nc: 1 values are missing .* of member 1"):
        sample_of(channels, broken, "f.nc", 1.0)
    moved = broken.assign_coords(lat=LAT - 3.0)
    with pytest.raises(InputError, match=r"f\.nc: it is on another grid"):
        sample_of(channels, moved, "f.nc", 1.0)
    with pytest.raises(InputError, match="has members: give one file of members"):
        of_pairs(channels, (broken.fillna(250.0), data(DAYS, ones)), ("a", "b"), 1.0)


def test_members_of_one_ensemble() -> None:
    x = torch.randn(5, 1, 3, 2, generator=torch.Generator().manual_seed(0))
    found = of_members(x)
    torch.testing.assert_close(found.errors, x - x.mean(0))
    assert found.source == "the deviations of 5 members from their mean"
