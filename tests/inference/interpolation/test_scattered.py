"""Points and samples: what they accept and how they are cut."""

from __future__ import annotations

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.inference.interpolation import Points, Samples
from isopleth.inference.interpolation.scattered import NO_GROUP

THREE = np.arange(3.0)
POINTS = Points(THREE, THREE + 10.0, THREE + 20.0, np.array([4, 5, 6]))
VALUE = np.array([[1.0, np.nan], [2.0, 3.0], [np.nan, np.nan]])


def test_without_groups_nothing_is_excluded() -> None:
    points = Points(THREE, THREE, THREE)
    np.testing.assert_array_equal(points.group, NO_GROUP)
    assert len(Points(THREE[:0], THREE[:0], THREE[:0])) == 0


def test_integers_become_floats_and_groups_integers() -> None:
    points = Points(np.array([1, 2]), np.array([3, 4]), np.array([5, 6]), np.array([7.0, 8.0]))
    assert points.latitude.dtype == points.longitude.dtype == points.day.dtype == np.float64
    assert points.group.dtype == np.int64


@pytest.mark.parametrize("index", [np.array([2, 0]), np.array([True, False, True])])
def test_select_keeps_rows_together(index: np.ndarray) -> None:
    noise = np.arange(6.0).reshape(3, 2)
    chosen = Samples(POINTS, VALUE, noise).select(index)
    for name in ("latitude", "longitude", "day", "group"):
        expected = getattr(POINTS, name)[index]
        np.testing.assert_array_equal(getattr(chosen.points, name), expected)
    np.testing.assert_array_equal(chosen.value, VALUE[index])
    np.testing.assert_array_equal(chosen.noise, noise[index])
    assert len(chosen) == len(chosen.points) == 2


def test_regrouped_changes_nothing_else() -> None:
    samples = Samples(POINTS, VALUE)
    other = samples.regrouped(np.array([1, 1, 2]))
    np.testing.assert_array_equal(other.points.group, [1, 1, 2])
    np.testing.assert_array_equal(samples.points.group, [4, 5, 6])
    np.testing.assert_array_equal(other.points.longitude, POINTS.longitude)
    np.testing.assert_array_equal(other.value, VALUE)


def test_noise_defaults_to_none_and_may_be_one_row() -> None:
    np.testing.assert_array_equal(Samples(POINTS, VALUE).noise, 0.0)
    row = Samples(POINTS, VALUE, np.array([0.1, 0.2])).noise
    np.testing.assert_array_equal(row, np.tile([0.1, 0.2], (3, 1)))


def test_unit_vectors_are_the_places_on_the_sphere() -> None:
    points = Points(np.array([0.0, 0.0, 90.0, -45.0]), np.array([0.0, 450.0, 77.0, -180.0]),
                    np.zeros(4))  # fmt: skip
    half = np.sqrt(0.5)
    expected = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-half, 0, -half]]
    np.testing.assert_allclose(points.unit_vectors, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((THREE, THREE[:2], THREE), r"longitude has shape \(2,\) where latitude has \(3,\)"),
        ((THREE, THREE, THREE[None]), r"day has shape \(1, 3\) where latitude has \(3,\)"),
        ((THREE, THREE, THREE, np.zeros(2)), r"group has shape \(2,\)"),
        ((np.zeros((1, 3)),) * 3, "one-dimensional"),
        ((THREE, np.array([0.0, np.nan, 1.0]), THREE), "longitude holds values that are not fin"),
        ((THREE, THREE, np.array([0.0, np.inf, 1.0])), "day holds values that are not finite"),
        ((THREE * 50.0, THREE, THREE), r"latitude 100 is outside \[-90, 90\]; check the order"),
    ],
)
def test_impossible_points_are_refused(arrays: tuple[np.ndarray, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Points(*arrays)


@pytest.mark.parametrize(
    ("value", "noise", "message"),
    [
        (VALUE[:2], np.empty(0), r"value has shape \(2, 2\) for 3 profiles"),
        (VALUE[:, 0], np.empty(0), r"value has shape \(3,\) for 3 profiles"),
        (np.where(np.isnan(VALUE), np.inf, VALUE), np.empty(0), "mark missing levels by NaN"),
        (VALUE, np.full((3, 2), -0.1), "noise holds a negative or missing variance"),
        (VALUE, np.full((3, 2), np.nan), "noise holds a negative or missing variance"),
    ],
)
def test_impossible_samples_are_refused(
    value: np.ndarray, noise: np.ndarray, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Samples(POINTS, value, noise)
