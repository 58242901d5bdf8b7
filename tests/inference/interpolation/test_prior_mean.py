"""The control, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from isopleth.inference.interpolation.prior_mean import PriorMean
from isopleth.inference.interpolation.scattered import NO_GROUP, Points, Samples

NAN = float("nan")
GROUPS = np.array([0, 0, 7, NO_GROUP])
VALUES = np.array([[1.0, NAN], [2.0, NAN], [3.0, 4.0], [-4.0, NAN]])


def points(group: np.ndarray) -> Points:
    zero = np.zeros(len(group))
    return Points(zero, zero, zero, group)


@pytest.mark.parametrize(
    ("group", "variance"),
    [
        (NO_GROUP, [30.0 / 4, 16.0]),
        (0, [25.0 / 2, 16.0]),
        (7, [21.0 / 3, NAN]),
        (5, [30.0 / 4, 16.0]),
        (99, [30.0 / 4, 16.0]),
    ],
)
def test_mean_square_of_the_other_groups(group: int, variance: list[float]) -> None:
    estimate = PriorMean()(Samples(points(GROUPS), VALUES), points(np.array([group])))
    assert estimate.mean.tolist() == [[0.0, 0.0]]
    np.testing.assert_allclose(estimate.variance, [variance])


def test_a_bias_of_the_climatology_counts() -> None:
    biased = Samples(points(GROUPS), np.full((4, 1), 3.0))
    assert PriorMean()(biased, points(np.array([1]))).variance.item() == 9.0


def test_without_samples_the_variance_is_unknown() -> None:
    nobody = Samples(points(GROUPS[:0]), np.empty((0, 2)))
    estimate = PriorMean()(nobody, points(np.array([0, 3])))
    assert (estimate.mean == 0.0).all()
    assert np.isnan(estimate.variance).all()
