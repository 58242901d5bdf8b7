"""`isopleth prepare speedy` with a FAKE model: a process that speaks like the model's."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import xarray as xr

from isopleth.cli import main
from isopleth.cli.prepare import _Pace
from isopleth.data.speedy import worker

FAKE = """
    import sys, time
    import numpy as np
    sys.path.insert(0, FOLDER)
    from worker import serve

    class Fake:
        def __init__(self, order):
            time.sleep(0.01)
        def about(self):
            return {"model": "FAKE", "versions": {"jcm": "3.0.0"}, "device": "GPU (fake)",
                    "resolution": "", "time_step_minutes": 30, "boundary_data": ""}
        def fixed(self):
            flat = np.zeros((2, 3))
            return {"lat": np.array([30.0, -30.0]), "lon": np.array([0.0, 120.0, 240.0]),
                    "sigma": np.linspace(0.1, 0.9, 8), "orog": flat, "land": flat}
        def begin(self):
            pass
        def save(self, path):
            path.write_text("")
        def restore(self, path):
            pass
        def advance(self):
            high = {n: np.ones((8, 2, 3), np.float32) for n in ("ua", "va", "ta", "hus", "zg")}
            low = {n: np.ones((2, 3), np.float32) for n in ("ps", "pr", "clt", "rlut")}
            return {**high, **low}

    sys.exit(serve(Fake))
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder; the model that would run is the fake one."""
    script = tmp_path / "fake_worker.py"
    folder = repr(str(Path(worker.__file__).parent))
    script.write_text(textwrap.dedent(FAKE).replace("FOLDER", folder), encoding="utf-8")
    monkeypatch.setattr(worker, "__file__", str(script))
    return tmp_path


def test_a_run(fake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = fake / "nature.zarr"
    assert main(["prepare", "speedy", "--days", "2", "--spinup", "1", "--out", str(out)]) == 0
    printed, said = capsys.readouterr()
    assert printed == f"nature run (synthetic): {out}, 8 states, 0.00 GB\n"
    first, short, device, *_, last = said.splitlines()
    assert first.startswith("8 states of 2 days after 1 days of spin-up; up to 0.06 GB")
    assert short.startswith("a spin-up of 1 days is short: the model takes about 30 days")
    assert device == "jcm 3.0.0 on GPU (fake)"
    assert last.startswith("nature run: 3 of 3 days, 2001-01-03, ")
    assert last.endswith(" days a minute, 0 s left")
    with xr.open_zarr(out) as store:
        assert store.sizes["time"] == 8
    assert main(["prepare", "speedy", "--days", "2", "--spinup", "1", "--out", str(out)]) == 0
    assert "is complete already: 8 states" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([], "the length is not clear: give either --years or --days."),
        (["--years", "1", "--days", "1"], "the length is not clear"),
        (["--days", "1", "--every", "5h"], "an interval of 300 minutes does not fit"),
        (["--days", "1", "--levels", "5"], "the level 5 hPa is out of the model's reach"),
        (["--days", "1", "--out", "n.nc"], "n.nc has no known format: end it in .zarr."),
        (["--days", "1", "--python", "no-python"], "'no-python' cannot be run"),
    ],
)
def test_words_that_cannot_be_used(
    words: list[str],
    match: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", "speedy", *words]) == 2
    printed, said = capsys.readouterr()
    assert f"error: {match}" in said
    assert printed == ""
    assert not list(tmp_path.iterdir())


def test_without_the_model_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An interpreter that hides jcm, where it is installed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "jcm.py").write_text("raise ModuleNotFoundError(name='jcm')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hidden"))
    assert main(["prepare", "speedy", "--days", "1", "--out", "n.zarr"]) == 2
    said = capsys.readouterr().err
    assert "error: the package jcm that runs SPEEDY is not installed: " in said
    assert "-m pip install 'isopleth[worlds]'" in said
    assert not list(tmp_path.glob("n.*"))


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["prepare", "--help"])
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in ("All of it is synthetic", "--every 6h|1d|...", "default: nature.zarr"):
        assert words in text


def test_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 40.0])
    monkeypatch.setattr("isopleth.cli.prepare.time.monotonic", lambda: next(clock))
    pace = _Pace()
    assert pace(1.0, 100.0) == "measuring the pace"
    assert pace(31.0, 100.0) == "60 days a minute, 1 min left"
