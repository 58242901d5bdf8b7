"""Optimal interpolation in the space of the observations with covariances that are sums of parts.

    B = sum_p w_p B_p,   x_a = x_c + B H' (H B H' + R)^-1 (y - H x_c)

A part is a static covariance, or that of samples tapered by horizontal distance: the first keeps
its long correlations, the second is free of what few samples say of places far apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from isopleth.core.protocols import Observed
from isopleth.inference.interpolation.shapes import GaspariCohn
from isopleth.inference.kalman import Sphere
from isopleth.inference.variational import SampleCovariance
from isopleth.inference.variational.readings import Readings
from isopleth.inference.variational.tangent import along

__all__ = ["Localised", "Part", "Seen", "Tapers", "Weighted", "blended", "tapers"]

Linear = Callable[[Tensor], Tensor]

_CHUNK = 256
"""Samples that are observed at once."""

_LOOPS = 4
"""Linearisations of a nonlinear operator."""


class Seen(Protocol):
    """`w B` as n observations see it."""

    @property
    def HBH(self) -> Tensor:  # noqa: N802 - the symbol of the page
        """`w H B H'`, shape (n, n), float64."""
        ...

    def increment(self, z: Tensor) -> Tensor:
        """`w B H' z`, from (n,) to `state`, float64."""
        ...


class Part(Protocol):
    """A covariance with its weight."""

    def cross(self, H: Linear, like: Tensor) -> Seen:
        """What H sees of it; `like` brings the precision of static parts."""
        ...


@dataclass(frozen=True, eq=False)
class Tapers:
    """Correlations that fall to 0, of columns and observations, by place: several share one.

    Attributes:
        near: Between columns and places, (columns, places).
        among: Between places, (places, places).
        place: Of every observation, (n,).
    """

    near: Tensor
    among: Tensor
    place: Tensor

    def to(self, like: Tensor) -> Tapers:
        """In the precision of a tensor."""
        return Tapers(self.near.to(like), self.among.to(like), self.place)


def tapers(globe: Sphere, position: np.ndarray, radius: float) -> Tapers:
    """The taper of Gaspari and Cohn that is 0 beyond a distance along the sphere.

    Reference: Gaspari and Cohn (1999), Q. J. R. Meteorol. Soc. 125, 723, eq. 4.10.

    Args:
        globe: The columns.
        position: Of the observations, degrees north and east, (n, 2).
        radius: Where it reaches 0, km.
    """
    places, of = np.unique(position, axis=0, return_inverse=True)
    lat, lon = np.radians(places[:, 0]), np.radians(places[:, 1])
    unit = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], 1)
    at = torch.from_numpy(globe.chordal_radius * unit)
    diameter = 2.0 * globe.chordal_radius
    reach = diameter * math.sin(min(radius / diameter, 0.5 * math.pi))

    def taper(other: Tensor) -> Tensor:
        chord = torch.cdist(other, at, compute_mode="donot_use_mm_for_euclid_dist")
        return torch.from_numpy(GaspariCohn()((chord / reach).numpy()))

    near, among = taper(torch.from_numpy(globe.places)), taper(at)
    return Tapers(near, among, torch.from_numpy(of.reshape(-1)))


@dataclass(frozen=True, eq=False)
class Localised:
    """`factor rho o (X' X)`: the covariance of samples, tapered by horizontal distance.

    Products are computed in the precision of X.

    Args:
        root: X, shape (k, channel, nlat, nlon).
        factor: Of the variance.
        taper: rho, at the places of the observations.
    """

    root: Tensor
    factor: float
    taper: Tapers

    def cross(self, H: Linear, like: Tensor) -> Seen:
        """What H sees of it."""
        rows = [H(part.to(like)).to(self.root) for part in self.root.split(_CHUNK)]
        return _TaperedSeen(self, torch.cat(rows))


class _TaperedSeen:
    def __init__(self, part: Localised, Y: Tensor) -> None:
        self._part, self._Y, self._taper = part, Y, part.taper.to(Y)

    @property
    def HBH(self) -> Tensor:  # noqa: N802 - the symbol of the page
        at = self._taper.place
        among = self._taper.among[at][:, at]
        return self._part.factor * (among * (self._Y.T @ self._Y)).double()

    def increment(self, z: Tensor) -> Tensor:
        X, taper = self._part.root, self._taper
        weight = X.new_zeros(len(X), taper.among.shape[0])
        weight.index_add_(1, taper.place, self._Y * z.to(X))
        local = (taper.near @ weight.T).T.unflatten(1, X.shape[2:])  # (k, nlat, nlon)
        whole = torch.zeros_like(X[0])
        for rows, by in zip(X.split(_CHUNK), local.split(_CHUNK), strict=True):
            whole = whole + torch.einsum("ncij,nij->cij", rows, by)
        return self._part.factor * whole.double()


@dataclass(frozen=True, eq=False)
class Weighted:
    """A static covariance of samples times a weight.

    Args:
        covariance: B.
        weight: w.
    """

    covariance: SampleCovariance
    weight: float

    def cross(self, H: Linear, like: Tensor) -> Seen:
        """What H sees of it."""
        return _WeightedSeen(self, H, like)


class _WeightedSeen:
    def __init__(self, part: Weighted, H: Linear, like: Tensor) -> None:
        self._weight, self._crossed = part.weight, part.covariance.cross(H, like)

    @property
    def HBH(self) -> Tensor:  # noqa: N802 - the symbol of the page
        return self._weight * self._crossed.HBH.double()

    def increment(self, z: Tensor) -> Tensor:
        return self._weight * self._crossed.increment(z[None])[0].double()


@torch.no_grad()
def blended(centre: Tensor, parts: Sequence[Part], seen: Sequence[Observed]) -> Tensor:
    """The analysis of one case, exact for linear operators; others are linearised anew 4 times.

    Args:
        centre: The first guess, shape `state`.
        parts: Of B.
        seen: Of the case.
    """
    read = Readings(seen, centre[None])
    H, y, R = read.case(0), read.values[0].double(), 1.0 / read.precision[0].double()
    at = centre
    for _ in range(1 if read.linear else _LOOPS):
        push = H if read.linear else partial(_tangent, H, at)
        crossed = [part.cross(push, centre) for part in parts]
        system = torch.diag(R)
        for part in crossed:
            system += part.HBH
        factor = torch.linalg.cholesky(system)
        d = y - H(at[None])[0].double() + push((at - centre)[None])[0].double()
        z = torch.cholesky_solve(d[:, None], factor)[:, 0]
        step = torch.stack([part.increment(z) for part in crossed]).sum(0)
        at = centre + step.to(centre)
    return at


def _tangent(H: Linear, at: Tensor, rows: Tensor) -> Tensor:
    return along(H, at.expand_as(rows), rows)
