"""Soundings at any depth to profiles on common levels, without inventing what was not measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from isopleth.core.errors import InputError
from isopleth.data.profiles import Profiles
from isopleth.data.soundings import Soundings

__all__ = ["VerticalRule", "to_levels"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_DEEPEST = 12_000.0
"""No ocean is deeper, m; a larger depth is a missing-value code."""

_BLOCK = 50_000
"""Profiles worked on at once, which bounds the temporary arrays to about 100 MB at 20 levels."""


@dataclass(frozen=True, kw_only=True)
class VerticalRule:
    """When a level may take a value from the measurements around it.

    Args:
        gap: Widest interval bridged, m ...
        gap_fraction: ... or this fraction of the level's depth, whichever is greater.
        near: A level this close to a measurement takes it even across a wide gap or at the end of
            a cast, m ...
        near_fraction: ... plus this fraction of the level's depth (1000 dbar is 990 m).
        surface: Levels above the shallowest measurement take it if it lies no deeper than this, m.
    """

    gap: float = 50.0
    gap_fraction: float = 0.3
    near: float = 2.0
    near_fraction: float = 0.015
    surface: float = 10.0


@dataclass(frozen=True)
class _Columns:
    """Measurements sorted by profile and depth, one for each depth, and the pchip slopes there."""

    profile: Ints
    depth: Floats
    value: Floats
    error: Floats
    slope: Floats


def to_levels(
    soundings: Soundings, levels: npt.ArrayLike, *, rule: VerticalRule | None = None
) -> Profiles:
    """Each profile on common levels: monotone cubic interpolation in depth, never overshooting.

    Between two measurements z_k < z < z_{k+1} the cubic Hermite polynomial with the slopes of
    Fritsch and Butland (`scipy.interpolate.PchipInterpolator` gives the same). No value is given
    across a gap wider than max(50 m, 0.3 z); none is extrapolated, except that a level within
    2 m + 0.015 z of a measurement takes it, and that levels above a measurement in the top 10 m
    take it. Repeated depths in a profile are averaged. The error's standard deviation is
    interpolated linearly. Profiles that reach no level are left out, and a note says how many.

    Args:
        soundings: The measurements, in any order.
        levels: Depths in m, strictly increasing, shape (L,).
        rule: Other limits than these.

    Raises:
        InputError: If the levels do not increase, a depth is impossible, or no profile reaches a
            level.
    """
    wanted = _checked_levels(levels)
    rule = rule or VerticalRule()
    columns = _columns(soundings)
    n = len(soundings.stations)
    value, error = np.full((2, n, wanted.size), np.nan)
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        value[start:stop], error[start:stop] = _on_levels(columns, start, stop, wanted, rule)
    return _profiles(soundings, wanted, value, error)


def _checked_levels(levels: npt.ArrayLike) -> Floats:
    wanted = np.atleast_1d(np.asarray(levels, dtype=np.float64))
    if wanted.ndim != 1 or wanted.size == 0 or np.any(np.diff(wanted) <= 0.0) or wanted[0] < 0.0:
        raise InputError(
            f"the levels {wanted.tolist()} cannot be used: give depths in m >= 0, increasing."
        )
    return wanted


def _columns(soundings: Soundings) -> _Columns:
    """Sort, average repeated depths, and compute slopes."""
    known = np.isfinite(soundings.value) & np.isfinite(soundings.depth)
    depth = soundings.depth[known]
    if depth.size and np.abs(depth).max() > _DEEPEST:
        raise InputError(
            f"a depth of {depth[np.abs(depth).argmax()]:g} m is deeper than any ocean: "
            "pass the soundings through isopleth.data.quality.check first."
        )
    profile = soundings.profile[known].astype(np.int64)
    order = np.lexsort((depth, profile))
    profile, depth = profile[order], depth[order]
    value, error = soundings.value[known][order], soundings.error[known][order]
    first = np.flatnonzero(_changes(profile) | _changes(depth))
    if first.size < depth.size:
        counts = np.diff(first, append=depth.size)
        value, error = (np.add.reduceat(a, first) / counts for a in (value, error))
        profile, depth = profile[first], depth[first]
    return _Columns(profile, depth, value, error, _slopes(profile, depth, value))


def _changes(array: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """True where an element differs from the one before it, and at the first."""
    changed = np.ones(array.size, dtype=bool)
    changed[1:] = array[1:] != array[:-1]
    return changed


def _slopes(profile: Ints, depth: Floats, value: Floats) -> Floats:
    """Slopes dv/dz of the monotone cubic at every node, for all profiles at once, shape (n,).

    Inside, the weighted harmonic mean of the two secants where they agree in sign, else 0; at the
    ends the three-point formula, limited to keep the sign and 3 secants (Fritsch and Butland 1984,
    doi 10.1137/0905021; Moler, Numerical Computing with MATLAB, section 3.6).
    """
    if depth.size < 2:
        return np.zeros_like(depth)
    same = profile[1:] == profile[:-1]
    step = np.where(same, np.diff(depth), 1.0)
    secant = np.where(same, np.diff(value) / step, 0.0)
    slope = np.zeros_like(depth)
    slope[1:-1] = _inner_slope(step[:-1], step[1:], secant[:-1], secant[1:])
    begins, ends = _changes(profile), np.roll(_changes(profile), -1)
    slope[begins] = _end_slope(np.flatnonzero(begins), +1, step, secant, same)
    slope[ends] = _end_slope(np.flatnonzero(ends), -1, step, secant, same)
    return slope


def _inner_slope(h0: Floats, h1: Floats, d0: Floats, d1: Floats) -> Floats:
    """Weighted harmonic mean of two secants, 0 where they disagree in sign."""
    agree = d0 * d1 > 0.0
    d0, d1 = np.where(agree, d0, 1.0), np.where(agree, d1, 1.0)
    w0, w1 = 2.0 * h1 + h0, h1 + 2.0 * h0
    return np.where(agree, (w0 + w1) / (w0 / d0 + w1 / d1), 0.0)


def _end_slope(
    node: Ints, inward: int, step: Floats, secant: Floats, same: npt.NDArray[np.bool_]
) -> Floats:
    """Slope at the first (`inward` +1) or last (-1) node of each profile."""
    near = node if inward > 0 else node - 1
    far = near + inward
    last = step.size - 1
    has_near = (near >= 0) & (near <= last) & same[np.clip(near, 0, last)]
    has_far = has_near & (far >= 0) & (far <= last) & same[np.clip(far, 0, last)]
    near, far = np.clip(near, 0, last), np.clip(far, 0, last)
    h0, h1, d0, d1 = step[near], step[far], secant[near], secant[far]
    slope = ((2.0 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)
    slope = np.where(np.sign(slope) != np.sign(d0), 0.0, slope)
    steep = (np.sign(d0) != np.sign(d1)) & (np.abs(slope) > 3.0 * np.abs(d0))
    slope = np.where(steep, 3.0 * d0, slope)
    return np.where(has_far, slope, np.where(has_near, d0, 0.0))


def _on_levels(
    columns: _Columns, start: int, stop: int, levels: Floats, rule: VerticalRule
) -> tuple[Floats, Floats]:
    """Value and error of profiles `start:stop` on the levels, both (stop - start, L)."""
    a, b = np.searchsorted(columns.profile, [start, stop])
    if a == b:
        empty = np.full((stop - start, levels.size), np.nan)
        return empty, empty.copy()
    owner, z = columns.profile[a:b], columns.depth[a:b]
    casts = np.arange(start, stop)[:, None]
    # One search for all: a profile's depths live in their own stretch of a single sorted axis.
    stretch = max(z.max(), levels[-1]) - min(z.min(), 0.0) + 1.0
    right = np.searchsorted(owner * stretch + z, casts * stretch + levels)
    left = right - 1
    last = z.size - 1
    right_ok = (right <= last) & (owner[np.minimum(right, last)] == casts)
    left_ok = (left >= 0) & (owner[np.maximum(left, 0)] == casts)
    right, left = a + np.minimum(right, last), a + np.maximum(left, 0)
    weights = _Bracket(columns, left, right, left_ok, right_ok, levels)
    return weights.interpolate(rule)


@dataclass(frozen=True)
class _Bracket:
    """The measurements above (`left`) and below (`right`) each level of each profile."""

    columns: _Columns
    left: Ints
    right: Ints
    left_ok: npt.NDArray[np.bool_]
    right_ok: npt.NDArray[np.bool_]
    levels: Floats

    def interpolate(self, rule: VerticalRule) -> tuple[Floats, Floats]:
        """Value and error where the rule allows, else NaN."""
        above, below = self._distances()
        inside = self.left_ok & self.right_ok
        inside &= above + below <= np.maximum(rule.gap, rule.gap_fraction * self.levels)
        value, error = self._cubic(above, below, inside)
        nearest = np.where(above <= below, self.left, self.right)
        taken = np.minimum(above, below) <= rule.near + rule.near_fraction * self.levels
        shallow = self.columns.depth[self.right] <= rule.surface
        taken |= ~self.left_ok & self.right_ok & shallow
        taken &= ~inside
        value[taken] = self.columns.value[nearest[taken]]
        error[taken] = self.columns.error[nearest[taken]]
        return value, error

    def _distances(self) -> tuple[Floats, Floats]:
        """Distance to the measurement above and below, infinite where there is none, m."""
        z = self.columns.depth
        above = np.where(self.left_ok, self.levels - z[self.left], np.inf)
        below = np.where(self.right_ok, z[self.right] - self.levels, np.inf)
        return above, below

    def _cubic(
        self, above: Floats, below: Floats, inside: npt.NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """Hermite cubic of the value and straight line of the error where inside, else NaN."""
        c, i, j = self.columns, self.left[inside], self.right[inside]
        h = above[inside] + below[inside]
        t = above[inside] / h
        value, error = np.full((2, *inside.shape), np.nan)
        value[inside] = (
            c.value[i] * (1 + 2 * t) * (1 - t) ** 2
            + c.value[j] * t**2 * (3 - 2 * t)
            + h * (c.slope[i] * t * (1 - t) ** 2 - c.slope[j] * t**2 * (1 - t))
        )
        error[inside] = (1 - t) * c.error[i] + t * c.error[j]
        return value, error


def _profiles(soundings: Soundings, levels: Floats, value: Floats, error: Floats) -> Profiles:
    """Profiles of the casts that reach a level."""
    reached = np.asarray(np.isfinite(value).any(axis=1))
    if not reached.any():
        depth = soundings.depth[np.isfinite(soundings.depth)]
        covered = f"{depth.min():g} to {depth.max():g} m" if depth.size else "no depth at all"
        raise InputError(
            f"no profile reaches a level between {levels[0]:g} and {levels[-1]:g} m: "
            f"the soundings cover {covered}; choose levels inside that range."
        )
    notes = soundings.notes
    if not reached.all():
        notes += (f"{int((~reached).sum())} profiles reach none of the levels and were left out",)
    at = soundings.stations.take(reached)
    return Profiles(
        at.time,
        at.latitude,
        at.longitude,
        levels,
        value[reached],
        error[reached],
        at.platform,
        soundings.variable,
        notes,
    )
