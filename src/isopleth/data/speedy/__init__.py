"""A nature run of SPEEDY: a moist atmosphere over real orography, all of it synthetic.

The model is `jcm` (SPEEDY physics on the dinosaur spectral core, JAX). It runs in a process of its
own, and leaves a Zarr store with CF names that grows while it runs and can be gone on with.
"""

from isopleth.data.speedy.configuration import (
    CALM_DAYS,
    NatureRun,
    days_of,
    every_of,
    levels_of,
)
from isopleth.data.speedy.driver import Listener, Moment, make, remaining_bytes
from isopleth.data.speedy.pressure import on_pressure
from isopleth.data.speedy.process import Interpreter, ModelError
from isopleth.data.speedy.store import NatureStore

__all__ = [
    "CALM_DAYS",
    "Interpreter",
    "Listener",
    "ModelError",
    "Moment",
    "NatureRun",
    "NatureStore",
    "days_of",
    "every_of",
    "levels_of",
    "make",
    "on_pressure",
    "remaining_bytes",
]
