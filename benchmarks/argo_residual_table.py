"""Every hidden profile of a partition with its kriging, its features and what was observed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from argo_boxes import FOLDS, LEVELS, anomalies
from argo_residuals import WORK, Fold, one_fold
from isopleth.core.covariance import SpaceTimeCovariance
from isopleth.data import Profiles, load_climatology
from isopleth.inference.interpolation import Points, Samples
from isopleth.inference.interpolation.local_fit import ScaleField
from isopleth.studies.heldout import block_ids
from isopleth.systems.reconmost import residual_features, residual_levels
from isopleth.systems.reconmost.residual_correction import StudentT, Training
from isopleth.systems.reconmost.residual_features import (
    Features,
    Known,
    Kriged,
    climate_at,
    features_of,
)
from isopleth.systems.reconmost.residual_levels import Levels, levels_of

Floats = NDArray[np.float64]
TRAINING_BLOCK = 10.0  # degrees: what cross-validation inside the training month hides together


@dataclass(frozen=True)
class Table:
    """The profiles of a month in their own order, each hidden once.

    Attributes:
        names: Of the features.
        features: (n, L, F) float32.
        correlation: Local correlation between levels, (n, L, L).
        regressed: Each level from the two others by local regressions, (n, L, R).
        value: Observed anomalies, K, (n, L).
        mean: Kriging's prediction, K, (n, L).
        scale: Its scale, K, (n, L).
        degrees: Degrees of freedom of its Student-t, one a profile (they differ by fold), (n,).
        fill_mean: Kriging with residual regression from the two other levels, K, (n, L).
        fill_scale: Its scale, K, (n, L).
        block: Block of ocean, for cross-validation, (n,).
    """

    names: NDArray[np.str_]
    features: NDArray[np.float32]
    correlation: Floats
    regressed: Floats
    value: Floats
    mean: Floats
    scale: Floats
    degrees: Floats
    fill_mean: Floats
    fill_scale: Floats
    block: NDArray[np.int64]

    @property
    def kriged(self) -> StudentT:
        """Kriging's distributions."""
        return StudentT(self.mean, self.scale, self.degrees[:, None])

    @property
    def filled(self) -> StudentT:
        """Each level from the two others, by kriging."""
        return StudentT(self.fill_mean, self.fill_scale, self.degrees[:, None])

    @property
    def described(self) -> Features:
        """The features."""
        return Features(tuple(str(name) for name in self.names), self.features)

    @property
    def levels(self) -> Levels:
        """How the levels of each profile hang together, kriging's own regression among it."""
        return Levels(self.correlation, self.regressed).adding(
            (self.fill_mean - self.mean) / self.scale
        )

    @property
    def training(self) -> Training:
        """As the correction wants it."""
        return Training(self.described, self.kriged, self.value, self.block)


def table_of(
    month: str, covariance: SpaceTimeCovariance, partition: int, profiles: Profiles
) -> Table:
    """The table of one partition, from disk where it was made before."""
    files = [Path(module.__file__ or "") for module in (residual_features, residual_levels)]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    key = hashlib.sha256(f"{covariance} {code}".encode()).hexdigest()[:10]
    path = WORK / f"table_{month}_{key}_{partition}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            return Table(**dict(kept))
    folds = [one_fold(month, covariance, partition, k, profiles) for k in range(FOLDS)]
    names: tuple[str, ...] = ()
    parts = []
    samples = anomalies(profiles)
    for fold in folds:
        described, levels = _described(fold, covariance, samples, profiles)
        names = described.names
        parts.append(
            {
                "features": described.values, "correlation": levels.correlation,
                "regressed": levels.regressed,
                "value": samples.value[fold.test], "mean": fold.mean, "scale": fold.scale,
                "degrees": np.full(len(fold.test), float(fold.degrees)),
                "fill_mean": fold.fill_mean, "fill_scale": fold.fill_scale,
            }
        )  # fmt: skip
    order = np.argsort(np.concatenate([fold.test for fold in folds]))
    block = block_ids(profiles.latitude, profiles.longitude, TRAINING_BLOCK)
    columns = {k: np.concatenate([part[k] for part in parts])[order] for k in parts[0]}
    table = Table(names=np.array(names), block=block, **columns)
    np.savez(path, **vars(table))
    return table


def _described(
    fold: Fold, covariance: SpaceTimeCovariance, samples: Samples, profiles: Profiles
) -> tuple[Features, Levels]:
    """Features and levels of the hidden profiles, from the known ones.

    What their own levels measured enters `Levels.regressed` alone: a level from the two others.
    """
    asked = samples.points.select(fold.test)
    here = Points(asked.latitude, asked.longitude, asked.day)
    known = Known(
        samples.points.select(fold.train), fold.known_value, fold.known_mean, fold.known_scale
    )
    climate = climate_at(load_climatology(), profiles.time[fold.test], here, LEVELS)
    scales = ScaleField(covariance, fold.fitted_at, fold.log_factor)
    kriged = Kriged(here, fold.mean, fold.scale, fold.variance)
    described = features_of(known, kriged, climate, scales)
    return described, levels_of(known, kriged, samples.value[fold.test])
