"""The model's process as seen from ours: what it says, and why it stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from isopleth.core.errors import DataMissingError, IsoplethError
from isopleth.data.speedy import worker
from isopleth.data.speedy.worker import Order

__all__ = ["Interpreter", "ModelError", "ModelProcess"]

_PATIENCE = 10.0
"""Seconds for the process to end by itself."""
_LOG = "model.log"


class ModelError(IsoplethError):
    """The model's process ended before its work was done."""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """Who runs the model.

    Args:
        python: Interpreter that has `jcm`; this one by default.
        script: What it runs.
    """

    python: Path = field(default_factory=lambda: Path(sys.executable))
    script: Path = field(default_factory=lambda: Path(worker.__file__))


class ModelProcess:
    """The running model; a context, which ends the process, and an iterator of its messages.

    Args:
        order: What to do; its folder gets the log.
        interpreter: Who runs it.

    Raises:
        DataMissingError: If the interpreter, or a package it needs, is not there.
        ModelError: If the process stops for any other reason.
    """

    def __init__(self, order: Order, interpreter: Interpreter) -> None:
        self.order, self.interpreter = order, interpreter
        self.log = Path(order.folder) / _LOG

    def __enter__(self) -> ModelProcess:
        """Start it, out of reach of the terminal's Ctrl-C, which is ours to pass on."""
        words = [str(self.interpreter.python), "-P", str(self.interpreter.script)]
        # JAX would take three quarters of a GPU's memory; the model needs little.
        environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ}
        try:
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(
                    [*words, json.dumps(asdict(self.order))],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as error:
            raise DataMissingError(
                f"{str(self.interpreter.python)!r} cannot be run ({error.strerror}): "
                "give a Python interpreter that has jcm as --python."
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close its input, which ends it, and make sure that it did."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Its messages until it is done."""
        if self._process.stdout is None:
            return
        for line in self._process.stdout:
            message = json.loads(line)
            if message["event"] == "failed":
                raise self._failure(message)
            yield message
        code = self._process.wait()
        if code != 0:
            how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
            raise ModelError(
                f"the model's process ended early ({how}; its words are in {self.log}): "
                "run the same command again to go on where it stopped."
            )

    def _failure(self, message: dict[str, Any]) -> IsoplethError:
        if "missing" not in message:
            return ModelError(f"{message['message']}: see {self.log}.")
        ours = self.interpreter.python == Path(sys.executable)
        package = "'isopleth[worlds]'" if ours else "'jcm==3.0.0'"
        return DataMissingError(
            f"the package {message['missing']} that runs SPEEDY is not installed: "
            f"{self.interpreter.python} -m pip install {package}, or name an interpreter that has "
            "it as --python."
        )
