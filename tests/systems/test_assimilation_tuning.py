"""The radius is chosen from the observations, and not from those that score it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from isopleth.core.channels import PRESSURE
from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.core.quantities import named_quantity
from isopleth.data.states import State
from isopleth.data.station_reports import read_report_frame
from isopleth.systems.assimilation import Assimilation, LocalEnsemble, Static, combined, standard
from isopleth.systems.assimilation.tuning import choose_radius, radii_for

TIME = np.datetime64("2017-01-02T00", "ns")


def state(members: int) -> State:
    t = named_quantity("t")
    assert t is not None
    lat, lon = np.arange(60.0, 29.0, -5.0), np.arange(0.0, 41.0, 5.0)
    values = np.random.default_rng(0).normal(250.0, 1.0, (members, 2, lat.size, lon.size))
    coords = {"pressure": [500.0, 850.0], "lat": lat, "lon": lon}
    field = xr.DataArray(values.cumsum(-1) / np.arange(1.0, 10.0), coords, ("member", *coords))
    return State({t: field}, PRESSURE, TIME, "bg.nc")


def table(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "time": "2017-01-02T01:00:00Z",
            "lat": rng.uniform(32.0, 58.0, rows),
            "lon": rng.uniform(1.0, 39.0, rows),
            "variable": "t",
            "level": 500.0,
            "value": 250.0 + rng.normal(0.0, 1.0, rows),
            "unit": "K",
            "error": 0.5,
        }
    )


def test_the_lowest_score_is_taken_and_the_search_ends_after_it() -> None:
    scores = {1.0: 5.0, 2.0: 3.0, 3.0: 4.0, 4.0: 3.5, 5.0: 0.0}
    found = choose_radius(scores.__getitem__, list(scores), 6.0, 20)
    assert found.radius_km == 2.0
    assert [radius for radius, _ in found.scores] == [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(InputError, match="no radius to choose from"):
        choose_radius(scores.__getitem__, [], 6.0, 20)


def test_radii_reach_a_neighbour() -> None:
    grid = Grid.regular(3.0, levels=[0.0])
    assert radii_for(grid, (100.0, 600.0, 800.0, 4000.0)) == [800.0, 4000.0]
    assert radii_for(grid, (100.0,)) == [100.0]


def test_the_choice_does_not_see_what_scores_it() -> None:
    inputs = combined(state(8), None)
    system = Assimilation(LocalEnsemble(), replace(standard, radii_km=(1500.0, 2500.0, 4000.0)))
    case = system.prepared(inputs, read_report_frame(table(80)))
    tuned, choice = system.tuned(case, share=0.2, seed=3)
    assert choice is not None
    assert tuned.posed.recipe.radius_km == choice.radius_km
    scores = [score for _, score in choice.scores]
    assert min(scores) == dict(choice.scores)[choice.radius_km]
    assert choice.places == 13  # a fifth of the 64 that are left

    used = case.reports.take(np.flatnonzero(case.reports.usable))
    place = np.stack([used.latitude.round(3), used.longitude.round(3)], 1)
    each, which = np.unique(place, axis=0, return_inverse=True)
    judged = np.isin(which.ravel(), np.random.default_rng(3).choice(len(each), 16, replace=False))
    changed = np.where(judged, used.value + 2.0, used.value)
    again = system.tuned(replace(case, reports=replace(used, value=changed)), share=0.2, seed=3)[1]
    assert again == choice
    others = np.where(judged, used.value, used.value + 2.0)
    moved = system.tuned(replace(case, reports=replace(used, value=others)), share=0.2, seed=3)[1]
    assert moved != choice


def test_nothing_to_choose() -> None:
    inputs, reports = combined(state(8), None), read_report_frame(table(8))
    for method in (Static(), LocalEnsemble()):
        system = Assimilation(method)
        case = system.prepared(inputs, reports)
        assert system.tuned(case, share=0.1, seed=0) == (case, None)
