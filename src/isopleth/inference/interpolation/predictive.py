"""The predictive distribution: kriging's variance, scaled by how well it did nearby.

Kriging says how the error varies with the distance to data, in units of a signal variance that
it takes to be the same everywhere. Here the unit is learned from leave-one-box-out residuals
``r_il`` of the samples themselves. With ``u`` the kriging variance plus noise of a prediction and
``e = r / sqrt(u)`` its standardised residual,

    log s_l(x) = a_l + b log sqrt(u_l(x)) + sum_k c_k log rms_k(x, l)

where ``rms_k`` is the root mean square of ``e`` over the ``k`` nearest profiles. The coefficients
minimise the mean CRPS of the residuals; a Student-t whose degrees of freedom are chosen by the
same score gives the tails. ``s`` describes a new *observation*; the field's own error is
``s sqrt(V / u)``, without noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial import cKDTree
from scipy.special import ndtr

from isopleth.core.errors import InputError
from isopleth.inference.interpolation.blocks import in_blocks
from isopleth.inference.interpolation.neighbours import jit
from isopleth.inference.interpolation.scattered import Points
from isopleth.metrics import crps_student_t

Floats = NDArray[np.float64]
GAUSSIAN = 1e6  # degrees of freedom that stand for a normal distribution
DEGREES = (3.0, 4.0, 5.0, 6.0, 8.0, 12.0, 20.0, GAUSSIAN)
CAP = 25.0  # standardised squared residuals are cut at this multiple of their median
SPARE = 24  # more neighbours than needed are fetched, to leave out the point's own group
FLOOR = 1e-3  # data unit: below the accuracy of any profiling instrument
FITTED = 30_000  # residuals that are plenty for a few dozen coefficients


@dataclass(frozen=True)
class Predictive:
    """Student-t predictive distributions of observations.

    Args:
        location: Shape ``(n, L)``, data unit.
        scale: Shape ``(n, L)``, data unit.
        degrees: Degrees of freedom, one for all.
        field_deviation: Standard deviation of the error of the field, without noise, ``(n, L)``.
    """

    location: Floats
    scale: Floats
    degrees: float
    field_deviation: Floats

    @property
    def deviation(self) -> Floats:
        """Standard deviation of the predictive distribution, shape ``(n, L)``."""
        return self.scale * _inflation(self.degrees)


@dataclass(frozen=True, kw_only=True)
class ErrorModel:
    """The fitted model of the module's text.

    Args:
        where: Unit vectors of the residuals, shape ``(n, 3)``.
        group: Their groups, shape ``(n,)``.
        standardised: Capped squared standardised residuals, NaN where missing, ``(n, L)``.
        counts: The ``k`` of the local averages.
        coefficients: ``b``, the ``c_k`` and the ``a_l``, in this order.
        degrees: Degrees of freedom of the Student-t.
        typical: Median squared standardised residual by level, used where nothing is near.
    """

    where: Floats
    group: NDArray[np.int64]
    standardised: Floats
    counts: tuple[int, ...]
    coefficients: Floats
    degrees: float
    typical: Floats

    def __call__(
        self, points: Points, mean: Floats, variance: Floats, noise: Floats
    ) -> Predictive:
        """Predictive distributions at ``n`` points.

        Args:
            points: Where; residuals of a point's own group are not used.
            mean: Kriging estimate, ``(n, L)``.
            variance: Kriging variance of the field, ``(n, L)``.
            noise: Noise variance of the observation predicted, nugget included, ``(n, L)``.
        """
        total = np.maximum(variance + noise, FLOOR)
        slope, local, level = np.split(self.coefficients, [1, 1 + len(self.counts)])
        nearby = np.log(self._local_rms(points)) @ local
        scale = np.maximum(np.exp(slope * 0.5 * np.log(total) + nearby + level), FLOOR)
        share = np.sqrt(np.maximum(variance, 0.0) / total)
        deviation = scale * share * _inflation(self.degrees)
        return Predictive(mean, scale, self.degrees, deviation)

    def _features(self, points: Points, total: Floats) -> Floats:
        count, levels = total.shape
        local = np.log(self._local_rms(points))
        features = np.zeros((count, levels, 1 + len(self.counts) + levels))
        features[..., 0] = 0.5 * np.log(total)
        features[..., 1 : 1 + len(self.counts)] = local
        features[..., 1 + len(self.counts) :] = np.eye(levels)
        return features

    def _local_rms(self, points: Points) -> Floats:
        wanted = min(max(self.counts) + SPARE, len(self.where))
        tree, unit, counts = cKDTree(self.where), points.unit_vectors, np.array(self.counts)

        def local(block: slice) -> Floats:
            near = tree.query(unit[block], wanted)[1].reshape(-1, wanted)
            shape = (len(near), self.standardised.shape[1], len(counts))
            mean = np.empty(shape)
            _local_means(
                near,
                self.group,
                points.group[block],
                self.standardised,
                self.typical,
                counts,
                mean,
            )
            return np.maximum(np.sqrt(mean), FLOOR)

        parts = in_blocks(local, len(points))
        return np.concatenate(parts) if parts else np.empty((0, len(self.typical), len(counts)))


@jit
def _local_means(
    near: NDArray[np.int64],
    sample_group: NDArray[np.int64],
    own_group: NDArray[np.int64],
    values: Floats,
    typical: Floats,
    counts: NDArray[np.int64],
    mean: Floats,
) -> None:
    """Mean of the ``counts`` nearest values, one typical value added to each, ``(N, L, K)``."""
    for t in range(len(near)):
        for level in range(values.shape[1]):
            total, number, k = typical[level], 0, 0
            for i in near[t]:
                if own_group[t] >= 0 and sample_group[i] == own_group[t]:
                    continue
                if np.isnan(values[i, level]):
                    continue
                total += values[i, level]
                number += 1
                if number == counts[k]:
                    mean[t, level, k] = total / (number + 1)
                    k += 1
                    if k == len(counts):
                        break
            for rest in range(k, len(counts)):
                mean[t, level, rest] = total / (number + 1)


def fit_error_model(
    points: Points,
    residual: Floats,
    variance: Floats,
    noise: Floats,
    *,
    counts: tuple[int, ...] = (10, 30, 80, 200),
) -> ErrorModel:
    """Fit to leave-one-box-out residuals.

    Args:
        points: The samples; their groups say what was withheld together.
        residual: Observation less prediction, NaN where missing, shape ``(n, L)``.
        variance: Kriging variance of the predictions, ``(n, L)``.
        noise: Noise variance of the observations, nugget included, ``(n, L)``.
        counts: The ``k`` of the local averages; cut to the number of samples.

    Raises:
        InputError: If a level has no residual at all.
    """
    total = np.maximum(variance + noise, FLOOR)
    squared = residual**2 / total
    empty = ~np.isfinite(squared).any(axis=0)
    if empty.any():
        raise InputError(
            f"level number {int(np.argmax(empty))} has no observation to learn its error from; "
            "leave the level out."
        )
    typical = np.maximum(np.nanmedian(squared, axis=0), FLOOR**2)
    model = ErrorModel(
        where=points.unit_vectors,
        group=points.group,
        standardised=np.minimum(squared, CAP * typical),
        counts=tuple(sorted({min(k, max(1, len(points) // 3)) for k in counts})),
        coefficients=np.empty(0),
        degrees=GAUSSIAN,
        typical=typical,
    )
    features = model._features(points, total)
    seen = _thinned(np.isfinite(residual), FITTED)
    coefficients = _minimise_crps(features[seen], residual[seen], len(model.counts))
    scale = np.exp(features[seen] @ coefficients)
    degrees, factor = _tails(residual[seen], scale)
    coefficients[1 + len(model.counts) :] += np.log(factor)
    return replace(model, coefficients=coefficients, degrees=degrees)


def _thinned(seen: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """At most ``most`` of the values seen, evenly over the samples and shared among the levels."""
    share = max(1, most // seen.shape[1])
    kept = np.zeros_like(seen)
    for level in range(seen.shape[1]):
        rows = np.flatnonzero(seen[:, level])
        every = -(-len(rows) // share)
        kept[rows[:: max(1, every)], level] = True
    return kept


def _minimise_crps(features: Floats, residual: Floats, counts: int) -> Floats:
    """Coefficients of ``log s`` with the least mean Gaussian CRPS, lightly held to a default.

    The default is ``b = 1`` and equal ``c_k`` that sum to one: kriging's own variance in the
    local unit. The ridge is worth a dozen residuals, so it decides only where there are few.
    """
    default = np.zeros(features.shape[1])
    default[0], default[1 : 1 + counts] = 1.0, 1.0 / counts
    unit = max(float(np.sqrt(np.mean(residual**2))), FLOOR)
    ridge = 12.0 / len(residual)

    def objective(c: Floats) -> tuple[float, Floats]:
        scale = np.exp(np.clip(features @ c, -12.0, 8.0))
        z = residual / scale
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        crps = scale * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
        slope = (scale * (2 * density - 1 / np.sqrt(np.pi)))[:, None] * features
        pull = c - default
        held = pull.copy()
        held[1 + counts :] = 0.0
        value = crps.mean() / unit + ridge * (held @ held)
        return value, slope.mean(axis=0) / unit + 2 * ridge * held

    start = default.copy()
    return np.asarray(minimize(objective, start, jac=True, method="L-BFGS-B").x)


def _tails(residual: Floats, scale: Floats) -> tuple[float, float]:
    """Degrees of freedom and the factor on the scale with the least mean Student-t CRPS."""
    zero = np.zeros_like(residual)
    best = (np.inf, GAUSSIAN, 1.0)
    for degrees in DEGREES:
        for factor in np.linspace(0.7, 1.1, 17):
            score = float(crps_student_t(zero, scale * factor, degrees, residual).mean())
            best = min(best, (score, degrees, float(factor)))
    return best[1], best[2]


def _inflation(degrees: float) -> float:
    """Standard deviation of a Student-t of unit scale."""
    return float(np.sqrt(degrees / (degrees - 2.0)))
