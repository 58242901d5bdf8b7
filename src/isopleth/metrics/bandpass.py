"""Band-pass filter in time: what storm tracks are made of."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import oaconvolve

from isopleth.core.errors import InputError
from isopleth.metrics.deterministic import Floats

__all__ = ["band_pass", "lanczos_weights"]


def lanczos_weights(shortest: float, longest: float, half_width: int) -> Floats:
    """Weights of a band-pass filter with little overshoot, shape (2 n + 1,), symmetric.

        w_k = [sin(2 pi k / s) - sin(2 pi k / l)] / (pi k) * sin(pi k / n) / (pi k / n)
        w_0 = 2 / s - 2 / l

    with the two periods s < l. They answer half of the amplitude at both periods and pass nearly
    all between them, over a transition of about 1 / n cycles a step.
    Reference: Duchon (1979), J. Appl. Meteor. 18, 1016.

    Args:
        shortest: Period s that is still passed by half, in steps, at least 2.
        longest: The longest such period l, in steps; infinite for a high-pass filter.
        half_width: n, steps.

    Raises:
        InputError: If the periods are not `2 <= s < l`, or n is shorter than s.

    >>> weights = lanczos_weights(5.0, 12.0, 20)
    >>> len(weights), bool(np.isclose(weights[20], 0.4 - 1 / 6))
    (41, True)
    """
    if not 2.0 <= shortest < longest:
        raise InputError(
            f"periods from {shortest:g} to {longest:g} steps are no band: give 2 <= shortest < "
            "longest, and sample more often if the shortest is below 2 steps."
        )
    if half_width < shortest:
        raise InputError(
            f"a filter of {half_width} steps to either side cannot tell periods of {shortest:g} "
            f"steps: give at least {math.ceil(shortest)}."
        )
    k = np.arange(-half_width, half_width + 1)
    ideal = 2.0 / shortest * np.sinc(2.0 * k / shortest) - 2.0 / longest * np.sinc(
        2.0 * k / longest
    )
    return np.asarray(ideal * np.sinc(k / half_width))


def band_pass(series: ArrayLike, *, shortest: float, longest: float, half_width: int) -> Floats:
    """Part of a series between two periods, by `lanczos_weights`, without its ends.

    Args:
        series: Evenly sampled along its first axis, shape (time, ...), any unit.
        shortest: Period in steps, as in `lanczos_weights`.
        longest: Period in steps.
        half_width: n; so many steps are lost at each end.

    Returns:
        Shape (time - 2 n, ...), unit of the series.

    Raises:
        InputError: As `lanczos_weights`, or if the series is no longer than the filter.

    >>> wave = np.cos(2 * np.pi * np.arange(200) / 8.0)
    >>> round(float(band_pass(wave, shortest=5.0, longest=12.0, half_width=30)[2]), 1)
    1.0
    """
    values, weights = np.asarray(series), lanczos_weights(shortest, longest, half_width)
    if values.ndim < 1 or len(values) < len(weights):
        raise InputError(
            f"a series of shape {values.shape} is shorter than a filter of {len(weights)} steps: "
            "give more of it, or a smaller half_width."
        )
    if values.dtype == np.float32:
        weights = weights.astype(np.float32)
    columns = weights.reshape(-1, *(1,) * (values.ndim - 1))
    return np.asarray(oaconvolve(values, columns, mode="valid", axes=0))
