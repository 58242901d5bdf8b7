"""Maps of fields that also exist over land: coastlines without a filled continent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from isopleth.report.figures import LAND
from isopleth.report.maps import Panel, map_figure

__all__ = ["open_map_figure"]


def open_map_figure(panels: Sequence[Panel]) -> Figure:
    """`map_figure`, the land filled only where fields have gaps, as those of the ocean do.

    Args:
        panels: At least one; all fields on the same grid.
    """
    figure = map_figure(panels)
    if not all(np.isfinite(panel.field.values).all() for panel in panels):
        return figure
    for axes in figure.axes:
        for patch in axes.patches + [a for a in axes.artists if isinstance(a, PathPatch)]:
            if isinstance(patch, PathPatch) and patch.get_facecolor() == to_rgba(LAND):
                patch.set_visible(False)
    return figure
