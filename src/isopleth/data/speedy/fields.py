"""The fields of a nature run, its axes and its terrain, with their CF names and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isopleth.data.speedy.configuration import FIRST_DAY, NatureRun

__all__ = ["AXES", "FIELDS", "STATIC", "Attributes", "Field", "bytes_of_a_state", "provenance"]

Attributes = dict[str, Any]

_NODES = 96 * 48
_SIGMA_LEVELS = 8


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field that varies in time.

    Args:
        standard_name: CF standard name.
        long_name: For axes and titles.
        units: Of every value.
        mean: A mean over the interval that ends at the time; the others are of that instant.
        levels: Whether it has levels.
    """

    standard_name: str
    long_name: str
    units: str
    mean: bool = False
    levels: bool = True

    @property
    def attributes(self) -> Attributes:
        """CF attributes."""
        return {
            "standard_name": self.standard_name,
            "long_name": self.long_name,
            "units": self.units,
            "cell_methods": "time: mean" if self.mean else "time: point",
        }


FIELDS: dict[str, Field] = {
    "ua": Field(standard_name="eastward_wind", long_name="eastward wind", units="m s-1"),
    "va": Field(standard_name="northward_wind", long_name="northward wind", units="m s-1"),
    "ta": Field(standard_name="air_temperature", long_name="temperature", units="K"),
    "hus": Field(
        standard_name="specific_humidity", long_name="specific humidity", units="kg kg-1"
    ),
    "zg": Field(standard_name="geopotential_height", long_name="geopotential height", units="m"),
    "ps": Field(
        standard_name="surface_air_pressure",
        long_name="surface pressure",
        units="Pa",
        levels=False,
    ),
    "pr": Field(
        standard_name="precipitation_flux",
        long_name="precipitation, convective and large-scale",
        units="kg m-2 s-1",
        mean=True,
        levels=False,
    ),
    "clt": Field(
        standard_name="cloud_area_fraction",
        long_name="cloud cover, without the stratiform cloud of the boundary layer",
        units="1",
        mean=True,
        levels=False,
    ),
    "rlut": Field(
        standard_name="toa_outgoing_longwave_flux",
        long_name="outgoing long-wave radiation at the top of the atmosphere",
        units="W m-2",
        mean=True,
        levels=False,
    ),
}
"""Every field by its name, which is that of CMIP."""

AXES: dict[str, Attributes] = {
    "time": {
        "standard_name": "time",
        "units": f"hours since {FIRST_DAY.isoformat()} 00:00:00",
        "calendar": "proleptic_gregorian",
        "axis": "T",
        "bounds": "time_bnds",
    },
    "lat": {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
    "lon": {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
    "sigma": {
        "standard_name": "atmosphere_sigma_coordinate",
        "long_name": "pressure over surface pressure at the middle of the layer",
        "formula_terms": "sigma: sigma ps: ps ptop: ptop",
        "units": "1",
        "positive": "down",
        "axis": "Z",
    },
    "plev": {"standard_name": "air_pressure", "units": "hPa", "positive": "down", "axis": "Z"},
}
"""The coordinates: north to south, [0, 360), top first."""

STATIC: dict[str, Attributes] = {
    "orog": {
        "standard_name": "surface_altitude",
        "long_name": "height of the surface as the model truncates it",
        "units": "m",
    },
    "land": {"standard_name": "land_area_fraction", "long_name": "share of land", "units": "1"},
}
"""What does not vary in time."""


def bytes_of_a_state(run: NatureRun) -> int:
    """Memory of one kept state, float32, before compression."""
    levels = len(run.levels) or _SIGMA_LEVELS
    return 4 * _NODES * sum(levels if field.levels else 1 for field in FIELDS.values())


def provenance(run: NatureRun, about: Mapping[str, object]) -> Attributes:
    """The attributes of the store: where the numbers come from, and that they are synthetic."""
    levels = (
        "interpolated from the model's sigma levels, linear in ln p; below the lowest of them, "
        "also under ground, extrapolated: compare plev with ps"
        if run.levels
        else "the model's own, p = sigma * ps"
    )
    return {
        "Conventions": "CF-1.11",
        "title": "SYNTHETIC: SPEEDY nature run, output of an atmospheric model, not observations",
        "source": about["model"],
        **{f"{name}_version": version for name, version in _versions(about).items()},
        "resolution": about["resolution"],
        "time_step_minutes": about["time_step_minutes"],
        "boundary_data": about["boundary_data"],
        "device": about["device"],
        "initial_state": f"isothermal and at rest on {run.start}, perturbed with seed {run.seed}",
        "spinup_days": run.spinup,
        "levels": levels,
        "comment": (
            "Years are nominal: the sea-surface temperatures are a climatology, the same every "
            "year. pr, clt and rlut are means over the interval that ends at the time."
        ),
        "nature_run": run.identity(),
    }


def _versions(about: Mapping[str, object]) -> dict[str, object]:
    versions = about["versions"]
    return dict(versions) if isinstance(versions, Mapping) else {}
