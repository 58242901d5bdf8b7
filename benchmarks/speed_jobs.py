"""The timed jobs of the speed benchmark; each runs in a process of its own."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.core.grid import Grid
from isopleth.data import Profiles, load_climatology
from isopleth.data.bathymetry import is_ocean, ocean_mask
from isopleth.data.cards import open_asset
from isopleth.inference.interpolation import Points, Samples
from isopleth.inference.interpolation.kriging import LocalKriging
from isopleth.systems import kriging

MONTH = "2016-01"
LEVELS = np.array([0.0, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000])
PROFILES, MILLION, WINDOW = 10_000, 1_000_000, 60
LENGTH_KM, NUGGET = 300.0, 0.1


def profiles(rng: np.random.Generator) -> Profiles:
    """10,000 profiles on 12 levels; one in ten ends above 300 m, as expendable probes do."""
    table = pd.read_csv(open_asset("argo_positions_201601"), compression="gzip", comment="#")
    table = table.sample(PROFILES, random_state=0)
    when = pd.to_datetime(table.time, utc=True).dt.tz_localize(None).to_numpy("M8[ns]")
    at = (when, table.latitude.to_numpy(), table.longitude.to_numpy() % 360.0)
    value = load_climatology().at(*at, LEVELS) + rng.normal(size=(PROFILES, len(LEVELS)))
    value[::10, LEVELS >= 300.0] = np.nan
    return Profiles(*at, LEVELS, value, np.full_like(value, np.nan), table.platform.to_numpy(str))


def ocean_grid(resolution: float, levels: np.ndarray) -> Grid:
    """The global ocean at a resolution."""
    grid = Grid.regular(resolution, levels=levels)
    return grid.with_mask(ocean_mask(grid.latitude, grid.longitude, levels))


def month() -> float:
    """Seconds from profiles to the analysis with 16 members, 1 degree, 12 levels."""
    data, grid, system = (
        profiles(np.random.default_rng(0)),
        ocean_grid(1.0, LEVELS),
        kriging.load(),
    )
    start = time.perf_counter()
    system.fit(data).map(grid, kriging.system.middle(MONTH))
    return time.perf_counter() - start


def million() -> float:
    """Seconds to fit to, and map, a million single observations at one level."""
    rng = np.random.default_rng(1)
    latitude, longitude = rng.uniform(-78, 85, 2 * MILLION), rng.uniform(0, 360, 2 * MILLION)
    wet = np.flatnonzero(is_ocean(latitude, longitude))[:MILLION]
    when = np.datetime64("2016-01-01", "ns") + rng.integers(0, 31 * 86_400, len(wet)).astype(
        "m8[s]"
    )
    value = 15 + rng.normal(size=(len(wet), 1))
    data = Profiles(
        when.astype("M8[ns]"), latitude[wet], longitude[wet], LEVELS[:1], value,
        np.full_like(value, np.nan), np.full(len(wet), "x"),
    )  # fmt: skip
    start = time.perf_counter()
    kriging.load().fit(data).map(ocean_grid(1.0, LEVELS[:1]), kriging.system.middle(MONTH))
    return time.perf_counter() - start


def against_pykrige() -> tuple[float, float, float]:
    """Seconds of PyKrige and of this package for one job, and their rms difference.

    Ordinary kriging of 4 levels at one time on the 2-degree ocean within 60 degrees of the
    equator, from 9,000 profiles, the 60 nearest each, the same exponential covariance.
    """
    from pykrige.ok import OrdinaryKriging

    data = profiles(np.random.default_rng(0))
    data = data.select(np.isfinite(data.value).all(axis=1))
    keep = np.unique(np.round(np.stack([data.latitude, data.longitude]), 2), axis=1,
                     return_index=True)[1]  # fmt: skip
    data = data.select(keep)
    anomaly = (data.value - data.value.mean(axis=0))[:, ::3]
    _, latitude, longitude = ocean_grid(2.0, LEVELS).ocean_points()
    near = np.abs(latitude) <= 60.0
    latitude, longitude = latitude[near], longitude[near]
    degrees = LENGTH_KM / 111.195
    start = time.perf_counter()
    theirs = []
    for level in range(anomaly.shape[1]):
        model = OrdinaryKriging(
            data.longitude, data.latitude, anomaly[:, level], coordinates_type="geographic",
            variogram_model="exponential", exact_values=False,
            variogram_parameters={"psill": 1.0, "range": 3 * degrees, "nugget": NUGGET},
        )  # fmt: skip
        theirs.append(
            model.execute("points", longitude, latitude, n_closest_points=WINDOW, backend="loop")[
                0
            ]
        )
    slow = time.perf_counter() - start
    covariance = SpaceTimeCovariance(
        zonal_km=LENGTH_KM, meridional_km=LENGTH_KM, broad_share=0.0, nugget=NUGGET,
        mean_variance=1e4, equatorial_zonal=0.0, equatorial_meridional=0.0,
    )  # fmt: skip
    zero, there = np.zeros(len(data)), np.zeros(len(latitude))
    samples = Samples(Points(data.latitude, data.longitude, zero), anomaly)
    run = LocalKriging(scales=covariance, neighbours=WINDOW)
    run(samples.select(np.arange(200)), Points(latitude[:9], longitude[:9], there[:9]))  # compile
    start = time.perf_counter()
    ours = run(samples, Points(latitude, longitude, there)).mean
    fast = time.perf_counter() - start
    return slow, fast, float(np.sqrt(np.mean((np.array(theirs).T - ours) ** 2)))
