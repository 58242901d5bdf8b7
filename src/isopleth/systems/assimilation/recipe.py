"""Every number of the system, with the reason for its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from isopleth.core.errors import InputError
from isopleth.core.quantities import Quantity

__all__ = ["STATED", "Recipe", "Stated", "of_quantity", "standard"]


@dataclass(frozen=True)
class Stated:
    """Error statistics of a background variable where no ensemble gives them.

    Args:
        deviation: Standard deviation, in the unit of the quantity.
        length_km: `L` of the horizontal correlation `exp(-d^2 / 2 L^2)`, km.
    """

    deviation: float
    length_km: float


STATED: Mapping[str, Stated] = {
    "air_temperature": Stated(1.0, 300.0),
    "geopotential_height": Stated(10.0, 500.0),
    "eastward_wind": Stated(2.5, 300.0),
    "northward_wind": Stated(2.5, 300.0),
    "specific_humidity": Stated(1e-3, 250.0),
    "relative_humidity": Stated(15.0, 250.0),
    "temperature_2m": Stated(1.5, 250.0),
    "eastward_wind_10m": Stated(2.0, 250.0),
    "northward_wind_10m": Stated(2.0, 250.0),
    "sea_level_pressure": Stated(100.0, 500.0),
    "surface_pressure": Stated(100.0, 500.0),
    "sea_surface_temperature": Stated(0.5, 200.0),
    "sea_water_temperature": Stated(0.7, 200.0),
    "salinity": Stated(0.1, 200.0),
}
"""Round numbers, guessed, of the order of a short global forecast's error: they are no statistics
of anybody's background. Say better ones with --deviation and --length, or give an ensemble."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of an analysis.

    Args:
        radius_km: Localisation: distance at which an observation counts no more; what suits about
            ten members of a global model. `Assimilation.tuned` chooses it from the observations.
        radii_km: What it is chosen from, increasing.
        tuning_share: Of the places, hidden to choose it.
        ensemble_share: Hybrid: of the ensemble's covariance in the sum; half, an even guess.
        most_truncation: Spectral statistics: largest wavenumber.
        nmc_factor: Of differences of two forecasts for one time, to be read as errors of one of
            them: 1 / sqrt 2, as if both erred alike and independently. A guess: the later one errs
            more, and the errors are alike; see the Desroziers check.
        relaxation: Relaxation to the prior spread (RTPS) of the analysed members, 0 to 1.
        inflation: Factor of the members' deviations before the analysis.
        vertical_scale: Scale of the stated correlation between levels, `exp(-(dz / scale)^2 / 2)`:
            in log pressure, or as a share of the larger of two depths or heights.
        gross: An observation farther from the background than this many standard deviations of
            `sqrt(s_b^2 + s_o^2)` is refused.
        window_hours: Observations up to this long before and after the analysis are used.
        shrink: Share of the off-diagonal sample correlation of channels that is dropped.
        row_smoothing_deg: Width of the smoothing, by latitude, of the ensemble's deviations.
        lag_km: Distance over which the ensemble's correlation length is measured.
        least_length_km: Shortest length taken from an ensemble.
        deviation: Standard deviations that replace those of the ensemble or of `STATED`, by name.
        length: Lengths likewise, km.
        most_exact: Most observations for which the static method's error is computed.
        nearest: Observations of every column that it is computed from.
        iterations: Most steps of the conjugate gradients.
        tolerance: Fall of the gradient's norm at which they stop.
    """

    radius_km: float = 800.0
    radii_km: tuple[float, ...] = (
        100.0,
        200.0,
        400.0,
        600.0,
        800.0,
        1200.0,
        1800.0,
        2700.0,
        4000.0,
    )
    tuning_share: float = 0.2
    ensemble_share: float = 0.5
    most_truncation: int = 106
    nmc_factor: float = 0.5**0.5
    relaxation: float = 0.0
    inflation: float = 1.0
    vertical_scale: float = 0.5
    gross: float = 5.0
    window_hours: float = 3.0
    shrink: float = 0.1
    row_smoothing_deg: float = 5.0
    lag_km: float = 300.0
    least_length_km: float = 150.0
    most_exact: int = 8000
    nearest: int = 80
    iterations: int = 200
    tolerance: float = 1e-4
    deviation: Mapping[str, float] = field(default_factory=dict)
    length: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: If one is out of its range.
        """
        for name in ("radius_km", "inflation", "gross", "window_hours"):
            if not getattr(self, name) > 0.0:
                raise InputError(f"{name} is {getattr(self, name)}: give a positive number.")
        for words, table in (("deviation", self.deviation), ("length", self.length)):
            for name, value in table.items():
                if not 0.0 < value < float("inf"):
                    raise InputError(f"the {words} of {name!r} is {value:g}: give a positive one.")
        if not 0.0 <= self.ensemble_share <= 1.0:
            raise InputError(
                f"ensemble_share is {self.ensemble_share}: give a number from 0 to 1."
            )


def of_quantity(table: Mapping[str, float], quantity: Quantity) -> float | None:
    """The number that a table by name has for a quantity; None if it has none."""
    return next((float(v) for name, v in table.items() if quantity.goes_by(name)), None)


standard = Recipe()
