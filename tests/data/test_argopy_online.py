from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from isopleth.core.errors import DataMissingError, InputError
from isopleth.core.region import Region
from isopleth.data import seawater
from isopleth.data.argopy_online import fetch_argo, from_argopy

BOX = Region(20.0, 60.0, -80.0, 0.0)


def points() -> xr.Dataset:
    """A dataset as argopy's `to_xarray` gives it in its standard mode."""
    n = 5
    columns = {
        "TEMP": np.array([20.0, 15.0, 5.0, 21.0, np.nan]),
        "PSAL": np.full(n, 35.0),
        "PRES": np.array([5.0, 100.0, 1000.0, 5.0, 100.0]),
        "TEMP_QC": np.array([1, 1, 4, 2, 1]),
        "PRES_QC": np.ones(n, int),
        "POSITION_QC": np.ones(n, int),
        "TIME_QC": np.ones(n, int),
        "CYCLE_NUMBER": np.array([1, 1, 1, 2, 2]),
        "PLATFORM_NUMBER": np.array([6902746] * 3 + [4901079] * 2),
        "DATA_MODE": np.array(["D"] * n),
        "DIRECTION": np.array(["A"] * n),
    }
    place = {
        "TIME": np.array(["2016-01-01"] * 3 + ["2016-01-11"] * 2, "datetime64[ns]"),
        "LATITUDE": np.array([30.0] * 3 + [31.0] * 2),
        "LONGITUDE": np.array([-40.0] * 3 + [-41.0] * 2),
    }
    coords = {name: ("N_POINTS", values) for name, values in place.items()}
    return xr.Dataset({k: ("N_POINTS", v) for k, v in columns.items()}, coords)


def pretend_argopy(monkeypatch: pytest.MonkeyPatch, answer: object) -> list[object]:
    asked: list[object] = []

    class NotThereError(Exception):
        pass

    class Fetcher:
        def __init__(self, src: str) -> None:
            asked.append(src)

        def region(self, box: list[object]) -> SimpleNamespace:
            asked.append(box)
            return SimpleNamespace(to_xarray=self.answer)

        def answer(self) -> xr.Dataset:
            if isinstance(answer, Exception):
                raise answer
            return answer  # type: ignore[return-value]

    module = ModuleType("argopy")
    module.DataFetcher = Fetcher  # type: ignore[attr-defined]
    module.errors = SimpleNamespace(DataNotFound=NotThereError)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "argopy", module)
    return asked


def test_points_become_soundings() -> None:
    got = from_argopy(points())
    assert got.value.tolist() == [20.0, 15.0, 21.0]
    assert got.platform.tolist() == ["6902746", "6902746", "4901079"]
    assert got.stations.longitude.tolist() == [320.0, 319.0]
    assert got.depth[1] == pytest.approx(float(seawater.depth_from_pressure(100.0, 30.0)))
    assert got.rejected["TEMP flagged other than 1 or 2"] == 1
    assert from_argopy(points(), variable="salinity").value.tolist() == [35.0] * 5


def test_data_without_flags_and_with_errors() -> None:
    bare = points().drop_vars(["TEMP_QC", "PRES_QC", "POSITION_QC", "TIME_QC"])
    assert len(from_argopy(bare)) == 4
    exact = points().assign(TEMP_ERROR=("N_POINTS", np.full(5, 0.002)))
    assert from_argopy(exact).error == pytest.approx(0.002)


def test_what_cannot_be_used_is_told() -> None:
    with pytest.raises(InputError, match="no TEMP on N_POINTS"):
        from_argopy(points().drop_vars("TEMP"))
    with pytest.raises(InputError, match="profile2point"):
        from_argopy(points().rename(N_POINTS="N_PROF"))
    with pytest.raises(InputError, match="not 'oxygen'"):
        from_argopy(points(), variable="oxygen")
    bad = points().assign(TEMP_QC=("N_POINTS", np.full(5, 4)))
    with pytest.raises(InputError, match="4 TEMP flagged"):
        from_argopy(bad)


def test_fetch_asks_for_the_box_and_window(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pretend_argopy(monkeypatch, points())
    got = fetch_argo(BOX, "2016-01-01", "2016-02-01")
    assert len(got) == 3
    box = [280.0, 360.0, 20.0, 60.0, 0.0, 2000.0, "2016-01-01", "2016-02-01"]
    assert asked == ["erddap", box]
    fetch_argo(Region(-10.0, 10.0, 350.0, 10.0), "2016-01-01", "2016-02-01")
    assert asked[-1][:2] == [-10.0, 10.0]  # type: ignore[index]


def test_no_network_and_no_argopy_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_argopy(monkeypatch, OSError("no route to host"))
    with pytest.raises(DataMissingError, match="no route to host"):
        fetch_argo(BOX, "2016-01-01", "2016-02-01")
    monkeypatch.setitem(sys.modules, "argopy", None)
    with pytest.raises(DataMissingError, match=r"isopleth\[online\]"):
        fetch_argo(BOX, "2016-01-01", "2016-02-01")
