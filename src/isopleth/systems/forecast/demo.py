"""A demonstration on a synthetic atmosphere: a run of the model itself plays the truth.

The shipped ERA5 sample has two levels and one time, which is no start for a model of three levels.
So a state of the quasi-geostrophic world, run on, is the atmosphere, and the forecast starts from
that state with an error of known size. What is left out is the error of the model: with it, no
forecast of the real atmosphere by this model is as good.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from isopleth.core.channels import PRESSURE
from isopleth.systems.forecast.anomalies import load_climate, perturbations
from isopleth.systems.forecast.fields import STREAMFUNCTION
from isopleth.systems.forecast.models import Model, OnStreamfunction
from isopleth.systems.forecast.settings import LEVELS, STEP_HOURS, ForecastSettings

__all__ = ["MEMBERS", "NOTE", "prepare"]

MEMBERS = 10
"""Of the demonstration's ensemble."""

NOTE = (
    "Synthetic atmosphere: a run of the quasi-geostrophic model itself plays the truth, and the "
    "date is invented. The forecast starts from the true state with an error of known size, drawn "
    "from the model's climate. The scores show how small errors of the start grow; they say "
    "nothing about forecasts of the real atmosphere, for which this model is far too simple."
)

_TIME = np.datetime64("2001-01-15T00:00", "ns")
_STATE = 0
_OTHER_SEED = 1_000_003
"""Added to the seed, so that the error of the start is none of the members' perturbations."""


def prepare(model: Model, settings: ForecastSettings) -> xr.Dataset:
    """The start, with an error of `settings.spread`, and the truth of all later times.

    Args:
        model: Whose world is the atmosphere.
        settings: Length, size and seed of the error.

    Returns:
        Streamfunction, dimensions (time, pressure, lat, lon), as a file would hold it.
    """
    sphere = model.world.sphere
    climate = load_climate(sphere)
    psi = climate.states[_STATE]
    seed = settings.seed + _OTHER_SEED
    states = [psi + perturbations(climate, sphere, 2, settings.spread, seed)[0]]
    nature, x = OnStreamfunction(model.world), psi.float()
    with torch.no_grad():
        for _ in range(settings.steps):
            x = nature.step(x)
            states.append(x.double())
    times = _TIME + np.arange(settings.steps + 1) * np.timedelta64(STEP_HOURS, "h")
    grid = model.world.recipe.grid
    coords = {
        "time": times,
        PRESSURE.name: PRESSURE.coordinate(list(LEVELS)),
        "lat": ("lat", grid.latitude, {"units": "degrees_north"}),
        "lon": ("lon", grid.longitude, {"units": "degrees_east"}),
    }
    dims = ("time", PRESSURE.name, "lat", "lon")
    field = (dims, torch.stack(states).numpy(), STREAMFUNCTION.attrs)
    return xr.Dataset(
        {"streamfunction": field}, coords, {"title": "the synthetic atmosphere", "data_note": NOTE}
    )
