"""The report on an assimilation: one HTML file, what the observations changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from isopleth.report.assimilation_maps import open_map_figure
from isopleth.report.assimilation_words import EXPLAINED, AssimilationMaterial, rejections, tables
from isopleth.report.figures import to_png
from isopleth.report.maps import Dots, Panel, position_figure
from isopleth.report.pages import Chapter, Facts, Page, Picture, Table, Tile, write_page
from isopleth.report.provenance import provenance_chapter
from isopleth.report.scales import Scale, diverging, sequential
from isopleth.report.words import amount, unit_words

__all__ = ["AssimilationMaterial", "compose_assimilation", "write_assimilation_report"]

_MOST_MAPS = 8
"""Channels with maps of their own; a page of more is not read."""

_MOST_EDGES = 4

_USED, _REJECTED = "#0b6e8a", "#c4161c"

_WORDS = {
    "Background": "The state before the observations, a forecast as a rule.",
    "Innovation": "Observed less what the background says at the place of the observation.",
    "Increment": "Analysis less background: what the observations changed.",
    "Expected": (
        "Root mean square of the innovations if the assumed errors of background and observations "
        "are right."
    ),
    "Spread": "Standard deviation of the error of a field, as the method has it; not measured.",
    "Desroziers check": (
        "Errors estimated from the departures before and after (Desroziers et al. 2005); they "
        "should agree with the assumed ones. A dash is a negative estimate."
    ),
    "Chi-square": (
        "Squared innovations over their assumed covariance (3dvar, hybrid) or variance (letkf, "
        "etkf, enkf), per observation: 1 if consistent."
    ),
    "Withheld": "Stations that a second analysis, made for this score alone, did not see.",
}


def write_assimilation_report(path: Path, material: AssimilationMaterial) -> Path:
    """Write the report; the file is complete or not there."""
    return write_page(path, compose_assimilation(material))


def compose_assimilation(material: AssimilationMaterial) -> Page:
    """The page of an assimilation, chapters that have nothing to show left out."""
    attrs = material.analysis.attrs
    chapters = [
        _basis(material),
        _maps(material),
        _observations(material),
        _numbers(material),
        _statistics(material),
        _provenance(material),
        Chapter("glossary", "What the words mean", (), (Facts(list(_WORDS.items())),)),
    ]
    return Page(
        title=_title(material),
        eyebrow="Isopleth assimilation",
        lead=_lead(material),
        notice=str(attrs.get("data_note", "")),
        tiles=_tiles(material),
        chapters=[c for c in chapters if c is not None],
        footer=f"Made with Isopleth {attrs['isopleth_version']}. Coastlines: Natural Earth.",
    )


def _title(material: AssimilationMaterial) -> str:
    time = material.analysis.coords.get("time")
    text = "" if time is None else np.datetime_as_string(time.values, "m").replace("T", " ")
    when = f", {text} UTC" if text else ""
    kind = "Demonstration: analysis" if "data_note" in material.analysis.attrs else "Analysis"
    return f"{kind}{when}"


def _lead(material: AssimilationMaterial) -> list[str]:
    attrs = material.analysis.attrs
    used, rejected = int(attrs["observations_used"]), int(attrs["observations_rejected"])
    lead = [
        f"{used:,} observations were used and {rejected:,} rejected. Method: {attrs['method']}."
    ]
    if material.withheld is not None:
        lead.append(_withheld_words(material.withheld))
    if material.truth is not None:
        parts = [
            f"{row['what']} from {amount(row['background'])} to {amount(row['analysis'])} "
            f"{unit_words(str(row['unit']))}"
            for _, row in material.truth.iterrows()
        ]
        lead.append(f"Error against the truth, which is known here: {'; '.join(parts)}.")
    return lead


def _withheld_words(frame: pd.DataFrame) -> str:
    """The score at withheld stations in a sentence."""
    better = frame["rms_analysis"] < frame["rms_background"]
    ratio = float((frame["rms_analysis"] / frame["rms_background"]).mean())
    change = "below" if ratio < 1.0 else "above"
    return (
        f"At stations that a second analysis did not see, its departures are "
        f"{abs(1.0 - ratio):.0%} {change} the background's on average, smaller for "
        f"{int(better.sum())} of {len(frame)} fields; the observations' own error is part of both."
    )


def _basis(material: AssimilationMaterial) -> Chapter:
    parts = [Facts(list(material.basis))] if material.basis else []
    notes = [f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in material.notes]
    return Chapter("basis", "On what it rests", notes, parts)


def _tiles(material: AssimilationMaterial) -> list[Tile]:
    attrs, frame = material.analysis.attrs, material.innovations
    before = np.sqrt(
        np.average((frame["rms_background"] / frame["rms_expected"]) ** 2, weights=frame["n"])
    )
    tiles = [
        Tile(f"{int(attrs['observations_used']):,}", "observations used"),
        Tile(f"{int(attrs['observations_rejected']):,}", "rejected"),
        Tile(f"{float(attrs['chi_square']):.2f}", "chi-square per observation (1 if consistent)"),
        Tile(f"{before:.2f}", "innovations over what the assumed errors imply"),
    ]
    return tiles


def _maps(material: AssimilationMaterial) -> Chapter:
    parts = []
    for name, level in _channels(material.analysis)[:_MOST_MAPS]:
        parts.append(_channel_maps(material, name, level))
    shown = _channels(material.analysis)
    text = ["What was analysed, what the observations changed, and the assumed errors."]
    if len(shown) > _MOST_MAPS:
        text.append(f"The first {_MOST_MAPS} of {len(shown)} maps; all are in the file.")
    return Chapter("maps", "Maps", text, parts)


def _channels(analysis: xr.Dataset) -> list[tuple[str, tuple[str, float] | None]]:
    """Variables and their levels: (name, (dimension, level) or None)."""
    found: list[tuple[str, tuple[str, float] | None]] = []
    names = [str(n).removesuffix("_increment") for n in analysis if str(n).endswith("_increment")]
    for name in names:
        vertical = next((str(d) for d in analysis[name].dims if d not in ("lat", "lon")), None)
        if vertical is None:
            found.append((name, None))
        else:
            found += [
                (name, (vertical, float(z)))
                for z in analysis[vertical].values
                if np.isfinite(analysis[name].sel({vertical: z})).any()
            ]
    return found


def _channel_maps(
    material: AssimilationMaterial, name: str, level: tuple[str, float] | None
) -> Picture:
    analysis = material.analysis
    unit = unit_words(str(analysis[name].attrs["units"]))
    long_name = str(analysis[name].attrs["long_name"])
    where = long_name

    def field(suffix: str) -> xr.DataArray:
        array = analysis[f"{name}{suffix}"]
        return array if level is None else array.sel({level[0]: level[1]})

    if level is not None:
        where = f"{long_name} at {level[1]:g} {analysis[level[0]].attrs['units']}"
    step = unit_words(str(analysis[f"{name}_increment"].attrs["units"]))
    panels = [
        Panel(field(""), "Analysis", sequential([field("").values], f"{long_name} ({unit})")),
        Panel(
            field("_increment"),
            "Increment",
            _changes(field("_increment").values, f"Analysis less background ({step})"),
        ),
    ]
    spreads = [s for s in ("_background_spread", "_spread") if f"{name}{s}" in analysis]
    scale = sequential(
        [field(s).values for s in spreads],
        f"Standard deviation of the error ({step})",
        colours="amp",
    )
    titles = {"_background_spread": "Error of the background", "_spread": "Error of the analysis"}
    panels += [Panel(field(s), titles[s], scale) for s in spreads]
    return Picture(
        to_png(open_map_figure(panels)),
        f"Maps of {where}: {', '.join(panel.title.lower() for panel in panels)}.",
        f"{where[:1].upper()}{where[1:]}. Errors are those that the method assumes or computes.",
    )


def _changes(values: npt.NDArray[np.float64], label: str) -> Scale:
    """Centred on zero, whose step is pale: what the observations left alone has no colour.

    At most four edges a side, all of which have a label.
    """
    scale = diverging([values], label)
    edges = [level for level in scale.levels if level > 1e-12]
    if len(edges) > _MOST_EDGES:
        edges = edges[(len(edges) - 1) % 2 :: 2]
    return replace(scale, levels=(*(-edge for edge in reversed(edges)), *edges))


def _observations(material: AssimilationMaterial) -> Chapter:
    stations = material.stations
    placed = stations[np.isfinite(stations["latitude"]) & np.isfinite(stations["longitude"])]
    kinds = []
    for status, colour, size in (("used", _USED, 2.4), ("rejected", _REJECTED, 3.4)):
        rows = placed[placed["status"] == status]
        if len(rows):
            kinds.append(
                Dots(
                    rows["longitude"].to_numpy(np.float64),
                    rows["latitude"].to_numpy(np.float64),
                    f"{len(rows):,} {status}",
                    colour,
                    size=size,
                )
            )
    name = _channels(material.analysis)[0][0]
    extent = material.analysis[name]
    extent = extent.isel({d: 0 for d in extent.dims if d not in ("lat", "lon")})
    parts: list[Picture | Table | Facts] = [
        Picture(
            to_png(position_figure(extent, kinds)),
            "Map of the observations, used and rejected.",
            "Where the observations are; a place with several values is one dot.",
        )
    ]
    reasons = rejections(stations)
    if reasons:
        parts.append(Table("Why observations were rejected.", ["reason", "observations"], reasons))
        parts.append(_rejected(stations[stations["status"] == "rejected"]))
    text = ["Every row of the table, with its reason where it was rejected, is in the CSV file."]
    return Chapter("observations", "Observations", text, parts)


def _rejected(rows: pd.DataFrame, most: int = 40) -> Table:
    cells = [
        [
            str(row["row"]),
            str(row["station"]),
            str(row["variable"]),
            f"{row['level']:g}" if np.isfinite(row["level"]) else "–",
            f"{row['value']:g} {row['unit']}",
            str(row["reason"]),
        ]
        for _, row in rows.head(most).iterrows()
    ]
    caption = f"The first {most} rejected rows." if len(rows) > most else "The rejected rows."
    return Table(caption, ["row", "station", "variable", "level", "value", "reason"], cells)


def _numbers(material: AssimilationMaterial) -> Chapter:
    parts = [
        Table(f"{title}. {EXPLAINED.get(title, '')}".rstrip(), heads, rows)
        for title, heads, rows in tables(material)
        if title != "Observations rejected"
    ]
    text = (
        "What the observations changed, and whether the assumed errors agree with what was seen."
    )
    return Chapter("numbers", "Before and after", (text,), parts)


def _statistics(material: AssimilationMaterial) -> Chapter | None:
    if not material.statistics:
        return None
    source, *lines = material.statistics
    pairs = [(line.partition(": ")[0], line.partition(": ")[2]) for line in lines]
    return Chapter(
        "statistics",
        "Error statistics of the background",
        (
            source,
            "Standard deviation and length L of the correlation, exp(-d²/2L²) near d = 0.",
        ),
        (Facts(pairs),),
    )


def _provenance(material: AssimilationMaterial) -> Chapter:
    return provenance_chapter(
        material.provenance,
        "What it takes to make this analysis again.",
        [("Recipe", str(material.analysis.attrs.get("recipe", "")))],
    )
