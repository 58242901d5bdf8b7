"""Vertical sections along a meridian or a parallel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.ticker import NullLocator

from isopleth.report.figures import INK, LAND, MUTED, new_figure, plain_axes, plain_number
from isopleth.report.geography import degrees_east, degrees_north, round_steps
from isopleth.report.maps import cell_edges
from isopleth.report.scales import Scale

__all__ = ["Section", "along_meridian", "along_parallel", "section_figure", "telling_meridian"]

Floats = npt.NDArray[np.float64]

UNSURE = 0.8
"""Standard error over prior error above which a section is hatched."""

_FEW = 7
"""Up to so many levels, each has its tick."""

_TICKS = (0, 50, 100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 4000, 5000, 6000)


@dataclass(frozen=True, eq=False)
class Section:
    """A vertical cut through an analysis.

    Args:
        place: Where it is, in words.
        along: Coordinate along the cut, degrees, increasing, shape (n,).
        say: Writes a value of `along` in words.
        depth: Levels in m, increasing, shape (nlev,).
        mean: The analysed field, shape (nlev, n); NaN is rock.
        anomaly: Analysed field less climatology, shape (nlev, n).
        left: Standard error over the error before any observation, shape (nlev, n).
    """

    place: str
    along: Floats
    say: Callable[[float], str]
    depth: Floats
    mean: Floats
    anomaly: Floats
    left: Floats


def along_meridian(analysis: xr.Dataset, longitude: float, *, name: str) -> Section:
    """The cut along the grid's meridian nearest to a longitude.

    Args:
        analysis: Dataset of a reconstruction.
        longitude: Degrees east in any convention.
        name: Variable of `analysis` to cut.
    """
    away = np.abs((analysis["lon"].values - longitude + 180.0) % 360.0 - 180.0)
    cut = analysis.isel(lon=int(away.argmin())).sortby("lat")
    place = f"along {degrees_east(float(cut['lon']))}"
    return _section(cut, place, cut["lat"].values, degrees_north, name)


def along_parallel(analysis: xr.Dataset, latitude: float, *, name: str) -> Section:
    """The cut along the grid's parallel nearest to a latitude.

    Args:
        analysis: Dataset of a reconstruction.
        latitude: Degrees north.
        name: Variable of `analysis` to cut.
    """
    cut = analysis.sel(lat=latitude, method="nearest").sortby("lon")
    place = f"along {degrees_north(float(cut['lat']))}"
    return _section(cut, place, cut["lon"].values, degrees_east, name)


def telling_meridian(analysis: xr.Dataset, *, name: str) -> float:
    """Longitude where the observations moved the analysis most, degrees east.

    The largest sum over a meridian's cells of `|anomaly| (1 - standard error / prior error)`
    times the cell's height and the cosine of its latitude.

    Args:
        analysis: Dataset of a reconstruction.
        name: Its variable.
    """
    moved = abs(analysis[name] - analysis["climatology"])
    learned = (1.0 - analysis[f"{name}_standard_error"] / analysis["error_of_prior"]).clip(min=0)
    depth = analysis["depth"].values
    height = np.diff(_depth_edges(depth)) if depth.size > 1 else np.ones(1)
    weight = xr.DataArray(height, dims="depth") * np.cos(np.radians(analysis["lat"]))
    total: xr.DataArray = (moved * learned * weight).sum(("depth", "lat"))
    return float(analysis["lon"].values[int(total.argmax("lon"))])


def section_figure(
    section: Section, anomaly: Scale, *, label: str, ticks: npt.ArrayLike = ()
) -> Figure:
    """Anomaly in colour, the field as contours, hatched where little was learned, rock in grey.

    Args:
        section: At least two levels.
        anomaly: Colours of the anomaly.
        label: What the contours show, with unit.
        ticks: Positions along the cut of nearby observations, marked at the surface.
    """
    figure = new_figure(10.0, 4.7)
    axes = plain_axes(figure.add_axes((0.075, 0.2, 0.9, 0.76)))
    axes.set_facecolor(LAND)
    x, z = cell_edges(section.along), _depth_edges(section.depth)
    shaded = np.ma.masked_invalid(section.anomaly)
    axes.pcolormesh(x, z, shaded, cmap=anomaly.cmap, norm=anomaly.norm, zorder=1)
    _hatch(axes, section)
    _contours(axes, section)
    _depth_axis(axes, section.depth, z)
    _along_axis(axes, section, x)
    marks = np.asarray(ticks, dtype=np.float64)
    marks = marks[(marks >= x[0]) & (marks <= x[-1])]
    axes.plot(
        marks,
        np.full(marks.size, 1.015),
        "v",
        color=INK,
        markersize=3.5,
        clip_on=False,
        markeredgewidth=0.0,
        transform=axes.get_xaxis_transform(),
    )
    bar = figure.colorbar(
        ScalarMappable(norm=anomaly.norm, cmap=anomaly.cmap),
        cax=figure.add_axes((0.3, 0.095, 0.45, 0.024)),
        orientation="horizontal",
        ticks=anomaly.ticks,
        format=lambda v, _: plain_number(v),
    )
    bar.set_label(f"{anomaly.label}; contours: {label}", fontsize=8.5, color=INK, labelpad=2)
    bar.ax.tick_params(labelsize=8.0, colors=MUTED, length=2)
    bar.outline.set(linewidth=0.5, edgecolor=MUTED)
    return figure


def _section(
    cut: xr.Dataset, place: str, along: Floats, say: Callable[[float], str], name: str
) -> Section:
    def values(array: xr.DataArray) -> Floats:
        return np.asarray(array.transpose("depth", ...).values, dtype=np.float64)

    mean = values(cut[name])
    left = values(cut[f"{name}_standard_error"] / cut["error_of_prior"])
    anomaly = mean - values(cut["climatology"])
    depth = np.asarray(cut["depth"].values, dtype=np.float64)
    return Section(place, np.asarray(along, np.float64), say, depth, mean, anomaly, left)


def _depth_edges(depth: npt.ArrayLike) -> Floats:
    """Edges half-way between levels, none above the surface."""
    return np.maximum(cell_edges(depth), 0.0)


def _hatch(axes: Axes, section: Section) -> None:
    """Hatch whole cells, on the cells' own edges."""
    x, z = cell_edges(section.along), _depth_edges(section.depth)
    cells = [
        Path(
            [(x[j], z[i]), (x[j + 1], z[i]), (x[j + 1], z[i + 1]), (x[j], z[i + 1])], closed=False
        )
        for i, j in np.argwhere(section.left > UNSURE)
    ]
    if cells:
        whole = Path.make_compound_path(*cells)
        patch = PathPatch(whole, facecolor="none", edgecolor=INK, linewidth=0.0, hatch="////")
        patch.set_hatch_linewidth(0.35)
        axes.add_artist(patch)


def _contours(axes: Axes, section: Section) -> None:
    finite = section.mean[np.isfinite(section.mean)]
    if finite.size < 4 or np.ptp(finite) == 0.0:
        return
    step = next((s for s in (0.5, 1.0, 2.0, 2.5, 5.0, 10.0) if np.ptp(finite) / s <= 14.0), 10.0)
    levels = step * np.arange(np.ceil(finite.min() / step), np.floor(finite.max() / step) + 1.0)
    drawn = axes.contour(
        section.along,
        section.depth,
        np.ma.masked_invalid(section.mean),
        levels=levels,
        colors=INK,
        linewidths=0.7,
        zorder=3,
    )
    labels = axes.clabel(drawn, levels[::2], fontsize=8.0, fmt=plain_number, inline_spacing=2)
    for text in labels:
        text.set_path_effects([withStroke(linewidth=1.8, foreground="white", alpha=0.75)])


def _depth_axis(axes: Axes, depth: Floats, edges: Floats) -> None:
    """Depth downward on a square-root scale, which gives the upper ocean its room."""
    axes.set_yscale("function", functions=(_root, np.square))
    axes.set_ylim(edges[-1], edges[0])
    ticks = [t for t in _TICKS if edges[0] <= t <= edges[-1]]
    axes.set_yticks(depth if len(depth) <= _FEW else ticks)
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("Depth (m)")


def _along_axis(axes: Axes, section: Section, edges: Floats) -> None:
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xticks(round_steps(float(edges[0]), float(edges[-1]), most=13))
    axes.xaxis.set_major_formatter(lambda v, _: section.say(v))


def _root(depth: npt.ArrayLike) -> Floats:
    return np.sqrt(np.maximum(np.asarray(depth, dtype=np.float64), 0.0))
