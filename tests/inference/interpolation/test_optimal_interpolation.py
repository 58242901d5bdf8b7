"""Optimal interpolation against a dense solve, the cases with a formula, and real floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from isopleth.core.errors import InputError
from isopleth.data.climatology import load_climatology
from isopleth.inference.interpolation.optimal_interpolation import OptimalInterpolation
from isopleth.inference.interpolation.scattered import Points, Samples
from isopleth.inference.interpolation.shapes import Exponential, Gaussian, Matern, Shape

RADIUS_KM = 6371.0088
ARGO = "ocean/argo_2016_janfeb_100_150_200dbar.csv.gz"


def scattered(count: int, seed: int) -> Points:
    """Positions in a sea of about 2000 km across Greenwich, within two months."""
    rng = np.random.default_rng(seed)
    return Points(
        rng.uniform(30.0, 45.0, count), rng.uniform(-12.0, 12.0, count), rng.uniform(0, 60, count)
    )


def chord(a: Points, i: int, b: Points, j: int) -> float:
    """Straight-line distance in km, by the haversine."""
    p, q = math.radians(a.latitude[i]), math.radians(b.latitude[j])
    step = math.radians(a.longitude[i] - b.longitude[j])
    half = math.sin((p - q) / 2) ** 2 + math.cos(p) * math.cos(q) * math.sin(step / 2) ** 2
    return 2 * RADIUS_KM * math.sqrt(half)


def covariance(a: Points, b: Points, rho: Callable[[float, float], float]) -> np.ndarray:
    lags = np.abs(a.day[:, None] - b.day[None, :])
    pairs = [[rho(chord(a, i, b, j), lags[i, j]) for j in range(len(b))] for i in range(len(a))]
    return np.array(pairs)


@pytest.mark.parametrize(
    ("shape", "rho"),
    [
        (Exponential(), lambda d, t: math.exp(-d / 300.0 - t / 20.0)),
        (Gaussian(), lambda d, t: math.exp(-((d / 300.0) ** 2) - (t / 20.0) ** 2)),
        (Matern(0.5), lambda d, t: math.exp(-d / 300.0 - t / 20.0)),
        (
            Matern(1.5),
            lambda d, t: math.prod(
                (1 + math.sqrt(3) * r) * math.exp(-math.sqrt(3) * r) for r in (d / 300, t / 20)
            ),
        ),
    ],
    ids=["exponential", "gaussian", "matern-1/2", "matern-3/2"],
)
def test_against_a_dense_solve(shape: Shape, rho: Callable[[float, float], float]) -> None:
    rng = np.random.default_rng(1)
    at, place = scattered(7, 2), scattered(40, 3)
    value, noise = rng.standard_normal((40, 3)), rng.uniform(0.0, 0.5, (40, 3))
    value[rng.random(value.shape) < 0.2] = np.nan
    method = OptimalInterpolation(
        length_km=300.0, days=20.0, nugget=0.05, neighbours=40, shape=shape
    )
    estimate = method(Samples(place, value, noise), at)
    C, c = covariance(place, place, rho), covariance(at, place, rho)
    for level in range(3):
        seen = np.isfinite(value[:, level])
        K = c[:, seen] @ np.linalg.inv(C[np.ix_(seen, seen)] + np.diag(0.05 + noise[seen, level]))
        np.testing.assert_allclose(estimate.mean[:, level], K @ value[seen, level], atol=1e-9)
        expected = 1.0 - (K * c[:, seen]).sum(axis=1)
        np.testing.assert_allclose(estimate.variance[:, level], expected, atol=1e-9)


def meridian(latitude: list[float]) -> Points:
    lat = np.array(latitude)
    return Points(lat, np.full_like(lat, 200.0), np.zeros_like(lat))


def test_one_sample() -> None:
    method = OptimalInterpolation(length_km=150.0, days=None, nugget=0.2)
    estimate = method(Samples(meridian([0.0]), np.array([[3.0]])), meridian([1.0]))
    rho = math.exp(-2 * RADIUS_KM * math.sin(math.pi / 360) / 150.0)
    assert estimate.mean.item() == pytest.approx(3.0 * rho / 1.2)
    assert estimate.variance.item() == pytest.approx(1.0 - rho**2 / 1.2)


def test_between_two_exact_samples_it_is_the_bridge_of_ornstein_and_uhlenbeck() -> None:
    """In one dimension an exponential field is Markov: `w_a = sinh(b/L) / sinh((a+b)/L)`."""
    method = OptimalInterpolation(length_km=100.0, days=None, nugget=1e-10)
    place = meridian([-0.9, -0.4, 0.7, 1.6])
    estimate = method(Samples(place, np.array([[50.0], [1.0], [2.0], [-70.0]])), meridian([0.0]))
    a, b = (math.radians(degrees) * RADIUS_KM / 100.0 for degrees in (0.4, 0.7))
    w_a, w_b = math.sinh(b) / math.sinh(a + b), math.sinh(a) / math.sinh(a + b)
    assert estimate.mean.item() == pytest.approx(w_a * 1.0 + w_b * 2.0, rel=2e-3)
    variance = 1.0 - w_a * math.exp(-a) - w_b * math.exp(-b)
    assert estimate.variance.item() == pytest.approx(variance, rel=1e-4)


def test_the_order_of_noise() -> None:
    """Two samples at one place share their weight by the inverse of their noise."""
    place = meridian([0.0, 0.0])
    samples = Samples(place, np.array([[1.0], [4.0]]), np.array([[0.1], [0.3]]))
    estimate = OptimalInterpolation(nugget=1e-12)(samples, meridian([0.0]))
    gain = 1 / (1 + 1 / (1 / 0.1 + 1 / 0.3))
    assert estimate.mean.item() == pytest.approx(gain * (0.75 * 1.0 + 0.25 * 4.0))


def test_the_nearest_are_chosen_level_by_level() -> None:
    value = np.array([[1.0, 1.0], [5.0, np.nan], [7.0, 7.0]])
    samples = Samples(meridian([0.0, 0.1, 3.0]), value)
    method = OptimalInterpolation(neighbours=1, nugget=1e-12)
    mean = method(samples, meridian([0.1])).mean[0]
    only_first = math.exp(-math.radians(0.1) * RADIUS_KM / 200.0)
    np.testing.assert_allclose(mean, [5.0, only_first], rtol=1e-6)


def test_reference_is_the_yardstick_of_the_evidence() -> None:
    method = OptimalInterpolation.reference()
    assert (method.length_km, method.days, method.nugget) == (200.0, 40.0, 0.1)
    assert (method.neighbours, method.shape) == (60, Exponential())


@pytest.mark.extra_data(ARGO)
def test_reference_on_real_floats(extra_data: Path) -> None:
    """One draw of a tenth of the 1-degree boxes of January 2016, published as .879 K pooled."""
    table = pd.read_csv(extra_data / ARGO)
    table = table[table["time"] < "2016-02-01"]
    time = pd.to_datetime(table["time"]).dt.tz_localize(None).to_numpy("datetime64[ns]")
    lat, lon = table["lat"].to_numpy(), table["lon"].to_numpy()
    climatology = load_climatology().at(time, lat, lon, [100.0, 150.0, 200.0])
    anomaly = table[["temp100", "temp150", "temp200"]].to_numpy() - climatology
    box = np.floor(lat) * 360 + np.floor(lon)
    boxes = np.unique(box)
    chosen = np.random.default_rng(0).choice(boxes, boxes.size // 10, replace=False)
    hidden = np.isin(box, chosen)
    place = Points(lat, lon, (time - time.min()) / np.timedelta64(1, "D"))
    samples = Samples(place.select(~hidden), anomaly[~hidden])
    error = OptimalInterpolation.reference()(samples, place.select(hidden)).mean - anomaly[hidden]
    rmse = np.sqrt(np.mean(error**2, axis=0))
    np.testing.assert_allclose(rmse, [1.049, 0.849, 0.707], rtol=3e-3)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(0.879, rel=3e-3)


@pytest.mark.parametrize("name", ["length_km", "days", "nugget", "neighbours"])
def test_settings_out_of_range(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is 0: give"):
        replace(OptimalInterpolation(), **{name: 0})
