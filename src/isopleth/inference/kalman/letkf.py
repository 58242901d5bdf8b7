"""LETKF: the local ensemble transform Kalman filter, all local domains in batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed
from isopleth.inference.interpolation.shapes import GaspariCohn, Shape
from isopleth.inference.kalman.geometry import Floats, Geometry, Ints
from isopleth.inference.kalman.located import positions
from isopleth.inference.kalman.predicted import Predicted
from isopleth.inference.kalman.transform import ensemble_transform

__all__ = ["LETKF"]


@dataclass(frozen=True, eq=False, kw_only=True)
class LETKF:
    """An ensemble transform at every point, from the observations near it.

        R^-1 <- R^-1 rho(distance / radius)

    so that an observation counts less with distance and not at all beyond the radius. All levels
    and variables of a column share its weights. A column without an observation in reach keeps its
    members bit for bit. The answer does not depend on the order of the observations or the size of
    the batches (but for rounding).
    Reference: Hunt, Kostelich and Szunyogh (2007), Physica D 230, 112; tapering R after Greybush
    et al. (2011), Mon. Weather Rev. 139, 511.

    Args:
        geometry: Distances between observations and the last axes of the state.
        radius: Distance at which the weight reaches zero, in the geometry's unit (km on the
            sphere); infinite = every observation counts fully (the ETKF).
        taper: `rho` of distance over radius, the polynomial of Gaspari and Cohn by default.
        numbers: About the most float64 numbers in memory at once; 2^24 are 128 MiB.

    Raises:
        InputError: If `radius` or `numbers` is not positive.
    """

    geometry: Geometry
    radius: float
    taper: Shape = field(default_factory=GaspariCohn)
    numbers: int = 1 << 24

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("radius", "numbers"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}: give a positive number.")

    @torch.no_grad()
    def __call__(self, background: Tensor, observations: Sequence[Observed]) -> Tensor:
        """Members of `x | y`, shape and precision of the background, `(N, *state)`.

        Args:
            background: `(N, ..., *geometry.shape)`.
            observations: Each with a `position` (see `Located`).

        Raises:
            InputError: As `Predicted.of`, or if the state does not end in the geometry's shape, or
                an observation has no position.
        """
        self._check(background)
        seen = Predicted.of(background, observations)
        if not len(seen.values):
            return background
        near = self.geometry.search(positions(observations), self.radius)
        flat = background.reshape(len(background), -1, math.prod(self.geometry.shape))
        result = flat.clone()
        mean = flat.mean(0)
        S, z = seen.scaled_anomalies.T, seen.scaled_innovation
        for columns in self._batches(near.counts, flat.shape[0], flat.shape[1]):
            at = torch.from_numpy(columns).to(flat.device)
            T = self._transforms(*near(columns), S, z).to(flat)
            there = mean[:, at]
            deviations = (flat[:, :, at] - there).permute(2, 1, 0)
            result[:, :, at] = there + (deviations @ T).permute(2, 1, 0)
        return result.reshape(background.shape)

    def _transforms(self, item: Ints, distance: Floats, S: Tensor, z: Tensor) -> Tensor:
        """Weights of the deviations, shape (k, N, N); `S` (p, N) and `z` (p,) are scaled."""
        rho = np.where(item < 0, 0.0, self.taper(np.where(item < 0, 0.0, distance) / self.radius))
        root = torch.from_numpy(np.sqrt(rho)).to(S)
        at = torch.from_numpy(np.maximum(item, 0)).to(root.device)
        near = S[at] * root[..., None]
        innovation = (z[at] * root)[..., None]
        return ensemble_transform(near.mT @ near, (near.mT @ innovation)[..., 0])

    def _batches(self, counts: Ints, members: int, variables: int) -> Iterator[Ints]:
        """Columns with observations, those with about as many together."""
        order = np.argsort(-counts, kind="stable")
        order = order[: int((counts > 0).sum())]
        start = 0
        while start < len(order):
            most = int(counts[order[start]])
            cost = most * (2 * members + 6) + 6 * members**2 + 4 * members * variables
            size = max(1, self.numbers // cost)
            yield order[start : start + size]
            start += size

    def _check(self, background: Tensor) -> None:
        shape = self.geometry.shape
        if background.ndim <= len(shape) or tuple(background.shape[-len(shape) :]) != shape:
            raise InputError(
                f"members of shape {tuple(background.shape)} do not end in {shape}, as the "
                "geometry does: give (member, ..., *shape) on the same grid."
            )
