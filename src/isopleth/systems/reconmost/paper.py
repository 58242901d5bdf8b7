"""The prior that ReconMOST publishes: its fields, its network, its numbers.

Whole fields of potential temperature on the grid of the EN4 analyses, all depths at once, in one
scaling for all of them; land is water of 0 degC. No season, no place and no mask is told.
Reference: the published program of ReconMOST (2025), written anew from its description.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from isopleth.core.errors import DataMissingError, InputError, IntegrityError
from isopleth.core.grid import Grid
from isopleth.core.normalise import Standardise
from isopleth.inference.reconmost import Fixed, ReconMOST
from isopleth.nets.improved_diffusion import ImprovedDiffusionConfig, ImprovedDiffusionUNet
from isopleth.priors.diffusion import EpsilonVp
from isopleth.priors.schedules import LinearVp
from isopleth.training.recipe import TrainingRecipe

__all__ = ["EN4_LEVELS", "AsPublished", "PaperRecipe", "build", "paper", "reduced"]

# fmt: off
EN4_LEVELS = (
    5.02159, 15.07854, 25.16046, 35.27829, 45.44776, 55.69149, 66.04198, 76.54591, 87.27029,
    98.31118, 109.80618, 121.9519, 135.02855, 149.43373, 165.72845, 184.69746, 207.42545,
    235.38617, 270.53412, 315.37408, 372.96545, 446.80093, 540.5022, 657.32294, 799.5496,
    967.99585, 1161.8059, 1378.661, 1615.2905, 1868.0707, 2133.517, 2408.5835, 2690.7803,
    2978.166, 3269.278, 3563.0408, 3858.6763, 4155.628, 4453.502, 4752.021, 5050.9897, 5350.272,
)
# fmt: on
"""Depths of the EN4 analyses, m (Good, Martin and Rayner 2013)."""


@dataclass(frozen=True, kw_only=True)
class PaperRecipe:
    """Every number of the published prior and of its guidance.

    Args:
        levels: Depths, m.
        latitudes: First and last row, degrees north.
        spacing: Of rows and columns, degrees; columns go from `spacing` to 360 east.
        land: Stands for land, degC.
        coldest: Becomes -1 in the network's units, degC.
        warmest: Becomes 1, degC.
        channels: Of the U-Net's finest scale.
        multipliers: Width of each scale over that.
        blocks: Residual blocks a scale.
        heads: Of the attention in the middle.
        diffusion: The path with linear betas, at whose steps the network is trained.
        batch: Months in a batch.
        held_back: The last months of the files, which are not trained on.
        training: Steps, rate and the rest; the rate stays as it is, gradients are not clipped.
            The average of the weights is warmed up, which is not published.
        strength: `s` of the guidance.
        guided: Share of the cells that are observed in the published experiments.
    """

    levels: tuple[float, ...] = EN4_LEVELS
    latitudes: tuple[float, float] = (-83.0, 89.0)
    spacing: float = 1.0
    land: float = 0.0
    coldest: float = -5.0
    warmest: float = 40.0
    channels: int = 128
    multipliers: tuple[int, ...] = (1, 2, 2, 2, 4, 4)
    blocks: int = 3
    heads: int = 4
    diffusion: LinearVp = field(default_factory=lambda: LinearVp(1000, 1e-4, 0.02))
    batch: int = 4
    held_back: int = 1
    training: TrainingRecipe = field(
        default_factory=lambda: TrainingRecipe(
            steps=200_000,
            rate=1e-4,
            warmup=0,
            final_rate=1.0,
            betas=(0.9, 0.999),
            weight_decay=0.0,
            clip=0.0,
            average=0.9999,
        )
    )
    strength: float = 4.0
    guided: float = 0.075

    @cached_property
    def grid(self) -> Grid:
        """North to south from 0 east, and without land: the network knows of none."""
        south, north = self.latitudes
        rows = round((north - south) / self.spacing) + 1
        columns = round(360.0 / self.spacing)
        shape = (len(self.levels), rows, columns)
        return Grid(
            np.linspace(north, south, rows),
            np.linspace(0.0, 360.0, columns, endpoint=False),
            np.array(self.levels),
            np.ones(shape, bool),
        )

    @property
    def scaling(self) -> Standardise:
        """`x = 2 (T - coldest) / (warmest - coldest) - 1`, T in degC; the same at all depths."""
        ones = torch.ones(len(self.levels))
        half = (self.warmest - self.coldest) / 2.0
        return Standardise((self.coldest + half) * ones, half * ones)

    @property
    def net(self) -> ImprovedDiffusionConfig:
        """The network; attention occurs in the middle only."""
        return ImprovedDiffusionConfig(
            in_channels=len(self.levels),
            out_channels=len(self.levels),
            channels=self.channels,
            multipliers=self.multipliers,
            blocks=self.blocks,
            heads=self.heads,
        )

    def scaled(self, celsius: Tensor) -> Tensor:
        """Fields (..., level, lat, lon) in degC, NaN on land, in the network's units."""
        return self.scaling.forward(torch.nan_to_num(celsius, nan=self.land))

    def celsius(self, x: Tensor) -> Tensor:
        """Fields (..., level, lat, lon) in degC, held between `coldest` and `warmest`."""
        return self.scaling.inverse(x).clamp(self.coldest, self.warmest)

    def guide(self, prior: EpsilonVp, celsius: Tensor, *, steps: int | None = None) -> ReconMOST:
        """The published chain towards observed cells: without noise, x0 held within (-1, 1).

        Args:
            prior: What `build` made.
            celsius: Observed cells, NaN elsewhere, shape (level, lat, lon), on `grid`.
            steps: Of the chain; those of the training by default. 50 are as good where the
                prior is Gaussian.

        Raises:
            InputError: If the cells are not those of `grid`.
        """
        if tuple(celsius.shape) != self.grid.shape:
            raise InputError(
                f"the cells have shape {tuple(celsius.shape)}, the recipe's grid "
                f"{self.grid.shape}: give a field on `recipe.grid`."
            )
        seen = torch.isfinite(celsius)
        return ReconMOST(
            prior,
            self.scaled(celsius),
            seen,
            Fixed(self.strength),
            self.diffusion.steps if steps is None else steps,
            clamp=(-1.0, 1.0),
        )


class AsPublished(nn.Module):
    """`eps(x, t)` of fields that run north to south from 0 east, by a network of the paper's.

    The published fields run south to north and from one column east of Greenwich to 360: the
    network's zero padding, and so its weights, are not the same the other way round.

    Args:
        unet: The network.
    """

    def __init__(self, unet: ImprovedDiffusionUNet) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """(B, level, lat, lon), steps of the diffusion (B,) -> (B, level, lat, lon)."""
        eps: Tensor = self.unet(x.flip(-2).roll(-1, -1), t)
        return eps.roll(1, -1).flip(-2)


def build(recipe: PaperRecipe, weights: Path | None = None) -> EpsilonVp:
    """The prior, `(x (B, level, lat, lon), sigma) -> E[x0 | x]`, in the network's units.

    It holds nothing within bounds; `PaperRecipe.guide` does.

    Args:
        recipe: Sizes and path.
        weights: A safetensors file with the parameters of the network under their published names
            (`input_blocks.0.0.weight`, ...); untrained without one.

    Raises:
        DataMissingError: If the file is not there.
        IntegrityError: If it is no safetensors file.
        InputError: If it holds the weights of another network.
    """
    unet = ImprovedDiffusionUNet(recipe.net)
    if weights is not None:
        _load(unet, weights)
        unet.eval().requires_grad_(False)
    return EpsilonVp(AsPublished(unet), recipe.diffusion.alpha_bar)


def _load(unet: ImprovedDiffusionUNet, path: Path) -> None:
    if not path.is_file():
        raise DataMissingError(f"there is no file {str(path)!r}: check the path of the weights.")
    try:
        state = load(path.read_bytes())
    except SafetensorError as error:
        raise IntegrityError(
            f"{path.name} is no safetensors file ({error}): convert a checkpoint to one first."
        ) from error
    own = unet.state_dict()
    strange = sorted(own.keys() ^ state.keys())
    strange += [name for name in own.keys() & state.keys() if own[name].shape != state[name].shape]
    if strange:
        raise InputError(
            f"{path.name} holds the weights of another network, which differs in {strange[0]} and "
            f"{len(strange) - 1} more: give those of this recipe."
        )
    unet.load_state_dict(state)


paper = PaperRecipe()
reduced = replace(
    paper,
    levels=(5.02159, 98.31118, 446.80093),
    latitudes=(-72.0, 72.0),
    spacing=24.0,
    channels=32,
    multipliers=(1, 2),
    blocks=1,
    batch=2,
    training=replace(paper.training, steps=4, log_every=1),
)
