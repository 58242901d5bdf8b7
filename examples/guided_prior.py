"""See a diffusion prior fill an ocean: python examples/guided_prior.py [PNG].

The truth is a state of perturbed climatology (SYNTHETIC: the real February climatology, heaved and
displaced), so that the answer can be laid beside it. One column of cells in thirteen is seen.
"""

# %% What happens
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from isopleth.core.fields import to_xarray
from isopleth.data import load_climatology
from isopleth.inference.mmps import MMPS
from isopleth.observe import MaskOperator, Observation
from isopleth.priors import MemberNoise, Multistep, karras
from isopleth.report import Dots, Panel, diverging, map_figure, sequential, to_png
from isopleth.systems import reconmost
from isopleth.systems.reconmost.prior import Setting, conditions
from isopleth.systems.reconmost.states import world

picture = Path(sys.argv[1] if len(sys.argv) > 1 else "guided.png")
steps, members = (16, 8) if len(sys.argv) < 3 else (2, 2)  # a second word: a quick look
MONTH, LEVEL, SEEN = 2, 150.0, 0.075

# %% The prior, and an ocean that it has not seen
denoiser, spread, grid = reconmost.load_denoiser()
climatology = load_climatology()
levels = np.searchsorted(climatology.grid.levels, grid.levels)
mean = torch.tensor(np.nan_to_num(climatology.values[MONTH - 1][levels]))
mask = torch.tensor(grid.mask)
truth = torch.where(mask, world(climatology, grid).state(MONTH, 2024, 0) - mean, 0.0)
prior = denoiser.at(conditions(Setting(mean, MONTH), grid, spread)[None])

# %% What is seen of it
columns = np.random.default_rng(0).random(grid.shape[1:]) < SEEN
seen = torch.tensor(columns & grid.mask)
casts = Observation((truth / spread)[seen], MaskOperator(grid, seen.numpy()), torch.tensor(0.01))

# %% Members given what is seen
sampler = Multistep(MMPS(prior, [casts], iterations=2), karras(steps, 0.02, 80.0))
drawn = sampler(MemberNoise(0, range(members)), grid.shape) * spread
k = int(np.flatnonzero(grid.levels == LEVEL)[0])
error = ((drawn.mean(0) - truth)[k][mask[k] & ~seen[k]]).square().mean().sqrt()
print(
    f"{LEVEL:g} m: the mean of {members} members is wrong by {error:.2f} K where nothing is seen"
)


# %% The picture
def at_level(field: torch.Tensor):
    """One level of a field, NaN on land."""
    return to_xarray(field, grid, "temperature").isel(depth=k)


row, column = np.nonzero(columns & grid.mask[k])
dots = Dots(grid.longitude[column], grid.latitude[row], size=0.9)
fields = [at_level(f) for f in (truth, drawn.mean(0), drawn[0], drawn[1])]
colours = diverging([f.values for f in fields], "temperature anomaly (°C)")
scatter, wrong = at_level(drawn.std(0)), at_level((drawn.mean(0) - truth).abs())
spreads = sequential([scatter.values], "standard deviation, or error (°C)", colours="amp")
figure = map_figure(
    [
        Panel(
            fields[0], f"SYNTHETIC truth at {LEVEL:g} m, and the columns seen", colours, (dots,)
        ),
        Panel(fields[1], f"Mean of {members} members", colours),
        Panel(fields[2], "One member", colours),
        Panel(fields[3], "Another", colours),
        Panel(scatter, "Spread of the members", spreads, (dots,)),
        Panel(wrong, "Error of their mean, absolute", spreads),
    ]
)
picture.write_bytes(to_png(figure))
print(f"wrote {picture}")
