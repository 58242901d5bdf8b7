"""Twin experiments: a world whose truth is known, networks, backgrounds, and a fair contest.

`TwinWorld.frozen(recipe, folder)` makes the world once and hashes it.
"""

from __future__ import annotations

from isopleth.studies.twin.climate import Climate, square_error
from isopleth.studies.twin.network import Network
from isopleth.studies.twin.recipe import RECIPES, NetworkRecipe, TwinRecipe
from isopleth.studies.twin.world import Cases, TwinWorld

__all__ = [
    "RECIPES",
    "Cases",
    "Climate",
    "Network",
    "NetworkRecipe",
    "TwinRecipe",
    "TwinWorld",
    "square_error",
]
