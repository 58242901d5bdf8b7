"""DiffDA: RePaint of increments around a background, with a soft mask.

Lone cells are too little for a network to notice, so what was seen is spread twice:

    known  = x_b + sum_i k(x, x_i) [ (K + nu)^-1 (y - x_b) ]_i,   k = exp(-distance / length)
    w      = max_i exp(-(di^2 + (dj (cos(lat) + 0.05))^2) / (2 blur^2)),   di, dj in cells

and then fused at every step, with jumps, by `LatentRePaint`; of a prior given x_b whose latents
are increments, `z = (x - x_b) / spread`, it is the published method.
What differs from the published program: increments are interpolated instead of anomalies from a
climatology, so that far from any observation `known` is x_b; the mask is joined across the seam of
longitude; the prior may live in the latent space of a codec.
Reference: Huang, Gianinazzi, Yu, Dueben and Hoefler (2024), arXiv:2401.05932, and its program
for the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.grid import EARTH_RADIUS, Grid
from isopleth.inference.latent_repaint import LatentRePaint
from isopleth.priors.samplers import Sampler

__all__ = ["DiffDA"]

Map = Callable[[Tensor], Tensor]

_POLE = 0.05
"""What is added to cos(lat), so that the mask of a cell at a pole does not span all longitudes."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DiffDA:
    """Settings; a call wraps a sampler of latents, which is DDIM with 300 steps as published.

    Args:
        grid: Of the states.
        blur: Width of the soft mask around a seen cell, in cells.
        length: E-folding distance of the interpolated increments, m.
        nugget: `nu`, variance of the observations' errors over that of the background's, > 0.
        resampling: How often each stretch is walked.
        jump: Its steps.

    Raises:
        InputError: If a setting is not positive.
    """

    grid: Grid
    blur: float = 1.5
    length: float = 600e3
    nugget: float = 0.01
    resampling: int = 10
    jump: int = 10

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("blur", "length", "nugget", "resampling", "jump"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}: give a positive number.")

    def __call__(
        self,
        sampler: Sampler,
        background: Tensor,
        cells: Tensor,
        seen: Tensor,
        *,
        encode: Map,
        decode: Map,
    ) -> LatentRePaint:
        """The sampler given what was seen of every case.

        Args:
            sampler: Of the prior given x_b.
            background: `x_b`, shape (C, level, lat, lon).
            cells: `y` where seen, anything elsewhere; same shape.
            seen: True = observed, same shape.
            encode: As for `LatentRePaint`.
            decode: As for `LatentRePaint`.

        Raises:
            InputError: If shapes differ, are not those of the grid, or a seen value is missing.
        """
        return LatentRePaint(
            sampler=sampler,
            known=self.known(background, cells, seen),
            weight=self.weight(seen).to(background),
            encode=encode,
            decode=decode,
            resampling=self.resampling,
            jump=self.jump,
        )

    def known(self, background: Tensor, cells: Tensor, seen: Tensor) -> Tensor:
        """The background plus the interpolated increments, each level by itself; (C, *state).

        Raises:
            InputError: As the call.
        """
        self._check(background, cells, seen)
        increment = torch.zeros_like(background, dtype=torch.float64)
        for row, level in np.ndindex(*seen.shape[:2]):
            at = seen[row, level].flatten().nonzero().flatten()
            if len(at):
                apart = (cells[row, level] - background[row, level]).flatten()[at].double()
                increment[row, level] = self._spread(at, apart).reshape(seen.shape[2:])
        return background + increment.to(background)

    def weight(self, seen: Tensor) -> Tensor:
        """The soft mask, 1 where seen; (C, *state), float64.

        Raises:
            InputError: If the shape is not that of the grid.
        """
        self._check(seen, seen, seen)
        width = seen.shape[-1]
        row, column = torch.meshgrid(*(torch.arange(n) for n in seen.shape[2:]), indexing="ij")
        narrow = torch.from_numpy(np.cos(np.radians(self.grid.latitude)))[:, None] + _POLE
        soft = torch.zeros(seen.shape, dtype=torch.float64, device=seen.device)
        for case, level in np.ndindex(*seen.shape[:2]):
            for i, j in seen[case, level].nonzero().tolist():
                dj = (column - j).abs()
                if self.grid.periodic:
                    dj = torch.minimum(dj, width - dj)
                square = (row - i).square() + (dj * narrow).square()
                bell = torch.exp(-square / (2.0 * self.blur**2)).to(soft)
                soft[case, level] = torch.maximum(soft[case, level], bell)
        return soft

    def _spread(self, at: Tensor, apart: Tensor) -> Tensor:
        """Simple kriging of numbers in cells `at`, (n,), to all cells, (lat lon,)."""
        points = self._positions.to(apart)
        k = torch.exp(-_arc(points, points[at]) / self.length)
        K = k[at] + self.nugget * torch.eye(len(at)).to(apart)
        return k @ torch.linalg.solve(K, apart)

    @cached_property
    def _positions(self) -> Tensor:
        """Cells on the unit sphere, (lat lon, 3)."""
        lat, lon = np.meshgrid(
            np.radians(self.grid.latitude), np.radians(self.grid.longitude), indexing="ij"
        )
        axes = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
        return torch.from_numpy(np.stack(axes, -1).reshape(-1, 3))

    def _check(self, background: Tensor, cells: Tensor, seen: Tensor) -> None:
        shapes = {tuple(t.shape) for t in (background, cells, seen)}
        if len(shapes) > 1 or background.ndim != 4 or background.shape[2:] != self.grid.shape[1:]:
            raise InputError(
                f"states, cells and flags of shapes {sorted(shapes)} are not (case, level, "
                f"{', '.join(map(str, self.grid.shape[1:]))}): bring all to the grid."
            )
        if cells.is_floating_point() and not torch.isfinite(cells[seen]).all():
            raise InputError("a seen cell has no finite value: take it out of `seen`.")


def _arc(a: Tensor, b: Tensor) -> Tensor:
    """Great-circle distances of unit vectors, (m, n), m."""
    half = (torch.cdist(a, b) / 2.0).clamp_max(1.0)
    return 2.0 * EARTH_RADIUS * torch.asin(half).clamp_max(math.pi / 2.0)
