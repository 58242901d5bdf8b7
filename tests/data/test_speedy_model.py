"""The real model for a simulated day, where `jcm` is installed.

In this environment, or in that of the interpreter named by ISOPLETH_JCM_PYTHON.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from isopleth.data import speedy
from isopleth.data.speedy import Interpreter, NatureRun

PYTHON = os.environ.get("ISOPLETH_JCM_PYTHON")

pytestmark = pytest.mark.skipif(
    PYTHON is None and importlib.util.find_spec("jcm") is None,
    reason="jcm is not installed: pip install 'isopleth[worlds]'",
)

RANGES = {
    "ua": (-80.0, 80.0),
    "va": (-80.0, 80.0),
    "ta": (180.0, 320.0),
    "hus": (0.0, 0.03),
    "zg": (-500.0, 40e3),
    "ps": (45e3, 120e3),
    "pr": (0.0, 200.0 / 86400.0),
    "clt": (0.0, 1.0),
    "rlut": (80.0, 450.0),
}
"""Wider than of a mature atmosphere: the first day is still warm, dry and out of balance."""


def read(path: Path) -> xr.Dataset:
    with xr.open_zarr(path) as store:
        return store.load()


def test_a_day_then_another_are_two_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges, orientation and hydrostatic balance of a day; going on is exact to the last bit."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled"))
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    python = Interpreter(python=Path(PYTHON or sys.executable))
    one = NatureRun(days=1, spinup=0, minutes=720, seed=1)
    speedy.make(one, tmp_path / "parts.zarr", interpreter=python)
    day = read(tmp_path / "parts.zarr")
    for name, (low, high) in RANGES.items():
        assert low <= day[name].min(), name
        assert day[name].max() <= high, name
    assert day["lat"][0] > 80.0 > -80.0 > day["lat"][-1]
    assert day["orog"].sel(lat=31.0, lon=86.0, method="nearest") > 3000.0, "Tibet"
    assert day["land"].sel(lat=0.0, lon=200.0, method="nearest") == 0.0, "the Pacific"
    assert day["ps"][-1].sel(lat=31.0, lon=86.0, method="nearest") < 70e3
    depth = 287.0 / 9.81 * day["ta"][:, 3:5].mean("sigma") * np.log(0.51 / 0.34)
    np.testing.assert_allclose(day["zg"][:, 3] - day["zg"][:, 4], depth, rtol=0.02)
    two = replace(one, days=2)
    speedy.make(two, tmp_path / "parts.zarr", interpreter=python)
    speedy.make(two, tmp_path / "whole.zarr", interpreter=python)
    parts, whole = read(tmp_path / "parts.zarr"), read(tmp_path / "whole.zarr")
    xr.testing.assert_equal(parts, whole)
