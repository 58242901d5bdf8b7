"""The loop over levels: what may share a system, and in which order profiles are read."""

from __future__ import annotations

import numpy as np

from isopleth.inference.interpolation.inverse_distance import InverseDistance
from isopleth.inference.interpolation.levels import complete_levels, in_order
from isopleth.inference.interpolation.optimal_interpolation import OptimalInterpolation
from isopleth.inference.interpolation.scattered import Interpolation, Points, Samples

NAN = np.nan


def together(count: int) -> Points:
    """All at one place and time."""
    return Points(np.full(count, 10.0), np.full(count, 20.0), np.zeros(count))


def test_levels_share_when_profiles_and_noise_agree() -> None:
    value = np.array([[1.0, 2.0, 3.0, NAN, NAN], [4.0, 5.0, 6.0, 7.0, NAN]])
    noise = np.array([[0.1, 0.1, 0.2, 9.0, 0.0], [0.3, 0.3, 0.3, 0.3, 0.0]])
    sets = list(complete_levels(Samples(together(2), value, noise)))
    assert [levels.tolist() for levels, _ in sets] == [[0, 1], [2], [3], [4]]
    assert [part.value.tolist() for _, part in sets] == [
        [[1.0, 2.0], [4.0, 5.0]],
        [[3.0], [6.0]],
        [[7.0]],
        [],
    ]
    assert sets[1][1].noise.tolist() == [[0.2], [0.3]]


def test_levels_with_other_noise_are_solved_on_their_own() -> None:
    samples = Samples(together(1), np.ones((1, 2)), np.array([[0.0, 1.0]]))
    mean = OptimalInterpolation(nugget=0.25)(samples, together(1)).mean
    np.testing.assert_allclose(mean, [[1 / 1.25, 1 / 2.25]])


def test_profiles_are_sorted_whatever_their_order() -> None:
    rng = np.random.default_rng(0)
    place = Points(*rng.integers(0, 2, (3, 40)).astype(float), rng.integers(0, 2, 40))
    value = rng.integers(0, 2, (40, 2)).astype(float)
    value[::5, 1] = NAN
    samples = Samples(place, value)
    first = in_order(samples)
    second = in_order(samples.select(rng.permutation(40)))
    np.testing.assert_array_equal(first.value, second.value)
    np.testing.assert_array_equal(first.points.group, second.points.group)


def test_ties_do_not_depend_on_the_order() -> None:
    """Ten profiles at one place, of which three are used."""
    samples = Samples(together(10), np.arange(10.0)[:, None])
    methods: list[Interpolation] = [
        InverseDistance(neighbours=3),
        OptimalInterpolation(neighbours=3),
    ]
    for method in methods:
        there = [method(samples.select(order), together(1)).mean.item() for order in ORDERS]
        assert len(set(there)) == 1


ORDERS = [np.arange(10), np.arange(10)[::-1], np.random.default_rng(1).permutation(10)]
