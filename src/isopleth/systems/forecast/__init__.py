"""Forecasts of the quasi-geostrophic world by networks that learned its steps.

Nature runs of the world teach a U-Net or a vision transformer to step the streamfunction six
hours ahead (`train`); simple forecasts tell what that is worth (`evaluate`, `baselines`).
"""

from isopleth.systems.forecast.baselines import (
    Climatology,
    DampedPersistence,
    Forecaster,
    LinearInverse,
    Persistence,
    fit_damping,
    fit_linear_inverse,
)
from isopleth.systems.forecast.evaluate import (
    DAYS,
    Emulated,
    Scores,
    energy_spectrum,
    judge,
    read_states,
    score,
    tuned_linear_inverse,
)
from isopleth.systems.forecast.learn import Learning, build, climate, keep, load, prepare, train
from isopleth.systems.forecast.recipe import Recipe, Run, smoke, unet, vit

__all__ = [
    "DAYS",
    "Climatology",
    "DampedPersistence",
    "Emulated",
    "Forecaster",
    "Learning",
    "LinearInverse",
    "Persistence",
    "Recipe",
    "Run",
    "Scores",
    "build",
    "climate",
    "energy_spectrum",
    "fit_damping",
    "fit_linear_inverse",
    "judge",
    "keep",
    "load",
    "prepare",
    "read_states",
    "score",
    "smoke",
    "train",
    "tuned_linear_inverse",
    "unet",
    "vit",
]
