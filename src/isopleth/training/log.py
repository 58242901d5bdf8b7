"""The log of a training: one JSON object a line, as a resumed training would have written it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from isopleth.core.errors import IntegrityError

__all__ = ["TrainingLog"]


class TrainingLog:
    """Lines such as `{"step": 50, "loss": 0.9, "rate": 0.001, "seconds": 4.0, "samples": 400}`.

    Args:
        path: The file, made when the first line is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, step: int, record: Mapping[str, Any]) -> None:
        """Append one line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **record}) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """All lines; a last line that was cut off in writing is left out.

        Raises:
            IntegrityError: If a line before the last is not JSON.
        """
        if not self.path.is_file():
            return []
        text = self.path.read_text(encoding="utf-8")
        lines = text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]
        try:
            return [json.loads(line) for line in lines]
        except ValueError as error:
            raise IntegrityError(f"{self.path} is damaged: {error}.") from error

    def rewind(self, step: int) -> None:
        """Drop what was written after `step`: those steps are about to be done again."""
        kept = [record for record in self.read() if record["step"] <= step]
        partial = self.path.with_name(f"{self.path.name}.partial")
        partial.write_text("".join(json.dumps(record) + "\n" for record in kept), "utf-8")
        partial.replace(self.path)
