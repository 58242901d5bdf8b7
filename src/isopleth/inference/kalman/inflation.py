"""Inflation: an analysis whose ensemble does not become too sure; each wraps any analysis.

    RTPS(LETKF(geometry=globe, radius=2000.0), 0.6)

Nothing is inflated at a time when no value was seen. `PriorInflation` and `PosteriorInflation`
then act everywhere, so far from the observations the spread grows without limit; the two
relaxations act only where the analysis changed the ensemble.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Analysis, Observed
from isopleth.inference.kalman.predicted import anything_seen, check_members

__all__ = ["RTPP", "RTPS", "PosteriorInflation", "PriorInflation"]


@dataclass(frozen=True, eq=False)
class PriorInflation:
    """Background deviations times a factor, then the analysis.

    The same as the factor `rho = factor^2` of Hunt et al. (2007) where observations reach.
    Reference: Anderson and Anderson (1999), Mon. Weather Rev. 127, 2741.

    Args:
        analysis: Any.
        factor: Of the deviations, at least 1; the variance grows by its square.

    Raises:
        InputError: If `factor` is below 1.
    """

    analysis: Analysis
    factor: float

    def __post_init__(self) -> None:
        """Check the factor."""
        _check_factor(self.factor)

    @torch.no_grad()
    def __call__(self, background: Tensor, observations: Sequence[Observed]) -> Tensor:
        """Members of `x | y`, `(N, *state)`."""
        check_members(background)
        if not anything_seen(observations):
            return self.analysis(background, observations)
        return self.analysis(_scaled(background, self.factor), observations)


@dataclass(frozen=True, eq=False)
class PosteriorInflation:
    """The analysis, then its deviations times a factor.

    Reference: as Sakov and Oke (2008), Mon. Weather Rev. 136, 1042, use it.

    Args:
        analysis: Any.
        factor: Of the deviations, at least 1; the variance grows by its square.

    Raises:
        InputError: If `factor` is below 1.
    """

    analysis: Analysis
    factor: float

    def __post_init__(self) -> None:
        """Check the factor."""
        _check_factor(self.factor)

    @torch.no_grad()
    def __call__(self, background: Tensor, observations: Sequence[Observed]) -> Tensor:
        """Members of `x | y`, `(N, *state)`."""
        members = self.analysis(background, observations)
        return _scaled(members, self.factor) if anything_seen(observations) else members


@dataclass(frozen=True, eq=False)
class RTPS:
    """Relaxation to the prior spread: `x' <- x' (1 + alpha (s_b - s_a) / s_a)`, point by point.

    Reference: Whitaker and Hamill (2012), Mon. Weather Rev. 140, 3078, eq. 2.

    Args:
        analysis: Any.
        alpha: 0 = none, 1 = the background's spread.

    Raises:
        InputError: If `alpha` is not within 0 and 1.
    """

    analysis: Analysis
    alpha: float

    def __post_init__(self) -> None:
        """Check the share."""
        _check_alpha(self.alpha)

    @torch.no_grad()
    def __call__(self, background: Tensor, observations: Sequence[Observed]) -> Tensor:
        """Members of `x | y`, `(N, *state)`."""
        members = self.analysis(background, observations)
        before, after = background.std(0), members.std(0)
        moved = (after > 0) & (after != before)
        ratio = torch.where(moved, (before - after) / after.where(moved, 1.0), 0.0)
        grown = _scaled(members, 1.0 + self.alpha * ratio)
        return torch.where(moved, grown, members)


@dataclass(frozen=True, eq=False)
class RTPP:
    """Relaxation to the prior perturbations: `x' <- (1 - alpha) x_a' + alpha x_b'`.

    Reference: Zhang, Snyder and Sun (2004), Mon. Weather Rev. 132, 1238, eq. 5.

    Args:
        analysis: Any.
        alpha: 0 = none, 1 = the background's deviations.

    Raises:
        InputError: If `alpha` is not within 0 and 1.
    """

    analysis: Analysis
    alpha: float

    def __post_init__(self) -> None:
        """Check the share."""
        _check_alpha(self.alpha)

    @torch.no_grad()
    def __call__(self, background: Tensor, observations: Sequence[Observed]) -> Tensor:
        """Members of `x | y`, `(N, *state)`."""
        members = self.analysis(background, observations)
        # x_a + alpha (x_b' - x_a') is exact where the analysis changed nothing.
        change = (background - background.mean(0)) - (members - members.mean(0))
        return members + self.alpha * change


def _scaled(members: Tensor, factor: float | Tensor) -> Tensor:
    mean = members.mean(0)
    return mean + factor * (members - mean)


def _check_factor(factor: float) -> None:
    if not 1.0 <= factor < float("inf"):
        raise InputError(f"the inflation factor is {factor}: give 1 (none) or more.")


def _check_alpha(alpha: float) -> None:
    if not 0.0 <= alpha <= 1.0:
        raise InputError(f"the relaxation alpha is {alpha}: give a share from 0 to 1.")
