"""Training: fit(objective, batches, recipe, folder), one loop for every network."""

from __future__ import annotations

from isopleth.training.autoencoding import AutoencodingLoss
from isopleth.training.checkpoint import averaged_weights, read_counters
from isopleth.training.fit import fit
from isopleth.training.gate import DenoisingTest, mse_by_noise_level
from isopleth.training.objectives import (
    DenoisingLoss,
    EdmWeight,
    LogNormal,
    LogUniform,
    ReferenceWeight,
)
from isopleth.training.recipe import TrainingRecipe

__all__ = [
    "AutoencodingLoss",
    "DenoisingLoss",
    "DenoisingTest",
    "EdmWeight",
    "LogNormal",
    "LogUniform",
    "ReferenceWeight",
    "TrainingRecipe",
    "averaged_weights",
    "fit",
    "mse_by_noise_level",
    "read_counters",
]
