"""RePaint: after every step the seen cells are put back, at the noise level of that step.

    x' = step(x),   x'[seen] = y + sigma' n

The rest of the field did not know of y when the step was taken, so each step is repeated: noise
carries x' back to the level it came from, and the step is taken again, in harmony with y.
Reference: Lugmayr, Danelljan, Romero, Yu, Timofte and Van Gool (2022), CVPR, arXiv:2201.09865,
algorithm 1, with jumps of one step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.priors.samplers import Noise, Sampler

__all__ = ["RePaint"]


@dataclass(frozen=True, eq=False)
class RePaint(Sampler):
    """A sampler conditioned on cells: `(noise, shape) -> (members, level, lat, lon)`.

    The seen cells come out as they were given, whatever their errors. A multistep sampler takes
    its first-order step. Evaluations: `resampling` times the sampler's own, less the last step.

    Args:
        sampler: Of the prior.
        cells: `y` in the space of x, `(level, lat, lon)`, or with a leading axis: one a member.
            Not looked at where not seen.
        seen: True = observed, shape of `cells`.
        resampling: How often each step is taken, 1 = no resampling.

    Raises:
        InputError: If `resampling` is not positive, shapes differ or a seen value is missing.
    """

    prior: Callable[[Tensor, Tensor], Tensor] = field(init=False)
    sigmas: Tensor = field(init=False)
    sampler: Sampler
    cells: Tensor
    seen: Tensor
    resampling: int = 10

    def __post_init__(self) -> None:
        """Check the settings and the values."""
        if self.resampling < 1:
            raise InputError(f"resampling is {self.resampling}: give at least 1.")
        if self.cells.shape != self.seen.shape:
            raise InputError(
                f"the cells have shape {tuple(self.cells.shape)} and the flags "
                f"{tuple(self.seen.shape)}: give one flag for every cell."
            )
        if not torch.isfinite(self.cells[self.seen]).all():
            raise InputError("a seen cell has no finite value: take it out of `seen`.")
        object.__setattr__(self, "prior", self.sampler.prior)
        object.__setattr__(self, "sigmas", self.sampler.sigmas)
        super().__post_init__()

    def step(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        """The sampler's step with the seen cells put back, `resampling` times."""
        times = self.resampling if sigma_next > 0.0 else 1
        back = (sigma.square() - sigma_next.square()).sqrt()
        for turn in range(times):
            if turn > 0:
                x = x + back * noise(x.shape[1:])
            x = self._put_back(self.sampler.step(x, sigma, sigma_next, noise), sigma_next, noise)
        return x

    def _put_back(self, x: Tensor, sigma: Tensor, noise: Noise) -> Tensor:
        y = self.cells.to(x)
        known = y + sigma * noise(x.shape[1:]) if sigma > 0.0 else y
        return torch.where(self.seen.to(x.device), known, x)
