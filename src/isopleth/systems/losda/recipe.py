"""Every number of the background-conditioned prior: latents, networks, noise levels, training."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from isopleth.nets.dit import DiTConfig
from isopleth.nets.unet import UNetConfig
from isopleth.priors.schedules import CosineVp
from isopleth.training.objectives import LogNormal, NoiseLevels
from isopleth.training.recipe import TrainingRecipe

__all__ = ["Eofs", "Recipe", "States", "paper", "small", "smoke"]


@dataclass(frozen=True, kw_only=True)
class Eofs:
    """Latents that are EOFs of the standardised error of a regression on the background.

    Args:
        modes: K.
        regression: Of mean and spread; channels are filled in from the state.
        training: Of it.
    """

    modes: int
    regression: UNetConfig
    training: TrainingRecipe


@dataclass(frozen=True, kw_only=True)
class States:
    """Latents of the state itself, from an autoencoder that is trained already.

    Args:
        latent: (c, rows, columns).
        codec: Name of a shipped one; None = the caller brings one.
    """

    latent: tuple[int, int, int]
    codec: str | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a prior of `x | x_b` is made.

    Args:
        name: Of the weights.
        latents: Which; their class decides how the background enters.
        net: Of the denoiser, U-Net or transformer; channels are filled in from the latents.
        levels: Distribution of the noise levels in training.
        training: Of the denoiser.
        batch: Pairs in a batch.
        extra: Channels known beside the background: states of 24 to 48 hours before, say.
        mixed: Whether networks compute in bfloat16 while they are trained.
        fitted: Most pairs that the statistics and the EOFs are made of.
    """

    name: str
    latents: Eofs | States
    net: UNetConfig | DiTConfig
    levels: NoiseLevels = field(default_factory=lambda: LogNormal(0.0, 1.2, 0.02, 80.0))
    training: TrainingRecipe
    batch: int = 32
    extra: int = 0
    mixed: bool = True
    fitted: int = 40_000


_TRAINING = TrainingRecipe(
    steps=20_000,
    seconds=2400.0,
    rate=1e-3,
    warmup=100,
    average=0.998,
    accelerator="cpu",
    checkpoint_seconds=60.0,
)
_SIZES = UNetConfig(
    in_channels=1,
    out_channels=1,
    widths=(32, 64, 96),
    patch=2,
    embedding=64,
    attention=(False, False, True),
)

small = Recipe(
    name="losda_qg3_t21",
    latents=Eofs(modes=640, regression=_SIZES, training=replace(_TRAINING, seconds=1200.0)),
    net=_SIZES,
    training=_TRAINING,
)
"""For the quasi-geostrophic world at T21 and two cores."""

paper = Recipe(
    name="losda_paper",
    latents=States(latent=(69, 32, 64)),
    net=DiTConfig(
        in_channels=1,
        out_channels=1,
        condition_channels=1,
        width=768,
        depth=12,
        heads=12,
        patch=2,
        cross=True,
    ),
    levels=CosineVp().noise_level,
    training=TrainingRecipe(steps=100_000, rate=1e-4, warmup=0, final_rate=1.0),
)
"""The sizes of the sibling paper's latent diffusion (Align-DA, arXiv 2505.22008): 69 x 32 x 64
latents, DiT with patches of 2 that attends to `z_b`, cosine path, rate 1e-4 fixed, batch 32, 100k
steps. Width and depth are not published: those of DiT-B. Nothing is trained with it here."""

_FEW = TrainingRecipe(steps=3, warmup=1, rate=3e-3, log_every=1, accelerator="cpu")
smoke = replace(
    small,
    name="losda_smoke",
    latents=Eofs(modes=12, regression=replace(_SIZES, widths=(8, 8), attention=(False, False)),
                 training=_FEW),
    net=replace(_SIZES, widths=(8, 8), attention=(False, False)),
    training=_FEW,
    batch=8,
    mixed=False,
)  # fmt: skip
"""A few steps of tiny networks, to try the command out."""
