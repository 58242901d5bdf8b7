from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch

from isopleth.report.figures import new_figure
from isopleth.report.geography import draw_backdrop, draw_graticule, draw_land, round_steps
from isopleth.report.projections import Frame, frame_of

GLOBE = np.array([90.0, -90.0]), np.array([0.0, 360.0])


def drawn(frame: Frame):
    axes = new_figure(4, 2).add_axes((0.0, 0.0, 1.0, 1.0))
    draw_land(axes, frame, draw_backdrop(axes, frame))
    return axes


@pytest.mark.parametrize("centre", [0.0, 90.0, 180.0, 200.0, 300.0])
def test_no_stroke_crosses_the_map(centre: float) -> None:
    axes = drawn(frame_of(*GLOBE, centre))
    (coast,) = (c for c in axes.collections if isinstance(c, LineCollection))
    longest = max(np.hypot(*np.diff(line, axis=0).T).max() for line in coast.get_segments())
    assert longest < 0.1


@pytest.mark.parametrize("centre", [0.0, 90.0, 200.0, 300.0])
def test_every_centre_shows_the_same_area_of_land(centre: float) -> None:
    axes = drawn(frame_of(*GLOBE, centre))
    (land,) = (p for p in axes.get_children() if isinstance(p, PathPatch))
    points = np.random.default_rng(0).uniform([-180.0, -1.0], [180.0, 1.0], (600, 2))
    x, y = frame_of(*GLOBE, centre).projection.project(
        centre + points[:, 0], np.degrees(np.arcsin(points[:, 1]))
    )
    share = land.get_path().contains_points(np.column_stack([x, y])).mean()
    assert share == pytest.approx(0.29, abs=0.05)


def test_labels_stay_outside_the_map() -> None:
    frame = frame_of(*GLOBE, 200.0)
    axes = drawn(frame)
    draw_graticule(axes, frame)
    words = [text.get_text() for text in axes.texts]
    assert words == ["60°S", "30°S", "0°", "30°N", "60°N", *words[5:]]
    assert set(words[5:]) == {"60°E", "120°E", "180°", "120°W", "60°W", "0°"}
    assert all(max(text.xyann) <= 2.5 for text in axes.texts)


def test_round_steps_lie_inside() -> None:
    assert round_steps(0.0, 360.0, step=60.0) == [60.0, 120.0, 180.0, 240.0, 300.0]
    assert round_steps(41.2, 43.1) == [41.5, 42.0, 42.5, 43.0]
