"""A demonstration on a shipped sample of the ERA5 ensemble, where one member is the truth.

No matched pair of a real background and real observations can be had offline. So one member of the
ensemble plays the atmosphere, observations are drawn from it with a known error, and the mean of
the other nine, which are also the ensemble, is the background.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from isopleth.core.channels import Channels
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.data.bathymetry import ocean_mask
from isopleth.data.cards import open_grid, read_card
from isopleth.data.states import MEMBER, State, read_states
from isopleth.observe import LandStations, PointOperator
from isopleth.systems.assimilation.covariance import columns_of, unit_vectors
from isopleth.systems.assimilation.inputs import Inputs, combined

__all__ = ["NOTE", "TIME", "Demonstration", "prepare", "sources"]

ASSET = "era5_ensemble_201701"
TIME = np.datetime64("2017-01-02T00:00", "ns")
TRUE_MEMBER = 1
NEAR_KM = 300.0
STATIONS = 1500
ERRORS = {"geopotential_height": 1.0, "air_temperature": 0.2}
"""Standard deviation of the drawn errors, m and K: a little larger than the spread of the members,
so that neither side decides alone. Real radiosondes are several times less exact; against the
spread of a reanalysis, which has used them already, they would change little."""

NOTE = (
    "Synthetic observations: no matched pair of a background and real observations can be had "
    "offline. Member 1 of a sample of the ERA5 ensemble of 2 January 2017 plays the truth, "
    "observations are drawn from it at invented stations, most of them on land, with errors of "
    f"known size ({ERRORS['geopotential_height']:g} m, {ERRORS['air_temperature']:g} K), and the "
    "mean of the other nine members is the background. Those errors are several times smaller "
    "than a radiosonde's, so that observations matter beside members which have used the real "
    "ones: the gain shown is that of an exercise, not of a forecasting centre. The fields contain "
    "modified Copernicus Climate Change Service information (2017); neither the European "
    "Commission nor ECMWF is responsible for any use made of it."
)


@dataclass(frozen=True, eq=False)
class Demonstration:
    """What is assimilated, and what it should find.

    Args:
        inputs: Nine members and their mean.
        table: The observations as a person would bring them; synthetic.
        truth: Member 1, shape (channel, lat, lon).
    """

    inputs: Inputs
    table: pd.DataFrame
    truth: Tensor

    def errors(self, analysis: Tensor) -> pd.DataFrame:
        """Root mean square error of background and analysis over the globe, by channel.

        Columns: what, unit, background, analysis, ratio, and ratio_near, of the cells within
        `NEAR_KM` of a station.
        """
        channels = self.inputs.channels
        weights = torch.from_numpy(np.array(channels.grid.weights))
        near = weights * self._near()

        def rms(x: Tensor, weight: Tensor) -> Tensor:
            total = ((x - self.truth).square() * weight).sum((-2, -1))
            return (total / weight.sum()).sqrt()

        x_b = self.inputs.background
        before, after = rms(x_b, weights), rms(analysis, weights)
        return pd.DataFrame(
            {
                "what": [channels.label(c) for c in range(len(channels.items))],
                "unit": [item.quantity.units for item in channels.items],
                "background": before.numpy(),
                "analysis": after.numpy(),
                "ratio": (after / before).numpy(),
                "ratio_near": (rms(analysis, near) / rms(x_b, near)).numpy(),
            }
        )

    def _near(self) -> Tensor:
        """1 where a station is near, shape (lat, lon)."""
        grid = self.inputs.channels.grid
        places = unit_vectors(
            self.table["latitude"].to_numpy(np.float64),
            self.table["longitude"].to_numpy(np.float64),
        )
        away = cKDTree(places).query(columns_of(grid))[0] * EARTH_RADIUS / 1000.0
        return torch.from_numpy((away < NEAR_KM).astype(np.float64).reshape(grid.shape[1:]))


def prepare(seed: int = 0) -> Demonstration:
    """Read the sample and draw the observations.

    Args:
        seed: Of the places and errors.
    """
    state = read_states(open_grid(ASSET), TIME, "the shipped ERA5 sample")
    others = [n for n in range(state.members or 0) if n != TRUE_MEMBER]
    rest = _cut(state, others)
    inputs = combined(rest, None)
    truth_fields = {q: f.isel({MEMBER: TRUE_MEMBER}) for q, f in state.fields.items()}
    truth = inputs.channels.tensor(truth_fields)
    table = _observed(inputs.channels, truth, torch.Generator().manual_seed(seed))
    return Demonstration(inputs, table, truth)


def sources() -> dict[str, str]:
    """The shipped file behind it and its SHA-256."""
    card = read_card(ASSET)
    return {card.file: card.sha256}


def _cut(state: State, members: list[int]) -> State:
    fields = {q: f.isel({MEMBER: members}) for q, f in state.fields.items()}
    return State(fields, state.vertical, state.time, state.name)


def _observed(channels: Channels, truth: Tensor, generator: torch.Generator) -> pd.DataFrame:
    """All channels at every station, errors drawn, as a table of a person."""
    grid = channels.grid
    surface = Grid(grid.latitude, grid.longitude, np.zeros(1), grid.mask[:1])
    land = ~ocean_mask(grid.latitude, grid.longitude, np.zeros(1))[0]
    land[grid.latitude < -60.0] = False
    network = LandStations(
        count=STATIONS, land=land.astype(np.float64), land_share=0.85, rural_share=0.6
    )
    at = network(surface, generator)
    rows = []
    for c, item in enumerate(channels.items):
        operator = PointOperator(grid, at.latitude, at.longitude, level=c)
        exact = operator(truth)
        error = ERRORS[item.quantity.name]
        draw = torch.randn(exact.shape, generator=generator, dtype=exact.dtype)
        rows.append(
            pd.DataFrame(
                {
                    "station": [f"SYN{i:04d}" for i in range(STATIONS)],
                    "time": "2017-01-02T00:00:00Z",
                    "latitude": at.latitude.round(4),
                    "longitude": at.longitude.round(4),
                    "variable": item.quantity.name,
                    "pressure (hPa)": item.level,
                    "value": (exact + error * draw).numpy().round(3),
                    "unit": item.quantity.units,
                    "error": error,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)
