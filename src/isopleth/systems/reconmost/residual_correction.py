"""A first correction of kriging's predictive distribution: where it is biased, where too wide.

Kriging predicts an observation by a Student-t of location ``m`` and scale ``s``. From what
surrounds the point (:mod:`isopleth.systems.reconmost.residual_features`) two additive functions,
piecewise linear in every feature, are learned on hidden profiles of another month:

    location  m + s a(f),     a = B(f) alpha     ridge regression of r / s, weights s
    scale     s exp(b(f)),    b = B(f) beta      least mean Student-t CRPS, ridge

The ridge and a share of the location's step are chosen by cross-validation over blocks of ocean
inside the training month. What is left, made Gaussian by the Student-t's own distribution,

    z = Phi^-1(T_nu((y - location) / scale)),

is standard normal where the correction is right, and is what the residual diffusion learns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from isopleth.metrics import crps_student_t
from isopleth.systems.reconmost.residual_features import Features

__all__ = ["LOCATION", "Correction", "StudentT", "Training", "fit_correction", "scale_features"]

Floats = NDArray[np.float64]
LOCATION = (
    "anomaly_within_100_km", "anomaly_within_300_km", "anomaly_within_800_km", "mean",
    "residual_again", "residual_smoothed", "residual_within_300_km", "shorter_scales",
    "isotropic", "fewer_neighbours", "displacement", "log_roughness", "log_scale",
    "log_spread_within_100_km", "log_spread_within_300_km",
)  # fmt: skip
RIDGES = (300.0, 1e3, 3e3, 1e4, 3e4, 1e5)  # residuals that "no correction" counts for
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SCALE_RIDGE = 3e-3
LIMIT = 1.0  # the most that log scale may move
CLIP = 4.0  # standardised residuals are cut here: a few eddies decide otherwise
EDGE = 1e-9  # probabilities are kept this far from 0 and 1


@dataclass(frozen=True)
class StudentT:
    """Predictive distributions: location, scale ``(m, L)`` in K; degrees of freedom ``(m, 1)``."""

    location: Floats
    scale: Floats
    degrees: Floats

    def gaussianised(self, value: Floats) -> Floats:
        """``Phi^-1(T((value - location) / scale))``."""
        chance = stdtr(self.degrees, (value - self.location) / self.scale)
        return np.asarray(ndtri(np.clip(chance, EDGE, 1.0 - EDGE)))

    def value_of(self, z: Floats) -> Floats:
        """The inverse of `gaussianised`; leading axes are free."""
        chance = np.clip(ndtr(z), EDGE, 1.0 - EDGE)
        return np.asarray(self.location + self.scale * stdtrit(self.degrees, chance))


@dataclass(frozen=True)
class Training:
    """Hidden profiles of the training month.

    Args:
        features: Of ``m`` profiles.
        kriged: Kriging's distributions of them.
        value: What was observed, ``(m, L)``, K.
        blocks: Block of ocean of each profile, what cross-validation hides together, ``(m,)``.
    """

    features: Features
    kriged: StudentT
    value: Floats
    blocks: NDArray[np.int64]

    @property
    def standardised(self) -> Floats:
        """``r / s``, ``(m, L)``."""
        return (self.value - self.kriged.location) / self.kriged.scale

    def select(self, index: NDArray[np.generic]) -> Training:
        """Some of the profiles."""
        return Training(
            Features(self.features.names, self.features.values[index]),
            StudentT(
                self.kriged.location[index], self.kriged.scale[index], self.kriged.degrees[index]
            ),
            self.value[index],
            self.blocks[index],
        )

    def folds(self, count: int = 5, seed: int = 0) -> NDArray[np.int64]:
        """A fold for each profile, whole blocks together, ``(m,)``."""
        names, index = np.unique(self.blocks, return_inverse=True)
        order = np.random.default_rng(seed).permutation(len(names))
        return np.asarray(order[index] % count)


@dataclass(frozen=True)
class Additive:
    """Piecewise linear functions of features: ``(v - centre) / width``, and its hinges.

    Args:
        names: Of the features.
        quantiles: 5, 25, 50, 75 and 95 % of each, ``(F, 5)``.
        hinges: Whether there is a kink at each quartile.
    """

    names: tuple[str, ...]
    quantiles: Floats
    hinges: bool = True

    @classmethod
    def of(cls, features: Features, names: tuple[str, ...], *, hinges: bool = True) -> Additive:
        """Knots at the quantiles of the training's features."""
        values = features.columns(names).reshape(-1, len(names)).astype(np.float64)
        return cls(names, np.percentile(values, [5, 25, 50, 75, 95], axis=0).T, hinges)

    def __call__(self, features: Features) -> Floats:
        """The basis ``(m, L, columns)``."""
        low, first, middle, third, high = self.quantiles.T
        width = np.maximum((high - low) / 3.3, 1e-3)
        v = np.clip((features.columns(self.names) - middle) / width, -2.5, 2.5)
        if not self.hinges:
            return np.asarray(v)
        bent = [np.maximum(v - (knot - middle) / width, 0.0) for knot in (first, middle, third)]
        return np.concatenate([v, *bent], axis=-1)


@dataclass(frozen=True)
class Linear:
    """An additive basis, its centre and its coefficients."""

    basis: Additive
    centre: Floats
    coefficients: Floats

    def __call__(self, features: Features) -> Floats:
        """Values ``(m, L)``."""
        return np.asarray((self.basis(features) - self.centre) @ self.coefficients)


@dataclass(frozen=True)
class Correction:
    """What `fit_correction` learned; called with features and kriging's distributions.

    Args:
        location: In units of the scale.
        scale: Of the logarithm of the scale.
        ridge: Chosen inside the training month.
        share: Chosen there too; 0 is no correction of the location.
    """

    location: Linear
    scale: Linear
    ridge: float
    share: float

    def __call__(
        self, features: Features, kriged: StudentT, *, location: bool = True, scale: bool = True
    ) -> StudentT:
        """Corrected distributions; `location` and `scale` choose what is corrected."""
        shift = self.share * self.location(features) if location else 0.0
        wider = np.clip(self.scale(features), -LIMIT, LIMIT) if scale else 0.0
        return StudentT(
            kriged.location + shift * kriged.scale, kriged.scale * np.exp(wider), kriged.degrees
        )


def scale_features(features: Features) -> tuple[str, ...]:
    """The features that say how uncertain a place is, not in which direction."""
    even = ("log_", "correlation_", "absolute_", "lag_", "one_sided", "vertical_", "scale_of_")
    return tuple(name for name in features.names if name.startswith(even))


def fit_correction(training: Training) -> Correction:
    """Learn location and scale."""
    location, ridge, share = _fit_location(training)
    shifted = training.standardised - share * location(training.features)
    scale = _fit_scale(training, shifted)
    return Correction(location, scale, ridge, share)


def _fit_location(training: Training) -> tuple[Linear, float, float]:
    basis = Additive.of(training.features, LOCATION)
    columns = basis(training.features)
    centre = columns.mean(axis=(0, 1))
    columns = columns - centre
    weight = training.kriged.scale / training.kriged.scale.mean()
    target = np.clip(training.standardised, -CLIP, CLIP)
    best = (np.inf, RIDGES[-1], 0.0)
    for ridge in RIDGES:
        steps = [
            _out_of_fold(columns, target, weight, training.folds(seed=seed), ridge)
            for seed in range(3)
        ]
        for share in SHARES:
            errors = [
                ((training.standardised - share * step) * training.kriged.scale) ** 2
                for step in steps
            ]
            best = min(best, (float(np.mean(errors)), ridge, share))
    _, ridge, share = best
    return Linear(basis, centre, _ridge(columns, target, weight, ridge)), ridge, share


def _ridge(columns: Floats, target: Floats, weight: Floats, ridge: float) -> Floats:
    flat, w = columns.reshape(-1, columns.shape[-1]), weight.reshape(-1)
    square = (flat * w[:, None]).T @ flat + ridge * np.eye(flat.shape[1])
    return np.asarray(np.linalg.solve(square, flat.T @ (w * target.reshape(-1))))


def _out_of_fold(
    columns: Floats, target: Floats, weight: Floats, fold: NDArray[np.int64], ridge: float
) -> Floats:
    result = np.empty_like(target)
    for number in range(int(fold.max()) + 1):
        out = fold == number
        found = _ridge(columns[~out], target[~out], weight[~out], ridge)
        result[out] = columns[out] @ found
    return result


def _fit_scale(training: Training, standardised: Floats) -> Linear:
    basis = Additive.of(training.features, scale_features(training.features))
    columns = basis(training.features)
    centre = columns.mean(axis=(0, 1))
    flat = np.concatenate(
        [np.ones((columns[..., 0].size, 1)), (columns - centre).reshape(-1, columns.shape[-1])], 1
    )
    y = standardised.reshape(-1)
    weight = training.kriged.scale.reshape(-1)
    weight = weight / weight.sum()
    degrees = np.broadcast_to(training.kriged.degrees, training.value.shape).reshape(-1)
    zero, one = np.zeros_like(y), np.ones_like(y)

    def objective(c: Floats) -> tuple[float, Floats]:
        s = np.exp(np.clip(flat @ c, -1.5 * LIMIT, 1.5 * LIMIT))
        w = y / s
        unit = crps_student_t(zero, one, degrees, w)
        slope = unit - w * (2.0 * stdtr(degrees, w) - 1.0)  # d CRPS / d log s, over s
        held = np.concatenate([[0.0], c[1:]])
        value = float(weight @ (s * unit)) + SCALE_RIDGE * float(held @ held)
        return value, flat.T @ (weight * s * slope) + 2.0 * SCALE_RIDGE * held

    found = minimize(
        objective, np.zeros(flat.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 80}
    ).x
    shift = centre.copy()
    # The intercept moves into the centre, so that a Linear is all there is.
    norm = float(found[1:] @ found[1:])
    if norm > 0.0:
        shift -= found[0] * found[1:] / norm
    return Linear(basis, shift, found[1:])
