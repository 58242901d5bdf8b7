"""Space-time covariance of an ocean anomaly: two scales, anisotropic, stretched at the equator.

With ``h = (dx, dy, dt)`` the zonal, meridional and temporal separation of two profiles,

    C(h) = rho_nu(|h / l|) + w exp(-|h / M|) + b0 + b1 (x . x') / S^2 + lambda delta(h)

in units of the small-scale signal variance: a Matern function of smoothness ``nu`` with scales
``l = (L_x, L_y, L_t)``, a broad exponential with scales ``M`` and variance ``w``, a prior variance
``b0`` and ``b1`` of an unknown local mean and slope (universal kriging as a Gaussian prior; ``S``
is 500 km), and the nugget ``lambda`` (instrument plus what no profile network resolves). The norm
joins space and time, so that distance and lag add in quadrature (Kuusela and Stein 2018,
doi 10.1098/rspa.2018.0400).

Towards the equator ``L_x`` grows by ``1 + e_x exp(-(lat / e_w)^2)`` and ``L_y`` by ``e_y``: the
deformation radius and the equatorial waves. Within one local solve the scales are those of the
estimated point (moving-window kriging, Haas 1990), so every system solved is a valid covariance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isopleth.core.errors import InputError

COLUMNS = (
    "zonal_km", "meridional_km", "days", "broad_zonal_km", "broad_meridional_km", "broad_days",
    "broad_share", "nugget", "mean_variance", "slope_variance",
)  # fmt: skip
SLOPE_LENGTH_KM = 500.0
SMOOTHNESS = (0.5, 1.5, 2.5)


@dataclass(frozen=True)
class LocalScales:
    """The covariance's parameters at each of ``n`` points.

    Args:
        values: Shape ``(n, 10)``, columns as in ``COLUMNS`` (km, days, variance ratios).
        smoothness: The Matern ``nu`` of the short scale.
    """

    values: NDArray[np.float64]
    smoothness: float = 0.5

    def __len__(self) -> int:
        return len(self.values)

    def column(self, name: str) -> NDArray[np.float64]:
        """One parameter at every point, shape ``(n,)``."""
        return self.values[:, COLUMNS.index(name)]

    def select(self, index: NDArray[np.generic]) -> LocalScales:
        """The parameters at an index or boolean array."""
        return LocalScales(self.values[index], self.smoothness)

    def scaled(self, log_factors: Mapping[str, NDArray[np.float64]]) -> LocalScales:
        """The parameters multiplied by ``exp(log_factors[name])``, each of shape ``(n,)``."""
        values = self.values.copy()
        for name, factor in log_factors.items():
            values[:, COLUMNS.index(name)] *= np.exp(factor)
        return LocalScales(values, self.smoothness)

    @property
    def signal_variance(self) -> NDArray[np.float64]:
        """``1 + w + b0``: what the field varies by before any observation, shape ``(n,)``."""
        return 1.0 + self.column("broad_share") + self.column("mean_variance")


@dataclass(frozen=True, kw_only=True)
class SpaceTimeCovariance:
    """The covariance of the module's text; every argument has the unit in its name.

    The defaults are round numbers near the optimum found on 21,228 Argo profiles of January and
    February 2016 at 100, 150 and 200 dbar, on one partition of both months, in exploration. The
    benchmark does not use them: its settings stand in ``results/ocean_kriging_argo.settings.txt``.

    Raises:
        InputError: If a scale is not positive, a variance is negative or ``smoothness`` is not one
            of 0.5, 1.5, 2.5.
    """

    zonal_km: float = 160.0
    meridional_km: float = 160.0
    days: float = 40.0
    broad_zonal_km: float = 2500.0
    broad_meridional_km: float = 1200.0
    broad_days: float = 260.0
    broad_share: float = 0.3
    nugget: float = 0.09
    mean_variance: float = 0.0
    slope_variance: float = 0.0
    equatorial_zonal: float = 4.6
    equatorial_meridional: float = 0.5
    equatorial_width_deg: float = 7.8
    smoothness: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            scale = name.endswith(("_km", "_deg", "days"))
            if not np.isfinite(value) or value < 0 or (scale and value == 0):
                raise InputError(
                    f"{name} is {value}; give a {'positive' if scale else 'non-negative'} number."
                )
        if self.smoothness not in SMOOTHNESS:
            raise InputError(
                f"smoothness is {self.smoothness}; compiled are {', '.join(map(str, SMOOTHNESS))}."
            )

    def at(
        self, latitude: NDArray[np.float64], longitude: NDArray[np.float64] | None = None
    ) -> LocalScales:
        """The parameters at latitudes ``(n,)`` in degrees north; the longitude is not used."""
        bump = np.exp(-((np.asarray(latitude, np.float64) / self.equatorial_width_deg) ** 2))
        stretch = {
            "zonal_km": 1 + self.equatorial_zonal * bump,
            "meridional_km": 1 + self.equatorial_meridional * bump,
            "broad_zonal_km": 1 + self.equatorial_zonal * bump,
        }
        columns = [np.full_like(bump, getattr(self, n)) * stretch.get(n, 1.0) for n in COLUMNS]
        return LocalScales(np.ascontiguousarray(np.stack(columns, axis=1)), self.smoothness)
