"""The method as a whole: fit on hidden profiles of one month, predict those of another.

Kriging's Student-t of a profile is corrected (`residual_correction`), its Gaussianised residual is
drawn from the diffusion prior given the levels seen (`residual`), and the ensemble is trusted as
far as it was right where it had not been (`residual_calibration`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from isopleth.systems.reconmost.residual import Places, ResidualRecipe
from isopleth.systems.reconmost.residual_calibration import (
    Calibration,
    CrossFitted,
    cross_fit,
    fit_calibration,
    fit_weights,
)
from isopleth.systems.reconmost.residual_correction import (
    Correction,
    StudentT,
    Training,
    fit_correction,
)
from isopleth.systems.reconmost.residual_features import Features
from isopleth.systems.reconmost.residual_levels import Levels

__all__ = ["Prediction", "ResidualDiffusion", "fit_residual_diffusion"]

Floats = NDArray[np.float64]
Pattern = tuple[bool, ...]
CHANCES = (np.arange(199) + 0.5) / 199  # quantiles that integrate a Student-t's CRPS to 0.1 %


@dataclass(frozen=True)
class Prediction:
    """Distributions that are normal in the Gaussianised residual of `start`.

    Args:
        start: Student-t distributions that define z.
        mean: Of z, ``(n, L)``.
        spread: Standard deviation of z, ``(n, L)``.
        shift: Added to the values, ``(n, L)``, K.
    """

    start: StudentT
    mean: Floats
    spread: Floats
    shift: Floats | float = 0.0

    def quantile(self, chance: float) -> Floats:
        """Value that is not exceeded with this probability, ``(n, L)``, K."""
        return self.start.value_of(self.mean + self.spread * ndtri(chance)) + self.shift

    def chance(self, value: Floats) -> Floats:
        """Probability of less than `value`, ``(n, L)``: its probability integral transform."""
        z = self.start.gaussianised(value - self.shift)
        return np.asarray(ndtr((z - self.mean) / self.spread))

    def expected(self) -> Floats:
        """Expectation, ``(n, L)``, K."""
        return np.asarray(sum(self.quantile(chance) for chance in CHANCES) / len(CHANCES))

    def crps(self, value: Floats) -> Floats:
        """Continuous ranked probability score: twice the mean pinball loss, ``(n, L)``, K."""
        loss = np.zeros_like(self.mean)
        for chance in CHANCES:
            over = value - self.quantile(chance)
            loss += np.maximum(chance * over, (chance - 1.0) * over)
        return 2.0 * loss / len(CHANCES)


@dataclass(frozen=True)
class ResidualDiffusion:
    """What was learned; without a correction and networks it is kriging with regression.

    Args:
        correction: Of kriging's distributions, if any.
        networks: Of the residual, if any.
        calibrations: By which levels are hidden; others stand as the ensemble says.
    """

    correction: Correction | None
    networks: CrossFitted
    calibrations: Mapping[Pattern, Calibration]

    def __call__(
        self, features: Features, kriged: StudentT, levels: Levels, value: Floats
    ) -> Prediction:
        """Predict the levels that are NaN in `value` (n, L), given those that are not.

        Every profile must have the same levels hidden. At levels seen, the value itself stands.
        """
        drawn = self.drawn(features, kriged, levels, value)
        return self.calibrated(drawn, kriged, levels, value)

    def drawn(
        self,
        features: Features,
        kriged: StudentT,
        levels: Levels,
        value: Floats,
        *,
        folds: NDArray[np.int64] | None = None,
    ) -> Prediction:
        """The ensemble's mean and spread as they are.

        With `folds` (partitions, n) each profile is asked of the networks that left that part of
        the training month out.
        """
        start = kriged if self.correction is None else self.correction(features, kriged)
        places = _places(features, start, levels, value, kriged)
        if folds is None:
            return Prediction(start, *self.networks(places))
        return Prediction(start, *self.networks.left_out(places, folds))

    def calibrated(
        self, drawn: Prediction, kriged: StudentT, levels: Levels, value: Floats
    ) -> Prediction:
        """The same, trusted as far as it was right in the training month."""
        hidden = np.isnan(value)
        pattern = tuple(bool(column.all()) for column in hidden.T)
        calibration = self.calibrations.get(pattern, Calibration())
        mean, spread = calibration(drawn.mean, drawn.spread)
        found = Prediction(
            drawn.start,
            np.where(hidden, mean, drawn.mean),
            np.where(hidden, spread, drawn.spread),
        )
        if not calibration.weights:
            return found
        level = pattern.index(True)
        shift = np.zeros_like(value)
        others = _said(kriged, levels, level)
        shift[:, level] = calibration.shift(
            found.expected()[:, level], others, kriged.scale[:, level]
        )
        return replace(found, shift=shift)


def fit_residual_diffusion(
    training: Training,
    levels: Levels,
    patterns: Sequence[Pattern],
    recipe: ResidualRecipe,
    *,
    parts: int = 5,
    partitions: int = 2,
) -> ResidualDiffusion:
    """Learn everything from the hidden profiles of one month.

    Args:
        training: The profiles.
        levels: How their levels hang together.
        patterns: Which levels are hidden in each task that is calibrated.
        recipe: Of the networks.
        parts: Of the cross-validation over blocks of ocean that everything is chosen by.
        partitions: Of the blocks into parts; there are `parts` networks for each.
    """
    folds = np.stack([training.folds(parts, seed=k) for k in range(partitions)])
    start = _left_out_correction(training, folds[0])
    z = start.gaussianised(training.value)

    def places(pattern: Pattern) -> Places:
        shown = np.where(pattern, np.nan, training.value)
        return _places(training.features, start, levels, shown, training.kriged, z=z)

    weight = training.kriged.scale**recipe.weight_power
    everything = replace(
        places(patterns[0]),
        anomaly=torch.from_numpy((training.value / training.kriged.scale).astype(np.float32)),
    )
    networks = cross_fit(
        torch.from_numpy(z).float(),
        everything,
        torch.from_numpy(weight / weight.mean()).float(),
        folds,
        recipe,
    )
    calibrations = {}
    for pattern in patterns:
        mean, spread = networks.left_out(places(pattern), folds)
        drawn = Prediction(start, mean, spread)
        calibrations[pattern] = _calibration(drawn, training, levels, pattern)
    return ResidualDiffusion(fit_correction(training), networks, calibrations)


def _calibration(
    drawn: Prediction, training: Training, levels: Levels, pattern: Pattern
) -> Calibration:
    """What the networks were worth where they had not been, in one task."""
    value, start = training.value, drawn.start
    hidden = np.broadcast_to(pattern, value.shape)

    def fitted(shift: Floats | float) -> Calibration:
        z = start.gaussianised(value - shift)
        return fit_calibration(
            drawn.mean[hidden], drawn.spread[hidden], z[hidden], start.scale[hidden]
        )

    first = fitted(0.0)
    if sum(pattern) != 1 or levels.regressed.shape[-1] == 0:
        return first
    level = pattern.index(True)
    expected = Prediction(start, *first(drawn.mean, drawn.spread)).expected()[:, level]
    others, scale = _said(training.kriged, levels, level), training.kriged.scale[:, level]
    weights = fit_weights(expected, others, scale, value[:, level])
    shift = np.zeros_like(value)
    shift[:, level] = replace(first, weights=weights).shift(expected, others, scale)
    # The mean keeps its share, which the weights were fitted to; the spread is narrower now.
    again = fitted(shift)
    return replace(again, share=first.share, weights=weights)


def _said(kriged: StudentT, levels: Levels, level: int) -> Floats:
    """What the regressions say of a level, ``(n, R)``, K."""
    unit = kriged.scale[:, level, None]
    return np.asarray(kriged.location[:, level, None] + unit * levels.regressed[:, level])


def _left_out_correction(training: Training, fold: NDArray[np.int64]) -> StudentT:
    """Corrected distributions of every profile, learned without its part."""
    location, scale = (np.empty_like(training.value) for _ in range(2))
    for part in range(int(fold.max()) + 1):
        out = fold == part
        found = fit_correction(training.select(~out))
        there = training.select(out)
        corrected = found(there.features, there.kriged)
        location[out], scale[out] = corrected.location, corrected.scale
    return StudentT(location, scale, training.kriged.degrees)


def _places(
    features: Features,
    start: StudentT,
    levels: Levels,
    value: Floats,
    kriged: StudentT,
    *,
    z: Floats | None = None,
) -> Places:
    hidden = np.isnan(value)
    known = start.gaussianised(np.where(hidden, start.location, value)) if z is None else z
    seen = np.where(hidden, np.nan, known)
    return Places.of(features, levels, seen, np.where(hidden, 0.0, value / kriged.scale))
