"""How good an answer is: pure functions of a forecast and the truth.

Missing pairs are NaN and are left out together with their weight; `mask` False and weight 0 do the
same. Nothing left to average gives NaN, never 0. Scores of single cases (every `crps_*`, `pit_*`
and `interval_score`) keep the shape of the truth; average them with `weighted_mean`.
"""

from __future__ import annotations

from isopleth.metrics.bandpass import band_pass, lanczos_weights
from isopleth.metrics.circulation import kinetic_energy_by_degree
from isopleth.metrics.deterministic import (
    bias,
    correlation,
    mse,
    mse_gridmean,
    rmse,
    weighted_mean,
)
from isopleth.metrics.distribution import (
    coverage,
    coverage_gaussian,
    crps_gaussian,
    crps_normal_mixture,
    crps_student_t,
    interval_score,
    pit_gaussian,
    pit_normal_mixture,
    pit_student_t,
)
from isopleth.metrics.ensemble import (
    SpreadSkill,
    coverage_ensemble,
    crps_ensemble,
    pit_ensemble,
    rank_histogram,
    spread_skill,
)
from isopleth.metrics.growth import doubling_time, first_doubling
from isopleth.metrics.spectral import Spectrum, effective_resolution, zonal_spectrum

__all__ = [
    "Spectrum",
    "SpreadSkill",
    "band_pass",
    "bias",
    "correlation",
    "coverage",
    "coverage_ensemble",
    "coverage_gaussian",
    "crps_ensemble",
    "crps_gaussian",
    "crps_normal_mixture",
    "crps_student_t",
    "doubling_time",
    "effective_resolution",
    "first_doubling",
    "interval_score",
    "kinetic_energy_by_degree",
    "lanczos_weights",
    "mse",
    "mse_gridmean",
    "pit_ensemble",
    "pit_gaussian",
    "pit_normal_mixture",
    "pit_student_t",
    "rank_histogram",
    "rmse",
    "spread_skill",
    "weighted_mean",
    "zonal_spectrum",
]
