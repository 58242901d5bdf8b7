"""Chapters on what went in: the observations, and the climatology behind the analysis."""

from __future__ import annotations

import numpy as np

from isopleth.report.figures import OURS, THEIRS, WARNING, to_png
from isopleth.report.maps import Dots, position_figure
from isopleth.report.material import Material, Rejected
from isopleth.report.pages import Chapter, Picture, Table
from isopleth.report.reach import climatology_misfit
from isopleth.report.words import amount, count, depth_words

__all__ = ["climatology_chapter", "observations_chapter"]


def observations_chapter(material: Material) -> Chapter:
    """Positions of what was used, held back and refused, and the reasons."""
    used, bad = material.used, material.rejected
    first, last = (str(t.astype("datetime64[D]")) for t in (used.time.min(), used.time.max()))
    values = int(np.isfinite(used.value).sum())
    what = (
        f"{count(len(used), 'profile')} with {count(values, 'value')} on "
        f"{count(len(used.depth), 'level')} went in, from {first} to {last}."
    )
    notice = material.analysis.attrs.get("data_note")
    text = [what, *(note for note in used.notes if note != notice)]
    parts: list[Picture | Table] = [_positions(material)]
    if bad is not None and len(bad.table):
        parts.append(_refusals(bad))
    elif bad is not None:
        text.append("Quality control refused nothing.")
    return Chapter("observations", "The observations", text, parts)


def climatology_chapter(material: Material) -> Chapter:
    """The epoch of the climatology and its bias against the data of this month, by level."""
    epoch = str(material.analysis.attrs.get("climatology_epoch", "an unstated epoch"))
    text = (
        f"The climatology stands for {epoch}. Where the ocean has changed since, it is biased, "
        "and so is the analysis wherever no profile corrects it."
    )
    misfit = climatology_misfit(material)
    if misfit.empty:
        return Chapter("climatology", "The climatology behind it", (text,))
    unit = f" ({material.unit})" if material.unit else ""
    columns = zip(misfit["depth"], misfit["n"], misfit["bias"], misfit["sd"], strict=True)
    table = Table(
        "Climatology less the observations of the month, at their positions.",
        ("Depth", "Values", f"Bias{unit}", f"Standard deviation{unit}"),
        [
            (depth_words(d), f"{n:,}", amount(b, sign=True, places=3), amount(s, places=3))
            for d, n, b, s in columns
        ],
    )
    return Chapter("climatology", "The climatology behind it", (text,), (table,))


def _positions(material: Material) -> Picture:
    used, held, bad = material.used, material.withheld, material.rejected
    kinds = [Dots(used.longitude, used.latitude, f"used ({len(used):,})", OURS, size=1.6)]
    if held is not None:
        label = f"held back ({held.sizes['profile']:,})"
        kinds.append(Dots(held["lon"].values, held["lat"].values, label, THEIRS, size=2.2))
    if bad is not None and bad.longitude.size:
        label = f"values refused ({bad.longitude.size:,})"
        kinds.append(Dots(bad.longitude, bad.latitude, label, WARNING, "x", 4.5))
    described = ", ".join(kind.label for kind in kinds)
    caption = "Positions of the profiles."
    if held is not None:
        caption += " Those held back were hidden from the method while it was judged by them. "
        caption += str(material.analysis.attrs.get("held_back", ""))
    return Picture(
        to_png(position_figure(material.mean.isel(depth=0), kinds)),
        f"Map of the positions of the profiles: {described}.",
        caption,
    )


def _refusals(bad: Rejected) -> Table:
    rows = [
        (row.reason, f"{row.values:,}", "–" if row.profiles is None else f"{row.profiles:,}")
        for row in bad.table.rows
    ]
    caption = "What quality control refused; a value counts once, by the first reason that holds."
    return Table(caption, ("Reason", "Values", "Profiles"), rows)
