"""Tuning for the Argo benchmark: the same number of trials for every method, on each month.

Writes build/argo/tuned_METHOD_MONTH.json; `ocean_kriging_argo.py` calls it and resumes from the
logs, so a run that was cut goes on where it stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from argo_boxes import ROOT, hidden, predict_hidden
from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.inference.interpolation import Samples
from isopleth.inference.interpolation.inverse_distance import InverseDistance
from isopleth.inference.interpolation.kriging import LocalKriging
from isopleth.inference.interpolation.optimal_interpolation import OptimalInterpolation
from isopleth.studies.tuning import Choice, LogUniform, Uniform, search

TRIALS, SEED = 100, 0
WORK = ROOT / "build" / "argo"

STARTS: dict[str, Any] = {
    "inverse distance": InverseDistance(),
    "isotropic kriging": OptimalInterpolation.reference(),
    # Near the settings an earlier study of the same profiles published.
    "anisotropic kriging": SpaceTimeCovariance(
        zonal_km=170.0,
        meridional_km=170.0,
        days=50.0,
        broad_zonal_km=1500.0,
        broad_meridional_km=1000.0,
        broad_days=210.0,
        broad_share=0.3,
        nugget=0.08,
        equatorial_zonal=4.0,
        equatorial_meridional=0.5,
        equatorial_width_deg=8.0,
    ),
}

SPACES: dict[str, dict[str, Any]] = {
    "inverse distance": {
        "power": Uniform(0.5, 6.0),
        "neighbours": Choice((4, 8, 12, 20, 30, 60)),
        "time_km_per_day": LogUniform(0.5, 60.0),
        "reach_km": LogUniform(200.0, 4000.0),
        "smoothing_km": LogUniform(1.0, 200.0),
    },
    "isotropic kriging": {
        "length_km": LogUniform(60.0, 900.0),
        "days": LogUniform(8.0, 400.0),
        "nugget": LogUniform(0.01, 1.0),
        "neighbours": Choice((30, 60, 90)),
    },
    "anisotropic kriging": {
        "zonal_km": LogUniform(60.0, 600.0),
        "meridional_km": LogUniform(60.0, 600.0),
        "days": LogUniform(8.0, 400.0),
        "broad_zonal_km": LogUniform(400.0, 8000.0),
        "broad_meridional_km": LogUniform(400.0, 4000.0),
        "broad_days": LogUniform(40.0, 900.0),
        "broad_share": LogUniform(0.01, 3.0),
        "nugget": LogUniform(0.01, 1.0),
        "equatorial_zonal": Uniform(0.0, 12.0),
        "equatorial_meridional": Uniform(0.0, 2.0),
        "equatorial_width_deg": Uniform(4.0, 16.0),
    },
}


def tuned(method: str, month: str, samples: Samples, profiles: Any) -> Any:
    """The best of `TRIALS` settings of a method on the first partition of a month."""
    fold = hidden(profiles)[0].fold

    def rmse(setting: Any) -> float:
        kriging = isinstance(setting, SpaceTimeCovariance)
        run = LocalKriging(scales=setting) if kriging else setting
        return float(np.sqrt(np.mean(predict_hidden(run, samples, fold) ** 2)))

    WORK.mkdir(parents=True, exist_ok=True)
    log = Path(WORK / f"tuned_{method.replace(' ', '_')}_{month}.jsonl")
    trials = search(rmse, STARTS[method], SPACES[method], trials=TRIALS, seed=SEED, log=log)
    print(f"tuned {method} on {month}: {trials.best.score:.4f} K in {len(trials)} trials")
    return trials.best.recipe


if __name__ == "__main__":
    from argo_boxes import anomalies, load

    for name, profiles in load().items():
        for method in STARTS:
            tuned(method, name, anomalies(profiles), profiles)
