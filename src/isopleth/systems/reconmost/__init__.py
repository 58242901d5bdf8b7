"""ReconMOST: a diffusion prior of the ocean, guided by the profiles of a month.

A network learns from perturbed climatology what anomalies of ocean temperature look like, twelve
levels at once, in every season: the prior. Profiles then guide its denoising, either cell by cell
as the paper did (`published`) or at their true positions and with their errors (`mmps`). Errors
are learned as those of kriging are: boxes of profiles are hidden in turn, and what the answer got
wrong there scales what it says of itself elsewhere.

Three lines do the job:

>>> from isopleth.systems import reconmost
>>> system = reconmost.load()  # doctest: +SKIP
>>> analysis = system.run("profiles.csv", month="2016-01")  # doctest: +SKIP
"""

from isopleth.systems.reconmost.gate import GateTable, gate
from isopleth.systems.reconmost.learn import Learning, build, train
from isopleth.systems.reconmost.observed import Ocean
from isopleth.systems.reconmost.paper import PaperRecipe, paper
from isopleth.systems.reconmost.prior import OceanDenoiser
from isopleth.systems.reconmost.recipe import Recipe, small, smoke
from isopleth.systems.reconmost.sampling import (
    MomentMatching,
    Pulled,
    Sampling,
    mmps,
    published,
    rough,
)
from isopleth.systems.reconmost.shipped import keep, load_denoiser
from isopleth.systems.reconmost.states import prepare
from isopleth.systems.reconmost.system import FittedDiffusion, OceanDiffusion, load

__all__ = [
    "FittedDiffusion",
    "GateTable",
    "Learning",
    "MomentMatching",
    "Ocean",
    "OceanDenoiser",
    "OceanDiffusion",
    "PaperRecipe",
    "Pulled",
    "Recipe",
    "Sampling",
    "build",
    "gate",
    "keep",
    "load",
    "load_denoiser",
    "mmps",
    "paper",
    "prepare",
    "published",
    "rough",
    "small",
    "smoke",
    "train",
]
