"""Trains the U-Net regression of the simulated benchmark: `simulated_regression.py [SECONDS]`.

The same network, states and recipe as the diffusion prior, but the DINCAE likelihood with random
cells or columns seen, 0.5 to 15 %, and 4500 s where the prior has 8400. Goes on from its
checkpoint.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from isopleth.data import load_climatology
from isopleth.inference.regression import MaskedLikelihood, Regression
from isopleth.nets.unet import UNet
from isopleth.studies.provenance import sha256_of
from isopleth.systems.reconmost.learn import monthly_settings
from isopleth.systems.reconmost.prior import conditions
from isopleth.systems.reconmost.recipe import Recipe, small
from isopleth.systems.reconmost.states import TrainingStates, prepare
from isopleth.training.checkpoint import averaged_weights
from isopleth.training.fit import CHECKPOINT, fit
from simulated_cases import World
from simulated_learned import Learned

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 4500.0
FOLDER = ROOT / "build" / "simulated" / "regression"


class Seasonal(nn.Module):
    """`F(x, noise, month)`: a U-Net that is told the season and the place of a month."""

    table: Tensor

    def __init__(self, net: UNet, table: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Tensor, noise: Tensor, month: Tensor) -> Tensor:
        """Both numbers of every cell."""
        return self.net(x, noise, self.table[month.long() - 1])


def network(recipe: Recipe, channels: int) -> UNet:
    """The prior's U-Net with two channels in and out for each level."""
    config = recipe.net(channels)
    levels = config.in_channels
    return UNet(replace(config, in_channels=2 * levels, out_channels=2 * levels))


def table_of(world: World) -> Tensor:
    """Conditions of the twelve months, (12, K, lat, lon)."""
    months = monthly_settings(world.climatology, world.grid)
    return torch.stack([conditions(month, world.grid, world.spread) for month in months])


def load_regression(learned: Learned, recipe: Recipe) -> None:
    """Put the trained network into `learned`, if it is there."""
    path = FOLDER / CHECKPOINT
    if not path.is_file():
        return
    net = network(recipe, table_of(learned.world).shape[1])
    absent = net.load_state_dict(averaged_weights(path, "net.net."), strict=False).missing_keys
    assert not set(absent) & set(dict(net.named_parameters())), absent
    learned.regression = Regression(net.eval().requires_grad_(False), learned.world.mask)
    learned.versions["Dincae"] = sha256_of(path)


def main() -> None:
    """Train for the seconds given, or as long as the recipe says."""
    torch.set_num_threads(1)
    climatology = load_climatology()
    world = World(
        climatology, small.ocean, prepare(small.ocean, climatology, ROOT / "build" / "reconmost")
    )
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    recipe = replace(small.training, seconds=seconds)
    torch.manual_seed(recipe.seed)
    table = table_of(world)
    area = torch.from_numpy(world.grid.weights.astype(np.float32))
    regression = Regression(Seasonal(network(small, table.shape[1]), table), world.mask)
    objective = MaskedLikelihood(regression, weights=area)
    states = TrainingStates(world.store, small.batch, recipe.seed)
    print(fit(objective, states, recipe, FOLDER))


if __name__ == "__main__":
    main()
