from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from isopleth.cli.screen import Screen, score_lines, show


def screen(*, terminal: bool) -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    return Screen(Console(file=out, force_terminal=terminal, width=80)), out


def test_without_a_terminal_each_step_is_a_line() -> None:
    made, out = screen(terminal=False)
    with made:
        report = made.progress("trial")
        for fraction in (0.2, 0.6, 1.0, 1.0):
            report("learning the errors", fraction)
        made.progress()("kriging the grid", 1.0)
        with made.step("writing"):
            made.say("a remark [with brackets]")
    lines = out.getvalue().splitlines()
    assert [line.rsplit(":", 1)[0] for line in lines] == [
        "trial: learning the errors",
        "kriging the grid",
        "a remark [with brackets]",
        "writing",
    ]
    assert list(made.seconds) == ["trial: learning the errors", "kriging the grid", "writing"]


def test_on_a_terminal_steps_are_bars() -> None:
    made, out = screen(terminal=True)
    with made:
        made.progress()("kriging the grid", 0.5)
        made.progress()("kriging the grid", 1.0)
        with made.step("writing"):
            pass
    assert "100%" in out.getvalue()
    assert "kriging the grid" in out.getvalue()


def test_a_failure_leaves_the_terminal_as_it_was() -> None:
    made, out = screen(terminal=True)

    def interrupted() -> None:
        with made:
            made.progress()("kriging the grid", 0.5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert out.getvalue().rstrip().endswith("\x1b[?25h")


def test_the_score_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    scores = pd.DataFrame(
        {
            "depth": [0.0, 1000.0, 2000.0],
            "n": [12345, 10, 0],
            "rmse": [0.5, 0.25, np.nan],
            "rmse_climatology": [1.0, 0.5, np.nan],
            "bias": [-0.01, 0.5, np.nan],
            "bias_climatology": [0.0, 0.0, np.nan],
            "crps": [0.3, 0.2, np.nan],
            "crps_climatology": [0.6, 0.4, np.nan],
            "coverage90": [0.9, 1.0, np.nan],
        }
    )
    show(score_lines(scores, "°C"))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "(°C)" in text
    assert "12,345" in text
    assert "2000 m" not in text
    assert "100.0 %" in text
    assert any(line.split()[:1] == ["all"] for line in lines)
