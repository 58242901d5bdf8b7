from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from isopleth.cli import main, results
from isopleth.studies import Headline, Result, Row, headline_fields, ratio_of, select


def make_result() -> Result:
    rows = tuple(
        Row(method=method, setting="Jan", metric="rmse", unit="K", value=value)
        for method, value in (("climatology", 1.5), ("kriging", 0.9))
    )
    gain = ratio_of(select("kriging", "Jan", "rmse"), select("climatology", "Jan", "rmse"))
    return Result(
        name="small_example",
        what="Kriging errs less than the climatology.",
        command="make bench NAME=small_example",
        commit="unknown",
        date="2026-01-31",
        device="a processor",
        seeds=(0,),
        n_cases=100,
        data={},
        rows=rows,
        verdict="beats: by far.",
        **headline_fields(rows, {"over_climatology": Headline(gain, ("<=", 0.7))}),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_result().write(tmp_path / "small_example.json")
    return tmp_path


def test_results_in_a_pipe_are_markdown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", str(folder)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# small_example\n\nKriging errs less")
    assert "| kriging | Jan | 0.9 |" in out
    assert "**Verdict**, beats: by far." in out
    assert "| `over_climatology` | 0.6 | ≤ 0.7 | met |" in out


def test_results_on_a_terminal_are_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    monkeypatch.setattr(results, "Console", lambda: console)
    assert main(["results", str(folder)]) == 0
    assert "|" not in out.getvalue()
    assert "over_climatology" in out.getvalue()


def test_a_folder_without_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", str(tmp_path)]) == 2
    assert "there is no result file" in capsys.readouterr().err


def test_a_result_edited_by_hand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "small_example.json"
    path.write_text(path.read_text().replace("0.6,", "0.5,").replace(": 0.6\n", ": 0.5\n"))
    assert main(["results", str(folder)]) == 2
    assert "is not a result" in capsys.readouterr().err
