"""Covariances as products `v -> B v`: of an ensemble, tapered with distance, without a matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.interpolation.shapes import GaspariCohn, Shape
from isopleth.inference.kalman.geometry import PeriodicLine, Sphere
from isopleth.inference.kalman.predicted import check_members
from isopleth.inference.variational.covariance import Covariance

__all__ = ["Correlation", "Covariance", "EnsembleCovariance", "Tapered"]

_MOST_POINTS = 1 << 13
"""Points of a dense matrix: 512 MiB of float64."""


class Correlation(Covariance, Protocol):
    """A covariance with ones on its diagonal, of the last axes of a state."""

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The axes it acts on, the horizontal ones as a rule."""
        ...


@dataclass(frozen=True, eq=False)
class EnsembleCovariance:
    """`rho o P`: the sample covariance of members, tapered by a correlation `rho`.

        B v = 1 / (N - 1) sum_i x_i' o rho (x_i' o v)

    with `o` the product element by element; no matrix is built. Where `rho` is horizontal, levels
    and variables of a column share it: their sample covariances stay whole.
    Reference: Lorenc (2003), Q. J. R. Meteorol. Soc. 129, 3183, sec. 4.

    Args:
        members: Shape (N, *state).
        localisation: `rho`, on the state or its last axes; None = 1 everywhere.

    Raises:
        InputError: If there are fewer than 2 members or one is not finite.
    """

    members: Tensor
    localisation: Correlation | None = None

    def __post_init__(self) -> None:
        """Check the members."""
        check_members(self.members)

    def product(self, v: Tensor) -> Tensor:
        """`B v`, shape of v, `(..., *state)`."""
        rho = self.localisation
        kept = 0 if rho is None else len(rho.state_shape)
        shared = tuple(range(1 - self.members.ndim, -kept))
        result = torch.zeros_like(v)
        for deviation in (self.members - self.members.mean(0)).to(v):
            inner = deviation * v
            if shared:
                inner = inner.sum(shared, keepdim=True)
            result = result + deviation * (inner if rho is None else rho.product(inner))
        return result / (len(self.members) - 1)


@dataclass(frozen=True, eq=False)
class Tapered:
    """The correlation `rho(chord / chord of the radius)` between all points of a geometry.

    Straight-line distances keep it positive definite (Gaspari and Cohn 1999, Q. J. R. Meteorol.
    Soc. 125, 723, sec. 4); it is zero from the radius on. The matrix is dense.

    Args:
        geometry: Of the last axes of the state.
        radius: Unit of the geometry, km on the sphere.
        taper: Of scaled distance, the polynomial of Gaspari and Cohn by default.

    Raises:
        InputError: If `radius` is not positive and finite, or there are too many points for a
            dense matrix.

    >>> Tapered(PeriodicLine(8), 2.0).matrix[0].gt(0).tolist()
    [True, True, False, False, False, False, False, True]
    """

    geometry: PeriodicLine | Sphere
    radius: float
    taper: Shape = field(default_factory=GaspariCohn)
    matrix: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Compute the matrix."""
        count = math.prod(self.geometry.shape)
        if count > _MOST_POINTS:
            raise InputError(
                f"{count} points make too large a matrix: give a correlation whose product is "
                "computed, such as a spectral one."
            )
        if not 0 < self.radius < math.inf:
            raise InputError(f"radius is {self.radius}: give a positive number.")
        diameter = 2.0 * self.geometry.chordal_radius
        place = torch.from_numpy(self.geometry.places)
        # The straight differences: matrix products would lose the digits of small distances.
        chord = torch.cdist(place, place, compute_mode="donot_use_mm_for_euclid_dist")
        reach = diameter * math.sin(min(self.radius / diameter, 0.5 * math.pi))
        rho = torch.from_numpy(self.taper((chord / reach).numpy()))
        object.__setattr__(self, "matrix", 0.5 * (rho + rho.T))

    @property
    def state_shape(self) -> tuple[int, ...]:
        """That of the geometry."""
        return self.geometry.shape

    def product(self, x: Tensor) -> Tensor:
        """`rho x`, shape of x, `(..., *state_shape)`; axes before them are independent."""
        flat = x.flatten(x.ndim - len(self.state_shape))
        return (flat @ self.matrix.to(x)).reshape(x.shape)
