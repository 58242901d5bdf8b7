"""Jumps: parts of a sampler's path walked again, after noise has carried x back to their start."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.priors.samplers import Noise, Step

__all__ = ["Jumps"]


@dataclass(frozen=True)
class Jumps:
    """Each stretch of `length` steps is walked `times` times.

        x' at s'  ->  x' + sqrt(s^2 - s'^2) n at s, the level `length` steps earlier

    Stretches are counted from the end of the path; the last step of it, to the level 0, is not
    walked again, nor what is left over at the beginning. For methods that put something into x
    which the step then brings into harmony.
    Reference: Lugmayr, Danelljan, Romero, Yu, Timofte and Van Gool (2022), arXiv:2201.09865,
    algorithm 1 and sec. 4.2.

    Args:
        length: Of a jump, in steps.
        times: 1 = no jumps.

    Raises:
        InputError: If either is not positive.
    """

    length: int = 1
    times: int = 10

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.times < 1:
            raise InputError(f"resampling is {self.times}: give at least 1.")
        if self.length < 1:
            raise InputError(f"a jump has {self.length} steps: give at least 1.")

    def over(self, step: Step, sigmas: Tensor) -> Step:
        """The steps of one run: to be called once for each step of the path, in order.

        Args:
            step: Without memory.
            sigmas: Noise levels of the path, decreasing to 0.
        """
        return _Walk(step, sigmas, self)


class _Walk:
    """One run; it counts its calls."""

    def __init__(self, step: Step, sigmas: Tensor, jumps: Jumps) -> None:
        self._step, self._sigmas, self._jumps = step, sigmas, jumps
        self._done = 0

    def __call__(self, x: Tensor, sigma: Tensor, sigma_next: Tensor, noise: Noise) -> Tensor:
        x = self._step(x, sigma, sigma_next, noise)
        self._done += 1
        left = len(self._sigmas) - 1 - self._done
        first = self._done - self._jumps.length
        if left > 0 and left % self._jumps.length == 0 and first >= 0:
            for _ in range(self._jumps.times - 1):
                x = self._again(x, first, noise)
        return x

    def _again(self, x: Tensor, first: int, noise: Noise) -> Tensor:
        """Back to the level `first`, and down to where the run is."""
        levels = self._sigmas.to(x)[first : self._done + 1]
        x = x + (levels[0].square() - levels[-1].square()).sqrt() * noise(x.shape[1:])
        for high, low in pairwise(levels):
            x = self._step(x, high, low, noise)
        return x
