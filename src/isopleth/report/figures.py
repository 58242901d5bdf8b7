"""The look of every figure, and how one becomes PNG bytes or text in a page.

Figures are made with matplotlib's objects and the Agg canvas: no pyplot, no global state, so a
server may draw several at once.
"""

from __future__ import annotations

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = [
    "BAND",
    "COAST",
    "FAINT",
    "INK",
    "LAND",
    "MUTED",
    "OURS",
    "THEIRS",
    "VOID",
    "WARNING",
    "heading",
    "new_figure",
    "plain_axes",
    "plain_number",
    "to_png",
]

INK = "#1b2530"
MUTED = "#5a6672"
FAINT = "#d5dade"
LAND = "#c9c8c3"
COAST = "#6f7275"
VOID = "#efefec"
"""Ocean without a value, and the rock below the sea floor."""

BAND = "#d9dde1"
"""What sampling alone would give."""

OURS = "#0b6e8a"
"""The analysis in every curve."""

THEIRS = "#c2571a"
"""The climatology in every curve; with OURS it stays apart under the common colour blindnesses."""

WARNING = "#c4161c"

_SMALL = 8.5
_DPI = 150


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure with its own Agg canvas.

    Args:
        width: Inches.
        height: Inches.
    """
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Axes) -> Axes:
    """Axes with two spines, outward ticks and small muted labels; returned for chaining."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
        axes.spines[side].set_linewidth(0.7)
    axes.tick_params(colors=MUTED, labelsize=_SMALL, width=0.7, length=3)
    axes.xaxis.label.set(color=INK, size=_SMALL + 0.5)
    axes.yaxis.label.set(color=INK, size=_SMALL + 0.5)
    return axes


def heading(axes: Axes, text: str) -> None:
    """Put a panel's title at its upper left."""
    axes.set_title(text, loc="left", fontsize=10.0, fontweight="bold", color=INK, pad=7)


def plain_number(value: float) -> str:
    r"""A number for a tick: shortest form, a true minus sign, never minus zero.

    >>> plain_number(-2.50), plain_number(-1e-17)
    ('\u22122.5', '0')
    """
    return f"{round(value, 10) + 0.0:g}".replace("-", "\N{MINUS SIGN}")


def to_png(figure: Figure, *, dpi: int = _DPI) -> bytes:
    """The figure as the bytes of a PNG file.

    Args:
        figure: Any matplotlib figure.
        dpi: Dots per inch.

    >>> to_png(new_figure(1, 1))[1:4]
    b'PNG'
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
