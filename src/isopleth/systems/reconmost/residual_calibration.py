"""How far a network's ensemble is trusted, learned where the network has not been.

The residual's networks are trained by cross-validation: each leaves one part of the training
month's blocks out, and is asked there. With ``mu, sd`` the mean and spread of the members of
``z``, the predictive distribution is normal in z with

    mean a mu,      standard deviation b sd^c,

``a, b, c`` with the least CRPS on the parts left out, in kelvin to first order (the weight is the
scale). Where one level alone is hidden, regressions on the others stand beside the networks, and
the distribution is shifted towards them by ``sum_r w_r (p_r - E)``, ``E`` its expectation and
``p_r`` what regression ``r`` says; ``w`` is ridge regression on the parts left out (stacking:
Wolpert 1992). One calibration a task: which levels were seen decides how much the networks know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from isopleth.metrics import crps_gaussian
from isopleth.systems.reconmost.residual import (
    Net,
    Places,
    ResidualRecipe,
    ensemble,
    fit_residual,
    summary,
)

__all__ = ["CHUNK", "Calibration", "CrossFitted", "cross_fit", "fit_calibration", "fit_weights"]

Floats = NDArray[np.float64]
CHUNK = 4096  # profiles drawn at a time
MOST = 1.25  # the largest factor on the mean
WEIGHT_RIDGE = 1e-3  # of the weights, as a share of the trace
LONGEST = 3.0  # scales: no regression may differ by more


@dataclass(frozen=True)
class Calibration:
    """``a, b, c, w`` of the module's text; as born, the ensemble stands as it is."""

    share: float = 1.0
    factor: float = 1.0
    power: float = 1.0
    weights: tuple[float, ...] = ()

    def __call__(self, mean: Floats, spread: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of z, shapes as given."""
        return self.share * mean, self.factor * spread**self.power

    def shift(self, expected: Floats, others: Floats, scale: Floats) -> Floats:
        """``sum_r w_r (p_r - E)``, (n,), K; `others` (n, R) may be NaN, `scale` bounds a step."""
        return np.asarray(_steps(expected, others, scale) @ np.array(self.weights))


def fit_calibration(mean: Floats, spread: Floats, z: Floats, weight: Floats) -> Calibration:
    """The calibration with the least weighted CRPS; all arguments are of one shape."""

    def read(p: Floats) -> Calibration:
        share, factor, power = float(p[0]), float(np.exp(p[1])), float(p[2])
        return Calibration(min(max(share, 0.0), MOST), factor, min(max(power, 0.0), 2.0))

    def score(p: Floats) -> float:
        return float((weight * crps_gaussian(*read(p)(mean, spread), z)).mean() / weight.mean())

    found = minimize(score, np.array([0.8, 0.0, 0.8]), method="Nelder-Mead", tol=1e-4)
    return read(found.x)


def fit_weights(
    expected: Floats, others: Floats, scale: Floats, value: Floats
) -> tuple[float, ...]:
    """The ``w`` with the least squared error of `value` (n,), K; see `Calibration.shift`."""
    steps = _steps(expected, others, scale)
    square = steps.T @ steps
    ridge = (WEIGHT_RIDGE * np.trace(square) + 1e-12) * np.eye(len(square))
    found = np.linalg.solve(square + ridge, steps.T @ (value - expected))
    return tuple(found.tolist())


def _steps(expected: Floats, others: Floats, scale: Floats) -> Floats:
    limit = LONGEST * scale[:, None]
    return np.asarray(np.clip(np.nan_to_num(others - expected[:, None]), -limit, limit))


@dataclass(frozen=True)
class CrossFitted:
    """Networks that each left one part of the training month out.

    Args:
        nets: One for each part of each partition, ``[partition][part]``.
        recipe: Of the networks.
        members: Draws of each network, each with its mirror image.
    """

    nets: tuple[tuple[Net, ...], ...]
    recipe: ResidualRecipe
    members: int

    def __call__(self, places: Places) -> tuple[Floats, Floats]:
        """Mean and spread of z over the members of all networks, each (n, L)."""
        every = tuple(net for partition in self.nets for net in partition)
        return _summed(every, places, self.recipe, self.members)

    def left_out(self, places: Places, folds: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """The same from the networks that left a profile's part out, one a partition.

        Args:
            places: The profiles.
            folds: The part of each in every partition, (partitions, n).
        """
        first, second = np.zeros((2, *places.seen.shape))
        for nets, fold in zip(self.nets, folds, strict=True):
            for part, net in enumerate(nets):
                rows = np.flatnonzero(fold == part)
                there = places.select(torch.from_numpy(rows))
                mean, spread = _summed((net,), there, self.recipe, 3 * self.members)
                first[rows] += mean / len(folds)
                second[rows] += (mean**2 + spread**2) / len(folds)
        return first, np.sqrt(np.maximum(second - first**2, 1e-6))


def cross_fit(
    z: Tensor,
    places: Places,
    weight: Tensor,
    folds: NDArray[np.int64],
    recipe: ResidualRecipe,
    *,
    members: int = 4,
) -> CrossFitted:
    """Train one network for each part of each partition, the part left out.

    Args:
        z: As in `fit_residual`, and so are the next two.
        places: Of all training profiles.
        weight: Of each level.
        folds: The part of each profile in every partition, (partitions, n).
        recipe: Settings.
        members: Draws of each network.
    """
    partitions = []
    for number, fold in enumerate(folds):
        nets = []
        for part in range(int(fold.max()) + 1):
            rows = torch.from_numpy(np.flatnonzero(fold != part))
            seed = 100 * number + part
            nets.append(fit_residual(z[rows], places.select(rows), weight[rows], recipe, seed))
        partitions.append(tuple(nets))
    return CrossFitted(tuple(partitions), recipe, members)


def _summed(
    nets: Sequence[Net], places: Places, recipe: ResidualRecipe, members: int
) -> tuple[Floats, Floats]:
    if not len(places):
        return np.empty(places.seen.shape), np.empty(places.seen.shape)
    parts = [
        summary(ensemble(nets, places.select(index), recipe, members))
        for index in torch.arange(len(places)).split(CHUNK)
    ]
    mean, spread = (np.concatenate(part) for part in zip(*parts, strict=True))
    return mean, spread
