"""SpectralFit: statistics of a control-variable transform from samples of background errors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.harmonics import Harmonics, area_weights
from isopleth.inference.variational.spectral import SpectralStatistics, check_groups

__all__ = ["SpectralFit"]

Floats = npt.NDArray[np.float64]

_CHUNK = 128
"""Samples in memory at once, in float64."""

_EMPTY = 1e-10
"""Vertical modes with less than this share of the first one's variance are left out."""

_RIDGE = 1e-6
"""Of the mean variance of the predictors, so that balance is always determined."""


@dataclass(frozen=True, kw_only=True)
class SpectralFit:
    """How a sample becomes `SpectralStatistics`: `fit(errors, latitude, longitude)`.

    1. Errors lose their mean and are divided by their standard deviation (by row and channel).
    2. The first group is described by its vertical EOFs; every other channel is regressed on
       their amplitudes, row by row (geostrophic balance changes sign with latitude).
    3. What balance leaves is described by the vertical EOFs of its group.
    4. Each amplitude has a power spectrum by total wavenumber, rescaled to the whole variance of
       the mode, also where the truncation leaves some out.

    5. The deviation is rescaled so that the diagonal of B is the variance of the first step.

    Rows pool their neighbours: Gaussian weights of width `band`, times area.
    Reference: Parrish and Derber (1992), Mon. Weather Rev. 120, 1747, for the NMC method; Derber
    and Bouttier (1999), Tellus A 51, 195; Berre (2000), Mon. Weather Rev. 128, 644.

    Args:
        groups: Channels that share vertical modes, each channel once; the first is the source of
            the balance, the streamfunction as a rule.
        truncation: Largest total wavenumber; about two thirds of the number of rows at most.
        modes: Most vertical modes a group, None = all.
        balance: Whether later groups are regressed on the first.
        band: Degrees of latitude over which rows are pooled; None = the whole globe.
        cells: Whether every cell has its own standard deviation, not every row: for large samples.

    Raises:
        InputError: If `modes` or `band` is not positive.
    """

    groups: tuple[tuple[int, ...], ...]
    truncation: int
    modes: int | None = None
    balance: bool = True
    band: float | None = 5.0
    cells: bool = False

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("modes", "band"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name} is {value}: give a positive number.")

    @torch.no_grad()
    def __call__(
        self, errors: Tensor, latitude: npt.ArrayLike, longitude: npt.ArrayLike
    ) -> SpectralStatistics:
        """The statistics.

        Args:
            errors: Background errors, or differences of two forecasts for one time (NMC), shape
                (n, channel, lat, lon), in their units.
            latitude: Degrees north, north to south.
            longitude: Degrees east, round the globe.

        Raises:
            InputError: If there are fewer than 2 samples, one is not finite, a channel never
                changes, the groups are no division of the channels, or as `Harmonics`.
        """
        harmonics = Harmonics(latitude, longitude, self.truncation)
        _check(errors, harmonics)
        check_groups(self.groups, errors.shape[1])
        rows = np.asarray(latitude, np.float64)
        area, pool = (
            torch.from_numpy(area_weights(rows)),
            torch.from_numpy(_pooling(rows, self.band)),
        )
        sample = _Sample(errors)
        first = self._scaled(sample, _Part(self.groups[0]), pool)
        E = self._vertical(sample, first, area)
        source = _Source(first, E)
        parts, modes = [first], [E]
        for group in self.groups[1:]:
            R = _regression(sample, group, source, pool) if self.balance else None
            parts.append(self._scaled(sample, _Part(group, source, R), pool))
            modes.append(self._vertical(sample, parts[-1], area))
        spectrum = [
            _spectrum(sample, harmonics, area, part, own)
            for part, own in zip(parts, modes, strict=True)
        ]
        return SpectralStatistics(
            harmonics=harmonics,
            groups=self.groups,
            deviation=_assembled(parts, modes, spectrum),
            modes=tuple(modes),
            spectrum=tuple(spectrum),
            regression=tuple(part.regression for part in parts),
        )

    def _scaled(self, sample: _Sample, part: _Part, pool: Tensor) -> _Part:
        """The same part with its standard deviation, shape (channels of the group, lat, lon)."""
        variance = sum((part.unbalanced(e).square().sum(0) for e in sample), torch.zeros(()))
        if not self.cells:
            pooled = torch.einsum("ij,cj->ci", pool, variance.mean(-1))
            variance = pooled[..., None].expand_as(variance)
        total = sum((e[:, list(part.group)].square().sum(0) for e in sample), torch.zeros(()))
        least = _EMPTY * total.mean((-2, -1))[:, None, None]
        still = torch.nonzero((variance <= least).flatten(1).any(1)).flatten().tolist()
        if still:
            raise InputError(
                f"channel {part.group[still[0]]} does not change in the samples somewhere, or "
                "follows from the first group: leave it out, or pool more rows."
            )
        return replace(part, deviation=variance.sqrt())

    def _vertical(self, sample: _Sample, part: _Part, area: Tensor) -> Tensor:
        """Leading vertical modes of a part, shape (k, channels of the group)."""
        C = torch.zeros(len(part.group), len(part.group), dtype=torch.float64)
        for e in sample:
            u = part(e)
            C += torch.einsum("ncij,i,ndij->cd", u, area, u) / u.shape[-1]
        values, vectors = torch.linalg.eigh(C)
        real = int((values > _EMPTY * values[-1]).sum())
        count = real if self.modes is None else min(self.modes, real)
        return vectors.flip(1)[:, :count].T.contiguous()


class _Sample:
    """Errors about their mean in chunks (n, channel, lat, lon), over `sqrt(count - 1)`."""

    def __init__(self, errors: Tensor) -> None:
        self._errors, self._mean = errors, errors.mean(0, dtype=torch.float64)

    def __iter__(self) -> Iterator[Tensor]:
        for chunk in self._errors.split(_CHUNK):
            yield (chunk.double() - self._mean) / math.sqrt(len(self._errors) - 1)


@dataclass(frozen=True, eq=False)
class _Source:
    """Amplitudes of the first group's modes, from errors of all channels."""

    part: _Part
    modes: Tensor

    def __call__(self, e: Tensor) -> Tensor:
        return torch.einsum("kc,ncij->nkij", self.modes, self.part(e))


@dataclass(frozen=True, eq=False)
class _Part:
    """A group's channels without what the source explains; called, in standard deviations."""

    group: tuple[int, ...]
    source: _Source | None = None
    regression: Tensor | None = None
    deviation: Tensor | None = None

    def unbalanced(self, e: Tensor) -> Tensor:
        u = e[:, list(self.group)]
        if self.source is None or self.regression is None:
            return u
        return u - torch.einsum("cki,nkij->ncij", self.regression, self.source(e))

    def __call__(self, e: Tensor) -> Tensor:
        assert self.deviation is not None
        return self.unbalanced(e) / self.deviation


def _regression(sample: _Sample, group: tuple[int, ...], source: _Source, pool: Tensor) -> Tensor:
    """Of the group's channels on the modes of the source, shape (channels, k, lat)."""
    k = len(source.modes)
    A = torch.zeros(len(pool), k, k, dtype=torch.float64)
    b = torch.zeros(len(pool), k, len(group), dtype=torch.float64)
    for e in sample:
        a = source(e)
        A += torch.einsum("nkij,nlij->ikl", a, a)
        b += torch.einsum("nkij,ncij->ikc", a, e[:, list(group)])
    A, b = torch.tensordot(pool, A, 1), torch.tensordot(pool, b, 1)
    ridge = _RIDGE * A.diagonal(dim1=1, dim2=2).mean(1)
    A = A + ridge[:, None, None] * torch.eye(k, dtype=A.dtype)
    return torch.linalg.solve(A, b).permute(2, 1, 0).contiguous()


def _spectrum(
    sample: _Sample, harmonics: Harmonics, area: Tensor, part: _Part, modes: Tensor
) -> Tensor:
    """Variance of a coefficient by mode and degree, carrying the variance of the mode."""
    power = torch.zeros(len(modes), harmonics.truncation + 1, dtype=torch.float64)
    variance = torch.zeros(len(modes), dtype=torch.float64)
    for e in sample:
        a = torch.einsum("kc,ncij->nkij", modes, part(e))
        power += harmonics.power(harmonics.analysis(a)).sum(0)
        variance += torch.einsum("nkij,i->k", a.square(), area) / a.shape[-1]
    return power / _degrees(power) * (variance / power.sum(1))[:, None]


def _assembled(parts: list[_Part], modes: list[Tensor], spectrum: list[Tensor]) -> Tensor:
    """Deviations of all channels, such that what modes and spectra say has them too."""
    channels = sum(len(part.group) for part in parts)
    rows: list[Tensor] = [torch.empty(0)] * channels
    for part, E, p in zip(parts, modes, spectrum, strict=True):
        assert part.deviation is not None
        implied = E.square().T @ (p * _degrees(p)).sum(1)
        scaled = part.deviation / implied.sqrt()[:, None, None]
        for channel, own in zip(part.group, scaled, strict=True):
            rows[channel] = own
    return torch.stack(rows)


def _degrees(spectrum: Tensor) -> Tensor:
    """Coefficients of each degree, `2 l + 1`."""
    return 2.0 * torch.arange(spectrum.shape[1], dtype=spectrum.dtype) + 1.0


def _pooling(latitude: Floats, band: float | None) -> Floats:
    """Weights of the rows (second axis) that each row pools; they sum to 1."""
    apart = latitude[:, None] - latitude[None, :]
    near = np.ones_like(apart) if band is None else np.exp(-0.5 * (apart / band) ** 2)
    weight = near * area_weights(latitude)
    return np.asarray(weight / weight.sum(1, keepdims=True))


def _check(errors: Tensor, harmonics: Harmonics) -> None:
    if errors.ndim != 4 or len(errors) < 2 or tuple(errors.shape[2:]) != harmonics.shape:
        raise InputError(
            f"errors of shape {tuple(errors.shape)} do not go with a grid of {harmonics.shape}: "
            "give at least 2, (n, channel, lat, lon)."
        )
    bad = torch.nonzero(~torch.isfinite(errors).flatten(1).all(1)).flatten().tolist()
    if bad:
        raise InputError(
            f"{len(bad)} of {len(errors)} errors are not finite, the first is number {bad[0]}: "
            "leave them out."
        )
