"""Priors: what x looks like, asked as `prior(x, sigma) = E[x0 | x0 + sigma n = x]`.

A prior is a function of a noisy field and its noise level; a schedule is a list of such levels; a
sampler walks down it. What conditions a prior gives a prior back (`isopleth.inference`), so that
each goes with each.
"""

from __future__ import annotations

from isopleth.priors.autoencoder import AutoencoderCodec, load_codec
from isopleth.priors.codec import Identity, Whitened, apart, floor
from isopleth.priors.diffusion import Edm, EpsilonVp, GaussianPreconditioned
from isopleth.priors.eof_codec import EofCodec
from isopleth.priors.gaussian import EofGaussian, Wiener
from isopleth.priors.noise import MemberNoise
from isopleth.priors.samplers import (
    DDIM,
    Ancestral,
    Heun,
    Multistep,
    PredictorCorrector,
    Sampler,
)
from isopleth.priors.schedules import CosineVp, LinearVp, karras

__all__ = [
    "DDIM",
    "Ancestral",
    "AutoencoderCodec",
    "CosineVp",
    "Edm",
    "EofCodec",
    "EofGaussian",
    "EpsilonVp",
    "GaussianPreconditioned",
    "Heun",
    "Identity",
    "LinearVp",
    "MemberNoise",
    "Multistep",
    "PredictorCorrector",
    "Sampler",
    "Whitened",
    "Wiener",
    "apart",
    "floor",
    "karras",
    "load_codec",
]
