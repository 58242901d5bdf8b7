"""Observe: what was measured, and the operators `A` that say what a field would have shown.

Where to measure is a network (`networks`, `stations`, `swath`); what is read there an operator
(`point`, `profile`, `mask`, `average`, `columns`, `nonlinear`, `radiance`); with values and their
error variance it is an `Observation`, which `observed` draws from a known truth.
"""

from __future__ import annotations

from isopleth.observe.average import Beam, FootprintOperator
from isopleth.observe.columns import ColumnOperator
from isopleth.observe.mask import MaskOperator
from isopleth.observe.networks import (
    Columns,
    FixedNetwork,
    Network,
    Percent,
    RandomCells,
    RandomPoints,
    Singles,
)
from isopleth.observe.nonlinear import Combined, Derived, LogPrecipitation, wind_speed
from isopleth.observe.observation import Observation
from isopleth.observe.orbit import Orbit
from isopleth.observe.point import PointOperator
from isopleth.observe.positions import Positions
from isopleth.observe.profile import ProfileOperator
from isopleth.observe.radiance import Channel, RadianceOperator, Sounder, WeightedColumns
from isopleth.observe.simulated import observed
from isopleth.observe.stations import LandStations
from isopleth.observe.swath import Footprints, Scanner, Swath

__all__ = [
    "Beam",
    "Channel",
    "ColumnOperator",
    "Columns",
    "Combined",
    "Derived",
    "FixedNetwork",
    "FootprintOperator",
    "Footprints",
    "LandStations",
    "LogPrecipitation",
    "MaskOperator",
    "Network",
    "Observation",
    "Orbit",
    "Percent",
    "PointOperator",
    "Positions",
    "ProfileOperator",
    "RadianceOperator",
    "RandomCells",
    "RandomPoints",
    "Scanner",
    "Singles",
    "Sounder",
    "Swath",
    "WeightedColumns",
    "observed",
    "wind_speed",
]
