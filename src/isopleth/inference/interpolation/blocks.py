"""Run independent points in blocks of bounded memory, on the threads or cluster dask is given."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from dask.base import compute
from dask.callbacks import Callback
from dask.delayed import delayed

BLOCK = 1024  # points: large against a task's cost, small against any machine's memory
Progress = Callable[[float], None]


def threads() -> int:
    """Threads to use: ``OMP_NUM_THREADS`` where set, else the cores this process may run on."""
    stated = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if stated.isdigit() and int(stated):
        return int(stated)
    allowed = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(allowed(0)) if allowed else os.cpu_count() or 1


class _Report(Callback):
    """Callbacks hear every call that runs at the time: only tasks named ``prefix`` count."""

    def __init__(self, progress: Progress, total: int, prefix: str) -> None:
        super().__init__(posttask=self._count)
        self._progress, self._total, self._prefix, self._done = progress, total, prefix, 0

    def finish(self) -> None:
        """Tell the end where the scheduler reports no single task (``distributed``)."""
        if not self._done:
            self._progress(1.0)

    def _count(self, key: Any, *_: Any) -> None:
        if str(key).startswith(self._prefix):
            self._done += 1
            self._progress(min(1.0, self._done / self._total))


def in_blocks(
    work: Callable[..., Any],
    count: int,
    *shared: Any,
    size: int = BLOCK,
    progress: Progress | None = None,
) -> list[Any]:
    """``[work(slice, *shared) for each block of 0..count]``, in order, computed by dask.

    ``work`` must release the GIL to gain from threads. With a ``distributed`` client open, the
    blocks run on its workers, which do not share memory: ``work`` has to return what it makes.

    >>> in_blocks(lambda block, x: sum(x[block]), 5, [1, 2, 3, 4, 5], size=2)
    [3, 7, 5]
    """
    starts = range(0, count, size)
    call = uuid4().hex  # a cluster takes tasks of one name for one task
    common = [
        delayed(item, name=f"shared-{call}-{k}", traverse=False) for k, item in enumerate(shared)
    ]
    tasks = [
        delayed(work, traverse=False)(
            slice(start, min(start + size, count)), *common, dask_key_name=f"block-{call}-{start}"
        )
        for start in starts
    ]
    if not tasks:
        return []
    if progress is None:
        return list(compute(*tasks, num_workers=threads()))
    with _Report(progress, len(tasks), f"block-{call}") as report:
        results = list(compute(*tasks, num_workers=threads()))
    report.finish()
    return results
