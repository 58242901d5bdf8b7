"""The driver of the SPEEDY nature run, with a FAKE model in place of jcm: a counter with a clock.

What the fake model writes is no atmosphere; the tests are about the protocol, the store and going
on after a kill. `test_speedy_model.py` runs the real one where it is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from isopleth.core.errors import DataMissingError, InputError
from isopleth.data import speedy
from isopleth.data.speedy import Interpreter, Listener, ModelError, Moment, NatureRun, worker
from isopleth.data.speedy.configuration import CHUNK
from isopleth.data.speedy.fields import FIELDS, bytes_of_a_state

RUN = NatureRun(days=25, spinup=12, seed=3)
"""100 states after 48 intervals: chunks of 40, 40 and 20."""

FAKE = """
    import json, os, signal, sys, time
    from pathlib import Path
    import numpy as np
    sys.path.insert(0, FOLDER)
    from worker import serve

    SHAPE = (8, 4, 6)

    class Fake:
        '''x -> 1.1 x mod 1: a state that only its whole history, or its saved file, gives.'''
        def __init__(self, order):
            self.order = order
        def about(self):
            print("libraries print things")
            return {"model": "FAKE", "versions": {"jcm": VERSION, "jax": "0"},
                    "device": "CPU (fake)", "resolution": "tiny", "time_step_minutes": 30,
                    "boundary_data": "none"}
        def fixed(self):
            return {"lat": np.array([60.0, 20.0, -20.0, -60.0]), "lon": np.arange(6) * 60.0,
                    "sigma": np.linspace(0.05, 0.95, 8), "orog": np.zeros(SHAPE[1:]),
                    "land": np.ones(SHAPE[1:])}
        def begin(self):
            self.x, self.number = 0.1 + 0.01 * self.order.seed, 0
        def save(self, path):
            part = path.with_suffix(".part")
            part.write_text(json.dumps([self.x, self.number]))
            part.replace(path)
        def restore(self, path):
            self.x, self.number = json.loads(path.read_text())
        def advance(self):
            self.x, self.number = (1.7 * self.x + 0.3) % 1.0, self.number + 1
            HOOK
            low = {n: np.full(SHAPE[1:], self.x, np.float32) for n in ("pr", "clt", "rlut")}
            high = {n: np.full(SHAPE, self.x, np.float32) for n in ("ua", "va", "hus", "zg")}
            return {**high, **low, "ta": np.full(SHAPE, 280.0, np.float32),
                    "ps": np.full(SHAPE[1:], 1e5, np.float32)}

    sys.exit(serve(Fake))
"""


def fake(folder: Path, hook: str = "pass", version: str = "3.0.0") -> Interpreter:
    """An interpreter of the fake model; `hook` runs in every interval."""
    script = folder / "fake_worker.py"
    text = textwrap.dedent(FAKE).replace("FOLDER", repr(str(Path(worker.__file__).parent)))
    text = text.replace("HOOK", hook).replace("VERSION", repr(version))
    script.write_text(text, encoding="utf-8")
    return Interpreter(script=script)


def expected(run: NatureRun) -> np.ndarray:
    """The numbers of the fake model after the spin-up."""
    x, values = 0.1 + 0.01 * run.seed, []
    for _ in range(run.spinup_intervals + run.intervals):
        x = (1.7 * x + 0.3) % 1.0
        values.append(x)
    return np.array(values[run.spinup_intervals :], np.float32)


def read(path: Path) -> xr.Dataset:
    with xr.open_zarr(path) as dataset:
        return dataset.load()


def killed_at(number: int, how: str = "os.kill(os.getpid(), signal.SIGKILL)") -> str:
    return f"if self.number == {number}: {how}"


def test_the_whole_run(tmp_path: Path) -> None:
    told: list[str] = []
    moments: list[Moment] = []
    listener = Listener(says=told.append, moves=moments.append)
    out = tmp_path / "nature.zarr"
    store = speedy.make(RUN, out, interpreter=fake(tmp_path), listener=listener)
    assert len(store) == 100
    found = read(out)
    np.testing.assert_array_equal(found["ua"][:, 0, 0, 0], expected(RUN))
    np.testing.assert_array_equal(found["rlut"][:, 3, 5], expected(RUN))
    assert found.time.values[0] == np.datetime64("2001-01-01T06")
    assert found.time.values[-1] == np.datetime64("2001-01-26T00")
    assert told == ["jcm 3.0.0 on CPU (fake)"]
    assert [m.number for m in moments] == list(range(149))
    assert moments[0].date.isoformat() == "2000-12-20T00:00:00"
    assert moments[48].spinning_up
    assert not moments[49].spinning_up
    assert moments[-1].days == 37.0


def test_the_store_says_what_is_in_it(tmp_path: Path) -> None:
    out = tmp_path / "nature.zarr"
    speedy.make(RUN, out, interpreter=fake(tmp_path))
    found = read(out)
    assert set(FIELDS) <= set(found.data_vars)
    for name, field in FIELDS.items():
        assert found[name].dtype == np.float32
        assert found[name].attrs["units"] == field.units
        assert found[name].encoding["chunks"][0] == CHUNK
        assert found[name].dims == (
            ("time", "sigma", "lat", "lon") if field.levels else ("time", "lat", "lon")
        )
    assert (np.diff(found.lat) < 0).all()
    assert (np.diff(found.sigma) > 0).all()
    np.testing.assert_array_equal(found.time_bnds[1:, 0], found.time_bnds[:-1, 1])
    np.testing.assert_array_equal(found.time_bnds[:, 1], found.time)
    assert found.attrs["title"].startswith("SYNTHETIC")
    assert found.attrs["spinup_days"] == 12
    assert found.attrs["jcm_version"] == "3.0.0"
    assert found["pr"].attrs["cell_methods"] == "time: mean"
    assert found["ta"].attrs["cell_methods"] == "time: point"


@pytest.mark.parametrize("number", [1, 48, 49, 100, 148])
def test_a_kill_of_the_model_changes_nothing(number: int, tmp_path: Path) -> None:
    out = tmp_path / "nature.zarr"
    with pytest.raises(ModelError, match=r"killed by signal 9.*run the same command again"):
        speedy.make(RUN, out, interpreter=fake(tmp_path, killed_at(number)))
    whole = max(0, (number - 1 - RUN.spinup_intervals) // CHUNK * CHUNK)
    assert read(out).sizes["time"] == whole
    begun: list[Moment] = []
    speedy.make(RUN, out, interpreter=fake(tmp_path), listener=Listener(moves=begun.append))
    np.testing.assert_array_equal(read(out)["va"][:, 2, 1, 1], expected(RUN))
    assert number - CHUNK <= begun[0].number < number


def test_a_kill_while_a_chunk_is_taken_over_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "nature.zarr"
    true, calls = zarr.consolidate_metadata, []

    def stopped(path: Path, **options: object) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        true(path, zarr_format=2)

    with monkeypatch.context() as patch:
        patch.setattr(zarr, "consolidate_metadata", stopped)
        with pytest.raises(KeyboardInterrupt):
            speedy.make(RUN, out, interpreter=fake(tmp_path))
    assert read(out).sizes["time"] == CHUNK
    speedy.make(RUN, out, interpreter=fake(tmp_path))
    np.testing.assert_array_equal(read(out)["zg"][:, 2, 1, 1], expected(RUN))


def test_the_model_ends_with_its_parent(tmp_path: Path) -> None:
    """`kill -9` of the parent closes the pipe, which is all that the model can notice."""
    pid = tmp_path / "pid"
    hook = f"Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(60)"
    order = worker.Order(
        folder=str(tmp_path), start="2001-01-01", minutes=360, first=0, spinup=0, total=4, chunk=4,
        seed=0,
    )  # fmt: skip
    child = [sys.executable, "-P", str(fake(tmp_path, hook).script), json.dumps(asdict(order))]
    code = (
        "import subprocess as s, time\n"
        f"p = s.Popen({child!r}, stdin=s.PIPE, stdout=s.PIPE, start_new_session=True)\n"
        "time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    try:
        _wait(lambda: pid.exists() and pid.read_text() != "", 60.0)
        assert _alive(int(pid.read_text()))
    finally:
        parent.kill()
        parent.wait()
    _wait(lambda: not _alive(int(pid.read_text())), 20.0)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().split()[2] == "Z")


def _wait(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not within {seconds:g} s"
        time.sleep(0.05)


def test_a_longer_run_goes_on_from_a_finished_one(tmp_path: Path) -> None:
    out, longer = tmp_path / "nature.zarr", replace(RUN, days=31)
    speedy.make(RUN, out, interpreter=fake(tmp_path))
    begun: list[Moment] = []
    speedy.make(longer, out, interpreter=fake(tmp_path), listener=Listener(moves=begun.append))
    np.testing.assert_array_equal(read(out)["clt"][:, 1, 1], expected(longer))
    assert begun[0].number == 148


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "nature.zarr"
    speedy.make(RUN, out, interpreter=fake(tmp_path))
    told: list[str] = []
    nobody = Interpreter(python=tmp_path / "no-python")
    speedy.make(RUN, out, interpreter=nobody, listener=Listener(says=told.append))
    assert told == [f"{out} is complete already: 100 states"]
    assert sorted(p.suffix for p in (tmp_path / "nature.run").glob("state-*")) == [".msgpack"]


@pytest.mark.parametrize("change", [{"seed": 4}, {"spinup": 13}, {"levels": (500.0,)}])
def test_another_run_in_the_same_place_is_refused(
    change: dict[str, object], tmp_path: Path
) -> None:
    out = tmp_path / "nature.zarr"
    speedy.make(RUN, out, interpreter=fake(tmp_path))
    before = read(out)
    with pytest.raises(InputError, match=r"holds another nature run.*or choose another --out"):
        speedy.make(replace(RUN, **change), out, interpreter=fake(tmp_path))  # type: ignore[arg-type]
    xr.testing.assert_identical(read(out), before)


def test_another_version_of_the_model_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "nature.zarr"
    with pytest.raises(ModelError):
        speedy.make(RUN, out, interpreter=fake(tmp_path, killed_at(95)))
    with pytest.raises(InputError, match=r"begun with jcm 3\.0\.0, and this is 9\.9\.9: install"):
        speedy.make(RUN, out, interpreter=fake(tmp_path, version="9.9.9"))
    assert read(out).sizes["time"] == CHUNK


def test_a_lost_state_is_told(tmp_path: Path) -> None:
    out = tmp_path / "nature.zarr"
    with pytest.raises(ModelError):
        speedy.make(RUN, out, interpreter=fake(tmp_path, killed_at(95)))
    shutil.rmtree(tmp_path / "nature.run")
    with pytest.raises(DataMissingError, match="state after 40 states is not in"):
        speedy.make(RUN, out, interpreter=fake(tmp_path))


def test_states_of_a_removed_store_are_not_used(tmp_path: Path) -> None:
    out, other = tmp_path / "nature.zarr", replace(RUN, seed=5)
    with pytest.raises(ModelError):
        speedy.make(RUN, out, interpreter=fake(tmp_path, killed_at(45)))
    shutil.rmtree(out)
    speedy.make(other, out, interpreter=fake(tmp_path))
    np.testing.assert_array_equal(read(out)["ua"][:, 0, 0, 0], expected(other))


def test_a_place_that_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine.zarr").mkdir()
    with pytest.raises(InputError, match="is there already and is no nature run"):
        speedy.make(RUN, tmp_path / "mine.zarr", interpreter=fake(tmp_path))
    with pytest.raises(InputError, match=r"nature.nc has no known format: end it in \.zarr"):
        speedy.make(RUN, tmp_path / "nature.nc", interpreter=fake(tmp_path))


def test_two_at_once(tmp_path: Path) -> None:
    out = tmp_path / "nature.zarr"

    def again(moment: Moment) -> None:
        if moment.number == 60:
            with pytest.raises(InputError, match="another process is writing to"):
                speedy.make(RUN, out, interpreter=fake(tmp_path))

    speedy.make(RUN, out, interpreter=fake(tmp_path), listener=Listener(moves=again))
    assert read(out).sizes["time"] == 100


def test_a_model_that_blows_up(tmp_path: Path) -> None:
    hook = killed_at(95, "self.x = float('nan')")
    with pytest.raises(ModelError, match=r"the model blew up: .* is not finite at 95: see .*log"):
        speedy.make(RUN, tmp_path / "nature.zarr", interpreter=fake(tmp_path, hook))
    assert read(tmp_path / "nature.zarr").sizes["time"] == CHUNK


def test_a_traceback_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "nature.zarr"
    with pytest.raises(ModelError, match="exit code 1; its words are in"):
        speedy.make(RUN, out, interpreter=fake(tmp_path, killed_at(2, "1 / 0")))
    assert "ZeroDivisionError" in (tmp_path / "nature.run" / "model.log").read_text()


def test_a_missing_package(tmp_path: Path) -> None:
    hook = killed_at(1, "import jcm_that_is_not_there")
    with pytest.raises(DataMissingError, match=r"-m pip install 'isopleth\[worlds\]'"):
        speedy.make(RUN, tmp_path / "nature.zarr", interpreter=fake(tmp_path, hook))


def test_a_missing_interpreter(tmp_path: Path) -> None:
    nobody = Interpreter(python=tmp_path / "python")
    with pytest.raises(DataMissingError, match=r"cannot be run .*No such file.* as --python"):
        speedy.make(RUN, tmp_path / "nature.zarr", interpreter=nobody)
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_a_disk_that_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(InputError, match=r"takes up to 0\.2 GB and .* has 0\.0 GB free"):
        speedy.make(RUN, tmp_path / "nature.zarr", interpreter=fake(tmp_path))
    assert not (tmp_path / "nature.run").exists()


def test_the_estimate(tmp_path: Path) -> None:
    state = 4 * 96 * 48 * (5 * 8 + 4)
    assert bytes_of_a_state(RUN) == state
    assert bytes_of_a_state(replace(RUN, levels=(500.0, 850.0))) == 4 * 96 * 48 * (5 * 2 + 4)
    out = tmp_path / "nature.zarr"
    assert speedy.remaining_bytes(RUN, out) == state * (100 + 40) + 50_000_000
    speedy.make(RUN, out, interpreter=fake(tmp_path))
    assert speedy.remaining_bytes(RUN, out) == 0
    assert speedy.remaining_bytes(replace(RUN, days=27), out) == state * 16 + 50_000_000


def test_pressure_levels(tmp_path: Path) -> None:
    out, run = tmp_path / "nature.zarr", replace(RUN, levels=(500.0, 850.0))
    speedy.make(run, out, interpreter=fake(tmp_path))
    found = read(out)
    assert found["ta"].dims == ("time", "plev", "lat", "lon")
    assert found["plev"].values.tolist() == [500.0, 850.0]
    assert found["plev"].attrs["units"] == "hPa"
    np.testing.assert_allclose(found["ua"][:, 1, 0, 0], expected(run), rtol=1e-6)
    assert json.loads(found.attrs["nature_run"])["levels_hpa"] == [500.0, 850.0]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"days": 0}, "a run of 0 days"),
        ({"spinup": -1}, "a spin-up of -1 days"),
        ({"seed": -1}, "the seed -1"),
        ({"minutes": 45}, "an interval of 45 minutes does not fit"),
        ({"minutes": 0}, "an interval of 0 minutes does not fit"),
        ({"minutes": 420}, "an interval of 420 minutes does not fit"),
        ({"minutes": 2880}, "an interval of 2880 minutes does not fit"),
        ({"levels": (10.0,)}, "the level 10 hPa is out of the model's reach"),
        ({"levels": (float("nan"),)}, "the level nan hPa"),
        ({"levels": (500.0, 500.0)}, "give each once"),
    ],
)
def test_a_run_that_is_impossible(change: dict[str, object], match: str) -> None:
    with pytest.raises(InputError, match=match):
        replace(RUN, **change)  # type: ignore[arg-type]


def test_words_that_mean_no_run() -> None:
    with pytest.raises(InputError, match="give either --years or --days"):
        speedy.days_of(None, None)
    with pytest.raises(InputError, match="give either --years or --days"):
        speedy.days_of(1, 1)
    with pytest.raises(InputError, match="a run of 0 years"):
        speedy.days_of(0, None)
    with pytest.raises(InputError, match="'six hours' is not known"):
        speedy.every_of("six hours")
    with pytest.raises(InputError, match="'850;500' are not known"):
        speedy.levels_of("850;500")
