"""The jobs of `reconmost_speed.py`: each runs in a process of its own."""

from __future__ import annotations

import time

import numpy as np
import torch

from isopleth.data import load_climatology
from isopleth.inference.reconmost import Fixed, ReconMOST
from isopleth.priors import MemberNoise
from isopleth.systems import reconmost
from isopleth.systems.reconmost.prior import Setting, conditions
from isopleth.systems.reconmost.sampling import Pulled
from isopleth.systems.reconmost.states import world
from speed_jobs import MONTH, profiles

SHARE, CASES, MEMBERS = 0.075, 8, 16


def chains(steps: int) -> dict[str, list[float]]:
    """Seconds and error of the noise-free chain on each case: columns of an unbiased ocean."""
    denoiser, spread, grid = reconmost.load_denoiser()
    climatology = load_climatology()
    ocean, mask = world(climatology, grid), torch.tensor(grid.mask)
    index = np.searchsorted(climatology.grid.levels, grid.levels)
    mean = torch.tensor(np.nan_to_num(climatology.values[1][index]))
    prior = denoiser.at(conditions(Setting(mean, 2.0), grid, spread)[None])
    area = torch.tensor(grid.weights, dtype=torch.float32) * mask
    seconds, errors = [], []
    for case in range(CASES):
        truth = torch.where(mask, (ocean.state(2, 11, case) - mean) / spread, 0.0)
        rng = np.random.default_rng(case)
        seen = mask & torch.from_numpy(rng.random(grid.shape[1:]) < SHARE)
        ours = Pulled()  # its strength was chosen on other oceans; 1000 steps have the paper's
        gradient = ours.gradient if steps == ours.steps else Fixed(4.0)
        run = ReconMOST(prior, truth, seen, gradient=gradient, steps=steps)
        start = time.perf_counter()
        found = run(MemberNoise(case, [0]), grid.shape)[0]
        seconds.append(time.perf_counter() - start)
        weight = area * ~seen
        wrong = ((found - truth) * spread).square() * weight
        errors.append(float((wrong.sum() / weight.sum()).sqrt()))
    return {"seconds": seconds, "rmse": errors}


def month() -> dict[str, list[float]]:
    """Seconds from profiles to the analysis with 16 members: errors learned, members drawn."""
    data, system = profiles(np.random.default_rng(0)), reconmost.load()
    start = time.perf_counter()
    analysis = system.run(data, month=MONTH, members=MEMBERS)
    took = time.perf_counter() - start
    assert analysis.sizes["realization"] == MEMBERS
    return {"seconds": [took]}
