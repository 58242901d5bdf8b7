"""Assimilation of a table of observations into a background on any latitude-longitude grid.

`inputs` brings background and ensemble to one state, `screening` says which reports can be used
and why the others cannot, `methods` makes the analysis (3D-Var, LETKF), `diagnostics`
judges it, `system` puts them together. Without an ensemble the error statistics are stated ones
(`recipe.STATED`): guesses, printed with every analysis.

>>> from isopleth.data.station_reports import read_report_frame
>>> from isopleth.systems import assimilation
>>> example = assimilation.demo.prepare()
>>> system = assimilation.Assimilation(assimilation.LocalEnsemble())
>>> outcome = system(example.inputs, read_report_frame(example.table))      # doctest: +SKIP
"""

from __future__ import annotations

from isopleth.systems.assimilation import demo
from isopleth.systems.assimilation.inputs import Inputs, chosen_time, combined
from isopleth.systems.assimilation.methods import LocalEnsemble, Method, Static
from isopleth.systems.assimilation.recipe import STATED, Recipe, Stated, standard
from isopleth.systems.assimilation.system import Assimilation, Outcome

__all__ = [
    "STATED",
    "Assimilation",
    "Inputs",
    "LocalEnsemble",
    "Method",
    "Outcome",
    "Recipe",
    "Stated",
    "Static",
    "chosen_time",
    "combined",
    "demo",
    "standard",
]
