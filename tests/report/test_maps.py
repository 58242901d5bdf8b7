from __future__ import annotations

import io

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from isopleth.report.figures import to_png
from isopleth.report.maps import Dots, Panel, cell_edges, map_figure, position_figure
from isopleth.report.projections import EqualEarth
from isopleth.report.scales import diverging, sequential

LAT = 85.0 - 10.0 * np.arange(18)
LON = 5.0 + 10.0 * np.arange(36)


def field(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, {"lat": LAT, "lon": LON}, ("lat", "lon"))


def pixels(figure) -> np.ndarray:
    return imread(io.BytesIO(to_png(figure, dpi=60)))[..., :3]


def colour_at(figure, image: np.ndarray, at: tuple[float, float]) -> np.ndarray:
    """Colour of the picture at a position in the plane of the first map."""
    x, y = figure.axes[0].transData.transform(at) * 60.0 / figure.dpi
    return image[image.shape[0] - 1 - int(y), int(x)]


def test_cells_are_drawn_where_they_are() -> None:
    east = np.where((LON > 180.0) & (LON < 300.0), 1.0, -1.0) * np.ones((18, 1))
    scale = diverging([east], "T")
    figure = map_figure([Panel(field(east), "T", scale)])
    image = pixels(figure)
    for longitude, value in ((165.0, -1.0), (230.0, 1.0), (330.0, -1.0)):
        at = tuple(float(v) for v in EqualEarth(200.0).project(longitude, 12.0))
        wanted = scale.cmap(scale.norm(value))[:3]
        assert colour_at(figure, image, at) == pytest.approx(wanted, abs=0.02)


def test_rolling_the_field_changes_no_pixel() -> None:
    values = np.random.default_rng(0).standard_normal((18, 36))
    one = field(values)
    rolled = one.roll(lon=18, roll_coords=True)
    rolled = rolled.assign_coords(lon=np.where(rolled.lon > 180.0, rolled.lon - 360.0, rolled.lon))
    scale = diverging([values], "T")
    first, second = (map_figure([Panel(f, "T", scale)], width=4.0) for f in (one, rolled))
    assert np.array_equal(pixels(first), pixels(second))


@pytest.mark.parametrize("centre", [0.0, 3.0, 180.0, 200.0])
def test_the_map_has_no_seam(centre: float) -> None:
    scale = sequential([np.linspace(0.0, 1.0, 9)], "T")
    figure = map_figure([Panel(field(np.full((18, 36), 0.5)), "T", scale)], centre=centre)
    image = pixels(figure)
    ink = np.array(scale.cmap(scale.norm(0.5))[:3])
    _, y = figure.axes[0].transData.transform((0.0, -0.85)) * 60.0 / figure.dpi
    row = image[image.shape[0] - 1 - int(y)]
    coloured = np.abs(row - ink).max(axis=1) < 0.3
    inside = np.flatnonzero(coloured)
    pale = np.all(np.abs(row - np.array([239, 239, 236]) / 255.0) < 0.01, axis=1)
    assert inside.size > 100
    assert not pale[inside[0] : inside[-1]].any()


def test_equal_scales_share_one_bar_and_others_have_their_own() -> None:
    one, other = (sequential([np.linspace(0.0, top, 9)], "T") for top in (1.0, 9.0))
    flat = field(np.ones((18, 36)))
    assert len(map_figure([Panel(flat, "a", one), Panel(flat, "b", one)]).axes) == 3
    assert len(map_figure([Panel(flat, "a", one), Panel(flat, "b", other)]).axes) == 4


def test_a_region_across_greenwich_shows_its_own_dots_only() -> None:
    region = xr.DataArray(
        np.ones((4, 9)),
        {"lat": [55.0, 45.0, 35.0, 25.0], "lon": 285.0 + 10.0 * np.arange(9)},
        ("lat", "lon"),
    )
    dots = Dots(np.array([300.0, 2.0, 100.0, 300.0]), np.array([40.0, 40.0, 40.0, -40.0]), "used")
    axes = position_figure(region, [dots]).axes[0]
    (line,) = (line for line in axes.lines if line.get_label() == "used")
    assert len(line.get_xdata()) == 2


def test_edges_of_uneven_centres() -> None:
    assert cell_edges([0.0, 10.0, 30.0]).tolist() == [-5.0, 5.0, 20.0, 40.0]
