"""Maps of fields by level, in panels that share one frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from isopleth.report.figures import INK, MUTED, heading, new_figure, plain_number
from isopleth.report.geography import draw_backdrop, draw_graticule, draw_land
from isopleth.report.projections import Frame, frame_of
from isopleth.report.scales import Scale

__all__ = ["PACIFIC", "Dots", "Panel", "cell_edges", "map_figure", "position_figure"]

PACIFIC = 200.0
"""Middle longitude that cuts through Africa only: every ocean stays whole."""

Floats = npt.NDArray[np.float64]

_LEFT, _RIGHT, _TOP, _BOTTOM = 0.46, 0.1, 0.34, 0.24
_BAR = 0.6
"""Room below a map for a colour bar and its labels, inches."""


@dataclass(frozen=True, eq=False)
class Dots:
    """Positions to mark.

    Args:
        longitude: Degrees east in any convention, shape (n,).
        latitude: Degrees north, shape (n,).
        label: Name in the legend, or "" for none.
        colour: Colour of the mark.
        marker: Marker of matplotlib.
        size: Diameter in points.
    """

    longitude: Floats
    latitude: Floats
    label: str = ""
    colour: str = INK
    marker: str = "o"
    size: float = 1.3


@dataclass(frozen=True, eq=False)
class Panel:
    """One map.

    Args:
        field: Values with dimensions lat and lon; NaN is left blank.
        title: Text above the map.
        scale: Colours; panels with equal scales share one bar.
        dots: Positions drawn on top.
    """

    field: xr.DataArray
    title: str
    scale: Scale
    dots: Sequence[Dots] = ()


def map_figure(panels: Sequence[Panel], *, centre: float = PACIFIC, width: float = 10.0) -> Figure:
    """Maps in one or two columns, with one colour bar if all scales are equal.

    Args:
        panels: At least one; all fields on the same grid.
        centre: Middle longitude of a global map, degrees east.
        width: Inches.
    """
    frame = _frame(panels[0].field, centre)
    shared = all(panel.scale == panels[0].scale for panel in panels)
    figure, boxes = _lay_out(frame, len(panels), width, 0.0 if shared else _BAR)
    for axes, panel in zip(boxes, panels, strict=True):
        outline = draw_backdrop(axes, frame)
        _draw_field(axes, frame, panel, outline)
        draw_land(axes, frame, outline)
        draw_graticule(axes, frame)
        for dots in panel.dots:
            _draw_dots(axes, frame, dots)
        heading(axes, panel.title)
        if not shared:
            _bar_below(figure, axes, panel.scale)
    if shared:
        _shared_bar(figure, boxes, panels[0].scale)
    return figure


def position_figure(
    field: xr.DataArray, dots: Sequence[Dots], *, centre: float = PACIFIC, width: float = 10.0
) -> Figure:
    """One map of positions, each kind with its mark and its number in a legend below.

    Args:
        field: Any field of the grid, for the extent of the map.
        dots: Kinds of position, drawn in this order.
        centre: Middle longitude of a global map, degrees east.
        width: Inches.
    """
    frame = _frame(field, centre)
    figure, boxes = _lay_out(frame, 1, width, 0.1)
    axes = boxes[0]
    outline = draw_backdrop(axes, frame)
    outline.set_facecolor("white")
    draw_land(axes, frame, outline)
    draw_graticule(axes, frame)
    for kind in dots:
        _draw_dots(axes, frame, kind)
    handles, labels = axes.get_legend_handles_labels()
    legend = figure.legend(
        handles,
        labels,
        loc="lower center",
        ncols=3,
        frameon=False,
        fontsize=9.0,
        labelcolor=INK,
        handletextpad=0.3,
    )
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set(markersize=5)
    return figure


def cell_edges(centres: npt.ArrayLike) -> Floats:
    """Edges half-way between cell centres, the outer ones by symmetry.

    Args:
        centres: Monotonic, shape (n,), n >= 2.

    >>> cell_edges([0.5, 1.5, 2.5]).tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    c = np.asarray(centres, dtype=np.float64)
    middle = (c[1:] + c[:-1]) / 2.0
    return np.concatenate([[2.0 * c[0] - middle[0]], middle, [2.0 * c[-1] - middle[-1]]])


def _edges(field: xr.DataArray) -> tuple[Floats, Floats]:
    lat = np.clip(cell_edges(field["lat"].values), -90.0, 90.0)
    return lat, cell_edges(field["lon"].values)


def _frame(field: xr.DataArray, centre: float) -> Frame:
    return frame_of(*_edges(field), centre)


def _lay_out(frame: Frame, count: int, width: float, bar: float) -> tuple[Figure, list[Axes]]:
    """Axes as large as the page allows, row by row; `bar` is kept free under each map."""
    columns = 1 if count == 1 else 2
    rows = -(-count // columns)
    across = (width - columns * (_LEFT + _RIGHT)) / columns
    high = across / frame.aspect
    if high > 4.6:
        across, high = across * 4.6 / high, 4.6
        width = columns * (_LEFT + _RIGHT + across)
    row = _TOP + high + _BOTTOM + bar
    foot = _BAR + 0.06 if bar == 0.0 else 0.1
    height = rows * row + foot
    figure = new_figure(width, height)
    boxes = []
    for i in range(count):
        left = (i % columns) * (_LEFT + across + _RIGHT) + _LEFT
        top = height - (i // columns) * row - _TOP
        box = (left / width, (top - high) / height, across / width, high / height)
        boxes.append(figure.add_axes(box))
    return figure, boxes


def _draw_field(axes: Axes, frame: Frame, panel: Panel, outline: Polygon) -> None:
    """Draw the cells; on a whole globe one more column closes the map before it is cut."""
    values = panel.field.transpose("lat", "lon").values
    lat, lon = _edges(panel.field)
    if frame.whole:
        lon, values = _rolled(lon, values, frame.west)
    x, y = frame.projection.project(*np.meshgrid(lon, lat))
    mesh = axes.pcolormesh(
        x, y, np.ma.masked_invalid(values), cmap=panel.scale.cmap, norm=panel.scale.norm, zorder=1
    )
    mesh.set_clip_path(outline)


def _rolled(lon: Floats, values: Floats, west: float) -> tuple[Floats, Floats]:
    """Columns from the one that holds `west` round the globe to the same one again."""
    count = values.shape[1]
    start = west - (west - lon[0]) % 360.0
    unwrapped = lon - lon[0] + start
    first = int(np.searchsorted(unwrapped, west, side="right")) - 1
    first = min(max(first, 0), count - 1)
    twice = np.concatenate([unwrapped[:-1], unwrapped[:-1] + 360.0, [unwrapped[0] + 720.0]])
    take = np.arange(first, first + count + 1)
    return twice[first : first + count + 2], values[:, take % count]


def _draw_dots(axes: Axes, frame: Frame, dots: Dots) -> None:
    lon = frame.wrap(dots.longitude)
    lat = np.asarray(dots.latitude, dtype=np.float64)
    inside = (lon <= frame.east) & (lat >= frame.south) & (lat <= frame.north)
    x, y = frame.projection.project(lon[inside], lat[inside])
    axes.plot(
        x,
        y,
        dots.marker,
        color=dots.colour,
        markersize=dots.size,
        markeredgewidth=0.0 if dots.marker in "os" else 0.9,
        linestyle="none",
        label=dots.label or None,
        zorder=5,
    )


def _bar_below(figure: Figure, axes: Axes, scale: Scale) -> None:
    box = axes.get_position()
    height = figure.get_size_inches()[1]
    place = (
        box.x0 + 0.12 * box.width,
        box.y0 - (_BOTTOM + 0.14) / height,
        0.76 * box.width,
        0.1 / height,
    )
    _bar(figure, place, scale)


def _shared_bar(figure: Figure, boxes: Sequence[Axes], scale: Scale) -> None:
    width, height = figure.get_size_inches()
    west = min(axes.get_position().x0 for axes in boxes)
    east = max(axes.get_position().x1 for axes in boxes)
    share = min(5.0 / width, 0.9 * (east - west))
    _bar(figure, ((west + east - share) / 2.0, 0.46 / height, share, 0.12 / height), scale)


def _bar(figure: Figure, place: tuple[float, float, float, float], scale: Scale) -> None:
    axes = figure.add_axes(place)
    bar = figure.colorbar(
        ScalarMappable(norm=scale.norm, cmap=scale.cmap),
        cax=axes,
        orientation="horizontal",
        ticks=scale.ticks,
        format=lambda v, _: plain_number(v),
    )
    bar.set_label(scale.label, fontsize=8.5, color=INK, labelpad=2)
    bar.ax.tick_params(labelsize=8.0, colors=MUTED, length=2, width=0.6)
    bar.ax.minorticks_off()
    bar.outline.set(linewidth=0.5, edgecolor=MUTED)
