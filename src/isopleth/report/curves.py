"""Curves: score by depth, calibration, spread against skill, single profiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from isopleth.report.figures import (
    BAND,
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
from isopleth.report.reliability import (
    coverage,
    half_width,
    pit,
    rmse_intervals,
    sampling_band,
    spread_skill,
)

__all__ = ["calibration_figure", "profile_figure", "score_figure"]

Floats = npt.NDArray[np.float64]

_NOMINAL = np.arange(0.1, 0.96, 0.1)
_BINS = 10
_BOTTOM, _HEIGHT = 0.14, 0.77


def score_figure(scores: pd.DataFrame, withheld: xr.Dataset | None, *, unit: str) -> Figure:
    """RMSE, CRPS and bias by depth, of the analysis and of the climatology.

    Args:
        scores: Columns depth, rmse, crps, bias and the same with _climatology.
        withheld: Predictions at withheld profiles on the same depths, for intervals of the RMSE.
        unit: For the axes.
    """
    figure = new_figure(10.0, 4.2)
    depth = scores["depth"].to_numpy(dtype=float)
    for i, (column, name) in enumerate((("rmse", "RMSE"), ("crps", "CRPS"), ("bias", "Bias"))):
        axes = plain_axes(figure.add_axes((0.075 + 0.318 * i, _BOTTOM, 0.275, _HEIGHT)))
        if column == "rmse" and withheld is not None and _same(withheld, depth):
            for forecast, colour in (("mean", OURS), ("climatology", THEIRS)):
                low, high = rmse_intervals(withheld, forecast)
                axes.fill_betweenx(depth, low, high, color=colour, alpha=0.16, linewidth=0)
        for key, colour, who in (
            (f"{column}_climatology", THEIRS, "climatology"),
            (column, OURS, "this analysis"),
        ):
            axes.plot(
                scores[key], depth, "o-", color=colour, markersize=3.5, linewidth=1.5, label=who
            )
        if column == "bias":
            axes.axvline(0.0, color=MUTED, linewidth=0.7, zorder=0)
        else:
            axes.set_xlim(left=0.0)
        _depth_axis(axes, depth, label=i == 0)
        axes.set_xlabel(f"{name} ({unit})" if unit else name)
        heading(axes, name)
        if i == 0:
            axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="best")
    return figure


def calibration_figure(withheld: xr.Dataset, *, unit: str) -> Figure:
    """Three views of the same question: are the stated uncertainties true?

    The PIT histogram and the coverage of central intervals, each with the 95 % band that
    sampling alone gives for as many independent values as there are profiles, and the error
    found against the error predicted.

    Args:
        withheld: Predictions at withheld profiles.
        unit: For the axes.
    """
    figure = new_figure(10.0, 3.7)
    boxes = [figure.add_axes((0.07 + 0.327 * i, 0.155, 0.255, 0.75)) for i in range(3)]
    count = int(withheld.sizes["profile"])
    _pit_axes(plain_axes(boxes[0]), pit(withheld), count)
    _coverage_axes(plain_axes(boxes[1]), withheld, count)
    _spread_axes(plain_axes(boxes[2]), withheld, unit)
    return figure


def profile_figure(
    withheld: xr.Dataset, chosen: Sequence[tuple[int, str]], *, label: str
) -> Figure:
    """Withheld profiles as observed, as predicted with the 90 % interval, and the climatology.

    Args:
        withheld: Predictions at withheld profiles, at least two depths.
        chosen: Index of each profile and its title; up to four.
        label: Quantity and unit.
    """
    figure = new_figure(10.0, 4.4)
    depth = withheld["depth"].values.astype(float)
    wide = half_width(withheld, 0.9)
    for i, (index, title) in enumerate(chosen):
        axes = plain_axes(figure.add_axes((0.07 + 0.238 * i, 0.19, 0.2, 0.68)))
        one = withheld.isel(profile=index)
        mean, reach = one["mean"].values, wide.isel(profile=index).values
        axes.fill_betweenx(
            depth,
            mean - reach,
            mean + reach,
            color=OURS,
            alpha=0.2,
            linewidth=0,
            label="90 % interval",
        )
        axes.plot(mean, depth, color=OURS, linewidth=1.6, label="predicted")
        axes.plot(
            one["climatology"].values,
            depth,
            color=THEIRS,
            linewidth=1.2,
            linestyle="--",
            label="climatology",
        )
        axes.plot(one["observed"].values, depth, "o", color=INK, markersize=3.2, label="observed")
        _depth_axis(axes, depth, label=i == 0)
        axes.set_xlabel(label)
        axes.set_title(title, loc="left", fontsize=8.5, color=INK, pad=6, linespacing=1.35)
        if i == 0:
            figure.legend(
                *axes.get_legend_handles_labels(),
                loc="lower center",
                ncols=4,
                frameon=False,
                fontsize=8.5,
                labelcolor=INK,
            )
    return figure


def _same(withheld: xr.Dataset, depth: Floats) -> bool:
    own = withheld["depth"].values
    return own.size == depth.size and bool(np.allclose(own, depth))


def _depth_axis(axes: Axes, depth: Floats, *, label: bool) -> None:
    reach = max(float(np.ptp(depth)), 1.0)
    axes.set_ylim(depth.max() + 0.03 * reach, max(depth.min() - 0.03 * reach, -0.03 * reach))
    axes.yaxis.set_major_formatter(lambda v, _: plain_number(v))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(lambda v, _: plain_number(v))
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    if label:
        axes.set_ylabel("Depth (m)")
    else:
        axes.tick_params(labelleft=False)


def _pit_axes(axes: Axes, values: Floats, count: int) -> None:
    bins = _BINS if count >= 10 * _BINS else _BINS // 2
    found = np.histogram(values, bins=bins, range=(0.0, 1.0))[0] * bins / max(values.size, 1)
    low, high = sampling_band(1.0 / bins, count) * bins
    axes.bar((np.arange(bins) + 0.5) / bins, found, width=0.92 / bins, color=OURS, alpha=0.85)
    axes.axhspan(float(low), float(high), color=BAND, linewidth=0, zorder=0)
    axes.axhline(1.0, color=INK, linewidth=0.8, linestyle="--")
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, max(1.6, 1.1 * float(found.max())))
    axes.set_xlabel("Predicted probability of a lower value")
    axes.set_ylabel("Density")
    heading(axes, "PIT histogram")


def _coverage_axes(axes: Axes, withheld: xr.Dataset, count: int) -> None:
    low, high = sampling_band(_NOMINAL, count)
    axes.fill_between(_NOMINAL, low, high, color=BAND, linewidth=0)
    axes.plot([0.0, 1.0], [0.0, 1.0], color=INK, linewidth=0.8, linestyle="--")
    axes.plot(_NOMINAL, coverage(withheld, _NOMINAL), "o-", color=OURS, markersize=4.0)
    axes.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    axes.set_xlabel("Stated probability of the interval")
    axes.set_ylabel("Share of values inside")
    heading(axes, "Coverage")


def _spread_axes(axes: Axes, withheld: xr.Dataset, unit: str) -> None:
    pair = spread_skill(withheld)
    end = 1.08 * float(max(pair.spread.max(), pair.skill.max()))
    axes.plot([0.0, end], [0.0, end], color=INK, linewidth=0.8, linestyle="--")
    axes.plot(pair.spread, pair.skill, "o-", color=OURS, markersize=4.0)
    axes.set(xlim=(0.0, end), ylim=(0.0, end))
    suffix = f" ({unit})" if unit else ""
    axes.set_xlabel(f"Predicted error{suffix}")
    axes.set_ylabel(f"Error found{suffix}")
    heading(axes, "Spread and skill")
