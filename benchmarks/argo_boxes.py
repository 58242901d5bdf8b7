"""The protocol of the Argo benchmark: every 1-degree box hidden once in each of 3 partitions.

Hyper-parameters come from one month and are tested on the other, then swapped. The pieces here
are shared by the benchmark's stages; `ocean_kriging_argo.py` is the script.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from isopleth.data import Profiles, load_climatology, open_observations, to_levels
from isopleth.data.quality import check
from isopleth.inference.interpolation import Interpolation, Points, Samples
from isopleth.inference.interpolation.predictive import fit_error_model
from isopleth.metrics import crps_gaussian, crps_student_t, pit_gaussian, pit_student_t
from isopleth.studies.heldout import HeldOut, box_ids, partitions
from isopleth.systems.kriging.anomaly import Anomalies

Floats = NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[1]
EXTRA = Path(os.environ.get("ISOPLETH_EXTRA_DATA", ROOT.parent / "shared" / "data"))
ARGO = EXTRA / "ocean" / "argo_2016_janfeb_100_150_200dbar.csv.gz"
LEVELS = np.array([100.0, 150.0, 200.0])
MONTHS = {"january": "2016-01", "february": "2016-02"}
COUNT, FOLDS, SEED = 3, 10, 0


def load() -> dict[str, Profiles]:
    """The real profiles of each month on the three levels."""
    if not ARGO.is_file():
        raise SystemExit(f"{ARGO} is not here; set ISOPLETH_EXTRA_DATA to its folder.")
    profiles = to_levels(check(open_observations(ARGO, wide="dbar"))[0], LEVELS)
    return {
        name: profiles.within(month, str(np.datetime64(month, "M") + 1))
        for name, month in MONTHS.items()
    }


def hidden(profiles: Profiles) -> tuple[HeldOut, ...]:
    """The partitions of a month's boxes."""
    boxes = box_ids(profiles.latitude, profiles.longitude, 1.0)
    return partitions(boxes, count=COUNT, folds=FOLDS, seed=SEED)


def anomalies(profiles: Profiles) -> Samples:
    """Anomalies from the shipped climatology; groups are the 1-degree boxes."""
    parts = Anomalies.of(profiles, load_climatology(), box_deg=1.0, fewest=1)
    return parts.samples(np.ones(len(LEVELS)))


@dataclass(frozen=True)
class Scored:
    """Predictions of hidden profiles: means, CRPS and PIT, each ``(n, 3)``."""

    error: Floats
    crps: Floats
    pit: Floats


def student(mean: Floats, scale: Floats, degrees: float | Floats, truth: Floats) -> Scored:
    """Score Student-t predictions."""
    return Scored(
        mean - truth,
        crps_student_t(mean, scale, degrees, truth),
        pit_student_t(mean, scale, degrees, truth),
    )


def gaussian(error: Floats, sigma: Floats) -> Scored:
    """Score normal predictions with one sigma a level."""
    spread = np.broadcast_to(sigma, error.shape)
    zero = np.zeros_like(error)
    return Scored(error, crps_gaussian(error, spread, zero), pit_gaussian(error, spread, zero))


def best_sigma(error: Floats) -> Floats:
    """The one sigma a level with the least CRPS, for a baseline without its own."""

    def score(log_sigma: float, e: Floats) -> float:
        return float(crps_gaussian(e, np.full_like(e, np.exp(log_sigma)), np.zeros_like(e)).mean())

    return np.array(
        [np.exp(minimize_scalar(score, bounds=(-4, 3), args=(e,), method="bounded").x)
         for e in error.T]
    )  # fmt: skip


def predict_hidden(method: Interpolation, samples: Samples, fold: NDArray[np.int64]) -> Floats:
    """Errors of a method at every profile, its own fold hidden, ``(n, 3)``."""
    labelled = samples.regrouped(fold)
    return method(labelled, labelled.points).mean - samples.value


def with_error_model(
    method: Interpolation, nugget: float, samples: Samples, train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> Scored:  # fmt: skip
    """A baseline given the same error model as kriging, learned from the same training data."""
    known = samples.select(train)
    own = method(known, known.points)
    model = fit_error_model(
        known.points, known.value - own.mean, own.variance, np.full_like(own.mean, nugget)
    )
    points, truth = samples.points.select(test), samples.value[test]
    there = method(known, points)
    predictive = model(points, there.mean, there.variance, np.full_like(there.mean, nugget))
    return student(predictive.location, predictive.scale, predictive.degrees, truth)


def over_partitions(
    samples: Samples,
    splits: tuple[HeldOut, ...],
    score: Callable[[NDArray[np.int64], NDArray[np.int64], HeldOut], Scored],
    tick: Callable[[], None],
) -> Scored:
    """Run `score(train, test, split)` over all folds; stacks ``(partition, n, 3)``."""
    shape = (len(splits), *samples.value.shape)
    error, crps, pit = np.empty(shape), np.empty(shape), np.empty(shape)
    for number, split in enumerate(splits):
        for train, test in split:
            one = score(train, test, split)
            error[number, test], crps[number, test] = one.error, one.crps
            pit[number, test] = one.pit
            tick()
    return Scored(error, crps, pit)


def points_of(profiles: Profiles) -> Points:
    """Positions for a method that works on points."""
    return anomalies(profiles).points
