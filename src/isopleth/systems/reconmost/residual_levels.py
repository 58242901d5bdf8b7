"""What levels say of one another near a place, from the known profiles around it.

Kriging regresses the residual of a hidden level on those of the levels seen. Nearby profiles say
more than that: their anomalies themselves hang together (one water mass, one displaced profile),
with an offset where the climatology's profile has the wrong shape. So a level is also regressed on
the others, with an intercept, over the nearest profiles ``i`` with weights ``w_i``,

    b = argmin sum_i w_i (y_i - x_i b)^2 + lambda sum_j S_jj (b_j - g_j)^2,   x = (1, y_others)

once for anomalies and once for standardised residuals, near and far. ``g`` is the regression over
all points asked, ``S`` the local second moment of x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from isopleth.systems.reconmost.residual_features import (
    EARTH_KM,
    Known,
    Kriged,
    local_correlation,
)

__all__ = ["REGRESSIONS", "Levels", "Regression", "levels_of"]

Floats = NDArray[np.float64]
FAR_WEIGHT = 1e-3  # of a profile far outside the window


@dataclass(frozen=True)
class Regression:
    """Settings of one local regression.

    Args:
        count: Nearest profiles.
        width_km: Of the Gaussian window.
        ridge: ``lambda``.
        residuals: Standardised residuals, not anomalies.
    """

    count: int
    width_km: float
    ridge: float
    residuals: bool

    def __call__(self, known: Known, kriged: Kriged, value: Floats) -> Floats:
        """Every level from the others of the same profile, less kriging's mean, over its scale.

        `value` (m, L) holds anomalies in K; the answer (m, L) is NaN where another level is.
        """
        count = min(self.count, len(known.points))
        tree = cKDTree(known.points.unit_vectors)
        chord, index = tree.query(kriged.points.unit_vectors, count)
        chord, index = chord.reshape(-1, count), index.reshape(-1, count)
        weight = np.exp(-((chord * EARTH_KM / self.width_km) ** 2)) + FAR_WEIGHT
        standard = (value - kriged.mean) / kriged.scale
        source = known.residual / known.scale if self.residuals else known.value
        asked = standard if self.residuals else value
        whole = np.asarray(np.isfinite(source).all(axis=1))
        weight = weight * whole[index]
        near = np.nan_to_num(source)[index]
        found = np.empty_like(value)
        for level in range(value.shape[1]):
            others = [k for k in range(value.shape[1]) if k != level]
            b = self._coefficients(near[..., others], near[..., level], weight)
            found[:, level] = b[:, 0] + np.einsum("mk,mk->m", b[:, 1:], asked[:, others])
        return found if self.residuals else (found - kriged.mean) / kriged.scale

    def _coefficients(self, others: Floats, level: Floats, weight: Floats) -> Floats:
        x = np.concatenate([np.ones((*level.shape, 1)), others], axis=-1)
        square = np.einsum("mk,mki,mkj->mij", weight, x, x)
        product = np.einsum("mk,mki,mk->mi", weight, x, level)
        everywhere = np.linalg.solve(square.sum(axis=0), product.sum(axis=0))
        moment = np.einsum("mii->mi", square) / weight.sum(axis=1, keepdims=True).clip(1e-9)
        ridge = self.ridge * moment + 1e-9
        held = square + ridge[:, :, None] * np.eye(x.shape[-1])
        return np.asarray(np.linalg.solve(held, (product + ridge * everywhere)[..., None])[..., 0])


REGRESSIONS = (
    Regression(60, 300.0, 1.0, residuals=False),
    Regression(150, 400.0, 3.0, residuals=False),
    Regression(60, 300.0, 3.0, residuals=True),
    Regression(150, 400.0, 3.0, residuals=True),
)


@dataclass(frozen=True)
class Levels:
    """How the levels of ``m`` profiles hang together.

    Args:
        correlation: Of standardised residuals nearby, ``(m, L, L)``.
        regressed: Each level from the others of the same profile by each of `REGRESSIONS` and by
            those added, less kriging's mean and over its scale, ``(m, L, R)``; NaN where another
            level is missing.
    """

    correlation: Floats
    regressed: Floats

    def adding(self, regressed: Floats) -> Levels:
        """With another regression, kriging's own say, ``(m, L)`` in the same form."""
        return Levels(self.correlation, np.concatenate([self.regressed, regressed[..., None]], -1))

    def select(self, index: NDArray[np.generic]) -> Levels:
        """Some of the profiles."""
        return Levels(self.correlation[index], self.regressed[index])


def levels_of(known: Known, kriged: Kriged, value: Floats) -> Levels:
    """From the known profiles and what the asked profiles measured, NaN = missing, ``(m, L)``."""
    regressed = [regression(known, kriged, value) for regression in REGRESSIONS]
    return Levels(local_correlation(known, kriged.points), np.stack(regressed, axis=-1))
