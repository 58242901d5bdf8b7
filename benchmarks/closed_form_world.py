"""A Gaussian ocean fitted to perturbed climatology: its posterior is known in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.core.normalise import Standardise
from isopleth.data import load_climatology, perturbed_climatology, random_fields
from isopleth.data.perturbed_climatology import (
    MODELS,
    OceanModel,
    PerturbedClimatology,
    unbiased,
)
from isopleth.observe import MaskOperator, Observation
from isopleth.priors import EofGaussian, MemberNoise
from isopleth.studies.provenance import sha256_of

LEVELS = (0.0, 50.0, 100.0, 200.0, 400.0, 800.0)
STATES, TRAINED, MODES, BLOCK = 2500, 5, 200, 3
SD = 0.05  # of the observations' errors, standardised
TRAINING, TESTING = 0, 1  # seeds of the states
_ERRORS = 1_000_000  # added to the seeds of errors, so that no chain starts from them


@dataclass(frozen=True)
class World:
    """6 levels of 6-degree means: the grid, the Gaussian prior and what z = 1 is in K."""

    grid: Grid
    prior: EofGaussian
    monthly: Tensor
    scaling: Standardise

    @classmethod
    def build(cls, folder: Path) -> World:
        """From 2500 states of five biased models, all months alike; the states are cached."""
        fine = _fine_grid()
        grid = _coarse_grid(fine)
        digests = [
            sha256_of(Path(module.__file__)) for module in (perturbed_climatology, random_fields)
        ]
        path = folder / f"states_{digests[0][:8]}_{digests[1][:8]}.npy"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            parts = [_states(fine, MODELS[k], range(k, STATES, TRAINED)) for k in range(TRAINED)]
            np.save(path, torch.stack(parts, 1).flatten(0, 1).numpy())
        states = torch.from_numpy(np.load(path))
        month = _months(np.arange(STATES))
        monthly = torch.stack([states[month == m].mean(0) for m in range(1, 13)])
        anomaly = states - monthly[month - 1]
        mask = torch.tensor(grid.mask)
        std = torch.where(mask, anomaly.std(0), 1.0)
        scaling = Standardise(torch.zeros_like(std), std)
        z = scaling.forward(anomaly, mask)
        return cls(grid, EofGaussian.fit(z, mask, MODES), monthly, scaling)

    @property
    def area(self) -> NDArray[np.float64]:
        """Area of every ocean cell, 0 on land."""
        return np.broadcast_to(self.grid.weights, self.grid.shape) * self.grid.mask

    def gaussian(self, count: int, seed: int) -> Tensor:
        """Truths of which the prior is true."""
        return self.prior.sample(MemberNoise(seed, range(count)))

    def perturbed(self, count: int, seed: int) -> Tensor:
        """Truths of the unbiased ocean, about the biased models' monthly means."""
        number = np.arange(count) + 1000 * seed
        states = _states(_fine_grid(), unbiased, number, seed=TESTING)
        mask = torch.tensor(self.grid.mask)
        return self.scaling.forward(states - self.monthly[_months(number) - 1], mask)

    def cells(self, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
        """A share of the ocean cells of every level, each level on its own (the paper)."""
        order = np.where(self.grid.mask, rng.random(self.grid.shape), 2.0)
        rank = order.reshape(len(LEVELS), -1).argsort(1).argsort(1).reshape(order.shape)
        return rank < np.round(share * self.grid.mask.sum((1, 2)))[:, None, None]

    def profiles(self, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
        """A share of the ocean's columns, all their levels."""
        surface = self.grid.mask[0]
        order = np.where(surface, rng.random(surface.shape), 2.0)
        rank = order.ravel().argsort().argsort().reshape(order.shape)
        return (rank < round(share * surface.sum())) & self.grid.mask

    def observe(self, truth: Tensor, seen: NDArray[np.bool_], seed: int) -> Observation:
        """The seen cells with errors of standard deviation SD."""
        at = MaskOperator(self.grid, seen)
        error = SD * MemberNoise(_ERRORS + seed, [0])(at.valid.shape)[0]
        return Observation(at(truth) + error, at, torch.tensor(SD**2))


def _months(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 to 12, so that every model has every month."""
    return number // TRAINED % 12 + 1


def _fine_grid() -> Grid:
    atlas = load_climatology().grid
    mask = atlas.mask[np.searchsorted(atlas.levels, LEVELS)]
    return Grid(atlas.latitude, atlas.longitude, np.array(LEVELS), mask)


def _coarse_grid(fine: Grid) -> Grid:
    share = _blocks(torch.tensor(fine.mask).double())
    return Grid.regular(2.0 * BLOCK, levels=LEVELS, mask=(share >= 0.5).numpy())


def _blocks(x: Tensor) -> Tensor:
    """Means of 3 x 3 cells."""
    return torch.nn.functional.avg_pool2d(x, BLOCK)


def _states(
    fine: Grid, model: OceanModel, numbers: range | NDArray[np.int64], seed: int = TRAINING
) -> Tensor:
    """Means over the ocean of every coarse cell, degC, 0 on land, shape (n, level, lat, lon)."""
    ocean = PerturbedClimatology(climatology=load_climatology(), grid=fine, model=model)
    area = torch.tensor(fine.mask * fine.weights * fine.weights.size).float()
    total, coarse = _blocks(area), torch.tensor(_coarse_grid(fine).mask)
    months = _months(np.asarray(numbers))
    states = [
        _blocks(area * ocean.state(int(m), seed, int(n)))
        for n, m in zip(numbers, months, strict=True)
    ]
    return torch.where(coarse, torch.stack(states) / total, 0.0)
