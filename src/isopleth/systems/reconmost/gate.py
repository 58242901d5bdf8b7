"""evaluate, the first time: what the trained denoiser knows that a linear filter does not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import zarr
from torch import Tensor

from isopleth.data.climatology import Climatology
from isopleth.priors.gaussian import EofGaussian
from isopleth.systems.reconmost.prior import OceanDenoiser
from isopleth.systems.reconmost.recipe import Recipe
from isopleth.systems.reconmost.states import SCALE, ocean_grid, world
from isopleth.training.gate import DenoisingTest

__all__ = ["GateTable", "gate"]

SIGMAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Noise levels, standard deviations of a cell."""
EACH = 3
"""Test states of each unseen month."""
SEED = 1_000_003
"""Of the test states; those of a training have seeds of their own."""
MODES, FITTED = 200, 600
"""Of the Gaussian, and the training states it is fitted to."""


@dataclass(frozen=True, eq=False)
class GateTable:
    """Mean square errors of unseen states by noise level, in variances of a cell.

    Args:
        sigmas: Noise levels, shape (k,).
        network: Of the denoiser, (k,).
        wiener: Of the Wiener filter of the training states, (k,).
        states: How many states were denoised.
    """

    sigmas: tuple[float, ...]
    network: Tensor
    wiener: Tensor
    states: int

    @property
    def ratio(self) -> Tensor:
        """Network over filter, (k,); below 1 is better."""
        return self.network / self.wiener

    def metrics(self) -> list[dict[str, object]]:
        """The table as the metrics of a card."""
        rows = zip(self.sigmas, self.network.tolist(), self.wiener.tolist(), strict=True)
        return [
            {
                "name": f"denoising error at noise {sigma:g}",
                "unit": "variance of a cell",
                "value": ours,
                "baseline": "Wiener filter of the training states",
                "baseline_value": theirs,
            }
            for sigma, ours, theirs in rows
        ]


def gate(
    denoiser: OceanDenoiser, recipe: Recipe, climatology: Climatology, states: Path
) -> GateTable:
    """Denoise states of an unbiased ocean in months that were not trained on, and compare.

    Args:
        denoiser: Trained.
        recipe: That it was trained by.
        climatology: Monthly, global.
        states: Path that `prepare` returned.
    """
    grid = ocean_grid(climatology, recipe.ocean.levels)
    known, spread = _first_states(states)
    mask = torch.tensor(grid.mask)
    filtered = EofGaussian.fit(known, mask, min(MODES, max(1, len(known) // 2)))
    area = torch.tensor(grid.weights, dtype=torch.float32)
    source, index = world(climatology, grid), np.searchsorted(climatology.grid.levels, grid.levels)
    ours, theirs = [], []
    denoiser.eval()
    for month in [m for m in range(1, 13) if m not in recipe.ocean.months]:
        mean = torch.tensor(np.nan_to_num(climatology.values[month - 1][index]))
        fields = torch.stack([source.state(month, SEED, n) for n in range(EACH)]).float()
        x = torch.where(mask, (torch.nan_to_num(fields) - mean) / spread, 0.0)
        test = DenoisingTest(x, mask, SIGMAS, month, area)
        prior = denoiser.at(denoiser.table[month - 1][None])
        ours.append(test.errors(prior))
        theirs.append(test.errors(filtered))
    network, wiener = torch.cat(ours, 1), torch.cat(theirs, 1)
    return GateTable(SIGMAS, network.mean(1), wiener.mean(1), network.shape[1])


def _first_states(path: Path) -> tuple[Tensor, Tensor]:
    """Standardised anomalies of the first states, which are of all models and months; spread."""
    store = zarr.open_group(path, mode="r")
    spread = torch.from_numpy(np.asarray(store["spread"]))
    first = np.asarray(zarr.open_array(path / "anomaly", mode="r")[:FITTED], np.float32)
    return torch.from_numpy(first) * SCALE / spread, spread
