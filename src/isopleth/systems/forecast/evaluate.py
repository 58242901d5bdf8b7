"""evaluate: how far ahead a forecast of the world is worth something, beside simple ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from isopleth.core.sphere import Sphere
from isopleth.dynamics.learned import Emulator
from isopleth.dynamics.rollout import rollout
from isopleth.systems.forecast.baselines import (
    Forecaster,
    LinearInverse,
    fit_damping,
    fit_linear_inverse,
)

__all__ = [
    "DAYS",
    "STEPS_A_DAY",
    "Emulated",
    "Scores",
    "energy_spectrum",
    "judge",
    "read_states",
    "score",
    "tuned_linear_inverse",
]

DAYS = (1, 2, 3, 5, 10)
"""Leads that are scored."""
STEPS_A_DAY = 4
MODES, LAGS = (20, 40, 80, 160, 320, 640, 1280), (1, 2, 4)
"""Of the linear inverse models that are tried: numbers of modes, lags in steps."""


@dataclass(frozen=True, eq=False)
class Emulated:
    """An emulator as a forecaster of coefficients.

    Args:
        emulator: On the sphere's grid.
        sphere: Of the coefficients.
    """

    emulator: Emulator
    sphere: Sphere

    def __call__(self, start: Tensor, leads: Sequence[int]) -> Tensor:
        """See `baselines.Forecaster`."""
        with torch.no_grad():
            states = rollout(self.emulator.step, self.sphere.synthesis(start), max(leads))
            return torch.stack(
                [self.sphere.analysis(psi) for k, psi in enumerate(states, 1) if k in leads]
            )


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of forecasts by lead and case.

    Args:
        nmse: Mean over levels of the mean square error in climatological variances of the level,
            shape (lead, case): climatology scores 1 on average.
        acc: Correlation of anomalies from climatology, over area and levels, (lead, case).
    """

    nmse: Tensor
    acc: Tensor

    @property
    def nrmse(self) -> Tensor:
        """Root of the mean over cases, (lead,)."""
        return self.nmse.mean(1).sqrt()


def score(forecast: Tensor, truth: Tensor, mean: Tensor, sd: Tensor) -> Scores:
    """Scores of coefficients (lead, case, 3, n).

    `acc = <f - m, t - m> / (|f - m| |t - m|)` with each level in its standard deviations, as in
    Murphy and Epstein (1989), Mon. Wea. Rev. 117, 572, eq. 1, uncentred; 0 where the forecast is
    the climatology.

    Args:
        forecast: To be judged.
        truth: Same shape.
        mean: Of the climate, (3, n).
        sd: Standard deviation of each level, (3,).
    """
    error = (forecast - truth) / sd[:, None]
    f, t = (forecast - mean) / sd[:, None], (truth - mean) / sd[:, None]
    size = (f.square().sum((-2, -1)) * t.square().sum((-2, -1))).sqrt()
    together = (f * t).sum((-2, -1))
    acc = torch.where(size > 0.0, together / size.clamp_min(torch.finfo(size.dtype).tiny), 0.0)
    return Scores(error.square().sum(-1).mean(-1), acc)


def energy_spectrum(z: Tensor, sphere: Sphere) -> Tensor:
    """Kinetic energy by degree, `l (l + 1) sum_m psi_lm^2 / 2` on the unit sphere.

    Args:
        z: Coefficients of the streamfunction, (..., (T + 1)^2).
        sphere: Of them.

    Returns:
        Shape (..., T + 1), m4 s-2: divide by the square of the radius for m2 s-2.
    """
    return 0.5 * sphere.power(z * (-sphere.laplacian).sqrt())


def read_states(path: Path) -> Tensor:
    """A run that `learn.prepare` wrote, (member, time, 3, (T + 1)^2), m2 s-1."""
    return torch.from_numpy(np.load(path, allow_pickle=False))


def tuned_linear_inverse(
    learned: Tensor, validation: Tensor, mean: Tensor, sd: Tensor
) -> LinearInverse:
    """The linear inverse model whose mean score over `DAYS` is best on a validation run.

    Args:
        learned: Trajectories that models are fitted to, (member, time, 3, n).
        validation: Trajectories they are chosen by, at least 10 days long.
        mean: Of the climate, (3, n).
        sd: Standard deviation of each level, (3,).
    """
    leads = _leads()
    start, truth = validation[:, 0], validation[:, leads].transpose(0, 1)
    tried = []
    for lag in LAGS:
        for modes in (k for k in MODES if 2 * k <= learned.shape[0] * learned.shape[1]):
            model = fit_linear_inverse(learned, mean, modes, lag)
            found = score(model(start, leads), truth, mean, sd).nrmse.mean()
            tried.append((float(found), model))
    return min(tried, key=lambda pair: pair[0])[1]


def judge(emulator: Emulator, learned: Path, judged: Path) -> list[dict[str, object]]:
    """Normalised errors from the first states of a run, beside damped persistence: a card's rows.

    Args:
        emulator: Trained.
        learned: Run that it was trained on; gives climate and damping.
        judged: Run of another seed, at least 10 days long.
    """
    sphere = Sphere(emulator.truncation, emulator.grid)
    known, states = read_states(learned), read_states(judged)
    mean = known.mean((0, 1))
    sd = (known - mean).square().sum(-1).mean((0, 1)).sqrt()
    leads = _leads()
    methods: list[Forecaster] = [
        Emulated(emulator, sphere),
        fit_damping(known, mean, leads),
    ]
    start, truth = states[:, 0], states[:, leads].transpose(0, 1)
    ours, theirs = (score(f(start, leads), truth, mean, sd).nrmse.tolist() for f in methods)
    return [
        {
            "name": f"root mean square error at day {day}",
            "unit": "climatological standard deviation",
            "value": value,
            "baseline": "damped persistence",
            "baseline_value": other,
        }
        for day, value, other in zip(DAYS, ours, theirs, strict=True)
    ]


def _leads() -> list[int]:
    return [STEPS_A_DAY * day for day in DAYS]
