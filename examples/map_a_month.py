"""Map a month of ocean temperature and draw it: python examples/map_a_month.py [TABLE] [PNG].

Without a table the shipped demonstration is used: real float positions, temperatures of the real
January atlas. With one, it needs columns time, lat, lon and depth or pressure, temperature; the
wide form `temp100, temp150` is read as levels in dbar.
"""

# %% What to map
from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from isopleth.core import Grid
from isopleth.data import open_observations, to_levels
from isopleth.data.bathymetry import ocean_mask
from isopleth.data.quality import check
from isopleth.report import Dots, Panel, diverging, map_figure, sequential, to_png
from isopleth.systems import kriging
from isopleth.systems.kriging import demo

table = sys.argv[1] if len(sys.argv) > 1 else None
picture = Path(sys.argv[2] if len(sys.argv) > 2 else "month.png")
MONTH, LEVEL = "2016-01", 100.0

# %% Observations: the shipped demonstration, or a table of your own
if table is None:
    demonstration = demo.prepare(np.array([LEVEL]))
    profiles, system = demonstration.profiles, kriging.load(climatology=demonstration.climatology)
else:
    soundings, _ = check(open_observations(table, wide="dbar"))
    profiles, system = to_levels(soundings, np.array([LEVEL])), kriging.load()

# %% The analysis
resolution = 1.0 if table else 2.0
grid = Grid.regular(resolution, levels=profiles.depth)
grid = grid.with_mask(ocean_mask(grid.latitude, grid.longitude, grid.levels))
small = replace(system, recipe=replace(system.recipe, members=0))
analysis = small.run(profiles, month=MONTH, grid=grid)

# %% The picture
level = analysis.sel(depth=LEVEL)
anomaly = level.temperature - level.climatology
start, stop = np.datetime64(MONTH, "ns"), np.datetime64(MONTH, "M") + 1
used = profiles.select((profiles.time >= start) & (profiles.time < stop.astype("M8[ns]")))
dots = Dots(used.longitude, used.latitude, size=0.5)
anomalies = diverging([anomaly.values], "temperature anomaly (°C)")
errors = sequential([level.temperature_standard_error.values], "standard error (°C)",
                    colours="amp")  # fmt: skip
kind = "profiles" if table else "atlas profiles (demonstration)"
figure = map_figure(
    [
        Panel(anomaly, f"Anomaly at {LEVEL:g} m, {MONTH}, from {len(used):,} {kind}", anomalies),
        Panel(
            level.temperature_standard_error, "Standard error, and the profiles", errors, (dots,)
        ),
    ]
)
picture.write_bytes(to_png(figure))
print(f"wrote {picture}")
