"""The learned baseline: gradient boosting of the same features, with one scale factor a level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from argo_boxes import Floats, Scored, student
from argo_residual_table import Table
from isopleth.metrics import crps_student_t

ITERATIONS, FOLDS = 120, 3
SHARES = (0.25, 0.5, 0.75, 1.0)
FACTORS = np.linspace(0.8, 1.1, 13)
CLIP = 4.0


@dataclass(frozen=True)
class Fitted:
    """Trees, how many of them are used, the share of their step and the factor on the scale."""

    models: tuple[HistGradientBoostingRegressor, ...]
    number: int
    share: float
    factor: float

    def step(self, inputs: Floats) -> Floats:
        """The mean step of the models, (n,)."""
        steps = [
            next(islice(model.staged_predict(inputs), self.number, None)) for model in self.models
        ]
        return np.asarray(np.mean(steps, axis=0))


class Boosted:
    """Residual over scale from the features (and, with levels seen, their residuals over scale).

    Trees are grown on two thirds of the training month's blocks and judged on the rest, three
    times; their number and a share of the step are those with the least RMSE there, and the answer
    is the mean of the three.
    """

    def __init__(self, training: Callable[[], Table]) -> None:
        self.training = training
        self.fitted: dict[int | None, Fitted] = {}

    def __call__(self, table: Table, hidden: int | None) -> Scored:
        """Predict all levels (None), or one level given the others, and score."""
        if hidden not in self.fitted:
            self.fitted[hidden] = self._fit(self.training(), hidden)
        fitted = self.fitted[hidden]
        start = table.kriged if hidden is None else table.filled
        inputs = _inputs(table, hidden)
        flat = inputs.reshape(-1, inputs.shape[-1])
        shift = fitted.share * fitted.step(flat).reshape(inputs.shape[:2])
        wide = shift if hidden is None else np.repeat(shift, table.value.shape[1], axis=1)
        return student(
            start.location + wide * start.scale, fitted.factor * start.scale, start.degrees,
            table.value,
        )  # fmt: skip

    def _fit(self, table: Table, hidden: int | None) -> Fitted:
        start = table.kriged if hidden is None else table.filled
        levels = slice(None) if hidden is None else slice(hidden, hidden + 1)
        scale = start.scale[:, levels]
        target = ((table.value - start.location) / start.scale)[:, levels]
        inputs = _inputs(table, hidden)
        fold = table.training.folds(FOLDS)
        models, staged = [], np.empty((ITERATIONS, *target.shape))
        for k in range(FOLDS):
            model = HistGradientBoostingRegressor(
                learning_rate=0.05, max_iter=ITERATIONS, max_leaf_nodes=8, min_samples_leaf=150,
                l2_regularization=50.0, max_features=0.3, random_state=k, early_stopping=False,
            )  # fmt: skip
            rest, out = fold != k, fold == k
            model.fit(
                inputs[rest].reshape(-1, inputs.shape[-1]),
                np.clip(target[rest], -CLIP, CLIP).reshape(-1),
                scale[rest].reshape(-1) / scale.mean(),
            )
            steps = model.staged_predict(inputs[out].reshape(-1, inputs.shape[-1]))
            for number, step in enumerate(steps):
                staged[number, out] = step.reshape(target[out].shape)
            models.append(model)
        scores = [
            (float((((target - share * step) * scale) ** 2).mean()), number, share)
            for number, step in enumerate(staged)
            for share in SHARES
        ]
        _, number, share = min(scores)
        factor = _factor(target - share * staged[number], scale, start.degrees)
        return Fitted(tuple(models), number, share, factor)


def _inputs(table: Table, hidden: int | None) -> Floats:
    """Features ``(n, L, F + 1)``, or ``(n, 1, F + L)`` of one level with what the others say."""
    described = table.features
    count, levels, _ = described.shape
    if hidden is None:
        number = np.broadcast_to(np.arange(levels)[:, None], (count, levels, 1))
        return np.concatenate([described, number], axis=-1)
    others = [k for k in range(levels) if k != hidden]
    residual = (table.value - table.mean) / table.scale
    gap = (table.fill_mean - table.mean) / table.fill_scale
    told = [residual[:, others], gap[:, hidden : hidden + 1], table.value[:, others]]
    ratio = np.log(table.scale[:, others] / table.fill_scale[:, [hidden]])
    sharp = described[:, others][..., list(table.names).index("log_sharpness")]
    return np.concatenate([described[:, hidden], *told, ratio, sharp], axis=1)[:, None, :]


def _factor(standardised: Floats, scale: Floats, degrees: Floats) -> float:
    """The factor on the scale with the least CRPS."""
    zero = np.zeros_like(scale)
    scores = [
        float(crps_student_t(zero, factor * scale, degrees, standardised * scale).mean())
        for factor in FACTORS
    ]
    return float(FACTORS[int(np.argmin(scores))])
