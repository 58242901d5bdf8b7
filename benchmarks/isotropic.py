"""The isotropic baseline of the depth benchmark."""

from __future__ import annotations

from dataclasses import dataclass

from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.inference.interpolation import Estimate, Points, Samples
from isopleth.inference.interpolation.kriging import LocalKriging


@dataclass(frozen=True, kw_only=True)
class Isotropic:
    """Isotropic kriging from the nearest in space *and* time: a mooring has one position."""

    length_km: float = 200.0
    days: float = 40.0
    nugget: float = 0.1

    def __call__(self, samples: Samples, points: Points) -> Estimate:
        """One exponential, no second scale, no stretch at the equator."""
        covariance = SpaceTimeCovariance(
            zonal_km=self.length_km,
            meridional_km=self.length_km,
            days=self.days,
            nugget=self.nugget,
            broad_share=0.0,
            equatorial_zonal=0.0,
            equatorial_meridional=0.0,
        )
        return LocalKriging(scales=covariance)(samples, points)
