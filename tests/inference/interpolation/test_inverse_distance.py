"""Inverse distance, by hand on the equator, where 1 degree is 111.2 km."""

from __future__ import annotations

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS
from isopleth.inference.interpolation.inverse_distance import InverseDistance
from isopleth.inference.interpolation.scattered import Points, Samples

SHEPARD = InverseDistance(reach_km=np.inf, smoothing_km=1e-9, time_km_per_day=0.0)


def equator(longitude: list[float], day: list[float] | None = None) -> Points:
    lon = np.array(longitude)
    return Points(np.zeros_like(lon), lon, np.zeros_like(lon) if day is None else np.array(day))


def chord(degrees: float) -> float:
    """Straight-line distance in km."""
    return float(2e-3 * EARTH_RADIUS * np.sin(np.deg2rad(degrees) / 2))


@pytest.mark.parametrize("power", [1.0, 2.0, 3.5])
def test_shepard(power: float) -> None:
    samples = Samples(equator([0.0, 3.0]), np.array([[1.0], [5.0]]))
    method = InverseDistance(power=power, reach_km=np.inf, time_km_per_day=0.0)
    near, far = chord(1.0) ** -power, chord(2.0) ** -power
    expected = (near * 1.0 + far * 5.0) / (near + far)
    estimate = method(samples, equator([1.0]))
    np.testing.assert_allclose(estimate.mean, [[expected]], rtol=1e-3)
    assert np.isnan(estimate.variance).all()


def test_a_sample_is_honoured_and_never_divides_by_zero() -> None:
    samples = Samples(equator([0.0, 3.0]), np.array([[1.0], [5.0]]))
    np.testing.assert_allclose(SHEPARD(samples, equator([3.0])).mean, [[5.0]])


def test_beyond_the_reach_is_the_prior_and_the_way_there_is_smooth() -> None:
    method = InverseDistance(reach_km=500.0)
    samples = Samples(equator([0.0]), np.array([[2.0]]))
    away = np.linspace(0.0, 6.0, 200)
    mean = method(samples, equator(away.tolist())).mean[:, 0]
    assert mean[0] == pytest.approx(2.0, rel=1e-3)
    assert (np.diff(mean) <= 0.0).all()
    assert np.diff(mean).min() > -0.05
    assert (mean[np.vectorize(chord)(away) > 500.0] == 0.0).all()


def test_the_weight_of_the_prior() -> None:
    estimate = InverseDistance(reach_km=900.0, smoothing_km=1e-6)(
        Samples(equator([0.0]), np.array([[1.0]])), equator([2.0])
    )
    weight = (1.0 / chord(2.0) - 1.0 / 900.0) ** 2
    assert estimate.mean.item() == pytest.approx(weight / (weight + 900.0**-2))


def test_a_day_is_a_distance() -> None:
    value = np.array([[1.0], [5.0]])
    method = InverseDistance(reach_km=np.inf, time_km_per_day=chord(1.0))
    later = method(Samples(equator([0.0, 0.0], [0.0, 3.0]), value), equator([0.0], [1.0]))
    apart = method(Samples(equator([0.0, 3.0]), value), equator([1.0]))
    np.testing.assert_allclose(later.mean, apart.mean, rtol=1e-3)


def test_noise_halves_a_weight() -> None:
    samples = Samples(equator([-1.0, 1.0]), np.array([[0.0], [3.0]]), np.array([[0.0], [1.0]]))
    assert SHEPARD(samples, equator([0.0])).mean.item() == pytest.approx(1.0)


def test_only_the_nearest_count() -> None:
    samples = Samples(equator([0.0, 1.0, 5.0]), np.array([[1.0], [2.0], [1e6]]))
    method = InverseDistance(neighbours=2, reach_km=np.inf)
    assert 1.0 < method(samples, equator([0.4])).mean.item() < 2.0


@pytest.mark.parametrize(
    "setting",
    [
        {"power": 0.0},
        {"neighbours": 0},
        {"time_km_per_day": -1.0},
        {"smoothing_km": 0.0},
        {"reach_km": 0.5},
    ],
)
def test_settings_out_of_range(setting: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(setting))}.*{next(iter(setting.values()))}"):
        InverseDistance(**setting)
