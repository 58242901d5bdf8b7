"""Variational analyses: settings in the object, `analysis(background, observations) -> Result`.

Everything is the cost of `problem.Problem`: a `Control` says how a white control variable moves a
background (`Increment` with a covariance, `Latent` with a codec), `ThreeDVar` and `FourDVar` say
what is then observed, a solver (`GaussNewton`, `QuasiNewton`) finds the minimum. `StaticOI`
solves the linear case directly with a full covariance. Backgrounds are batched over leading axes
and independent of one another; without an observation within reach they come back, and the result
says so.
"""

from __future__ import annotations

from isopleth.core.protocols import Codec
from isopleth.inference.variational.control import (
    Control,
    Increment,
    Latent,
    LatentIncrement,
    latent_variance,
)
from isopleth.inference.variational.covariance import (
    ExplicitCovariance,
    MatrixCovariance,
    RootedCovariance,
    SampleCovariance,
    draw,
)
from isopleth.inference.variational.eda import EDA, PerturbedMembers
from isopleth.inference.variational.fourdvar import FourDVar
from isopleth.inference.variational.gauss_newton import GaussNewton
from isopleth.inference.variational.model_error import ModelError
from isopleth.inference.variational.quasi_newton import QuasiNewton
from isopleth.inference.variational.readings import ByCase, Observations
from isopleth.inference.variational.result import Result
from isopleth.inference.variational.spectral import SpectralCovariance, SpectralStatistics
from isopleth.inference.variational.spectral_fit import SpectralFit
from isopleth.inference.variational.static_oi import StaticOI
from isopleth.inference.variational.threedvar import ThreeDVar
from isopleth.inference.variational.window import by_step

__all__ = [
    "EDA",
    "ByCase",
    "Codec",
    "Control",
    "ExplicitCovariance",
    "FourDVar",
    "GaussNewton",
    "Increment",
    "Latent",
    "LatentIncrement",
    "MatrixCovariance",
    "ModelError",
    "Observations",
    "PerturbedMembers",
    "QuasiNewton",
    "Result",
    "RootedCovariance",
    "SampleCovariance",
    "SpectralCovariance",
    "SpectralFit",
    "SpectralStatistics",
    "StaticOI",
    "ThreeDVar",
    "by_step",
    "draw",
    "latent_variance",
]
