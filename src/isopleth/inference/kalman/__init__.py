"""Ensemble Kalman filters: settings in the object, `analysis(members, observations) -> members`.

Members are `(N, *state)`, observations any sequence of `core.protocols.Observed`. Everything an
analysis needs is computed in the space of the members, N x N, in float64; the answer has the
members' precision. Missing values count for nothing, and without any value the members come back
as they are.
"""

from __future__ import annotations

from isopleth.inference.kalman.covariance import (
    Correlation,
    Covariance,
    EnsembleCovariance,
    Tapered,
)
from isopleth.inference.kalman.enkf import EnKF
from isopleth.inference.kalman.etkf import ETKF
from isopleth.inference.kalman.geometry import Geometry, PeriodicLine, Sphere
from isopleth.inference.kalman.hybrid import HybridEnVar
from isopleth.inference.kalman.inflation import RTPP, RTPS, PosteriorInflation, PriorInflation
from isopleth.inference.kalman.letkf import LETKF
from isopleth.inference.kalman.located import Located
from isopleth.inference.kalman.predicted import Predicted
from isopleth.inference.kalman.rotation import Rotation

__all__ = [
    "ETKF",
    "LETKF",
    "RTPP",
    "RTPS",
    "Correlation",
    "Covariance",
    "EnKF",
    "EnsembleCovariance",
    "Geometry",
    "HybridEnVar",
    "Located",
    "PeriodicLine",
    "PosteriorInflation",
    "Predicted",
    "PriorInflation",
    "Rotation",
    "Sphere",
    "Tapered",
]
