from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import PathPatch

from isopleth.report.scales import diverging
from isopleth.report.sections import (
    along_meridian,
    along_parallel,
    section_figure,
    telling_meridian,
)


def test_the_telling_meridian_is_where_observations_moved_the_field(analysis: xr.Dataset) -> None:
    assert telling_meridian(analysis, name="temperature") == 215.0


def test_an_anomaly_without_observations_tells_nothing(analysis: xr.Dataset) -> None:
    blind = analysis.copy()
    blind["temperature_standard_error"] = xr.where(
        analysis["lon"] < 200.0, analysis["temperature_standard_error"], 0.8
    )
    assert telling_meridian(blind, name="temperature") < 200.0


def test_meridians_are_found_across_greenwich(analysis: xr.Dataset) -> None:
    section = along_meridian(analysis, -2.0, name="temperature")
    assert section.place == "along 5°W"
    assert np.all(np.diff(section.along) > 0.0)
    assert section.mean.shape == (3, 18)


def test_a_parallel_runs_west_to_east(analysis: xr.Dataset) -> None:
    section = along_parallel(analysis, 3.0, name="temperature")
    assert section.place == "along 5°N"
    assert section.along[0] == 5.0
    assert section.anomaly[0, 21] == pytest.approx(2.0 * np.exp(-1.0 / 9.0))


def test_depth_runs_downward_and_little_learned_is_hatched(analysis: xr.Dataset) -> None:
    section = along_meridian(analysis, 215.0, name="temperature")
    figure = section_figure(
        section, diverging([section.anomaly], "A"), label="T", ticks=[-5.0, 400.0]
    )
    axes = figure.axes[0]
    bottom, top = axes.get_ylim()
    assert bottom > top == 0.0
    (hatched,) = (p for p in axes.get_children() if isinstance(p, PathPatch) and p.get_hatch())
    cells = np.count_nonzero(section.left > 0.8)
    assert len(hatched.get_path().vertices) >= 4 * cells
    (marks,) = (line for line in axes.lines if line.get_marker() == "v")
    assert marks.get_xdata().tolist() == [-5.0]
