"""Residuals of local kriging at hidden Argo profiles: what the residual diffusion learns from.

For a month, a fold of a partition and the kriging settings tuned on one of the months, the
foundation's system is fitted to the profiles outside the fold and asked at those inside it. Kept
are its predictions, and what was known to it: the fitted scales and its own leave-one-box-out
residuals. A fold takes about 20 s and is kept in build/argo_residual under its settings; with
``python benchmarks/argo_residuals.py`` every fold is made ready in turn.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from argo_boxes import COUNT, FOLDS, LEVELS, ROOT, anomalies, hidden, load
from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.data import Profiles, load_climatology
from isopleth.inference.interpolation import Points
from isopleth.inference.interpolation.local_fit import ScaleField
from isopleth.systems import kriging
from tune_argo import tuned

Floats = NDArray[np.float64]
WORK = ROOT / "build" / "argo_residual"
MONTHS = ("january", "february")


@dataclass(frozen=True)
class Fold:
    """Kriging of the hidden profiles of one fold, and what its training profiles knew.

    Attributes:
        test: Hidden profiles, indices in the month, (m,).
        mean: Predicted anomalies, K, (m, 3).
        scale: Scale of the predictive Student-t, K, (m, 3).
        variance: Kriging variance, in units of the small-scale signal variance, (m, 3).
        fill_mean: Anomalies predicted at each level from the two others, (m, 3).
        fill_scale: Their scale, (m, 3).
        degrees: Degrees of freedom, ().
        train: Known profiles, indices in the month, (n,).
        known_value: Their anomalies after the buddy check, (n, 3).
        known_mean: Their own leave-one-box-out predictions, (n, 3).
        known_variance: Kriging variance of these, (n, 3).
        known_scale: Scale of the error model at them, (n, 3).
        fitted_at: Unit vectors of the profiles where scales were fitted, (f, 3).
        log_factor: The scales fitted there, (f, 6).
    """

    test: NDArray[np.int64]
    mean: Floats
    scale: Floats
    variance: Floats
    fill_mean: Floats
    fill_scale: Floats
    degrees: Floats
    train: NDArray[np.int64]
    known_value: Floats
    known_mean: Floats
    known_variance: Floats
    known_scale: Floats
    fitted_at: Floats
    log_factor: Floats

    def write(self, path: Path) -> None:
        """Keep on disk, whole or not at all."""
        partial = path.with_suffix(".part.npz")
        np.savez(partial, **vars(self))
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Fold:
        """The fold kept at a path."""
        with np.load(path, allow_pickle=False) as kept:
            return cls(**{field.name: kept[field.name] for field in fields(cls)})


def setting(tuned_on: str, months: dict[str, Profiles]) -> SpaceTimeCovariance:
    """The anisotropic covariance tuned on a month, of `tune_argo.py`."""
    profiles = months[tuned_on]
    found: SpaceTimeCovariance = tuned(
        "anisotropic kriging", tuned_on, anomalies(profiles), profiles
    )
    return found


def one_fold(
    month: str, covariance: SpaceTimeCovariance, partition: int, fold: int, profiles: Profiles
) -> Fold:
    """One fold, from disk where it was made before."""
    recipe = replace(kriging.standard, covariance=covariance)
    key = hashlib.sha256(repr(recipe).encode()).hexdigest()[:10]
    path = WORK / f"{month}_{key}_{partition}_{fold}.npz"
    if path.is_file():
        return Fold.read(path)
    WORK.mkdir(parents=True, exist_ok=True)
    label = hidden(profiles)[partition].fold
    train, test = np.flatnonzero(label != fold), np.flatnonzero(label == fold)
    system = kriging.load(recipe, load_climatology())
    made = _krige(system.fit(profiles.select(train)), profiles, train, test)
    made.write(path)
    return made


def _krige(fitted: kriging.FittedKriging, profiles: Profiles, train: Floats, test: Floats) -> Fold:
    asked = profiles.select(test)
    predicted = fitted.predict(asked)
    climatology = predicted["climatology"].values
    observed = fitted.observed
    if len(observed) != len(train):
        raise SystemExit("a known profile lies outside the climatology; leave it out of the file.")
    own = fitted.kriging(observed, observed.points)
    points = Points(asked.latitude, asked.longitude, anomalies(asked).points.day)
    there = fitted.kriging(fitted.samples, points)
    nugget = _nugget(fitted, observed.points)
    model = fitted.errors(observed.points, own.mean, own.variance, nugget + observed.noise)
    fill_mean, fill_scale = _each_level(fitted, asked)
    scales = fitted.kriging.scales
    assert isinstance(scales, ScaleField)
    return Fold(
        test=test, mean=predicted["mean"].values - climatology, scale=predicted["scale"].values,
        variance=there.variance, fill_mean=fill_mean - climatology, fill_scale=fill_scale,
        degrees=np.array(float(predicted.attrs["degrees_of_freedom"])), train=train,
        known_value=observed.value, known_mean=own.mean, known_variance=own.variance,
        known_scale=model.scale, fitted_at=scales.where, log_factor=scales.log_factor,
    )  # fmt: skip


def _nugget(fitted: kriging.FittedKriging, points: Points) -> Floats:
    return fitted.kriging.scales.at(points.latitude, points.longitude).column("nugget")[:, None]


def _each_level(fitted: kriging.FittedKriging, asked: Profiles) -> tuple[Floats, Floats]:
    """Mean and scale of each level given the two others, (m, 3)."""
    mean, scale = np.empty_like(asked.value), np.empty_like(asked.value)
    for index in range(len(LEVELS)):
        value = asked.value.copy()
        value[:, index] = np.nan
        one: xr.Dataset = fitted.fill(replace(asked, value=value))
        mean[:, index] = one["mean"].values[:, index]
        scale[:, index] = one["scale"].values[:, index]
    return mean, scale


def main() -> None:
    """Make every fold ready: training folds of one partition first, then those tested on."""
    months = load()
    covariance = {name: setting(name, months) for name in MONTHS}
    other = dict(zip(MONTHS, reversed(MONTHS), strict=True))
    jobs = [(month, month, 0) for month in MONTHS]
    jobs += [(month, other[month], number) for number in range(COUNT) for month in MONTHS]
    jobs += [(month, month, number) for number in range(1, COUNT) for month in MONTHS]
    for month, tuned_on, number in jobs:
        for fold in range(FOLDS):
            start = perf_counter()
            one_fold(month, covariance[tuned_on], number, fold, months[month])
            taken = perf_counter() - start
            print(month, "tuned on", tuned_on, number, fold, f"{taken:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
