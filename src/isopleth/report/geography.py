"""Land, coastlines and graticule on a map, whatever its middle longitude."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import PathPatch, Polygon
from matplotlib.path import Path

from isopleth.data.coastline import coastlines
from isopleth.report.figures import COAST, INK, LAND, MUTED, VOID
from isopleth.report.projections import Frame
from isopleth.report.rings import Ring, dense, rings, without_cuts

__all__ = [
    "degrees_east",
    "degrees_north",
    "draw_backdrop",
    "draw_graticule",
    "draw_land",
    "place_words",
    "round_steps",
]

Floats = npt.NDArray[np.float64]

_LAND_Z, _GRATICULE_Z, _EDGE_Z = 3.0, 2.5, 6.0


def draw_backdrop(axes: Axes, frame: Frame) -> Polygon:
    """Prepare axes for a map and draw its outline; returns the outline, to clip with."""
    edge = frame.outline()
    outline = Polygon(edge, closed=True, facecolor=VOID, edgecolor="none", zorder=0)
    axes.add_artist(outline)
    axes.add_artist(
        Polygon(edge, closed=True, fill=False, edgecolor=INK, linewidth=0.7, zorder=_EDGE_Z)
    )
    axes.set_aspect("equal")
    margin = 0.002 * np.ptp(edge, axis=0)
    axes.set_xlim(edge[:, 0].min() - margin[0], edge[:, 0].max() + margin[0])
    axes.set_ylim(edge[:, 1].min() - margin[1], edge[:, 1].max() + margin[1])
    axes.axis("off")
    return outline


def draw_land(axes: Axes, frame: Frame, outline: Polygon) -> None:
    """Fill the land and stroke the coasts, without strokes along the cut at 180 degrees."""
    vertices: list[Floats] = []
    codes: list[npt.NDArray[np.uint8]] = []
    strokes: list[Floats] = []
    for lon, lat in _in_frame(frame):
        if np.isclose(lon[0], lon[-1]) and np.isclose(lat[0], lat[-1]):
            vertices.append(np.column_stack(frame.projection.project(lon, lat)))
            kinds = np.full(lon.size, Path.LINETO, dtype=np.uint8)
            kinds[0], kinds[-1] = Path.MOVETO, Path.CLOSEPOLY
            codes.append(kinds)
        strokes += [
            np.column_stack(frame.projection.project(*piece)) for piece in without_cuts(lon, lat)
        ]
    if vertices:
        land = Path(np.concatenate(vertices), np.concatenate(codes))
        patch = PathPatch(land, facecolor=LAND, edgecolor=LAND, linewidth=0.4, zorder=_LAND_Z)
        axes.add_artist(patch)
        patch.set_clip_path(outline)
    coast = LineCollection(strokes, colors=COAST, linewidths=0.45, zorder=_LAND_Z + 0.1)
    axes.add_collection(coast, autolim=False)
    coast.set_clip_path(outline)


def draw_graticule(axes: Axes, frame: Frame) -> None:
    """Draw parallels and meridians and label them outside the map."""
    parallels = round_steps(frame.south, frame.north, step=30.0 if frame.whole else None)
    meridians = round_steps(frame.west, frame.east, step=60.0 if frame.whole else None)
    across = np.linspace(frame.west, frame.east, 91)
    up = np.linspace(frame.south, frame.north, 91)
    lines = [
        np.column_stack(frame.projection.project(across, lat + 0 * across)) for lat in parallels
    ]
    lines += [np.column_stack(frame.projection.project(lon + 0 * up, up)) for lon in meridians]
    axes.add_collection(
        LineCollection(lines, colors=INK, linewidths=0.35, alpha=0.22, zorder=_GRATICULE_Z),
        autolim=False,
    )
    for lat in parallels:
        _write(axes, frame, (frame.west, lat), degrees_north(lat), _beside(lat))
    for lon in meridians:
        _write(axes, frame, (lon, frame.south), degrees_east(lon), (0.0, -4.0))


def degrees_north(latitude: float) -> str:
    """A latitude in words.

    >>> degrees_north(-30.0), degrees_north(0.0), degrees_north(2.5)
    ('30°S', '0°', '2.5°N')
    """
    return f"{abs(latitude):.4g}°" + ("N" if latitude > 0 else "S" if latitude < 0 else "")


def place_words(latitude: float, longitude: float) -> str:
    """A position to a tenth of a degree.

    >>> place_words(-21.26, 294.123)
    '21.3°S 65.9°W'
    """
    return f"{degrees_north(round(latitude, 1))} {degrees_east(round(longitude, 1))}"


def degrees_east(longitude: float) -> str:
    """A longitude in words, within 180 degrees of Greenwich.

    >>> degrees_east(330.5), degrees_east(180.0), degrees_east(360.0)
    ('29.5°W', '180°', '0°')
    """
    signed = (longitude + 180.0) % 360.0 - 180.0
    letter = "" if abs(signed) in (0.0, 180.0) else ("E" if signed > 0 else "W")
    return f"{abs(signed):.4g}°{letter}"


def _write(
    axes: Axes, frame: Frame, at: tuple[float, float], text: str, offset: tuple[float, float]
) -> None:
    """Write beside the map's left edge, or below its lower one if the offset is straight down."""
    x, y = frame.projection.project(*at)
    beside = offset[0] != 0.0
    axes.annotate(
        text,
        (float(x), float(y)),
        xytext=offset,
        textcoords="offset points",
        ha="right" if beside else "center",
        va="center" if beside else "top",
        fontsize=8.0,
        color=MUTED,
        zorder=7,
    )


def _beside(latitude: float) -> tuple[float, float]:
    """Offset in points of a parallel's label: away from where the map's edge leans inwards."""
    return -5.0, 2.5 * float(np.sign(latitude)) * (abs(latitude) > 45.0)


def round_steps(
    low: float, high: float, *, step: float | None = None, most: int = 6
) -> Sequence[float]:
    """Round numbers of degrees strictly inside (low, high).

    Args:
        low: Degrees.
        high: Degrees.
        step: Distance between them; chosen when absent.
        most: About how many to choose.

    >>> round_steps(280.0, 380.0)
    [300.0, 320.0, 340.0, 360.0]
    """
    if step is None:
        nice = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
        step = next((s for s in nice if (high - low) / s <= most), 60.0)
    values = step * np.arange(np.ceil(low / step), np.floor(high / step) + 1.0)
    inset = 1e-3 * (high - low)
    return [float(v) for v in values if low + inset < v < high - inset]


def _in_frame(frame: Frame) -> Iterator[Ring]:
    """Every coastline as often as it meets the frame, at the longitude where it does."""
    for lon, lat in _land():
        if lat.max() < frame.south or lat.min() > frame.north:
            continue
        first = int(np.ceil((frame.west - lon.max()) / 360.0))
        last = int(np.floor((frame.east - lon.min()) / 360.0))
        for turn in range(first, last + 1):
            yield lon + 360.0 * turn, lat


@lru_cache(maxsize=1)
def _land() -> tuple[Ring, ...]:
    return tuple(dense(*ring) for ring in rings(coastlines()))
