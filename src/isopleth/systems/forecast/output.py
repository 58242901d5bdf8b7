"""The forecast as a CF data set: streamfunction, winds and vorticity, lazily from the states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor

from isopleth import __version__
from isopleth.core.channels import PRESSURE
from isopleth.systems.forecast.initial import Initial
from isopleth.systems.forecast.models import Model
from isopleth.systems.forecast.settings import LEVELS, STEP_HOURS, ForecastSettings

__all__ = ["LIMITS", "dataset_of"]

Floats = npt.NDArray[np.float32]

LIMITS = (
    "A dry model of three levels with the climate of a perpetual winter: no moisture, radiation, "
    "seasons, tropics or surface weather. From a real analysis it drifts to its own climate."
)

_ATTRS = {
    "streamfunction": {
        "standard_name": "atmosphere_horizontal_streamfunction",
        "long_name": "streamfunction",
        "units": "m2 s-1",
    },
    "eastward_wind": {
        "standard_name": "eastward_wind",
        "long_name": "eastward wind",
        "units": "m s-1",
    },
    "northward_wind": {
        "standard_name": "northward_wind",
        "long_name": "northward wind",
        "units": "m s-1",
    },
    "relative_vorticity": {
        "standard_name": "atmosphere_upward_relative_vorticity",
        "long_name": "relative vorticity",
        "units": "s-1",
    },
}


def dataset_of(
    model: Model, settings: ForecastSettings, initial: Initial, blocks: Sequence[Floats]
) -> xr.Dataset:
    """NAME, and of an ensemble NAME (its mean), NAME_spread and NAME_members.

    Args:
        model: Grid, winds and vorticity.
        settings: For the record.
        initial: Time and notes.
        blocks: States in order, the start first, (time, member, 3, nlat, nlon), m2 s-1.

    Returns:
        Dimensions ([realization], time, pressure, lat, lon); nothing is computed before it is
        read or written.
    """
    psi = da.concatenate([da.from_array(b, chunks=(len(b), *b.shape[1:])) for b in blocks])
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "streamfunction": lambda x: x,
        "eastward_wind": lambda x: model.winds(x)[0],
        "northward_wind": lambda x: model.winds(x)[1],
        "relative_vorticity": model.relative_vorticity,
    }
    data: dict[str, tuple[tuple[str, ...], Any, dict[str, str]]] = {}
    for name, function in functions.items():
        members = da.map_blocks(_applied, psi, function, dtype=np.float32)
        data |= _named(name, members)
    return xr.Dataset(data, _coordinates(model, initial, psi), _attrs(model, settings, initial))


def _applied(block: Floats, function: Callable[[Tensor], Tensor]) -> Floats:
    with torch.no_grad():
        return np.asarray(function(torch.from_numpy(np.array(block))).numpy(), np.float32)


def _named(name: str, members: Any) -> dict[str, tuple[tuple[str, ...], Any, dict[str, str]]]:
    dims, attrs = ("time", PRESSURE.name, "lat", "lon"), _ATTRS[name]
    if members.shape[1] == 1:
        return {name: (dims, members[:, 0], attrs)}
    words = attrs["long_name"]
    spread = {
        "long_name": f"standard deviation of the members of {words}",
        "units": attrs["units"],
        "cell_methods": "realization: standard_deviation",
    }
    mean = {**attrs, "long_name": f"mean of the members of {words}"}
    mean |= {"cell_methods": "realization: mean", "ancillary_variables": f"{name}_spread"}
    return {
        name: (dims, members.mean(1), mean),
        f"{name}_spread": (dims, members.std(1, ddof=1), spread),
        f"{name}_members": (
            ("realization", *dims),
            members.transpose(1, 0, 2, 3, 4),
            {**attrs, "long_name": f"members of {words}"},
        ),
    }


def _coordinates(model: Model, initial: Initial, psi: Any) -> dict[str, Any]:
    grid = model.world.recipe.grid
    hours = STEP_HOURS * np.arange(psi.shape[0])
    found: dict[str, Any] = {
        "time": (
            "time",
            initial.time + hours * np.timedelta64(1, "h"),
            {"standard_name": "time", "axis": "T"},
        ),
        "forecast_period": (
            "time",
            hours.astype(np.float64),
            {"standard_name": "forecast_period", "units": "h"},
        ),
        "forecast_reference_time": (
            (),
            initial.time,
            {"standard_name": "forecast_reference_time"},
        ),
        PRESSURE.name: PRESSURE.coordinate(list(LEVELS)),
        "lat": (
            "lat",
            grid.latitude,
            {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
        ),
        "lon": (
            "lon",
            grid.longitude,
            {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
        ),
    }
    if psi.shape[1] > 1:
        attrs = {"standard_name": "realization", "units": "1"}
        found["realization"] = ("realization", np.arange(psi.shape[1]), attrs)
    return found


def _attrs(model: Model, settings: ForecastSettings, initial: Initial) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    when = str(initial.time)[:16].replace("T", " ")
    return {
        "Conventions": "CF-1.11",
        "title": f"Forecast of {settings.days:g} days from {when} UTC",
        "summary": f"Made with {model.words}. {LIMITS}",
        "method": model.words,
        "limits": LIMITS,
        "history": f"{now} isopleth {__version__} forecast",
        "isopleth_version": __version__,
        "model": model.name,
        "truncation": model.truncation,
        "start": f"{initial.name}: {'; '.join(initial.notes)}",
        "seed": settings.seed,
    }
