from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.colors import to_rgba
from matplotlib.patches import PathPatch

from isopleth.report.assimilation import AssimilationMaterial, _changes, compose_assimilation
from isopleth.report.assimilation_maps import open_map_figure
from isopleth.report.figures import LAND
from isopleth.report.maps import Panel
from isopleth.report.pages import render
from isopleth.report.scales import diverging

LAT, LON = np.arange(85.0, -86.0, -10.0), np.arange(5.0, 360.0, 10.0)


def field(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, {"lat": LAT, "lon": LON}, attrs={"units": "K", "long_name": "t"})


@pytest.mark.parametrize("gap", [False, True])
def test_continents_are_filled_only_where_fields_have_gaps(gap: bool) -> None:
    values = np.linspace(-1.0, 1.0, LAT.size * LON.size).reshape(LAT.size, LON.size)
    values[3, 4] = np.nan if gap else 0.0
    figure = open_map_figure([Panel(field(values), "t", diverging([values], "K"))])
    patches = [a for axes in figure.axes for a in axes.get_children() if isinstance(a, PathPatch)]
    land = [patch for patch in patches if patch.get_facecolor() == to_rgba(LAND)]
    assert land
    assert any(patch.get_visible() for patch in land) == gap


def material(**changes: object) -> AssimilationMaterial:
    values = np.linspace(-1.0, 1.0, LAT.size * LON.size).reshape(LAT.size, LON.size)
    names = ("", "_background", "_increment", "_background_spread")
    numbers = {"what": ["t"], "unit": ["K"], "n": [3]}
    scores = ("bias_background", "rms_background", "rms_expected", "bias_analysis", "rms_analysis")
    given: dict[str, object] = {
        "analysis": xr.Dataset(
            {f"t{name}": field(np.abs(values) + 1.0) for name in names},
            attrs={
                "method": "a method",
                "chi_square": 1.5,
                "observations_used": 3,
                "observations_rejected": 50,
                "isopleth_version": "0",
                "data_note": "Synthetic <observations>.",
            },
        ),
        "stations": pd.DataFrame(
            {
                "row": range(53),
                "station": "S",
                "latitude": 10.0,
                "longitude": 20.0,
                "variable": "t",
                "level": np.nan,
                "value": 1.0,
                "unit": "K",
                "status": ["used"] * 3 + ["rejected"] * 50,
                "reason": [""] * 3 + ["error is zero or negative"] * 50,
            }
        ),
        "innovations": pd.DataFrame({**numbers, **{name: [0.5] for name in scores}}),
        "desroziers": pd.DataFrame(
            {**numbers, "R": [0.5], "R_found": [np.nan], "B": [0.5], "B_found": [0.25]}
        ),
        "withheld": None,
        "truth": None,
        "basis": (("Method", "a method"), ("Static covariance", "from <pairs>")),
        "notes": ("the minimisation diverged after 2 iterations",),
        "statistics": (),
        "provenance": {"command": "isopleth assimilate"},
    }
    return AssimilationMaterial(**{**given, **changes})


def test_the_page_says_what_was_rejected_and_that_data_are_synthetic() -> None:
    text = render(compose_assimilation(material()))
    assert "Synthetic &lt;observations&gt;." in text
    assert "The first 40 rejected rows." in text
    assert "error is zero or negative" in text
    assert "Error of the analysis" not in text
    assert "stations that a second analysis" not in text
    assert "\u2013" in text
    assert "The minimisation diverged after 2 iterations." in text
    assert "from &lt;pairs&gt;" in text
    assert "Errors implied by the departures before and after." in text


def test_what_was_left_alone_has_no_colour() -> None:
    scale = _changes(np.linspace(-0.55, 0.55, 100), "K")
    np.testing.assert_allclose(scale.levels, [-0.6, -0.4, -0.2, 0.2, 0.4, 0.6])
    assert scale.ticks == list(scale.levels)
    assert np.ptp(scale.cmap(scale.norm(0.0))[:3]) < 0.03


def test_the_withheld_score_is_told_first() -> None:
    numbers = {"what": ["t", "q"], "unit": ["K", ""], "n": [3, 3], "error": [0.1, 0.1]}
    withheld = pd.DataFrame({**numbers, "rms_background": [1.0, 1.0], "rms_analysis": [0.5, 1.1]})
    page = compose_assimilation(material(withheld=withheld))
    assert "20% below the background's on average, smaller for 1 of 2 fields" in page.lead[1]


def test_statistics_have_their_chapter_where_there_are_any() -> None:
    lines = ("From numbers that were stated.", "t at 500 hPa: 1 K, 300 km")
    page = compose_assimilation(material(statistics=lines))
    anchors = [chapter.anchor for chapter in page.chapters]
    assert "statistics" in anchors
    assert "statistics" not in [c.anchor for c in compose_assimilation(material()).chapters]
