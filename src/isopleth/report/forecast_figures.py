"""Figures of a forecast: maps of the streamfunction and of the spread, scores, energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from isopleth.core.harmonics import Harmonics
from isopleth.report.assimilation_maps import open_map_figure
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
from isopleth.report.maps import PACIFIC, Panel, cell_edges
from isopleth.report.projections import frame_of
from isopleth.report.scales import Scale, diverging, sequential

__all__ = ["finer", "growth_figure", "score_figure", "shown_days", "spread_figure", "state_figure"]

Floats = npt.NDArray[np.float64]

_STEP = 1.5
_UNIT = "10⁶ m² s⁻¹"
_DAYS = (0.0, 1.0, 3.0, 5.0, 10.0)


def shown_days(length: float) -> list[float]:
    """Days of which there are maps: 0, 1, 3, 5, 10 and the last.

    >>> shown_days(7.5), shown_days(10.0)
    ([0.0, 1.0, 3.0, 5.0, 7.5], [0.0, 1.0, 3.0, 5.0, 10.0])
    """
    return sorted({*(day for day in _DAYS if day <= length), length})


def finer(field: xr.DataArray, truncation: int) -> xr.DataArray:
    """The same field on a grid of 1.5 degrees: its harmonics say what it is there.

    Args:
        field: Dimensions (lat, lon), a whole globe, of degree `truncation`.
        truncation: Largest degree.
    """
    lat = 90.0 - _STEP / 2.0 - _STEP * np.arange(round(180.0 / _STEP))
    lon = _STEP / 2.0 + _STEP * np.arange(round(360.0 / _STEP))
    values = torch.from_numpy(field.transpose("lat", "lon").values.astype(np.float64))
    own = Harmonics(field["lat"].values, field["lon"].values, truncation)
    z = own.analysis(values)
    found = Harmonics(lat, lon, truncation).synthesis(z)
    return xr.DataArray(found.numpy(), {"lat": lat, "lon": lon}, name=field.name)


def state_figure(fields: Sequence[xr.DataArray], titles: Sequence[str]) -> Figure:
    """Maps of the streamfunction with lines of equal value, which the wind follows.

    Args:
        fields: m2 s-1, dimensions (lat, lon), one grid.
        titles: Of the panels.
    """
    fields = [field / 1e6 for field in fields]
    scale = _halved(diverging([f.values for f in fields], f"Streamfunction ({_UNIT})"))
    panels = [Panel(f, t, scale) for f, t in zip(fields, titles, strict=True)]
    figure = open_map_figure(panels)
    for axes, field in zip(figure.axes, fields, strict=False):
        _draw_lines(axes, field, scale)
    return figure


def spread_figure(fields: Sequence[xr.DataArray], titles: Sequence[str]) -> Figure:
    """Maps of the standard deviation of the members.

    Args:
        fields: m2 s-1, dimensions (lat, lon), one grid.
        titles: Of the panels.
    """
    fields = [field / 1e6 for field in fields]
    label = f"Standard deviation of the members ({_UNIT})"
    scale = sequential([f.values for f in fields], label, colours="amp")
    panels = [Panel(f, t, scale) for f, t in zip(fields, titles, strict=True)]
    return open_map_figure(panels)


def score_figure(scores: pd.DataFrame, pressure: float = 500.0) -> Figure:
    """RMSE and anomaly correlation by lead, of the forecast and of persistence.

    Args:
        scores: Columns hours, pressure, rmse, rmse_persistence, rmse_climate, acc,
            acc_persistence, spread.
        pressure: Level, hPa.
    """
    at = scores[scores["pressure"] == pressure].sort_values("hours")
    days = at["hours"].to_numpy() / 24.0
    figure, axes, other = _two_axes()
    _line(axes, days, at["rmse"] / 1e6, OURS, "forecast")
    _line(axes, days, at["rmse_persistence"] / 1e6, THEIRS, "persistence")
    _line(axes, days, at["rmse_climate"] / 1e6, MUTED, "climate of the model", style="--")
    if np.isfinite(at["spread"]).any():
        _line(axes, days, at["spread"] / 1e6, OURS, "spread of the members", style=":")
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel(f"RMSE ({_UNIT})")
    heading(axes, f"Error at {pressure:g} hPa")
    _line(other, days, at["acc"], OURS, "forecast")
    _line(other, days, at["acc_persistence"], THEIRS, "persistence")
    other.axhline(0.6, color=MUTED, linewidth=0.8, linestyle="--")
    other.set_ylim(min(0.0, float(at[["acc", "acc_persistence"]].min().min())) - 0.02, 1.02)
    other.set_ylabel("Correlation of anomalies")
    heading(other, f"Anomaly correlation at {pressure:g} hPa")
    for each in (axes, other):
        _days_axis(each, days)
    _legend(figure, axes)
    return figure


def growth_figure(curves: xr.Dataset) -> Figure:
    """Kinetic energy of the levels and size of the anomaly at 500 hPa, against the climate.

    Args:
        curves: As in `ForecastMaterial`.
    """
    figure, axes, other = _two_axes()
    colours = dict(zip(curves["pressure"].values, ("#7b4a9e", OURS, THEIRS), strict=False))
    for level, colour in colours.items():
        energy = curves["kinetic_energy"].sel(pressure=level)
        _members(axes, energy, colour)
        _name_line(axes, float(energy[0].max()), colour, f"{level:g} hPa")
        _band(axes, curves["kinetic_energy_climate"].sel(pressure=level))
        _truth(axes, curves, "kinetic_energy", level, 1.0)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda v, _: plain_number(v))
    axes.yaxis.set_minor_formatter(lambda v, _: plain_number(v) if _leading(v) in (2, 5) else "")
    axes.tick_params(axis="y", which="minor", labelsize=8.0, colors=MUTED)
    axes.set_ylabel("Kinetic energy (m² s⁻²)")
    heading(axes, "Kinetic energy, mean over the globe")
    anomaly = curves["anomaly"].sel(pressure=500.0) / 1e6
    several = anomaly.sizes["realization"] > 1
    _members(other, anomaly, OURS, "mean of the members" if several else "forecast")
    _band(other, curves["anomaly_climate"].sel(pressure=500.0) / 1e6, "states of the climate")
    _truth(other, curves, "anomaly", 500.0, 1e6, "truth")
    other.set_ylim(bottom=0.0)
    other.set_ylabel(f"Root mean square ({_UNIT})")
    heading(other, "Anomaly from the model's climate, 500 hPa")
    for each in (axes, other):
        _days_axis(each, curves["hours"].values / 24.0)
    _legend(figure, other)
    return figure


def _halved(scale: Scale) -> Scale:
    """Twice as many steps: lines of a flow may be closer than colours to be told apart."""
    middle = [0.5 * (a + b) for a, b in pairwise(scale.levels)]
    return replace(scale, levels=tuple(sorted([*scale.levels, *middle])))


def _draw_lines(axes: Axes, field: xr.DataArray, scale: Scale) -> None:
    lat, lon = field["lat"].values, field["lon"].values
    frame = frame_of(np.clip(cell_edges(lat), -90.0, 90.0), cell_edges(lon), PACIFIC)
    east = frame.wrap(lon)
    order = np.argsort(east)
    values = field.transpose("lat", "lon").values[:, order]
    # The map's own edges, half-way between the columns on either side of the cut.
    edge = 0.5 * (values[:, :1] + values[:, -1:])
    columns = np.concatenate([[frame.west], east[order], [frame.east]])
    keep = np.concatenate([[True], np.diff(columns) > 1e-6])
    whole = np.concatenate([edge, values, edge], axis=1)[:, keep]
    x, y = frame.projection.project(*np.meshgrid(columns[keep], lat))
    lines = axes.contour(x, y, whole, levels=scale.levels, colors=INK, linewidths=0.4, zorder=2)
    lines.set_linestyle("solid")


def _two_axes() -> tuple[Figure, Axes, Axes]:
    figure = new_figure(10.0, 4.2)
    boxes = ((0.07, 0.21, 0.40, 0.70), (0.57, 0.21, 0.40, 0.70))
    left, right = (plain_axes(figure.add_axes(box)) for box in boxes)
    return figure, left, right


def _legend(figure: Figure, axes: Axes) -> None:
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="lower center",
        ncols=4,
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
    )


def _name_line(axes: Axes, value: float, colour: str, text: str) -> None:
    axes.annotate(
        text,
        (0.0, value),
        xytext=(6.0, 8.0),
        textcoords="offset points",
        color=colour,
        fontsize=8.5,
        fontweight="bold",
    )


def _line(
    axes: Axes, x: Floats, y: npt.ArrayLike, colour: str, label: str, *, style: str = "-"
) -> None:
    axes.plot(x, np.asarray(y), style, color=colour, linewidth=1.7, label=label)


def _members(axes: Axes, field: xr.DataArray, colour: str, label: str = "") -> None:
    days = field["hours"].values / 24.0
    if field.sizes["realization"] > 1:
        low, high = field.min("realization"), field.max("realization")
        axes.fill_between(days, low, high, color=colour, alpha=0.22, linewidth=0)
    axes.plot(days, field.mean("realization"), color=colour, linewidth=1.7, label=label or None)


def _band(axes: Axes, states: xr.DataArray, label: str = "") -> None:
    low, high = np.percentile(states.values, [10.0, 90.0])
    axes.axhspan(low, high, color=BAND, linewidth=0, zorder=0, label=label or None)


def _truth(
    axes: Axes, curves: xr.Dataset, name: str, level: float, unit: float, label: str = ""
) -> None:
    if f"{name}_truth" not in curves:
        return
    truth = curves[f"{name}_truth"].sel(pressure=level) / unit
    days = curves["later"].values / 24.0
    axes.plot(days, truth, "--", color=INK, linewidth=1.1, label=label or None)


def _leading(value: float) -> int:
    return round(value / 10.0 ** np.floor(np.log10(value)))


def _days_axis(axes: Axes, days: Floats) -> None:
    axes.set_xlim(0.0, float(days.max()))
    axes.set_xlabel("Lead (days)")
    axes.grid(axis="y", color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(lambda v, _: plain_number(v))
