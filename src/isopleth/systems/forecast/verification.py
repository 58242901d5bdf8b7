"""Verification: the forecast against what the file says came later, and against persistence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from isopleth.metrics import correlation, rmse, weighted_mean
from isopleth.systems.forecast.settings import LEVELS, STEP_HOURS

__all__ = ["verified"]

Floats = npt.NDArray[np.floating]


def verified(
    states: Mapping[int, Floats], truth: Mapping[int, Tensor], climate: Tensor, weights: Floats
) -> pd.DataFrame:
    """Scores of the streamfunction by lead and level.

        rmse = <(psi - psi_true)^2>^(1/2),   acc = corr(psi - psi_c, psi_true - psi_c)

    over the sphere, of the mean of the members. Persistence is the start; `psi_c` is the mean of
    the *model's* climate, so of a real analysis both correlations are higher than against a
    climatology of the atmosphere.

    Args:
        states: By number of the step, 0 the start: (member, 3, nlat, nlon), m2 s-1.
        truth: By number of the step, (3, nlat, nlon).
        climate: `psi_c`, (3, nlat, nlon).
        weights: Of the cells, shape (nlat, 1).

    Returns:
        Columns hours, pressure, rmse, rmse_persistence, rmse_climate, acc, acc_persistence,
        spread (NaN for one member); one row a lead and level.
    """
    mean_climate = climate.numpy()
    start = np.asarray(states[0], np.float64).mean(0)
    rows = []
    for number, true in sorted(truth.items()):
        members = np.asarray(states[number], np.float64)
        mean, y = members.mean(0), true.numpy()
        ratio = members.var(0, ddof=1) if len(members) > 1 else np.full_like(mean, np.nan)
        for k, level in enumerate(LEVELS):
            c = mean_climate[k]

            def error(x: Floats, y: Floats = y[k]) -> float:
                return float(rmse(x, y, weights=weights))

            def agreement(x: Floats, y: Floats = y[k], c: Floats = c) -> float:
                return float(correlation(x - c, y - c, weights=weights))

            rows.append(
                {
                    "hours": number * STEP_HOURS,
                    "pressure": level,
                    "rmse": error(mean[k]),
                    "rmse_persistence": error(start[k]),
                    "rmse_climate": error(c),
                    "acc": agreement(mean[k]),
                    "acc_persistence": agreement(start[k]),
                    "spread": float(np.sqrt(weighted_mean(ratio[k], weights=weights))),
                }
            )
    return pd.DataFrame(rows)
