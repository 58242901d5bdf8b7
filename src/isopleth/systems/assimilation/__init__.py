"""Assimilation of a table of observations into a background on any latitude-longitude grid.

`inputs` brings background and ensemble to one state, `sample` and `statistics` say what a static
covariance is made of, `isopleth.inference.screening` which reports can be used, `methods`
makes the analysis (3D-Var, hybrid EnVar, LETKF, ETKF, EnKF), `tuning` chooses the localisation,
`diagnostics` judges it, `system` puts them together. Without an ensemble or forecasts the error
statistics are stated ones (`recipe.STATED`): guesses, printed with every analysis.

>>> from isopleth.data.station_reports import read_report_frame
>>> from isopleth.systems import assimilation
>>> example = assimilation.demo.prepare()
>>> system = assimilation.Assimilation(assimilation.LocalEnsemble())
>>> outcome = system(example.inputs, read_report_frame(example.table))      # doctest: +SKIP
"""

from __future__ import annotations

from isopleth.systems.assimilation import demo
from isopleth.systems.assimilation.inputs import Inputs, chosen_time, combined
from isopleth.systems.assimilation.methods import (
    Analysed,
    Hybrid,
    LocalEnsemble,
    Method,
    Posed,
    Static,
    WholeEnsemble,
)
from isopleth.systems.assimilation.recipe import STATED, Recipe, Stated, standard
from isopleth.systems.assimilation.sample import Sample, of_pairs, sample_of
from isopleth.systems.assimilation.system import Assimilation, Case, Outcome
from isopleth.systems.assimilation.tuning import Choice

__all__ = [
    "STATED",
    "Analysed",
    "Assimilation",
    "Case",
    "Choice",
    "Hybrid",
    "Inputs",
    "LocalEnsemble",
    "Method",
    "Outcome",
    "Posed",
    "Recipe",
    "Sample",
    "Stated",
    "Static",
    "WholeEnsemble",
    "chosen_time",
    "combined",
    "demo",
    "of_pairs",
    "sample_of",
    "standard",
]
