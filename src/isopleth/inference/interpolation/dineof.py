"""DINEOF: fill the gaps of a stack of maps by its own leading EOFs, their number by hiding data.

Missing values start at the mean; then, until they no longer change, the EOFs of the filled stack
are computed and the missing values replaced by what the first `k` of them say. A few known values
are hidden; the `k` that predicts them best is kept.
Reference: Beckers and Rixen (2003), J. Atmos. Ocean. Technol. 20, 1839; Alvera-Azcárate, Barth,
Rixen and Beckers (2005), Ocean Model. 9, 325.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh

from isopleth.core.errors import InputError
from isopleth.inference.interpolation.blocks import Progress
from isopleth.inference.interpolation.scattered import Array
from isopleth.inference.interpolation.temporal_filter import TemporalFilter

__all__ = ["Dineof", "Filled", "borrowed_gaps", "truncated"]

Mask = NDArray[np.bool_]
Fit = Callable[[Array, int], Array]

_FEWEST_HIDDEN = 30
_PRIOR_MAPS = 5.0  # weight, in maps, of the mean misfit in the misfit of a rarely seen place
_FLOOR = 1e-12  # least misfit variance, of the fitted field's: exact low-rank data have none


@dataclass(frozen=True)
class Filled:
    """A stack without gaps. Columns that never had a value stay NaN.

    Args:
        filled: The data where there are any, the EOFs elsewhere, shape `(T, S)`.
        smooth: The EOFs everywhere, shape `(T, S)`.
        error: Standard error of `smooth`, data unit, shape `(T, S)`.
        modes: The number of EOFs kept, 0 if none helped.
        curve: RMSE at the hidden values with 0, 1, 2, ... EOFs, data unit.
    """

    filled: Array
    smooth: Array
    error: Array
    modes: int
    curve: Array


@dataclass(frozen=True, kw_only=True)
class Dineof:
    """The method of the module's text: settings here, the stack in the call.

    Args:
        max_modes: The most EOFs tried.
        share: Part of the known values that is hidden to choose their number, 0.01 to 0.03 by
            custom; at least 30 values.
        patience: Give up after this many EOFs without improvement.
        tolerance: Converged when the missing values change by less than this part of the data's
            standard deviation (root mean square).
        iterations: The most iterations for one number of EOFs.
        smoothing: A filter in time, or None.
        seed: Decides which values are hidden.

    Raises:
        InputError: If a setting is out of range.
    """

    max_modes: int = 30
    share: float = 0.02
    patience: int = 3
    tolerance: float = 1e-3
    iterations: int = 300
    smoothing: TemporalFilter | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("max_modes", "patience", "tolerance", "iterations"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}: give a positive number.")
        if not 0.0 < self.share < 0.5:
            raise InputError(f"share is {self.share}: give a part such as 0.02.")

    def __call__(
        self,
        stack: ArrayLike,
        *,
        day: ArrayLike | None = None,
        hidden: Mask | None = None,
        progress: Progress | None = None,
    ) -> Filled:
        """Fill the gaps.

        Args:
            stack: Maps or anomalies, shape `(T, S)`, NaN = missing. Values of one unit.
            day: Times of the maps, increasing, shape `(T,)`; 0, 1, 2, ... by default; only a
                filter uses them.
            hidden: Values to hide instead of random ones, shape `(T, S)`; see `borrowed_gaps`.
            progress: Gets the fraction done.

        Raises:
            InputError: If the stack is not of two dimensions or has too few values, if nothing
                known is hidden, or if the days do not suit the filter.
        """
        data = _checked(stack)
        ocean = np.isfinite(data).any(axis=0)
        present = np.isfinite(data[:, ocean])
        mean = data[np.isfinite(data)].mean()
        y = np.where(present, data[:, ocean] - mean, 0.0)
        held = self._held(present) if hidden is None else _given(hidden, data)[:, ocean]
        fit = self._fit(len(data) if day is None else np.asarray(day, np.float64))
        curve, x = self._search(y, present & ~held, held, fit, progress)
        modes = int(np.argmin(curve))
        x = self._converge(np.where(present, y, x), ~present, modes, fit)
        fitted = fit(x, modes)
        trial = _relative_error(fitted, modes, y, present & ~held)
        error = _relative_error(fitted, modes, y, present) * curve[modes] / _rms(trial[held])
        whole = np.full((3, *data.shape), np.nan)
        smooth = fitted + mean
        whole[:, :, ocean] = np.where(present, data[:, ocean], smooth), smooth, error
        if progress is not None:
            progress(1.0)
        return Filled(whole[0], whole[1], whole[2], modes, curve)

    def _held(self, present: Mask) -> Mask:
        """Some of the known values, drawn by the seed."""
        known = np.flatnonzero(present)
        count = max(_FEWEST_HIDDEN, round(self.share * known.size))
        held = np.zeros(present.shape, bool)
        held.flat[np.random.default_rng(self.seed).choice(known, count, replace=False)] = True
        return held

    def _fit(self, days: int | Array) -> Fit:
        """The truncation, with this filter at these times."""
        if self.smoothing is None:
            return truncated
        day = np.arange(float(days)) if isinstance(days, int) else days
        return partial(truncated, F=self.smoothing.matrix(day))

    def _search(
        self, y: Array, seen: Mask, held: Mask, fit: Fit, progress: Progress | None
    ) -> tuple[Array, Array]:
        """RMSE at the hidden values by number of EOFs, and the stack filled with the best."""
        x = best = np.where(seen, y, 0.0)
        curve = [_rms(y[held])]
        most = min(self.max_modes, *y.shape)
        while len(curve) <= most and len(curve) - 1 - np.argmin(curve) < self.patience:
            x = self._converge(x, ~seen, len(curve), fit)
            curve.append(_rms((x - y)[held]))
            best = x if curve[-1] == min(curve) else best
            if progress is not None:
                progress(len(curve) / (most + 2))
        return np.array(curve), best

    def _converge(self, x: Array, missing: Mask, modes: int, fit: Fit) -> Array:
        """Replace missing values by the EOFs of the whole until they stay."""
        settled = self.tolerance * np.sqrt(max(1, missing.sum())) * _rms(x[~missing])
        for _ in range(self.iterations):
            change = np.where(missing, fit(x, modes) - x, 0.0)
            x = x + change
            if np.linalg.norm(change) <= settled:
                break
        return x


def borrowed_gaps(present: Mask, share: float = 0.02, seed: int = 0) -> Mask:
    """Known values under the gaps of another map: what to hide where gaps are large, like clouds.

    A single hidden value has its neighbours in view, and the number of EOFs and the error come out
    as if every gap were that small. The scripts shipped with DINEOF (`dineof_cvp`) do the same on
    the clearest maps; here any map may borrow.

    Args:
        present: Where the stack has values, shape `(T, S)`.
        share: Part of the known values to hide, reached by whole maps; a map that would lose more
            than half of its values is passed over.
        seed: Decides which maps lend and borrow.

    >>> present = np.array([[True, True, False], [False, True, True]])
    >>> borrowed_gaps(present, 0.5).astype(int).tolist()
    [[1, 0, 0], [0, 0, 1]]
    """
    order = np.random.default_rng(seed).permutation(len(present))
    held = np.zeros(present.shape, bool)
    for borrower, lender in zip(order, np.roll(order, 1), strict=True):
        lost = present[borrower] & ~present[lender]
        if held.sum() < share * present.sum() and lost.sum() <= 0.5 * present[borrower].sum():
            held[borrower] = lost
    return held


def truncated(x: Array, modes: int, F: Array | None = None) -> Array:
    """`x` from its leading EOFs alone, `U U' x`, with `U` the eigenvectors of `F x x' F'`.

    >>> truncated(np.array([[3.0, 0.0], [0.0, 1.0]]), 1).tolist()
    [[3.0, 0.0], [0.0, 0.0]]
    """
    if F is None and x.shape[1] < x.shape[0]:
        return truncated(x.T, modes).T
    if modes == 0:
        return np.zeros_like(x)
    C = x @ x.T if F is None else F @ x @ (F @ x).T
    U = eigh(C, subset_by_index=[len(x) - modes, len(x) - 1])[1]
    return np.asarray(U @ (U.T @ x))


def _relative_error(fitted: Array, modes: int, y: Array, present: Mask) -> Array:
    """Standard error of the optimal interpolation whose covariance is that of the EOFs.

        L = V S / sqrt(T),   e_t^2 = diag(L (I + L_p' R_p^-1 L_p)^-1 L') + R

    with `p` the places present at time `t`. `R` is the mean squared misfit of a place, which is
    also what the EOFs leave out; misfits of neighbours are taken as independent, so the result is
    right but for a factor, which the hidden values give.
    Reference: Beckers, Barth and Alvera-Azcárate (2006), Ocean Sci. 2, 183.
    """
    R = _misfit(np.where(present, y - fitted, 0.0) ** 2, present)
    R = np.maximum(R, _FLOOR * np.square(fitted).mean() + np.finfo(np.float64).tiny)
    S, V = np.linalg.svd(fitted, full_matrices=False)[1:]
    L = (S[:modes, None] * V[:modes] / np.sqrt(len(fitted))).T
    variance = np.empty(fitted.shape)
    for t, here in enumerate(present):
        C = np.linalg.inv(np.eye(modes) + L[here].T @ (L[here] / R[here, None]))
        variance[t] = R + ((L @ C) * L).sum(axis=1)
    return np.sqrt(variance)


def _misfit(square: Array, present: Mask) -> Array:
    """Mean squared misfit of each place, drawn to that of all where it was seldom seen, `(S,)`."""
    everywhere = _PRIOR_MAPS * square.sum() / present.sum()
    return np.asarray((square.sum(axis=0) + everywhere) / (present.sum(axis=0) + _PRIOR_MAPS))


def _given(hidden: Mask, data: Array) -> Mask:
    """The values to hide, all of them known."""
    held = np.asarray(hidden, bool)
    if held.shape != data.shape or not (held & np.isfinite(data)).any():
        raise InputError(
            f"the hidden values, of shape {held.shape}, hide nothing known in a stack of "
            f"{data.shape}: mark some of its values, or give none."
        )
    return np.asarray(held & np.isfinite(data))


def _rms(x: Array) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def _checked(stack: ArrayLike) -> Array:
    """Two dimensions, no infinity, enough values to hide some."""
    data = np.asarray(stack, np.float64)
    if data.ndim != 2 or len(data) < 2:
        raise InputError(
            f"the stack has shape {data.shape}: give two or more maps as rows, their places as "
            "columns."
        )
    known = int(np.isfinite(data).sum())
    if known < 10 * _FEWEST_HIDDEN or np.isinf(data).any():
        raise InputError(
            f"the stack has {known} finite values, or infinite ones: give at least "
            f"{10 * _FEWEST_HIDDEN} and mark gaps by NaN."
        )
    return data
