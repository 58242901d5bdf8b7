"""A small made-up world: a 10-degree ocean with three levels, profiles, and predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from isopleth.data.profiles import Profiles
from isopleth.data.rejections import Rejection, RejectionTable
from isopleth.report.material import Material, Rejected

LEVELS = np.array([0.0, 100.0, 500.0])


def make_analysis() -> xr.Dataset:
    """Warm at the equator, one warm anomaly in the Pacific, land at 0-60 E, a shelf east of it."""
    lat, lon = 85.0 - 10.0 * np.arange(18), 5.0 + 10.0 * np.arange(36)
    depth, south, east = np.meshgrid(LEVELS, lat, lon, indexing="ij")
    climatology = (28.0 * np.cos(np.radians(south)) ** 2 - 1.0) * np.exp(-depth / 400.0)
    bump = np.exp(-((south / 15.0) ** 2) - ((east - 215.0) / 25.0) ** 2 - depth / 200.0)
    ocean = (east > 60.0) & ((east > 80.0) | (depth < 300.0))
    prior = np.full(depth.shape, 0.8)
    error = np.where(np.abs(south) < 60.0, 0.4, 0.78)
    nearby = np.where(np.abs(south) < 60.0, 3.0, 0.0)
    fields = {
        "temperature": climatology + 2.0 * bump,
        "temperature_standard_error": error,
        "climatology": climatology,
        "error_of_prior": prior,
        "observations_nearby": nearby,
    }
    dims = ("depth", "lat", "lon")
    data = {name: (dims, np.where(ocean, field, np.nan)) for name, field in fields.items()}
    rng = np.random.default_rng(3)
    members = fields["temperature"] + error * rng.standard_normal((3, *depth.shape))
    data["temperature_members"] = (
        ("realization", *dims),
        np.where(ocean, members, np.nan),
    )
    coords = {"depth": LEVELS, "lat": lat, "lon": lon, "time": np.datetime64("2016-01-16", "ns")}
    attrs = {"climatology_epoch": "1955-1994", "method": "a test", "recipe": '{"nugget": 0.1}'}
    analysis = xr.Dataset(data, coords, attrs)
    analysis["temperature"].attrs["units"] = "degC"
    return analysis


def make_profiles(analysis: xr.Dataset, *, offset: float = 0.0) -> Profiles:
    """Sixty profiles at cell centres whose values are the climatology plus an offset."""
    rng = np.random.default_rng(1)
    row, column = rng.integers(4, 14, 60), rng.integers(9, 36, 60)
    value = analysis["climatology"].values[:, row, column].T + offset
    return Profiles(
        np.datetime64("2016-01-01", "ns") + rng.integers(0, 31, 60).astype("timedelta64[D]"),
        analysis["lat"].values[row],
        analysis["lon"].values[column],
        LEVELS,
        value,
        np.full(value.shape, np.nan),
        np.array([f"float {i}" for i in range(60)]),
    )


def make_withheld(n: int = 150, *, spread: float = 1.0) -> xr.Dataset:
    """Gaussian errors of standard deviation 0.5, stated as `0.5 * spread`."""
    rng = np.random.default_rng(2)
    shape = (n, LEVELS.size)
    truth = 10.0 + rng.standard_normal(shape)
    data = {
        "observed": truth,
        "mean": truth + 0.5 * rng.standard_normal(shape),
        "standard_deviation": np.full(shape, 0.5 * spread),
        "climatology": truth + rng.standard_normal(shape),
    }
    data["observed"][0, 1] = np.nan
    dataset = xr.Dataset(
        {name: (("profile", "depth"), values) for name, values in data.items()},
        {"depth": LEVELS},
    )
    dataset["lat"] = "profile", rng.uniform(-60.0, 60.0, n)
    dataset["lon"] = "profile", rng.uniform(60.0, 360.0, n)
    dataset["time"] = "profile", np.full(n, np.datetime64("2016-01-10", "ns"))
    return dataset


def make_scores() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "depth": LEVELS,
            "n": [100, 100, 0],
            "rmse": [0.5, 0.4, np.nan],
            "rmse_climatology": [1.0, 0.8, np.nan],
            "bias": [0.01, -0.0001, np.nan],
            "bias_climatology": [-0.2, -0.1, np.nan],
            "crps": [0.28, 0.22, np.nan],
            "crps_climatology": [0.6, 0.5, np.nan],
            "coverage90": [0.91, 0.89, np.nan],
        }
    )


@pytest.fixture(scope="session")
def analysis() -> xr.Dataset:
    return make_analysis()


@pytest.fixture(scope="session")
def withheld() -> xr.Dataset:
    return make_withheld()


@pytest.fixture(scope="session")
def scores() -> pd.DataFrame:
    return make_scores()


@pytest.fixture(scope="session")
def material(analysis: xr.Dataset, withheld: xr.Dataset, scores: pd.DataFrame) -> Material:
    table = RejectionTable((Rejection("spike", 4, 2), Rejection("time missing", 3, None)))
    rejected = Rejected(table, np.array([200.0]), np.array([10.0]))
    used = make_profiles(analysis, offset=0.5)
    provenance = {"command": "isopleth reconstruct <x>", "versions": {"numpy": "2", "a": [1, 2]}}
    return Material(analysis, used, withheld, provenance, scores, rejected)
