"""Kriging written out a second time, with dense matrices and the textbook's Matern function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import gamma, kv

from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.inference.interpolation import Points, Samples

Array = np.ndarray
RADIUS_KM = 6371.0
SLOPE_KM = 500.0


def matern(r: Array, nu: float) -> Array:
    """`2^(1-nu) / Gamma(nu) (sqrt(2 nu) r)^nu K_nu(sqrt(2 nu) r)`, 1 at zero."""
    x = np.sqrt(2.0 * nu) * np.where(r > 0.0, r, 1.0)
    return np.where(r > 0.0, 2.0 ** (1.0 - nu) / gamma(nu) * x**nu * kv(nu, x), 1.0)


def offsets(points: Points, t: int, samples: Points) -> Array:
    """East (km), north (km) and lag (days) of the samples from one point, shape `(n, 3)`.

    In the plane that keeps every distance and bearing from the point: great circles, by vectors.
    """
    lon = np.deg2rad(points.longitude[t])
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    up = points.unit_vectors[t]
    bearing = samples.unit_vectors @ np.stack([east, np.cross(up, east)], axis=1)
    sine = np.linalg.norm(bearing, axis=1)
    angle = np.arctan2(sine, samples.unit_vectors @ up)
    plane = bearing * (angle / np.where(sine > 0.0, sine, 1.0) * RADIUS_KM)[:, None]
    return np.column_stack([plane, samples.day - points.day[t]])


def signal(a: Array, b: Array, p: dict[str, float], nu: float) -> Array:
    """Covariance of the field between places given as offsets, shape `(len(a), len(b))`."""
    h = a[:, None, :] - b[None, :, :]
    short = np.array([p["zonal_km"], p["meridional_km"], p["days"]])
    broad = np.array([p["broad_zonal_km"], p["broad_meridional_km"], p["broad_days"]])
    value = matern(np.linalg.norm(h / short, axis=-1), nu)
    value = value + p["broad_share"] * np.exp(-np.linalg.norm(h / broad, axis=-1))
    slope = p["slope_variance"] / SLOPE_KM**2
    return value + p["mean_variance"] + slope * (a[:, :2] @ b[:, :2].T)


def local_parameters(covariance: SpaceTimeCovariance, points: Points, t: int) -> dict[str, float]:
    local = covariance.at(points.latitude[[t]])
    names = (
        "zonal_km", "meridional_km", "days", "broad_zonal_km", "broad_meridional_km",
        "broad_days", "broad_share", "nugget", "mean_variance", "slope_variance",
    )  # fmt: skip
    return {name: float(local.column(name)[0]) for name in names}


def dense_kriging(
    covariance: SpaceTimeCovariance, samples: Samples, points: Points
) -> tuple[Array, Array]:
    """Mean and variance from all samples that measured a level, shape `(N, L)` each."""
    mean, variance = np.empty((2, len(points), samples.value.shape[1]))
    for t in range(len(points)):
        p = local_parameters(covariance, points, t)
        place, here = offsets(points, t, samples.points), np.zeros((1, 3))
        other = (samples.points.group != points.group[t]) | (points.group[t] < 0)
        for level in range(samples.value.shape[1]):
            used = other & np.isfinite(samples.value[:, level])
            at, noise = place[used], samples.noise[used, level] + p["nugget"]
            system = signal(at, at, p, covariance.smoothness) + np.diag(noise)
            c = signal(at, here, p, covariance.smoothness)[:, 0]
            weights = np.linalg.solve(system, c)
            mean[t, level] = weights @ samples.value[used, level]
            prior = signal(here, here, p, covariance.smoothness)[0, 0]
            variance[t, level] = prior - weights @ c
    return mean, variance


@pytest.fixture(scope="session")
def dense() -> Callable[[SpaceTimeCovariance, Samples, Points], tuple[Array, Array]]:
    """The reference solution, see `dense_kriging`."""
    return dense_kriging


@pytest.fixture(scope="session")
def field_covariance() -> Callable[[SpaceTimeCovariance, Points, int, Points], Array]:
    """Covariance of the field among points, in the plane about point `t` of the first ones."""

    def among(covariance: SpaceTimeCovariance, centre: Points, t: int, points: Points) -> Array:
        at = offsets(centre, t, points)
        return signal(at, at, local_parameters(covariance, centre, t), covariance.smoothness)

    return among
