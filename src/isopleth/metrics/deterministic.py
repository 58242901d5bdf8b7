"""Scores of a single-valued forecast: weighted means over the pairs that exist.

Every function takes arrays that broadcast together. A pair is left out where the forecast or the
truth is NaN, where `mask` is False, and where its weight is 0. If no pair is left the score is
NaN. An infinite value is not missing: it makes the score infinite (or NaN), as it should.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isopleth.core.errors import InputError

__all__ = ["bias", "correlation", "mse", "mse_gridmean", "rmse", "weighted_mean"]

Axis = int | tuple[int, ...] | None
Floats = NDArray[np.float64]
Score = np.float64 | Floats


def weighted_mean(
    values: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    axis: Axis = None,
) -> Score:
    """Mean of the values that exist, `sum(w v) / sum(w)`.

    Args:
        values: Any shape and unit; NaN means no value.
        weights: Non-negative, broadcast to `values` (area weights, for instance); default 1.
        mask: True where a value counts, broadcast to `values`; default everywhere.
        axis: Axes to average over; None averages over all and returns a scalar.

    Returns:
        The mean in the unit of `values`; NaN where nothing was left to average.

    Raises:
        InputError: A weight is negative or NaN, or a shape does not fit.
    """
    values = np.asarray(values, dtype=np.float64)
    weight = _counting_weight(~np.isnan(values), weights, mask)
    total = np.sum(weight * np.where(weight > 0, values, 0.0), axis=axis)
    norm = np.sum(weight, axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, total / norm, np.nan)[()]


def bias(
    forecast: ArrayLike,
    truth: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    axis: Axis = None,
) -> Score:
    """Mean error, `mean(f - y)`: positive where the forecast is too high (Murphy 1988).

    Args and NaN rule as in `weighted_mean`; the unit is that of the forecast.
    """
    return weighted_mean(_difference(forecast, truth), weights=weights, mask=mask, axis=axis)


def mse(
    forecast: ArrayLike,
    truth: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    axis: Axis = None,
) -> Score:
    """Mean squared error, `mean((f - y)^2)` (Murphy 1988, Mon. Weather Rev. 116, 2417).

    Args and NaN rule as in `weighted_mean`; the unit is the square of the forecast's.
    """
    square = np.square(_difference(forecast, truth))
    return weighted_mean(square, weights=weights, mask=mask, axis=axis)


def rmse(
    forecast: ArrayLike,
    truth: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    axis: Axis = None,
) -> Score:
    """Root mean squared error, `sqrt(mean((f - y)^2))`; the unit is that of the forecast.

    A pooled figure is the root of the pooled mean, not the mean of roots. Args and NaN rule as in
    `weighted_mean`. Reference: Murphy (1988), Mon. Weather Rev. 116, 2417.
    """
    return np.sqrt(mse(forecast, truth, weights=weights, mask=mask, axis=axis))


def correlation(
    forecast: ArrayLike,
    truth: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    axis: Axis = None,
) -> Score:
    """Pearson's correlation, `cov(f, y) / sqrt(var(f) var(y))`, with weights (Pearson 1896).

    Both means and variances use only the pairs that exist. NaN where a side is constant or where
    no pair is left. Subtract a climatology from both sides first for the anomaly correlation.

    Returns:
        A number without unit in [-1, 1].
    """
    exists = ~np.isnan(_difference(forecast, truth))
    weight = _counting_weight(exists, weights, mask)
    f, y = (
        _centred(np.broadcast_to(side, exists.shape), weight, axis) for side in (forecast, truth)
    )
    covariance = np.sum(weight * f * y, axis=axis)
    scale = np.sum(weight * f**2, axis=axis) * np.sum(weight * y**2, axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(scale > 0, covariance / np.sqrt(scale), np.nan)
    return np.clip(ratio, -1.0, 1.0)[()]


def mse_gridmean(
    forecast: ArrayLike, truth: ArrayLike, *, mask: ArrayLike, axis: Axis = None
) -> Score:
    """Mean squared error over *every* cell, those without a value counted as no error.

    `sum(mask (f - y)^2) / number of cells`. Published learned reconstructions average in this way,
    land included and without area weights, so their figures are smaller than `mse` by the fraction
    of valid cells. Use it only to compare with them. NaN counts as outside the mask.
    Source: the evaluation code that accompanies ReconMOST (2025).

    Returns:
        The square of the forecast's unit; 0 where the mask is empty.
    """
    square = np.square(_difference(forecast, truth))
    counts = np.broadcast_to(np.asarray(mask, dtype=bool), square.shape) & ~np.isnan(square)
    return weighted_mean(np.where(counts, square, 0.0), axis=axis)


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _difference(forecast: ArrayLike, truth: ArrayLike) -> Floats:
    forecast, truth = _floats(forecast), _floats(truth)
    _check_fits("truth", truth.shape, forecast.shape, either=True)
    return forecast - truth


def _centred(values: ArrayLike, weight: Floats, axis: Axis) -> Floats:
    """Values minus their weighted mean, 0 where the weight is 0. Shape unchanged."""
    values = np.where(weight > 0, values, 0.0)
    norm = np.sum(weight, axis=axis, keepdims=True)
    mean = np.sum(weight * values, axis=axis, keepdims=True) / np.where(norm > 0, norm, 1.0)
    deviation = values - mean
    # A constant side leaves rounding errors whose correlation would be noise, not NaN.
    noise = 4.0 * np.finfo(np.float64).eps * np.abs(values).max(initial=0.0)
    return np.where((weight > 0) & (np.abs(deviation) > noise), deviation, 0.0)


def _counting_weight(
    exists: NDArray[np.bool_], weights: ArrayLike | None, mask: ArrayLike | None
) -> Floats:
    """The weight of each value, 0 where it is missing or masked. Shape of `exists`."""
    weight = np.ones(()) if weights is None else _floats(weights)
    if np.any(np.isnan(weight)) or np.any(weight < 0):
        raise InputError(
            f"the weights contain {np.min(weight)}: give numbers >= 0, with 0 where a value must "
            "not count."
        )
    _check_fits("weights", weight.shape, exists.shape)
    counts = np.ones((), dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    _check_fits("mask", counts.shape, exists.shape)
    return np.broadcast_to(weight, exists.shape) * (exists & counts)


def _check_fits(
    what: str, shape: tuple[int, ...], target: tuple[int, ...], *, either: bool = False
) -> None:
    """Raise unless `shape` broadcasts to `target` (or, with `either`, together with it)."""
    try:
        together = np.broadcast_shapes(shape, target)
    except ValueError:
        together = ()
    if together != target and not (either and together):
        raise InputError(
            f"the {what} of shape {shape} cannot belong to values of shape {target}: "
            "give it the same axes, or axes of length 1."
        )
