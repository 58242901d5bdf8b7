"""Blocks: their order, their threads, their progress, and workers elsewhere."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import cloudpickle
import dask
import numpy as np
import pytest
from dask.callbacks import local_callbacks

from isopleth.inference.interpolation.blocks import in_blocks, threads


def total(block: slice, values: np.ndarray) -> float:
    return float(values[block].sum())


def elsewhere(graph: object, keys: object, **_: object) -> object:
    """Like a cluster: tasks cross a process boundary, and none reports its end."""
    with local_callbacks():
        return dask.get(cloudpickle.loads(cloudpickle.dumps(graph)), keys)


@pytest.mark.parametrize("size", [1, 4, 10, 99])
def test_every_index_is_in_one_block_and_results_come_in_order(size: int) -> None:
    parts = in_blocks(lambda block: list(range(block.start, block.stop)), 10, size=size)
    assert [i for part in parts for i in part] == list(range(10))
    assert all(len(part) <= size for part in parts)


def test_nothing_to_do() -> None:
    told: list[float] = []
    assert in_blocks(total, 0, np.empty(0), progress=told.append) == []


def test_progress_is_told_after_each_block() -> None:
    told: list[float] = []
    in_blocks(total, 10, np.ones(10), size=3, progress=told.append)
    np.testing.assert_allclose(told, [0.25, 0.5, 0.75, 1.0])


def test_progress_counts_its_own_blocks_only() -> None:
    """As where two people's jobs run in one process."""
    told: list[float] = []

    def nested(block: slice) -> None:
        in_blocks(total, 6, np.ones(6), size=1)

    in_blocks(nested, 2, size=1, progress=told.append)
    assert told == [0.5, 1.0]


def test_a_scheduler_that_reports_no_task_still_tells_the_end() -> None:
    told: list[float] = []
    with dask.config.set(scheduler=elsewhere):
        parts = in_blocks(total, 10, np.arange(10.0), size=5, progress=told.append)
    assert parts == [10.0, 35.0]
    assert told == [1.0]


def test_two_calls_never_share_a_name() -> None:
    """A cluster takes two tasks of one name for one task, and answers with the old result."""
    names: list[set[str]] = []

    def remember(graph: Any, keys: object, **_: object) -> object:
        names.append(set(graph.__dask_graph__()))
        return dask.get(graph, keys)

    with dask.config.set(scheduler=remember):
        for _ in range(2):
            in_blocks(total, 4, np.ones(4), size=2)
    assert len(names[0]) >= 3
    assert not names[0] & names[1]


def test_shared_data_are_handed_over_as_they_are() -> None:
    class Odd:
        """Neither hashable nor comparable: nothing may try."""

        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise AssertionError

    odd = Odd()
    assert all(in_blocks(lambda _, item: item is odd, 4, odd, size=2))


def test_blocks_run_on_as_many_threads_as_are_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    def who(_: slice) -> int:
        time.sleep(0.02)
        return threading.get_ident()

    assert len(set(in_blocks(who, 9, size=1))) == 3


@pytest.mark.parametrize(("stated", "expected"), [("5", 5), ("4,2", 4), ("", 0), ("0", 0)])
def test_stated_threads(monkeypatch: pytest.MonkeyPatch, stated: str, expected: int) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", stated)
    assert threads() == (expected or len(os.sched_getaffinity(0)))


def test_threads_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert threads() == (os.cpu_count() or 1)


def test_an_error_in_a_block_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        in_blocks(lambda block: 1 / (block.start - 4), 6, size=2)
