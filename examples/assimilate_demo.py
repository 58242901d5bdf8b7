"""Assimilate observations into a background: python examples/assimilate_demo.py [PNG].

The shipped demonstration: one member of a sample of ERA5's ensemble plays the truth, observations
of it are SYNTHETIC, the mean of the other nine members is the background.
"""

# %% What to assimilate
from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from isopleth.data.station_reports import read_report_frame
from isopleth.report import Panel, diverging, map_figure, sequential, to_png
from isopleth.systems import assimilation

picture = Path(sys.argv[1] if len(sys.argv) > 1 else "increment.png")
example = assimilation.demo.prepare(seed=0)
reports = read_report_frame(example.table)  # your own: read_reports(Path("obs.csv"))

# %% An analysis whose localisation suits observations hidden for that choice
system = assimilation.Assimilation(assimilation.LocalEnsemble())
case = system.prepared(example.inputs, reports)
case, choice = system.tuned(case, share=0.1, seed=0)
outcome = system.analysed(case)
print(f"localisation radius: {choice.words if choice else 'that of the recipe'}")

# %% What it is worth: stations that a second analysis does not see, and here the truth
print(system.trial(outcome, share=0.1, seed=0))
print(example.errors(outcome.analysed.mean))

# %% Without an ensemble the same observations need a static covariance: here stated numbers
alone = replace(example.inputs, members=None, sample=None)
static = assimilation.Assimilation(assimilation.Static())(alone, reports)
print(f"stated statistics, not the ensemble's: chi-square {static.analysed.chi_square:.2f}")

# %% The picture
fields = system.dataset(outcome).sel(pressure=500.0)
increment = fields.geopotential_height_increment
changes = diverging([increment.values], "analysis less background (m)")
errors = sequential(
    [fields.geopotential_height_spread.values], "standard error (m)", colours="amp"
)
figure = map_figure(
    [
        Panel(increment, "Height of 500 hPa: what the observations changed", changes),
        Panel(fields.geopotential_height_spread, "Error of the analysis", errors),
    ]
)
picture.write_bytes(to_png(figure))
print(f"wrote {picture}")
