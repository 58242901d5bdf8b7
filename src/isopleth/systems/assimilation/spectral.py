"""SpectralSeen: a spectral covariance as the observations see it; and how a sample gives one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from isopleth.core.channels import Channels
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.inference.screening import Readable
from isopleth.inference.variational import SpectralCovariance, SpectralFit, SpectralStatistics
from isopleth.systems.assimilation.covariance import columns_of, unit_vectors
from isopleth.systems.assimilation.recipe import Recipe, of_quantity

__all__ = ["Spectral", "SpectralSeen", "fitted", "truncation_for"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_TABLE = 512
"""Entries, by chord, in half a wave of the truncation: the nearest is right to 2e-3."""

_SOURCES = ("geopotential_height", "sea_level_pressure", "surface_pressure")
"""Variables of mass, one of which the balance starts from."""


@dataclass(frozen=True, eq=False)
class Spectral:
    """Vertical EOFs x spectral horizontal correlations x balance by regression, with its origin.

    Args:
        covariance: `B`.
        source: What it was estimated from, in words.
        first: What the others are regressed on, in words.
    """

    covariance: SpectralCovariance
    source: str
    first: str

    @property
    def words(self) -> str:
        """What kind of covariance it is."""
        s = self.covariance.statistics
        kind = f"vertical modes with a spectrum each to wavenumber {s.harmonics.truncation}"
        if all(R is None for R in s.regression):
            return kind
        return f"{kind}, the other variables regressed on {self.first}, latitude by latitude"

    @cached_property
    def deviation(self) -> Tensor:
        """Shape of a state."""
        return self.covariance.variance.sqrt()

    def seen(self, channels: Channels, read: Readable) -> SpectralSeen:
        """As observations see it."""
        return SpectralSeen(self.covariance, channels.grid, read)

    def lines(self, channels: Channels) -> list[str]:
        """One line a channel: deviation, and length of the curvature of the correlation."""
        mean = self.deviation.square().mean((-2, -1)).sqrt()
        length = _lengths(self.covariance)
        return [
            f"{channels.label(c)}: {float(mean[c]):.3g} {item.quantity.units}, {length[c]:.0f} km"
            for c, item in enumerate(channels.items)
        ]


def truncation_for(grid: Grid, most: int) -> int:
    """Largest wavenumber that a grid carries; 0 where it is no whole globe of values.

    Two thirds of the rows, less than half the columns.
    """
    edge = 1.5 * float(np.abs(np.diff(grid.latitude)).max())
    reaches = grid.latitude[0] > 90.0 - edge and grid.latitude[-1] < edge - 90.0
    even = np.ptp(np.diff(grid.longitude)) < 1e-3 and np.ptp(np.diff(grid.latitude)) < 1.0
    if not (grid.periodic and reaches and even and grid.mask.all()):
        return 0
    return min(2 * len(grid.latitude) // 3, (len(grid.longitude) - 1) // 2, most)


def fitted(
    channels: Channels, errors: Tensor, source: str, recipe: Recipe, truncation: int
) -> Spectral:
    """`SpectralFit` with a group a quantity, that of mass first; the recipe's deviations after it.

    Args:
        channels: Of the errors.
        errors: Shape (n, channel, lat, lon).
        source: What they are.
        recipe: Its deviations replace the fitted mean of a quantity.
        truncation: Largest wavenumber.

    Raises:
        InputError: As `SpectralFit`.
    """
    quantities = sorted(channels.quantities, key=lambda q: _rank(q.name))
    groups = tuple(tuple(channels.where(q).tolist()) for q in quantities)
    fit = SpectralFit(groups=groups, truncation=truncation, band=recipe.row_smoothing_deg)
    grid = channels.grid
    found = SpectralCovariance(fit(errors, grid.latitude, grid.longitude))
    return Spectral(_rescaled(found, channels, recipe.deviation), source, quantities[0].long_name)


class SpectralSeen:
    """A spectral covariance at places; see `solving.Pointwise`.

        B(c, s; c', s') = sum_k a_kc(s) a_kc'(s') rho_k(angle of s and s')
        rho_k(g) = sum_l (2 l + 1) p_k(l) P_l(cos g)

    Products pass through the grid and are exact. What is pointwise reads `a` at the observation
    and takes rho at its place: the smoothing by interpolation between cells is left out.

    Args:
        covariance: `B`.
        grid: Of the state.
        read: `H`.
    """

    def __init__(self, covariance: SpectralCovariance, grid: Grid, read: Readable) -> None:
        self._B, self._grid, self._read = covariance, grid, read
        self._places = unit_vectors(read.reports.latitude, read.reports.longitude)
        self._columns = columns_of(grid)
        self._terms = _terms(covariance.statistics)
        whole = [self._amplitude(k, slice(None)) for k in range(len(self._terms))]
        self._at = np.stack([read.of(a.reshape(covariance.state_shape)) for a in whole])

    @cached_property
    def deviation(self) -> Floats:
        """`sqrt(diag H B H')`, shape (n,)."""
        return np.sqrt(np.einsum("kn,k->n", self._at**2, _spectra(self._B).sum(1)))

    def product(self, u: Floats) -> Floats:
        """`H B H' u`, shape (n,)."""
        return self._read.of(self.increment(u))

    def increment(self, w: Floats) -> Tensor:
        """`B H' w`, shape of a state."""
        return self._B.product(self._read.operator.adjoint(torch.from_numpy(w)))

    def among(self, near: Ints) -> Floats:
        """`H B H'` among each row of `near`, from (m, k) to (m, k, k)."""
        place, total = self._places[near], np.zeros((*near.shape, near.shape[1]))
        for at, rho in zip(self._at, self._rho_at(place, place), strict=True):
            a = at[near]
            total += (a[:, :, None] * a[:, None]) * rho
        return total

    def cross(self, columns: slice, near: Ints) -> Floats:
        """`H B` of the observations near each of these columns, shape (m, k, channel)."""
        each = self._rho_at(self._places[near], self._columns[columns][:, None])
        found = np.zeros((*near.shape, self._grid.shape[0]))
        for r, rho in enumerate(each):
            here = self._amplitude(r, columns).numpy()
            found += self._at[r][near][..., None] * rho * here.T[:, None]
        return found

    def _amplitude(self, k: int, columns: slice) -> Tensor:
        """`a_k`, shape (channel, columns)."""
        s, (group, mode) = self._B.statistics, self._terms[k]
        D = s.deviation.flatten(1)[:, columns]
        row = torch.arange(len(self._columns))[columns] // s.deviation.shape[-1]
        a, at = torch.zeros_like(D), list(s.groups[group])
        a[at] = D[at] * s.modes[group][mode][:, None]
        if group == 0:
            for other, R in zip(s.groups, s.regression, strict=True):
                if R is not None:
                    a[list(other)] += R[:, mode][:, row]
        return self._B.amplitude * a

    @cached_property
    def _rho(self) -> Floats:
        """`rho_k` at even steps of the chord from 0 to 2, shape (modes, steps)."""
        weights = _spectra(self._B)
        x = 1.0 - 0.5 * np.linspace(0.0, 2.0, _TABLE * weights.shape[1] + 1) ** 2
        return np.asarray(np.polynomial.legendre.legval(x, weights.T))

    def _rho_at(self, one: Floats, other: Floats) -> Iterator[Floats]:
        """Of every mode between places, from (m, i, 3) and (m, j, 3) to (m, i, j)."""
        chord = np.sqrt(np.maximum(2.0 - 2.0 * (one @ other.swapaxes(1, 2)), 0.0))
        entry = np.rint(chord * (0.5 * (self._rho.shape[1] - 1))).astype(np.int32)
        return (rho.take(entry) for rho in self._rho)


def _terms(s: SpectralStatistics) -> list[tuple[int, int]]:
    """Group and mode of every row of the control."""
    return [(g, k) for g, E in enumerate(s.modes) for k in range(len(E))]


def _spectra(B: SpectralCovariance) -> Floats:
    """`(2 l + 1) p_k(l)`, shape (modes, T + 1)."""
    p = torch.cat(B.statistics.spectrum).double().numpy()
    return np.asarray(p * (2.0 * np.arange(p.shape[1]) + 1.0))


def _lengths(B: SpectralCovariance) -> Floats:
    """`sqrt(-2 rho / laplacian rho)` at distance 0, km, by channel.

    Reference: Daley (1991), Atmospheric Data Analysis, sec. 4.3.
    """
    s, weights = B.statistics, _spectra(B)
    degree = np.arange(weights.shape[1])
    power, bend = weights.sum(1), (weights * degree * (degree + 1)).sum(1)
    total = np.zeros((2, len(s.deviation)))
    size = s.deviation.square().mean((-2, -1)).numpy()
    for r, (group, mode) in enumerate(_terms(s)):
        share = np.zeros(total.shape[1])
        at = list(s.groups[group])
        share[at] = size[at] * s.modes[group][mode].square().numpy()
        if group == 0:
            for other, R in zip(s.groups, s.regression, strict=True):
                if R is not None:
                    share[list(other)] += R[:, mode].square().mean(-1).numpy()
        total += share * np.array([[power[r]], [bend[r]]])
    return np.asarray(np.sqrt(2.0 * total[0] / total[1]) * EARTH_RADIUS / 1000.0)


def _rescaled(
    B: SpectralCovariance, channels: Channels, wanted: Mapping[str, float]
) -> SpectralCovariance:
    """With the mean deviation that is wanted of some quantities."""
    s = B.statistics
    factor = torch.ones(len(s.deviation), dtype=s.deviation.dtype)
    mean = B.variance.mean((-2, -1)).sqrt()
    for c, item in enumerate(channels.items):
        value = of_quantity(wanted, item.quantity)
        factor[c] = 1.0 if value is None else value / float(mean[c])
    regression = tuple(
        None if R is None else R * factor[list(group)][:, None, None]
        for group, R in zip(s.groups, s.regression, strict=True)
    )
    deviation = s.deviation * factor[:, None, None]
    return replace(B, statistics=replace(s, deviation=deviation, regression=regression))


def _rank(name: str) -> int:
    return _SOURCES.index(name) if name in _SOURCES else len(_SOURCES)
