"""QG3Recipe: every number of the quasi-geostrophic world."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from isopleth.core.errors import InputError
from isopleth.core.gaussian_grid import GaussianGrid

__all__ = ["T21", "T42", "QG3Recipe"]

_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class QG3Recipe:
    """Numbers of `QuasiGeostrophic`; an infinite time scale switches its term off.

    Attributes:
        truncation: Largest degree of the spherical harmonics.
        nlat: Rows of the Gaussian grid.
        nlon: Columns of the Gaussian grid.
        radius: Of the Earth, m.
        rotation: Angular velocity of the Earth, s^-1.
        rossby_radius_upper: Of deformation between 200 and 500 hPa, m.
        rossby_radius_lower: Of deformation between 500 and 800 hPa, m.
        depth: Of the layer that mountains displace, m.
        ekman_seconds: Time scale of the drag over the sea, s.
        ekman_land: How much stronger the drag is over land, as a share.
        ekman_mountain: How much stronger it is over high mountains, as a share.
        ekman_height: Height over which mountains reach that drag, m.
        thermal_seconds: Time scale of the relaxation of temperature, s.
        selective_seconds: Time scale of the scale-selective damping at the largest degree, s. The
            published models at this truncation use 0.1 days, which damps cyclones so much that
            small errors decay for days; the default is 2 days.
        step_seconds: Of the Runge-Kutta scheme, s.

    Raises:
        InputError: If a number that must be positive is not.
    """

    truncation: int = 21
    nlat: int = 32
    nlon: int = 64
    radius: float = 6.371e6
    rotation: float = 7.292e-5
    rossby_radius_upper: float = 700e3
    rossby_radius_lower: float = 450e3
    depth: float = 9000.0
    ekman_seconds: float = 3.0 * _DAY
    ekman_land: float = 0.5
    ekman_mountain: float = 0.5
    ekman_height: float = 1000.0
    thermal_seconds: float = 25.0 * _DAY
    selective_seconds: float = 2.0 * _DAY
    step_seconds: float = 1800.0

    def __post_init__(self) -> None:
        """Check that every number is positive."""
        for field in fields(self):
            value = getattr(self, field.name)
            if math.isnan(value) or value < 0.0 or (value == 0.0 and field.name not in _MAY_BE_0):
                raise InputError(
                    f"{field.name} = {value} is not positive: give its number in SI units; an "
                    "infinite time scale switches a term off."
                )

    @property
    def grid(self) -> GaussianGrid:
        """Where fields live."""
        return GaussianGrid(nlat=self.nlat, nlon=self.nlon)


_MAY_BE_0 = ("rotation", "ekman_land", "ekman_mountain")

T21 = QG3Recipe()
"""The world of most experiments: 5.6 degrees."""

T42 = replace(T21, truncation=42, nlat=64, nlon=128)
"""The finer one: 2.8 degrees."""
