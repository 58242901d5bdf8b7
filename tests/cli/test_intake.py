from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from isopleth.cli.arguments import Reconstruct
from isopleth.cli.domain import climatology_of, domain_of
from isopleth.cli.intake import MARGIN_DEG, Intake, busiest_month, read, widened
from isopleth.cli.request import check
from isopleth.core import InputError, Region


def taken(path: Path, **words: object) -> tuple[Intake, list[str]]:
    words = {"levels": "0,100,300", "grid": "5deg"} | words
    request = check(Reconstruct(observations=(path,), **words))  # type: ignore[arg-type]
    climatology = climatology_of(request)
    said: list[str] = []
    grid = domain_of(request, climatology).grid
    return read(request, grid, climatology, said.append), said


def test_the_month_with_most_profiles_is_taken_and_said(table: Path) -> None:
    intake, said = taken(table)
    assert intake.month == "2016-01"
    assert said[0].startswith("month 2016-01: it has the most profiles (")
    assert "--month" in said[0]
    assert len(intake.rejected.table) == 0
    assert taken(table, month="2016-02")[0].month == "2016-02"
    assert taken(table, month="2016-02")[1] == []


def test_the_window_decides_what_comes_along(table: Path) -> None:
    wide, _ = taken(table, month="2016-02", window_days=31.0)
    narrow, _ = taken(table, month="2016-02", window_days=0.0)
    assert len(narrow.profiles) < len(wide.profiles)
    assert (narrow.profiles.time >= np.datetime64("2016-02-01")).all()


def test_ties_go_to_the_earlier_month() -> None:
    time = np.array(["2016-02-01", "2016-01-01", "NaT"], "M8[ns]")
    assert busiest_month(time) == ("2016-01", 1)
    with pytest.raises(InputError, match="no observation has a time"):
        busiest_month(time[2:])


def test_a_month_without_profiles_is_told(table: Path) -> None:
    with pytest.raises(InputError, match=r"no observation lies between 2015-07-01.*cover 2016-01"):
        taken(table, month="2015-07")


def test_a_region_without_profiles_is_told(table: Path) -> None:
    with pytest.raises(InputError, match="lies in the region 30S:10S,20W:0E"):
        taken(table, month="2016-01", region="30S:10S,20W:0")


def test_far_profiles_stay_outside_of_a_region(table: Path) -> None:
    everything, _ = taken(table, month="2016-01")
    part, _ = taken(table, month="2016-01", region="25N:35N,40W:30W")
    box = widened(Region.parse("25N:35N,40W:30W"), MARGIN_DEG)
    assert 0 < len(part.profiles) < len(everything.profiles)
    assert box.contains(part.profiles.latitude, part.profiles.longitude).all()


def test_a_wide_box_becomes_the_globe() -> None:
    assert widened(Region.parse("60S:85N,10E:350E"), 10.0) == Region(-70.0, 90.0, 0.0, 360.0)


def test_a_stated_error_fills_the_gaps(table: Path, tmp_path: Path) -> None:
    intake, _ = taken(table, obs_error=0.5)
    assert np.nanmax(intake.profiles.error) == np.nanmin(intake.profiles.error) == 0.5
    frame = pd.read_csv(table)
    frame["error"] = 0.1
    frame.to_csv(tmp_path / "own.csv", index=False)
    own, _ = taken(tmp_path / "own.csv", obs_error=0.5)
    assert own.profiles.error[np.isfinite(own.profiles.value)] == pytest.approx(0.1)


def test_what_is_refused_keeps_its_reason_and_place(table: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(table)
    spoiled = (frame["platform"] == frame["platform"][0]) & (frame["depth_m"] == 100.0)
    frame.loc[spoiled, "temp (degC)"] += 25.0
    nowhere = frame.iloc[:1].assign(lat="", platform="lost")
    path = tmp_path / "spoiled.csv"
    pd.concat([frame, nowhere]).to_csv(path, index=False)
    intake, _ = taken(path)
    found = {row.reason: row.values for row in intake.rejected.table.rows}
    assert found["spike"] == spoiled.sum()
    assert found["position missing or unreadable (in the whole of the files)"] == 1
    at = frame[spoiled]
    for lat, lon in zip(at["lat"], at["lon"] % 360.0, strict=True):
        near = np.isclose(intake.rejected.latitude, lat) & np.isclose(
            intake.rejected.longitude, lon
        )
        assert near.any()
