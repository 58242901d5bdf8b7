"""Chapters that show the field: maps by level, a vertical section, members."""

from __future__ import annotations

import numpy as np
import xarray as xr

from isopleth.report.figures import to_png
from isopleth.report.geography import degrees_east
from isopleth.report.maps import Panel, map_figure
from isopleth.report.material import Material
from isopleth.report.pages import Chapter, Picture
from isopleth.report.scales import Scale, diverging, per_panel, sequential
from isopleth.report.sections import UNSURE, along_meridian, section_figure, telling_meridian
from isopleth.report.words import amount, depth_words, percent

__all__ = ["maps_chapter", "members_chapter", "section_chapter"]

_STAMPS = 4


def maps_chapter(material: Material) -> Chapter:
    """Mean, anomaly and standard error at up to four levels."""
    noun, shown = material.noun, material.shown
    mean = [material.mean.sel(depth=d) for d in shown]
    label = material.label(noun.capitalize())
    own = [sequential([f.values], label, colours=material.variable.cmap) for f in mean]
    anomaly = [material.anomaly.sel(depth=d) for d in shown]
    departures = per_panel(
        lambda values: diverging(values, material.label("Anomaly")), [f.values for f in anomaly]
    )
    error = [material.error.sel(depth=d) for d in shown]
    errors = per_panel(
        lambda values: sequential(values, material.label("Standard error"), colours="amp"),
        [f.values for f in error],
    )
    text = (
        "Grey is land; pale cells inside the coastline have no value: the sea floor is shallower "
        "there, or the cell counts as land in the grid."
    )
    parts = (
        _maps(material, mean, own, f"Analysed {noun}", "Each level has its own colours."),
        _maps(
            material,
            anomaly,
            departures,
            "Departure from the climatology",
            f"Red is more, blue is less than the climatology. {_sharing(departures)}",
        ),
        _maps(
            material,
            error,
            errors,
            f"Standard error of the analysed {noun}",
            f"About two thirds of the errors should be smaller. {_sharing(errors)}",
        ),
    )
    return Chapter("maps", "Maps by level", (text,), parts)


def section_chapter(material: Material) -> Chapter | None:
    """The meridian where the observations moved the analysis most; None for a single level."""
    if material.grid.levels.size < 2:
        return None
    longitude = telling_meridian(material.analysis, name=material.name)
    section = along_meridian(material.analysis, longitude, name=material.name)
    width = float(np.abs(np.diff(material.grid.longitude)).mean())
    away = np.abs((material.used.longitude - longitude + 180.0) % 360.0 - 180.0)
    scale = diverging([section.anomaly], material.label("Anomaly"))
    figure = section_figure(
        section,
        scale,
        label=material.label(material.noun),
        ticks=material.used.latitude[away <= width],
    )
    text = (
        f"The section follows {degrees_east(longitude)}, the meridian where the observations "
        "moved the analysis farthest from the climatology."
    )
    caption = (
        "Colours: departure from the climatology. Lines: the analysed field. Hatched: little was "
        f"learned, the standard error is over {percent(UNSURE)} of what it was before any "
        "observation. Grey: below the sea floor, or land. Triangles: profiles within one grid "
        "cell. Depth is on a square-root scale."
    )
    departure, at = _largest(section.anomaly, section.depth)
    alt = (
        f"Vertical section {section.place} down to {depth_words(section.depth[-1])}. The largest "
        f"departure from the climatology is {amount(departure, unit=material.unit, sign=True)} "
        f"at {depth_words(at)}."
    )
    picture = Picture(to_png(figure), alt, caption)
    return Chapter("section", "A vertical section", (text,), (picture,))


def members_chapter(material: Material) -> Chapter | None:
    """Four members at one level; None if the analysis has none."""
    name = f"{material.name}_members"
    if name not in material.analysis or material.analysis.sizes["realization"] < 2:
        return None
    depth = material.main
    members = material.analysis[name].sel(depth=depth).isel(realization=slice(_STAMPS)).load()
    fields = [members[i] - material.climatology.sel(depth=depth) for i in range(len(members))]
    scale = diverging([f.values for f in fields], material.label("Anomaly"))
    panels = [
        Panel(f.transpose("lat", "lon"), f"Member {i + 1}, {depth_words(depth)}", scale)
        for i, f in enumerate(fields)
    ]
    total = material.analysis.sizes["realization"]
    text = (
        "Each member is one state of the ocean that agrees with the observations as far as they "
        "can be trusted. What all members share is known; what differs from one to the next is "
        "not. Use them where a map of errors is not enough: for averages over a region, for the "
        "depth of a surface, for anything that is not linear in the field."
    )
    caption = (
        f"Members 1 to {len(members)} of {total} at {depth_words(depth)}, as departures from the "
        "climatology."
    )
    alt = f"Maps of {len(members)} members at {depth_words(depth)}. {_range(material, fields)}"
    picture = Picture(to_png(map_figure(panels)), alt, caption)
    return Chapter("members", "Members", (text,), (picture,))


def _maps(
    material: Material, fields: list[xr.DataArray], scales: list[Scale], what: str, how: str
) -> Picture:
    panels = [
        Panel(f, depth_words(d), s) for f, d, s in zip(fields, material.shown, scales, strict=True)
    ]
    levels = ", ".join(depth_words(d) for d in material.shown)
    alt = f"{what}: maps at {levels}. {_range(material, fields)}"
    return Picture(to_png(map_figure(panels)), alt, f"{what}, {material.month}. {how}")


def _sharing(scales: list[Scale]) -> str:
    if len(scales) == 1:
        return ""
    if all(scale == scales[0] for scale in scales):
        return "All levels share one scale."
    return "The levels differ so much that each has its own scale."


def _range(material: Material, fields: list[xr.DataArray]) -> str:
    """Where most values lie, for those who cannot see the colours."""
    finite = [f.values[np.isfinite(f.values)] for f in fields]
    finite = [f for f in finite if f.size]
    if not finite:
        return "No value."
    low, high = np.percentile(np.concatenate(finite), [5.0, 95.0])
    return (
        f"Nine tenths of the values lie between {amount(low)} and "
        f"{amount(high, unit=material.unit)}."
    )


def _largest(anomaly: np.ndarray, depth: np.ndarray) -> tuple[float, float]:
    """The largest departure and its depth."""
    size = np.where(np.isfinite(anomaly), np.abs(anomaly), -1.0)
    row, column = np.unravel_index(int(size.argmax()), size.shape)
    return float(anomaly[row, column]), float(depth[row])
