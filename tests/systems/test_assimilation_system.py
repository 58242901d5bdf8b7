"""Screening, the composition, and the demonstration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from isopleth.core.channels import PRESSURE
from isopleth.core.errors import InputError
from isopleth.core.quantities import named_quantity
from isopleth.data.states import State
from isopleth.data.station_reports import read_report_frame
from isopleth.systems.assimilation import (
    Assimilation,
    Hybrid,
    Inputs,
    LocalEnsemble,
    Method,
    Outcome,
    Static,
    WholeEnsemble,
    chosen_time,
    combined,
    demo,
    standard,
)

TIME = np.datetime64("2017-01-02T00", "ns")
LAT, LON = np.arange(60.0, 29.0, -5.0), np.arange(0.0, 41.0, 5.0)


def state(members: int | None = None, *, lat: np.ndarray = LAT, name: str = "bg.nc") -> State:
    t = named_quantity("t")
    assert t is not None
    rng = np.random.default_rng(0)
    lead = () if members is None else (members,)
    smooth = rng.normal(0.0, 1.0, (*lead, 1, 1, 1)) * np.cos(np.radians(lat))[:, None]
    values = 250.0 + smooth + rng.normal(0.0, 0.3, (*lead, 2, lat.size, LON.size))
    coords = {"pressure": [500.0, 850.0], "lat": lat, "lon": LON}
    dims = (*(("member",) if members is not None else ()), "pressure", "lat", "lon")
    return State({t: xr.DataArray(values, coords, dims)}, PRESSURE, TIME, name)


def table(rows: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "station": [f"S{i}" for i in range(rows)],
            "time": "2017-01-02T01:00:00Z",
            "lat": rng.uniform(32.0, 58.0, rows),
            "lon": rng.uniform(1.0, 39.0, rows),
            "variable": "t",
            "level": 500.0,
            "value": 250.0,
            "unit": "K",
            "error": 0.5,
        }
    )


def run(frame: pd.DataFrame, inputs: Inputs | None = None) -> Outcome:
    system = Assimilation(Static())
    return system(inputs or combined(state(), None), read_report_frame(frame))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lat": -40.0}, "position is outside the domain"),
        ({"level": 300.0}, "level is missing or outside those of the background"),
        ({"level": None}, "level is missing or outside those of the background"),
        ({"time": "2017-01-02T09:00:00Z"}, "time is outside the window of 3 h"),
        ({"variable": "wind"}, "variable is none of the background"),
        ({"value": 290.0}, "departs from the background by"),
        ({"error": 0.0}, "error is zero or negative"),
    ],
)
def test_every_rejected_row_has_its_reason(changes: dict[str, object], reason: str) -> None:
    frame = table().astype(object)
    for column, value in changes.items():
        frame.loc[4, column] = value
    outcome = run(frame)
    stations = outcome.stations()
    assert stations["status"].tolist() == ["used"] * 4 + ["rejected"] + ["used"] * 7
    assert stations.loc[4, "reason"].startswith(reason)
    assert len(outcome.departures.reports) == 11


def test_duplicates_and_older_reports_of_a_station() -> None:
    frame = table(6)
    again = frame.iloc[[0, 1]].assign(station="other")
    again.loc[1, "time"] = "2017-01-02T00:10:00Z"
    stations = run(pd.concat([frame, again], ignore_index=True)).stations()
    assert stations.loc[6, "reason"].startswith("duplicate")
    assert stations.loc[1, "reason"] == "another report of this place is nearer in time"
    assert stations.loc[7, "status"] == "used"


def test_a_cell_without_background_reads_nothing() -> None:
    background = state()
    field = next(iter(background.fields.values()))
    field[0, :4, :4] = np.nan
    frame = table()
    frame.loc[0, ["lat", "lon"]] = [57.0, 3.0]
    outcome = run(frame, combined(background, None))
    assert outcome.stations().loc[0, "reason"] == "the background has no value there"
    name = "air_temperature_increment"
    written = Assimilation(Static()).dataset(outcome)[name]
    assert int(written.isnull().sum()) == 16


def test_no_usable_observation_is_one_sentence() -> None:
    with pytest.raises(InputError, match=r"none of the 12 observations.*outside the domain"):
        run(table().assign(lat=-40.0))


def test_members_that_cannot_be_used() -> None:
    with pytest.raises(InputError, match="has 1 member: a covariance needs at least 2"):
        combined(state(), state(1, name="ens.nc"))
    with pytest.raises(InputError, match=r"ens\.nc: it is on another grid"):
        combined(state(), state(4, lat=LAT + 1.0, name="ens.nc"))
    with pytest.raises(InputError, match="no dimension of members"):
        combined(state(), state(name="ens.nc"))
    broken = state(4, name="ens.nc")
    next(iter(broken.fields.values()))[2, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match=r"of member 2"):
        combined(state(), broken)
    with pytest.raises(InputError, match=r"of member 2"):
        combined(broken, None)


def test_a_background_of_one_member_is_one_without_ensemble() -> None:
    inputs = combined(state(1), None)
    assert inputs.members is None
    assert "taken as a background without ensemble" in inputs.notes[0]
    assert inputs.background.shape == (2, LAT.size, LON.size)


def test_an_ensemble_method_without_one_names_the_other() -> None:
    with pytest.raises(InputError, match="--method 3dvar"):
        Assimilation(LocalEnsemble())(combined(state(), None), read_report_frame(table()))


def test_members_are_moved_to_the_background() -> None:
    inputs = combined(state(), state(5, name="ens.nc"))
    assert inputs.members is not None
    torch.testing.assert_close(inputs.members.mean(0), inputs.background)
    assert any("put around the background" in note for note in inputs.notes)
    assert combined(state(5), None).notes == ("5 members from bg.nc",)


def test_the_time_with_most_observations() -> None:
    times = np.array(["2017-01-01", "2017-01-02", "2017-01-03"], "M8[D]").astype("M8[ns]")
    seen = np.array(["2017-01-02T02", "2017-01-01T23", "NaT", "2017-01-03"], "M8[ns]")
    assert chosen_time(times, seen, 3.0) == np.datetime64("2017-01-02")
    assert chosen_time(times[:0], seen, 3.0) is None
    with pytest.raises(InputError, match="no observation"):
        chosen_time(times, seen + np.timedelta64(100, "D"), 3.0)


METHODS = [Static(), Hybrid(), LocalEnsemble(), WholeEnsemble.etkf(), WholeEnsemble.enkf()]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.words.partition(":")[0])
def test_the_file_says_what_it_holds(method: Method) -> None:
    system = Assimilation(method, replace(standard, radius_km=3000.0))
    outcome = system(combined(state(6), None), read_report_frame(table()))
    data = system.dataset(outcome, members=True)
    name = "air_temperature"
    np.testing.assert_allclose(
        data[name], data[f"{name}_background"] + data[f"{name}_increment"], rtol=1e-6
    )
    if "EnKF" not in method.words:  # drawn observations may widen it by chance
        assert (data[f"{name}_spread"] <= data[f"{name}_background_spread"] + 1e-6).all()
    assert data[name].attrs["standard_name"] == "air_temperature"
    assert data[f"{name}_increment"].attrs["units"] == "K"
    assert data.attrs["observations_used"] == 12
    assert (f"{name}_members" in data) == method.needs_ensemble
    assert data["time"].values == TIME


def test_the_demonstration_lowers_the_error_and_its_statistics_agree() -> None:
    example = demo.prepare()
    reports = read_report_frame(example.table)
    system = Assimilation(LocalEnsemble())
    outcome = system(example.inputs, reports)
    errors = example.errors(outcome.analysed.mean)
    assert (errors["ratio"] < 1.0).all()
    assert (errors["ratio_near"] < errors["ratio"]).all()
    found = outcome.desroziers()
    np.testing.assert_allclose(found["R_found"], found["R"], rtol=0.4)
    np.testing.assert_allclose(found["B_found"], found["B"], rtol=0.4)
    innovations = outcome.innovations()
    assert (innovations["rms_analysis"] < innovations["rms_background"]).all()
    scores = system.trial(outcome, share=0.1, seed=0)
    assert scores is not None
    assert (scores["rms_analysis"] < scores["rms_background"]).all()
