from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from isopleth.report.curves import calibration_figure, profile_figure, score_figure
from isopleth.report.figures import to_png


def test_scores_run_downward_with_bands_only_where_depths_agree(
    scores: pd.DataFrame, withheld: xr.Dataset
) -> None:
    figure = score_figure(scores, withheld, unit="°C")
    rmse = figure.axes[0]
    bottom, top = rmse.get_ylim()
    assert bottom > top
    assert rmse.get_xlabel() == "RMSE (°C)"
    assert len(rmse.collections) == 2
    other = score_figure(scores.assign(depth=scores["depth"] + 1.0), withheld, unit="")
    assert len(other.axes[0].collections) == 0
    assert other.axes[0].get_xlabel() == "RMSE"


def test_the_histogram_is_a_density(withheld: xr.Dataset) -> None:
    axes = calibration_figure(withheld, unit="°C").axes[0]
    bars = [bar for bar in axes.patches if 0.0 < bar.get_width() < 0.5]
    assert len(bars) == 10
    assert np.isclose(np.mean([bar.get_height() for bar in bars]), 1.0)


def test_few_profiles_have_fewer_bins(withheld: xr.Dataset) -> None:
    axes = calibration_figure(withheld.isel(profile=slice(30)), unit="").axes[0]
    assert len([bar for bar in axes.patches if 0.0 < bar.get_width() < 0.5]) == 5


def test_a_profile_shows_all_four_curves(withheld: xr.Dataset) -> None:
    figure = profile_figure(withheld, [(0, "One\nhere")], label="Temperature (°C)")
    (legend,) = figure.legends
    words = [text.get_text() for text in legend.get_texts()]
    assert words == ["90 % interval", "predicted", "climatology", "observed"]
    assert to_png(figure, dpi=30).startswith(b"\x89PNG")
