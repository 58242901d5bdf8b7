"""Every number of the learned emulators: the runs they learn from, the networks, the training."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from isopleth.dynamics.nature import SPIN_UP_DAYS
from isopleth.nets.unet import UNetConfig
from isopleth.nets.vit import ViTConfig
from isopleth.training.recipe import TrainingRecipe

__all__ = ["STATIC", "Recipe", "Run", "smoke", "unet", "vit"]

STATIC = ("sine of latitude", "land", "orography", *("forcing",) * 3, *("climate",) * 3)
"""Channels of the static fields: see `learn.static_fields`."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A nature run of the T21 world, a state every 6 hours.

    Args:
        seed: Of its spin-up; runs of different seeds are independent.
        members: Independent trajectories.
        days: Length of each after the spin-up.
        spin_up_days: Length of that.
    """

    seed: int
    members: int
    days: float
    spin_up_days: float = SPIN_UP_DAYS

    @property
    def name(self) -> str:
        """Of its file, without a suffix; tells all settings."""
        spin_up = f"{self.spin_up_days:g}"
        return f"qg3_seed{self.seed}_{self.members}x{self.days:g}d_after{spin_up}d"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an emulator is made.

    Args:
        name: Of the weights.
        net: Sizes of the network; what they are the sizes of decides which network it is.
        learned: Run that is learned from.
        validation: Run that tells whether the second part of the training helped.
        batch: Segments in a batch.
        training: Of single steps.
        tuning: Of `rollout` steps in a row, begun from the end of the first part.
        rollout: Steps in a row.
        tuning_batch: Segments in a batch of the second part.
        mixed: Whether networks compute in bfloat16 while they are trained.
    """

    name: str
    net: UNetConfig | ViTConfig
    learned: Run = field(default_factory=lambda: Run(seed=4002, members=64, days=40.0))
    validation: Run = field(default_factory=lambda: Run(seed=4001, members=32, days=20.0))
    batch: int = 32
    training: TrainingRecipe
    tuning: TrainingRecipe | None = None
    rollout: int = 4
    tuning_batch: int = 16
    mixed: bool = True


_TRAINING = TrainingRecipe(
    steps=4500,
    seconds=2400.0,
    rate=2e-3,
    warmup=50,
    average=0.995,
    accelerator="cpu",
    log_every=25,
    checkpoint_seconds=60.0,
)
_TUNING = replace(_TRAINING, steps=400, seconds=720.0, rate=3e-4, warmup=10, average=0.98)

_SIZES = UNetConfig(
    in_channels=6,
    out_channels=3,
    condition_channels=len(STATIC),
    widths=(64, 104),
    patch=2,
    embedding=8,
    attention=(False, False),
)

unet = Recipe(name="qg3_unet", net=_SIZES, training=_TRAINING, tuning=_TUNING)
vit = Recipe(
    name="qg3_vit",
    net=ViTConfig(
        in_channels=6,
        out_channels=3,
        condition_channels=len(STATIC),
        width=104,
        depth=4,
        heads=4,
        patch=4,
    ),
    training=replace(_TRAINING, steps=1800, seconds=3600.0, rate=1e-3),
    tuning=replace(_TUNING, steps=200, seconds=240.0),
)
smoke = replace(
    unet,
    net=replace(_SIZES, widths=(8, 8)),
    learned=Run(seed=1, members=2, days=12.0, spin_up_days=1.0),
    validation=Run(seed=2, members=2, days=12.0, spin_up_days=1.0),
    batch=2,
    training=TrainingRecipe(steps=3, warmup=1, log_every=1, accelerator="cpu"),
    tuning=TrainingRecipe(steps=2, warmup=1, log_every=1, accelerator="cpu"),
    rollout=2,
)
"""A few steps of a tiny network, to try the command out."""
