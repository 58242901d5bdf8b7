"""LO-SDA: latent diffusion of the truth given a background, held to the observations.

A regression says what a background tells of the truth, a diffusion in latents of the standardised
error what else is likely, and latent optimisation holds its denoising to what was observed.
"""

from isopleth.systems.losda.learn import Learning, learn, sine_of_latitude
from isopleth.systems.losda.measure import Measured, measure
from isopleth.systems.losda.pairs import PairBatches, Pairs
from isopleth.systems.losda.prior import build_denoiser, build_regression, keep, load_prior
from isopleth.systems.losda.recipe import Eofs, Recipe, States, paper, small, smoke
from isopleth.systems.losda.statistics import LinearRegression
from isopleth.systems.losda.system import LoSda, load
from isopleth.systems.losda.ways import Descent, Members, OneAnalysis

__all__ = [
    "Descent",
    "Eofs",
    "Learning",
    "LinearRegression",
    "LoSda",
    "Measured",
    "Members",
    "OneAnalysis",
    "PairBatches",
    "Pairs",
    "Recipe",
    "States",
    "build_denoiser",
    "build_regression",
    "keep",
    "learn",
    "load",
    "load_prior",
    "measure",
    "paper",
    "sine_of_latitude",
    "small",
    "smoke",
]
