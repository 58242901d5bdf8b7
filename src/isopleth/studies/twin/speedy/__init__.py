"""A twin experiment in a moist atmosphere: truths of SPEEDY, forecasts of a learned emulator.

`prepare` reads the nature runs, `emulator.train` makes the model, `SpeedyWorld.frozen` the cases;
`Variations` then plays the contenders, as in the quasi-geostrophic world.
"""

from __future__ import annotations

from isopleth.studies.twin.speedy.climate import SpeedyClimate
from isopleth.studies.twin.speedy.contenders import ONE_SHOT
from isopleth.studies.twin.speedy.nature import Nature, prepare
from isopleth.studies.twin.speedy.network import SpeedyNetwork
from isopleth.studies.twin.speedy.recipe import RECIPES, Run, SpeedyRecipe
from isopleth.studies.twin.speedy.world import Sources, SpeedyWorld

__all__ = [
    "ONE_SHOT",
    "RECIPES",
    "Nature",
    "Run",
    "Sources",
    "SpeedyClimate",
    "SpeedyNetwork",
    "SpeedyRecipe",
    "SpeedyWorld",
    "prepare",
]
