"""The report on a reconstruction: one HTML file, what was mapped and how far to trust it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import xarray as xr

from isopleth.data.profiles import Profiles
from isopleth.report.field_chapters import maps_chapter, members_chapter, section_chapter
from isopleth.report.material import Material, Rejected
from isopleth.report.observation_chapters import climatology_chapter, observations_chapter
from isopleth.report.pages import Chapter, Page, write_page
from isopleth.report.reach import reach
from isopleth.report.record_chapters import glossary_chapter, provenance_chapter
from isopleth.report.score_chapters import calibration_chapter, score_chapter
from isopleth.report.summary import headline, tiles
from isopleth.report.uncertainty_chapter import uncertainty_chapter

__all__ = ["compose", "write_report"]

_FILE = "report.html"


def write_report(
    path: str | Path,
    analysis: xr.Dataset,
    used: Profiles,
    withheld: xr.Dataset | None,
    provenance: Mapping[str, object],
    *,
    scores: pd.DataFrame | None = None,
    rejected: Rejected | None = None,
) -> Path:
    """Write the report; the file is complete or not there.

    Args:
        path: HTML file to write, or a folder that gets a `report.html`.
        analysis: NAME, NAME_standard_error, climatology, error_of_prior and observations_nearby on
            (depth, lat, lon), optionally NAME_members (realization, ...); scalar time; attributes
            climatology_epoch, method and, where data are not what they seem, data_note.
        used: Profiles that went in; their variable is NAME.
        withheld: observed, mean, standard_deviation (predictive) and climatology on (profile,
            depth), with lat, lon and time, at profiles held back; None if there are none.
        provenance: Names and values of how it was made, laid out in their order.
        scores: Score by level at the profiles held back: columns `material.SCORE_COLUMNS`.
        rejected: What quality control refused.

    Returns:
        The file written.

    Raises:
        InputError: If a variable or column is missing; the message names it.
    """
    material = Material(analysis, used, withheld, provenance, scores, rejected)
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        target = target / _FILE
    return write_page(target, compose(material))


def compose(material: Material) -> Page:
    """The page of a reconstruction, chapters that have nothing to show left out."""
    main = reach(material, material.main)
    chapters: list[Callable[[Material], Chapter | None]] = [
        maps_chapter,
        section_chapter,
        lambda m: uncertainty_chapter(m, main),
        observations_chapter,
        score_chapter,
        calibration_chapter,
        climatology_chapter,
        members_chapter,
        provenance_chapter,
        glossary_chapter,
    ]
    attrs = material.analysis.attrs
    return Page(
        title=f"Ocean {material.noun}, {material.month}",
        eyebrow="Isopleth reconstruction",
        lead=headline(material),
        notice=str(attrs.get("data_note", "")),
        tiles=tiles(material, main),
        chapters=[made for make in chapters if (made := make(material)) is not None],
        footer=_footer(material),
    )


def _footer(material: Material) -> str:
    version = str(material.analysis.attrs.get("isopleth_version", "")).strip()
    made = f"Isopleth {version}" if version else "Isopleth"
    return f"Made with {made}. Coastlines: Natural Earth."
