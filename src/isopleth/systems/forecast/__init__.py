"""Forecasts of the large-scale flow: from a file to the days after it.

`load().run("INIT.nc", days=10)` steps a state with the quasi-geostrophic world or with a network
that learned its six-hour steps from nature runs (`train`); simple forecasts tell what that is
worth (`judge`, `baselines`).
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
from isopleth.systems.forecast.learn import Learning, build, climate, keep, prepare, train
from isopleth.systems.forecast.recipe import Recipe, Run, smoke, unet, vit
from isopleth.systems.forecast.settings import ForecastSettings
from isopleth.systems.forecast.system import Forecast, load

__all__ = [
    "DAYS",
    "Climatology",
    "DampedPersistence",
    "Emulated",
    "Forecast",
    "ForecastSettings",
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
