from __future__ import annotations

from pathlib import Path

import pytest

import isopleth
from isopleth.cli import main, reconstruct
from isopleth.core.errors import InputError

HELP = [
    ["--help"],
    ["assimilate", "--help"],
    ["prepare", "--help"],
    ["reconstruct", "--help"],
    ["results", "-h"],
    ["train", "-h"],
]
WRONG = [[], ["bake"], ["reconstruct", "--no-such-option"], ["train", "it"]]


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"isopleth {isopleth.__version__}\n"


@pytest.mark.parametrize("words", HELP)
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 0
    assert "isopleth" in capsys.readouterr().out


def test_every_option_has_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["reconstruct", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for words in ("Share of the month's 1-degree boxes", "default: 0.1", "default: analysis.nc"):
        assert words in text


@pytest.mark.parametrize("words", WRONG)
def test_words_that_mean_nothing(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2


def test_an_error_is_one_sentence_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reconstruct", "no-such-file.csv"]) == 2
    out, err = capsys.readouterr()
    assert err == "error: there is no file 'no-such-file.csv': check the path.\n"
    assert out == ""


def test_an_interruption_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], table: Path
) -> None:
    monkeypatch.setattr(reconstruct, "read", _raising(KeyboardInterrupt()))
    assert main(["reconstruct", str(table)]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_failure_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch, table: Path) -> None:
    monkeypatch.setattr(reconstruct, "read", _raising(ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError, match="ours"):
        main(["reconstruct", str(table)])
    monkeypatch.setattr(reconstruct, "read", _raising(InputError("theirs.")))
    assert main(["reconstruct", str(table)]) == 2


def _raising(error: BaseException) -> object:
    def read(*_: object) -> None:
        raise error

    return read
