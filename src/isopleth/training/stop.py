"""A polite end: hold back SIGTERM and SIGINT until the work is safe."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["StopSignal"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """Within this block SIGTERM and SIGINT only set `asked`; after it they take their course.

    Python handles signals in the main thread only: elsewhere the block changes nothing.

    >>> with StopSignal() as stop:
    ...     stop.asked
    False
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    @property
    def asked(self) -> bool:
        """Whether one of the signals has come."""
        return self._received is not None

    def __enter__(self) -> StopSignal:
        """Take the signals over."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give them back, and send again what came."""
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if self._received is not None:
            signal.raise_signal(self._received)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._received = number
