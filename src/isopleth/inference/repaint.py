"""RePaint: after every step the seen cells are put back, at the noise level of that step.

    x' = step(x),   x'[seen] = y + sigma' n

The rest of the field did not know of y when the step was taken, so each step is repeated: noise
carries x' back to the level it came from, and the step is taken again, in harmony with y.
Reference: Lugmayr, Danelljan, Romero, Yu, Timofte and Van Gool (2022), CVPR, arXiv:2201.09865,
algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.jumps import Jumps
from isopleth.priors.samplers import Noise, Step, Wrapped

__all__ = ["RePaint"]


@dataclass(frozen=True, eq=False)
class RePaint(Wrapped):
    """A sampler conditioned on cells: `(noise, shape) -> (members, level, lat, lon)`.

    The seen cells come out as they were given, whatever their errors. A multistep sampler takes
    its first-order step. Evaluations: `resampling` times the sampler's own, less the last step.

    Args:
        sampler: Of the prior.
        cells: `y` in the space of x, `(level, lat, lon)`, or with a leading axis: one a member.
            Not looked at where not seen.
        seen: True = observed, shape of `cells`.
        resampling: How often each step is taken, 1 = no resampling.
        jump: Steps that are taken again together.

    Raises:
        InputError: If `resampling` or `jump` is not positive, shapes differ or a seen value is
            missing.
    """

    cells: Tensor
    seen: Tensor
    resampling: int = 10
    jump: int = 1

    def __post_init__(self) -> None:
        """Check the settings and the values."""
        self._jumps()
        if self.cells.shape != self.seen.shape:
            raise InputError(
                f"the cells have shape {tuple(self.cells.shape)} and the flags "
                f"{tuple(self.seen.shape)}: give one flag for every cell."
            )
        if not torch.isfinite(self.cells[self.seen]).all():
            raise InputError("a seen cell has no finite value: take it out of `seen`.")
        super().__post_init__()

    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """The sampler's step, once, and the seen cells put back."""
        x = self.sampler.step(x, sigma, sigma_next, noise)
        y = self.cells.to(x)
        known = y + sigma_next * noise(x.shape[1:]) if sigma_next > 0.0 else y
        return torch.where(self.seen.to(x.device), known, x)

    def begin(self) -> Step:
        """The steps of one run, each taken `resampling` times."""
        return self._jumps().over(self.step, self.sigmas)

    def _jumps(self) -> Jumps:
        return Jumps(self.jump, self.resampling)
