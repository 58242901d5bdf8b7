"""Correlation shapes: how likeness falls with scaled distance, as small frozen objects.

Every shape is positive definite in three dimensions, so with chordal distances (straight lines
through the Earth) it is valid on the whole sphere; a Gaussian of great-circle distance is not
(Gneiting 2013, Bernoulli 19, 1327).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import gamma, kv

from isopleth.core.errors import InputError
from isopleth.inference.interpolation.scattered import Array

__all__ = ["Exponential", "GaspariCohn", "Gaussian", "Matern", "Shape"]


class Shape(Protocol):
    """`rho(r)`: 1 at `r = 0`, falling; any callable of scaled distance that is a correlation."""

    def __call__(self, r: Array) -> Array:
        """The correlation at `r >= 0`, of any shape."""
        ...


@dataclass(frozen=True)
class Exponential:
    """`rho = exp(-r)`: continuous fields without a slope.

    >>> Exponential()(np.array([0.0, 1.0])).round(3).tolist()
    [1.0, 0.368]
    """

    def __call__(self, r: Array) -> Array:
        """The correlation at `r >= 0`."""
        return np.asarray(np.exp(-r))


@dataclass(frozen=True)
class Gaussian:
    """`rho = exp(-r^2)`: infinitely smooth fields; systems of close samples are ill-conditioned.

    >>> Gaussian()(np.array([0.0, 2.0])).round(3).tolist()
    [1.0, 0.018]
    """

    def __call__(self, r: Array) -> Array:
        """The correlation at `r >= 0`."""
        return np.asarray(np.exp(-np.square(r)))


@dataclass(frozen=True)
class Matern:
    """`rho = 2^(1-nu) / Gamma(nu) s^nu K_nu(s)` with `s = sqrt(2 nu) r` (Stein 1999).

    Args:
        nu: Smoothness: 1/2 is the exponential, 3/2 has a slope, 5/2 a curvature.

    Raises:
        InputError: If `nu` is not within 0.1 and 10.

    >>> float(Matern(1.5)(np.array(1.0)).round(3)), float(Matern(0.5)(np.array(1.0)).round(3))
    (0.483, 0.368)
    """

    nu: float = 1.5

    def __post_init__(self) -> None:
        """Refuse a smoothness that the Bessel function cannot follow."""
        if not 0.1 <= self.nu <= 10.0:
            raise InputError(f"the smoothness nu is {self.nu}: give 0.1 to 10.")

    def __call__(self, r: Array) -> Array:
        """The correlation at `r >= 0`."""
        s = math.sqrt(2.0 * self.nu) * np.asarray(r, np.float64)
        if self.nu == 0.5:
            return np.asarray(np.exp(-s))
        if self.nu == 1.5:
            return np.asarray((1.0 + s) * np.exp(-s))
        if self.nu == 2.5:
            return np.asarray((1.0 + s + s * s / 3.0) * np.exp(-s))
        positive = np.maximum(s, 1e-10)  # K_nu is infinite at 0, where rho is 1
        rho = 2.0 ** (1.0 - self.nu) / gamma(self.nu) * positive**self.nu * kv(self.nu, positive)
        return np.asarray(np.where(s < 1e-10, 1.0, rho))


@dataclass(frozen=True)
class GaspariCohn:
    """The fifth-order polynomial of compact support: 1 at `r = 0`, exactly 0 from `r = 1`.

    With `z = 2 r`: `1 - 5/3 z^2 + 5/8 z^3 + 1/2 z^4 - 1/4 z^5` for `z <= 1`, then
    `4 - 5 z + 5/3 z^2 + 5/8 z^3 - 1/2 z^4 + 1/12 z^5 - 2/(3 z)` to `z = 2`.
    Reference: Gaspari and Cohn (1999), Q. J. R. Meteorol. Soc. 125, 723, eq. 4.10.

    >>> GaspariCohn()(np.array([0.0, 0.5, 1.0, 7.0])).round(4).tolist()
    [1.0, 0.2083, 0.0, 0.0]
    """

    def __call__(self, r: Array) -> Array:
        """The correlation at `r >= 0`."""
        z = np.clip(2.0 * np.asarray(r, np.float64), 0.0, 2.0)
        near = 1.0 + z**2 * (-5 / 3 + z * (5 / 8 + z * (1 / 2 - z / 4)))
        far_z = np.maximum(z, 1.0)
        far = 4.0 + far_z * (
            -5.0 + far_z * (5 / 3 + far_z * (5 / 8 + far_z * (-1 / 2 + far_z / 12)))
        )
        return np.asarray(np.where(z <= 1.0, near, np.maximum(far - 2 / (3 * far_z), 0.0)))
