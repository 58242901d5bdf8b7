from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isopleth.core.errors import InputError
from isopleth.studies import HeldOut, block_ids, box_ids, follow, partition, partitions


def test_boxes_by_hand() -> None:
    same = box_ids([10.0, 10.99, 10.5], [359.0, -0.01, 719.5])
    assert len(set(same)) == 1
    different = box_ids([10.5, 11.0, 10.5, -10.5], [0.5, 0.5, 1.0, 0.5])
    assert len(set(different)) == 4


def test_the_edges_of_the_world() -> None:
    ids = box_ids([90.0, 89.5, -90.0, 0.0, 0.0], [0.0, 0.0, 0.0, -1e-20, 359.9])
    assert ids[0] == ids[1]
    assert ids.min() >= 0
    assert ids.max() < 180 * 360
    assert ids[3] == ids[4]


def test_blocks_hold_whole_boxes(rng: np.random.Generator) -> None:
    lat, lon = rng.uniform(-90, 90, 2000), rng.uniform(-180, 360, 2000)
    boxes, blocks = box_ids(lat, lon), block_ids(lat, lon)
    for box in np.unique(boxes):
        assert len(set(blocks[boxes == box])) == 1
    assert block_ids([2.0], [2.0]) == block_ids([4.9], [4.9]) != block_ids([5.0], [4.9])


@settings(deadline=None, max_examples=60)
@given(
    latitude=st.floats(-90, 90),
    longitude=st.floats(-180, 180),
    size=st.floats(0.1, 90),
    turns=st.integers(-2, 2),
)
def test_longitude_conventions_agree(
    latitude: float, longitude: float, size: float, turns: int
) -> None:
    # A rounding of the turn may cross an edge; stay off the edges.
    longitude = round(longitude * 8) / 8 + 1 / 32
    first = box_ids([latitude], [longitude], size)
    assert first == box_ids([latitude], [longitude + 360 * turns], size)


def test_every_box_is_hidden_once_and_whole(rng: np.random.Generator) -> None:
    ids = rng.integers(0, 200, 1500)
    held_out = HeldOut(partition(ids, 10, seed=1))
    times = np.zeros(1500, dtype=int)
    for train, test in held_out:
        times[test] += 1
        assert len(train) + len(test) == 1500
        assert not set(ids[train]) & set(ids[test])
        assert len(set(ids[test])) == 20
    assert len(held_out) == 10
    assert (times == 1).all()


def test_partitions_depend_on_the_seed_and_not_on_the_order(rng: np.random.Generator) -> None:
    ids = rng.integers(0, 50, 300)
    order = rng.permutation(300)
    fold = partition(ids, 5, seed=4)
    np.testing.assert_array_equal(partition(ids[order], 5, seed=4), fold[order])
    np.testing.assert_array_equal(partition(ids, 5, seed=4), fold)
    assert (partition(ids, 5, seed=5) != fold).any()
    first, second, third = partitions(ids, folds=5)
    assert (first.fold != second.fold).any()
    assert (second.fold != third.fold).any()


def test_other_profiles_follow_their_boxes() -> None:
    ids, fold = np.array([7, 3, 7, 9]), np.array([0, 1, 0, 2])
    np.testing.assert_array_equal(follow(ids, fold, [9, 3, 8, 7, 99]), [2, 1, -1, 0, -1])
    train, test = next(iter(HeldOut(follow(ids, fold, [9, 3, 8, 7, 99]))))
    assert test.tolist() == [3]
    assert train.tolist() == [0, 1, 2, 4]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: box_ids([np.nan], [0.0]), "1 positions are missing"),
        (lambda: box_ids([95.0, 0.0], [0.0, 0.0]), "latitude 95"),
        (lambda: box_ids([5.0], [0.0], 0.0), "box of 0.0 degrees"),
        (lambda: partition([1, 2, 3], 10, seed=0), "3 boxes cannot be cut into 10"),
        (lambda: partition([1, 2, 3], 1, seed=0), "into 1 folds"),
    ],
)
def test_bad_input_is_named(call, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        call()
