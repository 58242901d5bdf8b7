"""Truncated: a fine world stepped by a coarse one, for cheap derivatives."""

from __future__ import annotations

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.sphere import Sphere
from isopleth.dynamics.quasigeostrophic import QuasiGeostrophic
from isopleth.dynamics.rollout import Dynamics

__all__ = ["Truncated"]


class Truncated:
    """`z + P' (M_c(P z) - P z)`: the coarse world moves the large scales, the small ones stay.

    P keeps the coefficients of degrees up to the coarse truncation. States are those of the fine
    world, so that it can stand in for it where only derivatives are wanted: the inner loops of
    multi-incremental 4D-Var.
    Reference: Veerse and Thepaut (1998), Q. J. R. Meteorol. Soc. 124, 1889.

    Args:
        fine: Whose states are stepped, (..., 3, (T + 1)^2).
        coarse: Of a smaller truncation.
        dynamics: What steps the coarse states, `Repeated(coarse, ...)` say; `coarse` by default.

    Raises:
        InputError: If the coarse truncation is not smaller.
    """

    def __init__(
        self, fine: QuasiGeostrophic, coarse: QuasiGeostrophic, dynamics: Dynamics | None = None
    ) -> None:
        large, small = fine.sphere, coarse.sphere
        if small.truncation >= large.truncation:
            raise InputError(
                f"truncation {small.truncation} is not coarser than {large.truncation}: swap them."
            )
        self._dynamics = dynamics or coarse
        self.step_seconds = self._dynamics.step_seconds
        where = {key: k for k, key in enumerate(_harmonics(large))}
        self._kept = torch.tensor([where[key] for key in _harmonics(small)])

    def step(self, z: Tensor) -> Tensor:
        """The state one step later, shape of z."""
        kept = self._kept.to(z.device)
        first = z[..., kept]
        return z.index_add(-1, kept, self._dynamics.step(first) - first)


def _harmonics(sphere: Sphere) -> list[tuple[int, int, bool]]:
    columns = (sphere.degree.tolist(), sphere.order.tolist(), sphere.is_sine.tolist())
    return list(zip(*columns, strict=True))
