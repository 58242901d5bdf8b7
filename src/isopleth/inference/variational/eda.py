"""Members of the posterior by perturbing what goes in: ensembles of variational analyses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed
from isopleth.inference.variational.analyse import Variational, analyse
from isopleth.inference.variational.problem import Problem
from isopleth.inference.variational.result import Result

__all__ = ["EDA", "PerturbedMembers"]


@dataclass(frozen=True, eq=False)
class PerturbedMembers:
    """Draws of the analysis error: every member has its own background and observations.

        x_i = argmin J with c + N(0, I) for c and y + N(0, R) for y

    For linear `G` these are exact draws of the posterior ("randomised maximum likelihood").
    Reference: Oliver, He and Reynolds (1996), Proc. 5th ECMOR; Bardsley, Solonen, Haario and
    Laine (2014), SIAM J. Sci. Comput. 36, A1895.

    Args:
        method: 3D-Var, 4D-Var or a latent form.
        count: Members.
        generator: Of the draws; the next call draws others.

    Raises:
        InputError: If `count` is not positive.
    """

    method: Variational
    count: int
    generator: torch.Generator

    def __post_init__(self) -> None:
        """Check the number."""
        if self.count < 1:
            raise InputError(f"{self.count} members were asked for: give at least 1.")

    def __call__(self, background: Tensor, observations: Any) -> Result:
        """A result with members in front: `state` is `(count, *batch, *state)`.

        Args:
            background: `(*batch, *state)`.
            observations: As the method takes them.

        Raises:
            InputError: As `analyse`.
        """
        rows = background.expand(self.count, *background.shape)
        perturb = partial(_perturbed, generator=self.generator, background=True)
        return analyse(self.method, rows, observations, perturb)


@dataclass(frozen=True, eq=False)
class EDA:
    """An ensemble of data assimilations: `(members, observations) -> members`, for `cycle`.

    Members are the backgrounds, with the spread that the cycle gave them; each gets its own draw
    of the observations, centred so that their mean is that of the unperturbed ones.
    Reference: Isaksen et al. (2010), ECMWF Tech. Memo. 636; Houtekamer et al. (1996), Mon. Weather
    Rev. 124, 1225.

    Args:
        method: 3D-Var, or another method whose observations are one sequence.
        generator: Of the draws; the next call draws others.
    """

    method: Variational
    generator: torch.Generator

    def __call__(self, background: Tensor, observations: list[Observed]) -> Tensor:
        """Members of `x | y`, shape of the background, `(N, *state)`.

        Raises:
            InputError: As `analyse`.
        """
        perturb = partial(_centred, generator=self.generator)
        return analyse(self.method, background, observations, perturb).state


def _perturbed(problem: Problem, generator: torch.Generator, background: bool) -> Problem:
    return problem.perturbed(generator, background=background)


def _centred(problem: Problem, generator: torch.Generator) -> Problem:
    drawn = problem.perturbed(generator, background=False)
    error = drawn.values - problem.values
    N = len(error)
    unbiased = (error - error.mean(0)) * (N / max(N - 1, 1)) ** 0.5
    return replace(drawn, values=problem.values + unbiased)
