"""A synthetic laboratory for the kriging system: worlds drawn from a known covariance.

The fields are dense draws of an exponential covariance about a constant, with white noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

from isopleth.core import Grid, Region
from isopleth.core.variables import lookup
from isopleth.data import Climatology, Profiles
from isopleth.systems import kriging
from isopleth.systems.kriging import FittedKriging, OceanKriging
from isopleth.systems.kriging.system import middle

MONTH, MEAN, NOISE = "2016-01", 15.0, 0.3
LEVELS = np.array([0.0, 100.0, 300.0])
VERTICAL = np.array([[1.0, 0.8, 0.5], [0.8, 1.0, 0.8], [0.5, 0.8, 1.0]])
ISLAND = (slice(2, 5), slice(4, 7))


@dataclass(frozen=True)
class World:
    """Profiles and the true field they were taken from, shape `(depth, lat, lon)`."""

    profiles: Profiles
    truth: np.ndarray


@dataclass(frozen=True)
class Lab:
    """A grid of 1 degree, with an island at all depths and a shelf at the deepest.

    Args:
        grid: Where the truth is known.
        hole: A sea that the climatology does not cover, outside the grid.
    """

    grid: Grid
    hole: Region

    def climatology(self, name: str = "temperature") -> Climatology:
        grid = Grid.regular(5.0, levels=LEVELS)
        values = np.full((1, *grid.shape), MEAN)
        return Climatology(grid, values, "a constant", lookup(name), uncovered=(self.hole,))

    def uncovered(self, profiles: Profiles) -> np.ndarray:
        return self.hole.contains(profiles.latitude, profiles.longitude)

    def world(self, count: int = 150, seed: int = 0) -> World:
        """Exponential in space and time (160 km, 40 days), levels correlated."""
        rng = np.random.default_rng(seed)
        lat, lon = rng.uniform(18, 32, count), rng.uniform(208, 226, count)
        second = rng.integers(0, 31 * 86_400, count).astype("m8[s]")
        time = np.datetime64("2016-01-01", "ns") + second
        _, at_lat, at_lon = self.grid.with_mask(np.ones(self.grid.shape, bool)).ocean_points()
        when = np.r_[time, np.full(at_lat.size, middle(MONTH))] - time[0]
        north, east = np.r_[lat, at_lat], np.r_[lon, at_lon] * np.cos(np.deg2rad(25.0))
        km = np.stack([north, east], axis=1) * 111.2
        x = np.column_stack([km / 160.0, when / np.timedelta64(40, "D")])
        h = np.linalg.norm(x[:, None] - x[None], axis=-1)
        root = np.linalg.cholesky(np.exp(-h) + 1e-9 * np.eye(len(h)))
        field = root @ rng.standard_normal((len(h), 3)) @ np.linalg.cholesky(VERTICAL).T
        value = MEAN + field[:count] + NOISE * rng.standard_normal((count, 3))
        unknown, platform = np.full(value.shape, np.nan), np.arange(count).astype(str)
        profiles = Profiles(time, lat, lon, LEVELS, value, unknown, platform, notes=("synthetic",))
        return World(profiles, MEAN + field[count:].T.reshape(self.grid.shape))


@pytest.fixture(scope="session")
def lab() -> Lab:
    grid = Grid.regular(1.0, levels=LEVELS, region=Region.parse("20N:30N,150W:136W"))
    mask = np.ones(grid.shape, bool)
    mask[:, *ISLAND] = False
    mask[2, :, -2:] = False
    return Lab(grid.with_mask(mask), Region.parse("18N:19.5N,148W:142W"))


@pytest.fixture(scope="session")
def system(lab: Lab) -> OceanKriging:
    return kriging.load(kriging.smoke, lab.climatology())


@pytest.fixture(scope="session")
def case(lab: Lab) -> World:
    return lab.world()


@pytest.fixture(scope="session")
def analysis(lab: Lab, system: OceanKriging, case: World) -> xr.Dataset:
    return system.run(case.profiles, month=MONTH, grid=lab.grid, members=3)


@pytest.fixture(scope="session")
def fitted(system: OceanKriging, case: World) -> FittedKriging:
    return system.fit(case.profiles)
