"""Scores of one case: errors by level, both averages, distribution, spectra."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isopleth.metrics import (
    coverage,
    coverage_ensemble,
    crps_ensemble,
    crps_gaussian,
    mse_gridmean,
    pit_gaussian,
    zonal_spectrum,
)
from simulated_cases import Case, World
from simulated_learned import Answer

Floats = NDArray[np.float64]
Scores = dict[str, Floats]
ASKED = 1000  # cells, drawn by area, where distributions are scored
SPECTRUM = {"band": (-20.0, 20.0), "length_deg": 60.0}  # poleward eddies are hardly resolved
SPECTRUM_LEVEL_M = 100.0


def asked_cells(world: World, case: Case) -> Tensor:
    """Flat ocean cells that are not seen, drawn with chances proportional to their area."""
    area = torch.from_numpy(world.grid.weights).expand(world.grid.shape)
    chance = torch.where(world.mask & ~case.seen, area, 0.0).flatten()
    seed = int.from_bytes(hashlib.sha256(case.name.encode()).digest()[:7], "big")
    generator = torch.Generator().manual_seed(seed)
    return torch.multinomial(chance, ASKED, replacement=False, generator=generator)


def widened(answer: Answer, asked: Tensor, factor: float) -> Answer:
    """The same means with all deviations from them multiplied by `factor`."""
    variance = None if answer.variance is None else answer.variance * factor**2
    members = answer.members
    if members is not None:
        centre = answer.mean.flatten()[asked]
        members = centre + factor * (members - centre)
    return replace(answer, variance=variance, members=members)


def deviation(answer: Answer, truth: Tensor, asked: Tensor) -> float:
    """Mean squared error over mean predicted variance at the cells asked for; NaN without one."""
    error = (answer.mean.flatten() - truth.flatten())[asked].square().mean()
    if answer.members is not None:
        m = len(answer.members)
        return float(error / (answer.members.var(0).mean() * (m + 1) / m))
    return float("nan") if answer.variance is None else float(error / answer.variance.mean())


def score(world: World, case: Case, answer: Answer, asked: Tensor) -> Scores:
    """Everything that is kept of a case, in K."""
    spread, ocean = world.spread.double(), world.mask
    truth, mean = (spread * case.truth).numpy(), (spread * answer.mean).numpy()
    hidden, seen = (ocean & ~case.seen).numpy(), case.seen.numpy()
    found: Scores = {}
    for name, mask in (("hidden", hidden), ("seen", seen)):
        weight = np.where(mask, world.grid.weights, 0.0)
        error = np.where(mask, mean - truth, 0.0)
        found[f"{name}_square"] = (weight * error**2).sum((1, 2))
        found[f"{name}_error"] = (weight * error).sum((1, 2))
        found[f"{name}_weight"] = weight.sum((1, 2))
        found[f"{name}_gridmean"] = np.asarray(mse_gridmean(mean, truth, mask=mask))
    found |= _distribution(world, case, answer, asked)
    return found | _spectra(world, truth, mean, answer)


def _distribution(world: World, case: Case, answer: Answer, asked: Tensor) -> Scores:
    """CRPS, coverage of 90 % and spread at the cells asked for; a single field has an error."""
    spread = world.spread.flatten()[asked].double().numpy()
    y = case.truth.flatten()[asked].numpy() * spread
    m = answer.mean.flatten()[asked].numpy() * spread
    if answer.members is not None:
        x = answer.members.numpy() * spread
        size = len(x)
        variance = x.var(0, ddof=1) * (size + 1) / size
        crps, cover = crps_ensemble(x, y), float(coverage_ensemble(x, y, level=0.9))
    elif answer.variance is not None:
        sd = answer.variance.double().sqrt().numpy() * spread
        variance, crps = sd**2, crps_gaussian(m, sd, y)
        cover = float(coverage(pit_gaussian(m, sd, y), level=0.9))
    else:
        variance, crps, cover = np.full(y.shape, np.nan), np.abs(m - y), float("nan")
    parts = {"crps": crps.mean(), "coverage90": cover, "variance": variance.mean()}
    parts["asked_square"] = ((m - y) ** 2).mean()
    return {name: np.asarray(value) for name, value in parts.items()}


def _spectra(world: World, truth: Floats, mean: Floats, answer: Answer) -> Scores:
    """Zonal power at one level of truth, error, mean and, where there is one, of a member."""
    level = int(np.flatnonzero(world.grid.levels == SPECTRUM_LEVEL_M)[0])
    ocean = world.grid.mask[level]
    fields = {"truth": truth, "miss": mean - truth, "mean": mean}
    if answer.sample is not None:
        fields["sample"] = (world.spread.double() * answer.sample).numpy()
    found = {}
    for name, field in fields.items():
        spectrum = zonal_spectrum(
            field[level], world.grid.latitude, world.grid.longitude, mask=ocean, **SPECTRUM
        )
        found[f"power_{name}"] = spectrum.density
    found |= {"wavenumber": spectrum.wavenumber, "latitude": np.asarray(spectrum.latitude)}
    found.setdefault("power_sample", np.full_like(spectrum.density, np.nan))
    return found
