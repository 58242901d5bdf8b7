"""Every number of the system: the ocean to learn, the network, the training, the sampler."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from isopleth.nets.unet import UNetConfig
from isopleth.training.recipe import TrainingRecipe

__all__ = ["LEVELS", "Ocean", "Recipe", "small", "smoke"]

LEVELS = (0.0, 20.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 700.0, 1000.0)
"""Metres."""


@dataclass(frozen=True, kw_only=True)
class Ocean:
    """The states that a prior learns from: perturbed climatology, nothing else is called so.

    Args:
        levels: Depths, m.
        models: Names of the biased models.
        months: Calendar months; the others stay unseen, to be judged on.
        states: Of each model and month.
        seed: Of the states.
    """

    levels: tuple[float, ...] = LEVELS
    models: tuple[str, ...] = ("A", "B", "C", "D", "E")
    months: tuple[int, ...] = (1, 3, 4, 6, 7, 9, 10, 12)
    states: int = 200
    seed: int = 0

    @property
    def count(self) -> int:
        """States in all."""
        return len(self.models) * len(self.months) * self.states


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the prior is made.

    Args:
        ocean: What it learns from.
        widths: Channels of the U-Net from its finest scale to its coarsest.
        blocks: Residual blocks a scale.
        patch: Cells along each side of a patch.
        batch: States in a batch.
        log_sigma: Mean and standard deviation of the logarithm of the noise level in training.
        training: Steps, rate and the rest.
    """

    ocean: Ocean = field(default_factory=Ocean)
    widths: tuple[int, ...] = (64, 128, 256)
    blocks: int = 1
    patch: int = 2
    batch: int = 8
    log_sigma: tuple[float, float] = (0.3, 1.3)
    training: TrainingRecipe = field(
        default_factory=lambda: TrainingRecipe(
            steps=10_000,
            seconds=8400.0,
            rate=1e-3,
            warmup=300,
            average=0.999,
            precision="bf16-mixed",
        )
    )

    def net(self, conditions: int) -> UNetConfig:
        """The network for so many condition channels."""
        levels = len(self.ocean.levels)
        return UNetConfig(
            in_channels=levels,
            out_channels=levels,
            condition_channels=conditions,
            widths=self.widths,
            blocks=self.blocks,
            patch=self.patch,
            attention=(*(False for _ in self.widths[1:]), True),
        )


small = Recipe()
smoke = replace(
    small,
    ocean=Ocean(models=("A",), months=(1,), states=8, levels=(0.0, 100.0, 200.0)),
    widths=(8, 16),
    batch=2,
    training=TrainingRecipe(steps=4, warmup=1, log_every=1),
)
