"""How wrong the answer is: hidden boxes of profiles teach a model of the errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from isopleth.inference.interpolation import Points
from isopleth.inference.interpolation.predictive import ErrorModel, fit_error_model
from isopleth.studies.heldout import HeldOut, partition
from isopleth.systems.reconmost.observed import Casts

__all__ = ["Evidence", "learned"]

Floats = NDArray[np.float64]
Told = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What members given casts say at n points.

    Args:
        members: K, `(M, n, level)`; NaN where the prior has no ocean.
        variance: Of the error of their mean as an estimate of the field, K^2, `(n, level)`.
        nearby: Effective number of casts close by, `(n, level)`.
    """

    members: Floats
    variance: Floats
    nearby: Floats

    @property
    def mean(self) -> Floats:
        """Their mean, `(n, level)`."""
        return np.asarray(self.members.mean(axis=0))


class Numbers(Protocol):
    """The settings that are needed here, see `Sampling`."""

    @property
    def folds(self) -> int:
        """Parts left out in turn."""
        ...

    @property
    def error_counts(self) -> tuple[int, ...]:
        """Numbers of residuals averaged."""
        ...

    @property
    def buddy_deviations(self) -> float:
        """Predicted scales beyond which a value is refused."""
        ...

    @property
    def buddy_floor(self) -> float:
        """Kelvin beyond which it is."""
        ...


def learned(
    casts: Casts,
    hidden: Callable[[Casts, Points, Told], Evidence],
    numbers: Numbers,
    told: Told | None = None,
) -> tuple[Casts, ErrorModel, int]:
    """The casts without gross errors, the model of the errors, and how many values were refused.

    Residuals are of casts whose box was hidden, predicted by all casts of the other folds; the
    model is that of kriging. A value that is many predicted scales off is refused. It also spoils
    the predictions of its neighbours, so all is learned again without it, and what was refused
    is judged by neighbours that are clean.

    Args:
        casts: Everything that was seen.
        hidden: From the casts kept, the hidden points and a listener to the evidence there.
        numbers: Settings.
        told: Called with the fraction done.

    Raises:
        InputError: If there are fewer boxes than folds.
    """
    found = _crossed(casts, casts, hidden, numbers, told)
    far = found.far(numbers)
    if not far.any():
        return casts, found.model, 0
    found = _crossed(casts, _without(casts, far), hidden, numbers, None)
    far = found.far(numbers)
    return _without(casts, far), found.model, int(far.sum())


@dataclass(frozen=True, eq=False)
class _Crossed:
    """Residuals of all casts, `(n, level)`, their predicted scale, and the model of the errors."""

    residual: Floats
    scale: Floats
    model: ErrorModel

    def far(self, numbers: Numbers) -> NDArray[np.bool_]:
        """Values that no neighbour can explain (the buddy check)."""
        limit = np.maximum(numbers.buddy_deviations * self.scale, numbers.buddy_floor)
        return np.asarray(np.abs(self.residual) > limit)


def _without(casts: Casts, far: NDArray[np.bool_]) -> Casts:
    return replace(casts, value=np.where(far, np.nan, casts.value))


def _crossed(
    casts: Casts,
    clean: Casts,
    hidden: Callable[[Casts, Points, Told], Evidence],
    numbers: Numbers,
    told: Told | None,
) -> _Crossed:
    """Predict every cast by the clean ones of the other folds; learn from the clean residuals."""
    mean, variance = np.full((2, *casts.value.shape), np.nan)
    folds = HeldOut(partition(casts.points.group, numbers.folds, seed=0))
    for number, (train, test) in enumerate(folds):

        def part(done: float, number: int = number) -> None:
            if told is not None:
                told((number + done) / len(folds))

        evidence = hidden(clean.select(train), casts.points.select(test).ungrouped(), part)
        mean[test], variance[test] = evidence.mean, evidence.variance
    levels = np.isin(casts.ocean.grid.levels, casts.depth)
    shown = mean[:, levels], variance[:, levels], casts.noise[:, levels]
    taught = (clean.value - mean)[:, levels]
    points, counts = casts.points, numbers.error_counts
    model = fit_error_model(points, taught, shown[1], shown[2], counts=counts)
    scale = np.full(casts.value.shape, np.nan)
    scale[:, levels] = model(points, *shown).scale
    return _Crossed(casts.value - mean, scale, model)
