"""Pictures that are curves: zonal wind, spectra, skewness, growth of errors, spin-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isopleth.report.figures import (
    FAINT,
    INK,
    MUTED,
    OURS,
    THEIRS,
    heading,
    new_figure,
    plain_axes,
    plain_number,
)
from qg3_climatology_maps import bar, skewness_maps
from qg3_climatology_rows import doubling_days, skewness
from qg3_climatology_runs import GROWN_FROM, HOURS
from qg3_climatology_statistics import EDGES, Climate, Floats, interval

LEVELS = ("200 hPa", "500 hPa", "800 hPa")
COLOURS = (OURS, "#7a5195", THEIRS)
MILLION = 1e-6


def panels(width: float, height: float, count: int) -> tuple[Figure, list[Axes]]:
    """A row of axes."""
    figure = new_figure(width, height)
    share = 1.0 / count
    boxes = [
        figure.add_axes((share * i + 0.7 / width, 0.58 / height, share - 0.9 / width,
                         1.0 - 0.95 / height))
        for i in range(count)
    ]  # fmt: skip
    return figure, [plain_axes(axes) for axes in boxes]


def zonal_wind(climates: Sequence[Climate]) -> Figure:
    """Zonal mean of the eastward wind at three levels."""
    figure, boxes = panels(10.0, 4.0, len(climates))
    for axes, c in zip(boxes, climates, strict=True):
        for level, colour in enumerate(COLOURS):
            each = c.zonal[:, level]
            axes.fill_between(c.latitude, each.min(0), each.max(0), color=colour, alpha=0.2, lw=0)
            axes.plot(c.latitude, each.mean(0), color=colour, lw=1.6, label=LEVELS[level])
        axes.axhline(0.0, color=MUTED, lw=0.7)
        axes.set(xlim=(-90, 90), xticks=range(-90, 91, 30), xlabel="Latitude (degrees north)")
        axes.set(ylim=_shared([c.zonal for c in climates]))
        _grid(axes)
        heading(axes, c.runs.plan.name)
    boxes[0].set_ylabel("Zonal mean of u (m s⁻¹)")
    _legend(boxes[0])
    return figure


def spectra(climates: Sequence[Climate]) -> Figure:
    """Kinetic energy of the flow and of its anomalies by degree."""
    figure, boxes = panels(10.0, 4.4, len(climates))
    for axes, c in zip(boxes, climates, strict=True):
        degree = np.arange(1, c.energy.shape[-1])
        for level, colour in enumerate(COLOURS):
            whole, eddy = (e[:, level, 1:].mean(0) for e in (c.energy, c.eddy_energy))
            axes.loglog(degree, whole, color=colour, lw=1.6, label=LEVELS[level])
            axes.loglog(degree, eddy, color=colour, lw=1.1, ls=(0, (4, 2)))
        line = degree[degree >= 9]
        axes.loglog(line, 1.5e4 * line**-3.0, color=INK, lw=0.9)
        axes.text(14.0, 7.0, r"$\propto l^{\,-3}$", color=INK, fontsize=10.0)
        axes.set(xlabel="Degree l", xlim=(1, 45), ylim=(2e-3, 300.0), xticks=(1, 2, 5, 10, 20, 40))
        axes.xaxis.set_major_formatter(lambda v, _: plain_number(v))
        axes.xaxis.set_minor_formatter(lambda v, _: "")
        _grid(axes)
        heading(axes, f"{c.runs.plan.name}: whole flow (solid), anomalies (dashed)")
    boxes[0].set_ylabel("Kinetic energy (m² s⁻²)")
    _legend(boxes[0])
    return figure


def skewness_figure(climates: Sequence[Climate]) -> Figure:
    """Skewness of the geopotential on maps, and its distribution beside the normal one."""
    width, height = 12.6, 4.9
    figure, one = new_figure(width, height), climates[0]
    places = [(x / width, 0.75 / height, 3.9 / width, 3.7 / height) for x in (0.1, 4.1)]
    scale = skewness_maps(figure, places, one, skewness(*one.moments.mean(0)))
    bar(figure, (0.13, 0.46 / height, 0.4, 0.12 / height), scale)
    axes = plain_axes(figure.add_axes((8.9 / width, 0.65 / height, 3.5 / width, 3.6 / height)))
    middle = 0.5 * (EDGES[1:] + EDGES[:-1])
    normal = np.exp(-0.5 * middle**2) / np.sqrt(2.0 * np.pi)
    axes.semilogy(middle, normal, color=INK, lw=1.0, ls="--", label="normal")
    for c, style in zip(climates, ("-", ":"), strict=False):
        for side, (name, colour) in enumerate((("north", OURS), ("south", THEIRS))):
            found = np.where(c.histogram.mean(0)[side] > 0.0, c.histogram.mean(0)[side], np.nan)
            label = f"{c.runs.plan.name}, {name}"
            axes.semilogy(middle, found, color=colour, lw=1.5, ls=style, label=label)
    axes.set(xlim=(-4.5, 4.5), ylim=(1e-5, 1.0), ylabel="Density")
    axes.set_xlabel("Anomaly of sign(f) ψ at 500 hPa (standard deviations)")
    _grid(axes)
    heading(axes, "Distribution, 20 to 80 degrees")
    axes.legend(frameon=False, fontsize=8.0, labelcolor=INK, loc="lower center")
    return figure


def error_growth(climates: Sequence[Climate]) -> Figure:
    """Difference of twins against time, with doubling times."""
    figure, boxes = panels(10.0, 4.4, len(climates))
    for axes, c in zip(boxes, climates, strict=True):
        for kind, colour, begin in (("small", OURS, 0.0), ("grown", THEIRS, GROWN_FROM)):
            errors = MILLION * np.sqrt(c.errors[kind])
            day = begin + np.arange(errors.shape[1]) * HOURS / 24.0
            name, double = doubling_days(kind)
            found = interval(double, c.errors[kind])
            label = f"{kind} errors: {name} {found.value:.1f} d [{found.lo:.1f}, {found.hi:.1f}]"
            axes.semilogy(day, errors.T, color=colour, lw=0.4, alpha=0.3)
            size = np.sqrt((errors**2).mean(0))
            axes.semilogy(day, size, color=colour, lw=2.0, label=label)
        variance = float((c.mean(c.square_psi).mean(0))[1])
        levels = ((1.0, "climate"), (np.sqrt(2.0), "two unrelated states"))
        for factor, words in levels:
            height = MILLION * factor * np.sqrt(variance)
            axes.axhline(height, color=MUTED, lw=0.8, ls="--")
            axes.text(0.3, height * 1.04, words, color=MUTED, fontsize=7.5, va="bottom")
        axes.set(xlabel="Days", ylim=(1e-3, 12.0), xlim=(0, None))
        _grid(axes)
        heading(axes, c.runs.plan.name)
        _legend(axes, loc="lower right")
    boxes[0].set_ylabel("Rms difference of ψ at 500 hPa (10⁶ m² s⁻¹)")
    return figure


def spin_up(climates: Sequence[Climate]) -> Figure:
    """Departure from the climate, and spread of the members, from the start on."""
    figure, boxes = panels(10.0, 4.2, len(climates))
    for axes, c in zip(boxes, climates, strict=True):
        day = (np.arange(len(c.spread)) + 1) * HOURS / 24.0
        for level, colour in enumerate(COLOURS):
            size = MILLION * np.sqrt(c.departure[..., level].mean(0))
            spread = MILLION * np.sqrt(c.spread[:, level])
            axes.semilogy(day, size, color=colour, lw=1.6, label=LEVELS[level])
            axes.semilogy(day, spread, color=colour, lw=0.9, ls=(0, (4, 2)))
        axes.axvline(c.runs.plan.spin_up, color=INK, lw=0.9)
        axes.set(xlabel="Days since the start", xlim=(0, day[-1]))
        axes.set(ylim=(2.0, 700.0), yticks=(2, 5, 10, 20, 50, 100, 200, 500))
        axes.yaxis.set_major_formatter(lambda v, _: plain_number(v))
        axes.yaxis.set_minor_formatter(lambda v, _: "")
        _grid(axes)
        heading(axes, f"{c.runs.plan.name}: departure (solid), spread (dashed)")
    boxes[0].set_ylabel("Standard deviation of ψ (10⁶ m² s⁻¹)")
    _legend(boxes[0], loc="upper right")
    return figure


FIGURES: dict[str, Callable[[Sequence[Climate]], Figure]] = {
    "zonal_wind": zonal_wind,
    "spectra": spectra,
    "skewness": skewness_figure,
    "error_growth": error_growth,
    "spin_up": spin_up,
}


def _shared(fields: Sequence[Floats]) -> tuple[float, float]:
    low, high = min(f.min() for f in fields), max(f.max() for f in fields)
    room = 0.05 * (high - low)
    return float(low - room), float(high + room)


def _grid(axes: Axes) -> None:
    axes.grid(color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)


def _legend(axes: Axes, **place: Any) -> None:
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, **({"loc": "best"} | place))
