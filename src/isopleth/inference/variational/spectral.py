"""SpectralCovariance: vertical modes, horizontal spectra and balance as one root of B."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.harmonics import Harmonics
from isopleth.inference.variational.covariance import check_amplitude

__all__ = ["SpectralCovariance", "SpectralStatistics"]

_FLOOR = 1e-12
"""Share of the largest power below which a degree counts as empty when spectra are stretched."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SpectralStatistics:
    """What `SpectralFit` found in a sample of background errors.

    Args:
        harmonics: Of the grid.
        groups: Channels that share vertical modes, each channel in one group; balance comes from
            the first.
        deviation: Standard deviation of the unbalanced part, which is everything in the first
            group, unit of the channel, shape (channel, lat, lon).
        modes: For every group orthonormal vertical modes of the unbalanced part in units of its
            deviation, shape (k, channels of the group).
        spectrum: For every group the variance of each harmonic coefficient, by mode and degree,
            shape (k, T + 1).
        regression: For every group what a unit of each mode of the first group adds to its
            channels, in their units, by row, shape (channels of the group, k of the first, lat);
            None for the first and where there is no balance.

    Raises:
        InputError: If groups and shapes do not fit.
    """

    harmonics: Harmonics
    groups: tuple[tuple[int, ...], ...]
    deviation: Tensor
    modes: tuple[Tensor, ...]
    spectrum: tuple[Tensor, ...]
    regression: tuple[Tensor | None, ...]

    def __post_init__(self) -> None:
        """Check the groups and shapes."""
        check_groups(self.groups, len(self.deviation))
        degrees = self.harmonics.truncation + 1
        for group, E, p in zip(self.groups, self.modes, self.spectrum, strict=True):
            if E.shape[1] != len(group) or tuple(p.shape) != (len(E), degrees):
                raise InputError(
                    f"modes of shape {tuple(E.shape)} and spectra of shape {tuple(p.shape)} do "
                    f"not go with the {len(group)} channels {group} and {degrees} degrees: take "
                    "all from one fit."
                )


@dataclass(frozen=True, eq=False)
class SpectralCovariance:
    """`B = U U'` with `U = a U_balance D U_vertical U_horizontal`: a control-variable transform.

        U_horizontal: coefficients `sqrt(p_k(l)) v_klm` of every mode k, synthesised on the grid
        U_vertical:   channels `E' a` of every group
        D:            times their standard deviation in every cell
        U_balance:    to the channels of later groups, their regression on the modes of the first

    Horizontally homogeneous and isotropic but for D and the regression; of a mode k the
    correlation at an angle g is `sum_l (2l + 1) p_k(l) P_l(cos g)`, normalised.
    Reference: Derber and Bouttier (1999), Tellus A 51, 195; Bannister (2008), Q. J. R. Meteorol.
    Soc. 134, 1971.

    Args:
        statistics: From `SpectralFit`.
        amplitude: `a`, factor of the standard deviation, to be tuned; statistics of NMC
            differences need it.
        length: Factor of the correlation lengths, to be tuned: spectra are read at `length * l`
            and keep their variance, but for the global mean.

    Raises:
        InputError: If amplitude or length is not positive.
    """

    statistics: SpectralStatistics
    amplitude: float = 1.0
    length: float = 1.0

    def __post_init__(self) -> None:
        """Check the factors."""
        check_amplitude(self.amplitude)
        if not 0.0 < self.length < math.inf:
            raise InputError(f"length is {self.length}: give a positive number.")

    @property
    def state_shape(self) -> tuple[int, ...]:
        """(channel, lat, lon)."""
        return tuple(self.statistics.deviation.shape)

    @property
    def control_shape(self) -> tuple[int, int]:
        """(modes of all groups, harmonics)."""
        return sum(self._counts), self.statistics.harmonics.size

    @property
    def variance(self) -> Tensor:
        """Diagonal of `B`, shape `state`."""
        degrees = 2.0 * torch.arange(self._spectrum.shape[1]) + 1.0
        each = (self._spectrum * degrees.to(self._spectrum)).sum(1).split(self._counts)
        total = torch.zeros_like(self.statistics.deviation)
        D2 = self.statistics.deviation.square()
        for group, E, R, own in self._parts(list(each)):
            at = list(group)
            total[at] = D2[at] * (E.square().T @ own)[:, None, None]
            if R is not None:
                total[at] += torch.einsum("cki,k->ci", R.square(), each[0])[..., None]
        return self.amplitude**2 * total

    def sqrt(self, v: Tensor) -> Tensor:
        """`U v`, from `(..., modes, harmonics)` to `(..., channel, lat, lon)`."""
        s = self.statistics
        a = s.harmonics.synthesis(v * self._root.to(v)).split(self._counts, -3)
        x, D = v.new_zeros(*v.shape[:-2], *self.state_shape), s.deviation.to(v)
        for group, E, R, own in self._parts(list(a)):
            at = list(group)
            u = D[at] * torch.einsum("kc,...kij->...cij", E.to(v), own)
            if R is not None:
                u = u + torch.einsum("cki,...kij->...cij", R.to(v), a[0])
            x = x.index_add(-3, torch.tensor(at, device=v.device), u)
        return self.amplitude * x

    def sqrt_adjoint(self, x: Tensor) -> Tensor:
        """`U' x`, from `(..., channel, lat, lon)` to `(..., modes, harmonics)`."""
        s = self.statistics
        x = self.amplitude * x
        scaled = s.deviation.to(x) * x
        a = [
            torch.einsum("kc,...cij->...kij", E.to(x), scaled[..., list(group), :, :])
            for group, E in zip(s.groups, s.modes, strict=True)
        ]
        for group, R in zip(s.groups, s.regression, strict=True):
            if R is not None:
                u = x[..., list(group), :, :]
                a[0] = a[0] + torch.einsum("cki,...cij->...kij", R.to(x), u)
        return s.harmonics.adjoint(torch.cat(a, -3)) * self._root.to(x)

    def product(self, x: Tensor) -> Tensor:
        """`B x`, shape of x."""
        return self.sqrt(self.sqrt_adjoint(x))

    def scaled(self, amplitude: float, length: float | None = None) -> SpectralCovariance:
        """The same statistics with other factors."""
        return replace(self, amplitude=amplitude, length=self.length if length is None else length)

    @property
    def _counts(self) -> list[int]:
        return [len(E) for E in self.statistics.modes]

    @cached_property
    def _spectrum(self) -> Tensor:
        """Of all groups, stretched, (modes, T + 1)."""
        p = torch.cat(self.statistics.spectrum)
        return p if self.length == 1.0 else stretched(p, self.length)

    @cached_property
    def _root(self) -> Tensor:
        """Standard deviation of every coefficient, shape of the control."""
        return self._spectrum.sqrt()[:, self.statistics.harmonics.degree]

    def _parts(
        self, own: list[Tensor]
    ) -> list[tuple[tuple[int, ...], Tensor, Tensor | None, Tensor]]:
        s = self.statistics
        return list(zip(s.groups, s.modes, s.regression, own, strict=True))


def stretched(spectrum: Tensor, length: float) -> Tensor:
    """Spectra of fields whose lengths are so many times longer, with the same variance.

    `q(l) ~ p(length l)`, interpolated linearly in log p over log l, continued by the slope of the
    last third beyond the truncation; degree 0 stays as it is.

    Args:
        spectrum: `p`, variance of a coefficient by degree, shape (k, T + 1).
        length: Factor, positive.

    >>> p = torch.tensor([[0.0, 1.0, 0.25, 0.1111, 0.0625]])             # l^-2
    >>> stretched(p, 2.0)[0, 1:] / stretched(p, 2.0)[0, 1]
    tensor([1.0000, 0.2500, 0.1111, 0.0625])
    """
    T = spectrum.shape[1] - 1
    if T < 2:
        return spectrum
    degree = torch.arange(1, T + 1, dtype=torch.float64)
    p = spectrum[:, 1:].double()
    logp = p.clamp_min(_FLOOR * float(p.max())).log()
    at = (length * degree).clamp_min(1.0)
    below = at.floor().long().clamp(1, T - 1)
    low, high = below.double(), below.double() + 1.0
    share = ((at.log() - low.log()) / (high.log() - low.log())).clamp_max(1.0)
    inside = (1.0 - share) * logp[:, below - 1] + share * logp[:, below]
    third = max(T - max(T // 3, 1), 1)
    slope = (logp[:, -1:] - logp[:, third - 1 : third]) / math.log(T / third)
    beyond = slope.clamp_max(0.0) * (at.log() - math.log(T)).clamp_min(0.0)
    q = (inside + beyond).exp()
    weight = 2.0 * degree + 1.0
    q = q * ((weight * p).sum(1) / (weight * q).sum(1))[:, None]
    return torch.cat([spectrum[:, :1], q.to(spectrum)], 1)


def check_groups(groups: tuple[tuple[int, ...], ...], channels: int) -> None:
    """Refuse groups that are no partition of the channels.

    Raises:
        InputError: If a channel is missing, named twice or does not exist.
    """
    named = sorted(channel for group in groups for channel in group)
    if named != list(range(channels)) or not all(groups):
        raise InputError(
            f"the groups {groups} are no division of {channels} channels: name each of 0 to "
            f"{channels - 1} once."
        )
