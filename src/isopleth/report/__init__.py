"""Figures, and the report that explains a reconstruction to a person.

Maps with coastlines, vertical sections, curves of score and calibration, and one self-contained
HTML page that puts them together with the numbers and the provenance.
"""

from __future__ import annotations

from isopleth.report.curves import calibration_figure, profile_figure, score_figure
from isopleth.report.figures import to_png
from isopleth.report.maps import Dots, Panel, map_figure, position_figure
from isopleth.report.material import Rejected
from isopleth.report.reconstruction import write_report
from isopleth.report.scales import Scale, diverging, fraction, sequential
from isopleth.report.sections import along_meridian, along_parallel, section_figure

__all__ = [
    "Dots",
    "Panel",
    "Rejected",
    "Scale",
    "along_meridian",
    "along_parallel",
    "calibration_figure",
    "diverging",
    "fraction",
    "map_figure",
    "position_figure",
    "profile_figure",
    "score_figure",
    "section_figure",
    "sequential",
    "to_png",
    "write_report",
]
