"""Colour scales in steps that a reader can count, with limits that outliers do not move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cmocean
import numpy as np
import numpy.typing as npt
from matplotlib.colors import BoundaryNorm, Colormap

__all__ = ["Scale", "ScaleMaker", "distance", "diverging", "fraction", "per_panel", "sequential"]

Extend = Literal["neither", "min", "max", "both"]

_TAIL = 1.0
"""Per cent of the values left outside a sequential scale at each end."""

_NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
_COMPARABLE = 3.0
"""Panels share a scale while their spans differ by less than this factor."""


@dataclass(frozen=True)
class Scale:
    """Colour steps with a label.

    Args:
        levels: Edges of the steps, increasing.
        colours: Name of a cmocean colour map.
        label: Quantity and unit, for the colour bar.
        extend: Where values lie outside the steps, as matplotlib says it.
    """

    levels: tuple[float, ...]
    colours: str
    label: str
    extend: Extend = "neither"

    @property
    def cmap(self) -> Colormap:
        """The colour map."""
        found: Colormap = cmocean.cm.cmap_d[self.colours]
        return found

    @property
    def norm(self) -> BoundaryNorm:
        """From values to steps."""
        return BoundaryNorm(list(self.levels), self.cmap.N, extend=self.extend)

    @property
    def ticks(self) -> list[float]:
        """At most nine edges to label, evenly spaced; zero is one of them if it is an edge."""
        skip = -(-len(self.levels) // 9)
        zero = [i for i, level in enumerate(self.levels) if abs(level) < 1e-12]
        start = zero[0] % skip if zero else 0
        return list(self.levels[start::skip])


ScaleMaker = Callable[[Sequence[npt.NDArray[np.floating]]], Scale]


def sequential(
    values: Sequence[npt.NDArray[np.floating]], label: str, *, colours: str = "thermal"
) -> Scale:
    """A scale from the first to the last per cent of the values in at most fourteen steps.

    Of several arrays the widest range counts, so that a calm one does not clip a lively one.

    Args:
        values: Arrays of any shape; NaN is ignored.
        label: Quantity and unit.
        colours: Name of a cmocean colour map.

    >>> sequential([np.linspace(0.0, 28.0, 1000)], "Temperature (°C)").levels[:3]
    (0.0, 2.0, 4.0)
    """
    tails = [np.percentile(_finite(v), [_TAIL, 100.0 - _TAIL]) for v in values]
    low, high = min(t[0] for t in tails), max(t[1] for t in tails)
    step = _nice_step(float(high - low), 14)
    first, last = np.floor(low / step + 0.02), np.ceil(high / step - 0.02)
    levels = step * np.arange(first, max(last, first + 1.0) + 1.0)
    return _scale(levels, colours, label, values)


def diverging(
    values: Sequence[npt.NDArray[np.floating]], label: str, *, colours: str = "balance"
) -> Scale:
    """A scale symmetric about zero, as wide as 98 per cent of the absolute values.

    Of several arrays the widest counts. Open at both ends always: only then do equal steps either
    side of zero get colours of equal strength.

    Args:
        values: Arrays of any shape; NaN is ignored.
        label: Quantity and unit.
        colours: Name of a cmocean colour map that is pale in its middle.

    >>> diverging([np.linspace(-1.0, 2.0, 1000)], "Anomaly (K)").levels[0]
    -2.0
    """
    limit = max(float(np.percentile(np.abs(_finite(v)), 98.0)) for v in values)
    step = _nice_step(2.0 * limit, 14)
    half = max(np.ceil(limit / step - 0.02), 1.0)
    edges = _rounded(step * np.arange(-half, half + 1.0))
    return Scale(edges, colours, label, "both")


def fraction(label: str, *, colours: str = "matter") -> Scale:
    """The fixed scale from 0 to 1 in tenths.

    >>> fraction("Share of the error left").ticks[-1]
    1.0
    """
    levels = tuple(round(0.1 * i, 1) for i in range(11))
    return Scale(levels, colours, label, "max")


def distance(label: str, *, colours: str = "tempo") -> Scale:
    """A fixed scale of kilometres that is fine where correlations live.

    >>> distance("Distance (km)").levels[:3]
    (0.0, 50.0, 100.0)
    """
    levels = (0.0, 50.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1000.0, 2000.0)
    return Scale(levels, colours, label, "max")


def per_panel(make: ScaleMaker, panels: Sequence[npt.NDArray[np.floating]]) -> list[Scale]:
    """One scale for all panels where they can be compared, else one for each.

    Args:
        make: Makes a scale from arrays.
        panels: The values of each panel; NaN is ignored.
    """
    each = [make([panel]) for panel in panels]
    spans = [scale.levels[-1] - scale.levels[0] for scale in each]
    if max(spans) > _COMPARABLE * min(spans):
        return each
    return [make(panels)] * len(panels)


def _finite(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    whole = np.asarray(values, dtype=np.float64)
    whole = whole[np.isfinite(whole)]
    return whole if whole.size else np.zeros(1)


def _nice_step(span: float, steps: int) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that covers a span in so many steps."""
    if span <= 0.0:
        return 0.1
    raw = span / steps
    power = 10.0 ** np.floor(np.log10(raw))
    return float(power * next(nice for nice in _NICE if nice * power >= raw * (1.0 - 1e-9)))


def _rounded(levels: npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(f"{level:.10g}") + 0.0 for level in levels)


def _scale(
    levels: npt.NDArray[np.float64],
    colours: str,
    label: str,
    values: Sequence[npt.NDArray[np.floating]],
) -> Scale:
    edges = _rounded(levels)
    below = any(_finite(v).min() < edges[0] for v in values)
    above = any(_finite(v).max() > edges[-1] for v in values)
    extend: dict[tuple[bool, bool], Extend] = {
        (False, False): "neither",
        (True, False): "min",
        (False, True): "max",
        (True, True): "both",
    }
    return Scale(edges, colours, label, extend[below, above])
