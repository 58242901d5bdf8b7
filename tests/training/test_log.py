"""The log of a training can be read back and wound back."""

from __future__ import annotations

from pathlib import Path

import pytest

from isopleth.core.errors import IntegrityError
from isopleth.training.log import TrainingLog


def test_lines_come_back_and_are_wound_back(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log.jsonl")
    assert log.read() == []
    for step in (1, 2, 3):
        log.write(step, {"loss": 1.0 / step})
    log.rewind(2)
    assert log.read() == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}]


def test_a_line_cut_off_is_left_out(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "log.jsonl")
    log.write(1, {"loss": 2.0})
    with log.path.open("a", encoding="utf-8") as file:
        file.write('{"step": 2, "lo')
    assert log.read() == [{"step": 1, "loss": 2.0}]
    log.rewind(5)
    log.write(2, {"loss": 1.0})
    assert [line["step"] for line in log.read()] == [1, 2]


def test_damage_is_told(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("nonsense\n{}\n", encoding="utf-8")
    with pytest.raises(IntegrityError, match="damaged"):
        TrainingLog(path).read()
