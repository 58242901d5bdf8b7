"""Pictures of the hemispheres: jets, storm tracks, skewness, the weather of a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from scipy.interpolate import RectBivariateSpline

from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.data.coastline import coastlines
from isopleth.report.figures import INK, MUTED, heading, new_figure, plain_number
from isopleth.report.rings import without_cuts
from isopleth.report.scales import Scale, diverging, sequential
from qg3_climatology_statistics import Climate, Floats

EDGE = 20.0  # latitude at the rim
MILLION = 1e-6
NORTH, SOUTH = 1.0, -1.0
HEMISPHERES = {"northern": NORTH, "southern": SOUTH}
PANEL, TOP, FOOT = 4.3, 0.35, 0.75  # inches


@dataclass(frozen=True, eq=False)
class Map:
    """One hemisphere.

    Args:
        title: Above it.
        field: Values on the grid.
        grid: Where they are.
        hemisphere: `NORTH` or `SOUTH`.
        lines: A field whose isolines are drawn on top, every `every`.
    """

    title: str
    field: Floats
    grid: GaussianGrid
    hemisphere: float
    lines: Floats | None = None
    every: float = 1.0


def project(longitude: Floats, latitude: Floats, hemisphere: float) -> tuple[Floats, Floats]:
    """Lambert's azimuthal equal-area map about a pole; Greenwich below it, in the south above."""
    r = 2.0 * np.sin(np.radians(90.0 - hemisphere * latitude) / 2.0)
    angle = np.radians(longitude)
    return r * np.sin(angle), -hemisphere * r * np.cos(angle)


def maps(panels: Sequence[Map], scale: Scale, *, columns: int = 2) -> Figure:
    """Hemispheres with one colour bar."""
    rows = -(-len(panels) // columns)
    width, height = columns * PANEL, rows * (PANEL + TOP) + FOOT
    figure = new_figure(width, height)
    for i, panel in enumerate(panels):
        left, top = (i % columns) * PANEL + 0.15, height - (i // columns) * (PANEL + TOP) - TOP
        size = PANEL - 0.3
        box = (left / width, (top - size) / height, size / width, size / height)
        draw(figure.add_axes(box), panel, scale)
    bar(figure, (0.2, 0.5 / height, 0.6, 0.13 / height), scale)
    return figure


def draw(axes: Axes, panel: Map, scale: Scale) -> None:
    """Field, isolines, coasts, parallels and meridians inside a circle."""
    longitude, latitude = np.meshgrid(np.arange(0.0, 362.0, 2.0), np.arange(EDGE, 90.1, 1.0))
    latitude = panel.hemisphere * latitude
    x, y = project(longitude, latitude, panel.hemisphere)
    values = _refined(panel.field, panel.grid, longitude, latitude)
    style: dict[str, Any] = {"cmap": scale.cmap, "norm": scale.norm, "extend": scale.extend}
    axes.contourf(x, y, values, levels=scale.levels, **style)
    if panel.lines is not None:
        lines = _refined(panel.lines, panel.grid, longitude, latitude) / panel.every
        steps = np.arange(np.floor(lines.min()), np.ceil(lines.max()) + 1.0)
        axes.contour(x, y, lines, levels=steps, colors=INK, linewidths=0.7, linestyles="solid")
    rim = Circle((0, 0), _radius(EDGE), fill=False, edgecolor=INK, linewidth=0.8, zorder=6)
    axes.add_patch(rim)
    _coasts(axes, panel.hemisphere, rim)
    _graticule(axes, panel.hemisphere)
    axes.set(aspect="equal", xlim=(-1.3, 1.3), ylim=(-1.3, 1.3))
    axes.axis("off")
    heading(axes, panel.title)


def bar(figure: Figure, box: tuple[float, float, float, float], scale: Scale) -> None:
    """A horizontal colour bar in a box of the figure."""
    axes = figure.add_axes(box)
    mappable = ScalarMappable(norm=scale.norm, cmap=scale.cmap)
    drawn = figure.colorbar(
        mappable, cax=axes, orientation="horizontal", ticks=scale.ticks,
        format=lambda v, _: plain_number(v),
    )  # fmt: skip
    drawn.set_label(scale.label, fontsize=9.0, color=INK, labelpad=2)
    drawn.ax.tick_params(labelsize=8.5, colors=MUTED, length=2, width=0.6)
    drawn.ax.minorticks_off()


def jets(climates: Sequence[Climate]) -> Figure:
    """Mean eastward wind at 200 hPa."""
    found = [
        Map(f"{c.runs.plan.name}, {name}", c.u200.mean(0), c.runs.plan.recipe.grid, side)
        for name, side in HEMISPHERES.items()
        for c in climates
    ]
    label = "Mean eastward wind at 200 hPa (m s⁻¹)"
    return maps(found, Scale(_steps(-60.0, 60.0, 5.0), "balance", label, "both"))


def storm_tracks(climates: Sequence[Climate]) -> Figure:
    """Standard deviation of the band-passed streamfunction at 500 hPa."""
    found = [
        Map(f"{c.runs.plan.name}, {name}", MILLION * np.sqrt(c.storms.mean(0)),
            c.runs.plan.recipe.grid, side)
        for name, side in HEMISPHERES.items()
        for c in climates
    ]  # fmt: skip
    label = "Standard deviation of ψ at 500 hPa, periods of 2.5 to 6 days (10⁶ m² s⁻¹)"
    return maps(found, sequential([m.field for m in found], label, colours="amp"))


def day(climates: Sequence[Climate]) -> Figure:
    """Potential vorticity at 200 hPa and streamfunction at 500 hPa of one day."""
    found = [
        Map(f"{c.runs.plan.name}, {name}", side * 1e4 * c.day[0][0], c.runs.plan.recipe.grid,
            side, lines=c.day[1][1], every=8e6)
        for name, side in HEMISPHERES.items()
        for c in climates
    ]  # fmt: skip
    label = "Potential vorticity at 200 hPa, cyclonic positive (10⁻⁴ s⁻¹); lines: ψ at 500 hPa"
    return maps(found, Scale(_steps(0.0, 4.0, 0.25), "thermal", label, "both"))


def skewness_maps(figure: Figure, boxes: Sequence[Any], one: Climate, field: Floats) -> Scale:
    """Skewness of both hemispheres into boxes of a figure; the scale they share."""
    scale = diverging([field], "Skewness of the geopotential, sign(f) ψ, at 500 hPa")
    for (name, side), box in zip(HEMISPHERES.items(), boxes, strict=True):
        panel = Map(f"{one.runs.plan.name}, {name}", field, one.runs.plan.recipe.grid, side)
        draw(figure.add_axes(box), panel, scale)
    return scale


def _steps(low: float, high: float, step: float) -> tuple[float, ...]:
    return tuple((low + step * np.arange(round((high - low) / step) + 1)).tolist())


def _refined(field: Floats, grid: GaussianGrid, longitude: Floats, latitude: Floats) -> Floats:
    """Cubic spline between grid points, round the globe and over the poles' mean."""
    ends = [np.full((1, grid.nlon), field[row].mean()) for row in (0, -1)]
    rows = np.concatenate([[90.0], grid.latitude, [-90.0]])[::-1]
    values = np.concatenate([ends[0], field, ends[1]])[::-1]
    wrap = np.arange(-4, grid.nlon + 5)
    spline = RectBivariateSpline(rows, wrap * 360.0 / grid.nlon, values[:, wrap % grid.nlon])
    return np.asarray(spline(latitude, longitude, grid=False))


def _radius(latitude: float) -> float:
    return float(2.0 * np.sin(np.radians(90.0 - latitude) / 2.0))


def _coasts(axes: Axes, hemisphere: float, rim: Circle) -> None:
    strokes = []
    for line in coastlines(-180.0):
        for longitude, latitude in without_cuts(*line):
            near = np.where(hemisphere * latitude > 0.0, latitude, np.nan)
            strokes.append(np.column_stack(project(longitude, near, hemisphere)))
    drawn = LineCollection(strokes, colors="#3b4046", linewidths=0.6, zorder=4)
    axes.add_collection(drawn, autolim=False)
    drawn.set_path_effects([withStroke(linewidth=1.4, foreground="#ffffff90")])
    drawn.set_clip_path(rim)


def _graticule(axes: Axes, hemisphere: float) -> None:
    letter = "N" if hemisphere > 0 else "S"
    style: dict[str, Any] = {"fontsize": 8.0, "color": MUTED, "ha": "center", "va": "center"}
    halo = [withStroke(linewidth=2.0, foreground="#ffffffc0")]
    for latitude in (40.0, 60.0, 80.0):
        axes.add_patch(Circle((0, 0), _radius(latitude), fill=False, ec=INK, lw=0.4, alpha=0.35))
        if latitude < 80.0:
            at = project(np.array(45.0), np.array(hemisphere * latitude), hemisphere)
            axes.text(
                *at,
                f"{latitude:.0f}°{letter}",
                **(style | {"color": INK, "zorder": 7, "path_effects": halo}),
            )
    for longitude, words in ((0, "0°"), (90, "90°E"), (180, "180°"), (270, "90°W")):
        around = np.array([EDGE, 80.0]) * hemisphere
        axes.plot(
            *project(np.full(2, longitude), around, hemisphere), color=INK, lw=0.4, alpha=0.35
        )
        at = project(np.array(longitude), np.array(hemisphere * (EDGE - 6.5)), hemisphere)
        axes.text(*at, words, **style)
