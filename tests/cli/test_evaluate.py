"""`isopleth evaluate twin`: words, and what a person sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isopleth.cli import main
from isopleth.studies.twin import TwinWorld
from isopleth.studies.twin.contest import Contest, Outcome


class Made:
    """A world that nobody looks into."""

    sha256 = "0" * 64


def played(*_: object, **__: object) -> list[Outcome]:
    told = {"task": "one-shot", "network": "2 % points", "settings": {}, "trials": 1}
    seconds = {"validation": 1.0, "tuning_seconds": 1.0, "test_seconds": 1.0}
    errors = {"square_error": np.full((4, 1), 0.04), "trajectory": np.arange(4.0)}
    return [Outcome(method=name, **told, **seconds, **errors) for name in ("3D-Var", "LETKF")]


def test_the_table_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(TwinWorld, "frozen", lambda *_: Made())
    monkeypatch.setattr(Contest, "outcomes", played)
    assert main(["evaluate", "twin", "smoke", "--folder", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "LETKF" in out
    assert "over_3dvar" in out
    assert "1.000" in out
    assert "everything is simulated" in err


def test_an_unknown_network_is_refused_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "twin", "smoke", "--networks", "3 % points", "--folder", str(tmp_path)]
    assert main(words) == 2
    assert "'3 % points' is neither a task" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
