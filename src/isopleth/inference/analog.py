"""Analogs: the stored states that agree best with the observations, place by place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid

__all__ = ["Analog", "Analogs"]

_COLUMNS = 2048
"""Columns of the grid that are estimated at once: bounds the memory."""

_FLOOR = 1e-12
"""Least mean squared misfit, in units of x squared: an exact analog gets all of the weight."""


@dataclass(frozen=True)
class Analogs:
    """Weighted mean of the analogs and their variance about it, each `(level, lat, lon)`."""

    mean: Tensor
    variance: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Analog:
    """Mean of the `k` stored states that fit the observations around each column best.

        D_j(s) = sum_i g(|s - s_i| / r) (y_i - x_j(i))^2 / sum_i g,     g(d) = exp(-d^2 / 2)
        m(s) = sum_j w_j x_j(s),   w_j = exp(-D_j / (h D_1)) over the k smallest D_j, normalised

    Distances are chords; an infinite `r` compares whole oceans and gives every column the same
    analogs. `D_1` is the smallest of a column. Where no observation is within reach of `g` the
    nearest ones decide.
    Reference: Lorenz (1969), J. Atmos. Sci. 26, 636; as a filler of gaps Tandeo et al. (2015),
    Machine Learning and Data Mining Approaches to Climate Science, 3.

    Args:
        grid: Where the states live.
        members: `x_j`, shape `(n, level, lat, lon)`, anomalies; not looked at on land.
        neighbours: `k`.
        radius_km: `r`, km; may be infinite.
        sharpness: `h`: small values trust the best analog alone.

    Raises:
        InputError: If the members do not fit the grid or a setting is not positive.
    """

    grid: Grid
    members: Tensor
    neighbours: int = 20
    radius_km: float = 1000.0
    sharpness: float = 0.5

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        if self.members.ndim != 4 or tuple(self.members.shape[1:]) != self.grid.shape:
            raise InputError(
                f"the members have shape {tuple(self.members.shape)} on a grid of "
                f"{self.grid.shape}: give one or more states of its levels, rows and columns."
            )
        for name in ("neighbours", "radius_km", "sharpness"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}: give a positive number.")

    def __call__(self, values: Tensor, seen: Tensor) -> Analogs:
        """Estimate every ocean cell; 0 on land.

        Args:
            values: `y`, shape `(level, lat, lon)`, in the unit of the members.
            seen: True where `y` counts, same shape.

        Raises:
            InputError: If a shape differs from the grid's or nothing is seen.
        """
        if tuple(values.shape) != self.grid.shape or tuple(seen.shape) != self.grid.shape:
            raise InputError(
                f"values of shape {tuple(values.shape)} and flags of {tuple(seen.shape)} do not "
                f"lie on a grid of {self.grid.shape}: give one of each for every cell."
            )
        mask = torch.as_tensor(self.grid.mask.copy())
        seen = seen & mask
        if not seen.any():
            raise InputError("no ocean cell is seen: an analog needs an observation.")
        where = seen.flatten(1).any(0).nonzero()[:, 0]
        misfit, count = self._misfit(values, seen, where)
        columns = mask.flatten(1).any(0).nonzero()[:, 0]
        place = _positions_km(self.grid)
        x = self.members.flatten(2)
        result = values.new_zeros(2, *values.flatten(1).shape)
        for part in columns.split(_COLUMNS):
            D = _local_misfit(place[part], place[where], misfit, count, self.radius_km)
            result[:, :, part] = self._weighted(D, x, part)
        mean, variance = result.reshape(2, *values.shape)
        return Analogs(torch.where(mask, mean, 0.0), torch.where(mask, variance, 0.0))

    def _misfit(self, values: Tensor, seen: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
        """Squared misfit of the members summed over levels, `(columns, n)`, and how many."""
        use = seen.flatten(1)[:, where]
        y = values.flatten(1)[:, where]
        total = self.members.new_zeros(len(where), len(self.members))
        for level in range(len(use)):
            apart = torch.where(
                use[level], self.members[:, level].flatten(1)[:, where] - y[level], 0.0
            )
            total += apart.square().T
        return total, use.sum(0).to(total)

    def _weighted(self, D: Tensor, x: Tensor, part: Tensor) -> Tensor:
        """Mean and variance at `p` columns, shape `(2, level, p)`, from misfits `(p, n)`."""
        nearest, which = D.topk(min(self.neighbours, D.shape[1]), dim=1, largest=False)
        nearest = nearest.clamp(min=_FLOOR)
        w = torch.softmax(-nearest / (self.sharpness * nearest[:, :1]), dim=1)
        chosen = x[which, :, part[:, None]]
        mean = torch.einsum("pk,pkl->lp", w, chosen)
        square = (chosen - mean.T[:, None]).square()
        return torch.stack([mean, torch.einsum("pk,pkl->lp", w, square)])


def _local_misfit(
    places: Tensor, observed: Tensor, misfit: Tensor, count: Tensor, radius_km: float
) -> Tensor:
    """`D`, shape `(p, n)`; the exponent is shifted: the nearest observation has weight 1."""
    exponent = 0.5 * torch.cdist(places, observed).square() / radius_km**2
    g = torch.exp(exponent.amin(1, keepdim=True) - exponent)
    return (g @ misfit) / (g @ count)[:, None]


def _positions_km(grid: Grid) -> Tensor:
    """Columns of the grid in km from the Earth's centre, shape `(lat * lon, 3)`."""
    latitude = torch.deg2rad(torch.as_tensor(grid.latitude.copy()))[:, None]
    longitude = torch.deg2rad(torch.as_tensor(grid.longitude.copy()))[None, :]
    parts = (
        latitude.cos() * longitude.cos(),
        latitude.cos() * longitude.sin(),
        latitude.sin().expand(latitude.shape[0], longitude.shape[1]),
    )
    return (EARTH_RADIUS / 1000.0 * torch.stack([part.flatten() for part in parts], 1)).float()
