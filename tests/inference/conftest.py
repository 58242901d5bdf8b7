"""A small Gaussian ocean, whose posterior is known in closed form, and what was seen of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.observe import MaskOperator, Observation, PointOperator
from isopleth.priors import EofGaussian, MemberNoise


@dataclass(frozen=True)
class GaussianOcean:
    """`x ~ N(0, V diag(lam) V' + tau2 I)` with land, in standardised units."""

    grid: Grid
    prior: EofGaussian
    truth: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.grid.shape

    def cells(self, share: float = 0.15, *, sd: float = 0.1, seed: int = 0) -> Observation:
        """A share of the cells, with errors."""
        rng = np.random.default_rng(seed)
        at = MaskOperator(self.grid, self.grid.mask & (rng.random(self.shape) < share))
        return self.seen(at, torch.full(at.valid.shape, sd**2), seed)

    def points(self, count: int = 12, *, seed: int = 1) -> Observation:
        """Points between the cells, each with its own error."""
        rng = np.random.default_rng(seed)
        lat, lon = rng.uniform(-80, 80, count), rng.uniform(0, 360, count)
        at = PointOperator(self.grid, lat, lon, level=rng.integers(0, 2, count))
        variance = torch.from_numpy(rng.uniform(0.01, 0.5, count)).float()
        return self.seen(at, variance, seed)

    def seen_cells(self, seen: Tensor, *, sd: float = 1e-3) -> Observation:
        """The true values of these cells."""
        at = MaskOperator(self.grid, seen.numpy())
        return Observation(at(self.truth), at, torch.tensor(sd**2))

    def seen(self, at: PointOperator | MaskOperator, variance: Tensor, seed: int) -> Observation:
        stream = torch.Generator().manual_seed(seed)
        error = torch.randn(variance.shape, generator=stream) * variance.sqrt()
        return Observation(at(self.truth) + error, at, variance)


@pytest.fixture(scope="session")
def ocean() -> GaussianOcean:
    grid = Grid.regular(20.0, levels=[0.0, 100.0])
    rng = np.random.default_rng(0)
    mask = rng.random(grid.shape) < 0.8
    grid = grid.with_mask(mask)
    waves = np.random.default_rng(1).standard_normal((12, mask.sum()))
    V = np.zeros((12, *grid.shape))
    V[:, mask] = np.linalg.qr(waves.T)[0].T
    lam = mask.sum() * 0.25 * 0.75 ** np.arange(12)
    prior = EofGaussian(
        torch.from_numpy(V).float(), torch.from_numpy(lam).float(), torch.tensor(0.1),
        torch.from_numpy(mask),
    )  # fmt: skip
    return GaussianOcean(grid, prior, prior.sample(MemberNoise(11, [0]))[0])
