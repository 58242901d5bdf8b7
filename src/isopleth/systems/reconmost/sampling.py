"""Every number of a reconstruction with a trained prior, and the two ways to guide it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from torch import Tensor

from isopleth.data.analysis import Method
from isopleth.inference.mmps import MMPS
from isopleth.inference.reconmost import Fixed, Gradient, ReconMOST
from isopleth.priors import Multistep, karras
from isopleth.systems.reconmost.observed import Casts, cell_means, observation

__all__ = ["Draw", "Guide", "MomentMatching", "Pulled", "Sampling", "mmps", "published", "rough"]

Prior = Callable[[Tensor, Tensor], Tensor]


class Draw(Protocol):
    """Members of x | y: `draw(noise, shape) -> (members, level, lat, lon)`, standardised."""

    def __call__(
        self,
        noise: Callable[[Sequence[int]], Tensor],
        shape: Sequence[int],
        *,
        progress: Callable[[float], None] | None = None,
    ) -> Tensor:
        """Draw one member for each row of noise."""
        ...


class Guide(Protocol):
    """How a prior is made to agree with casts."""

    @property
    def knows_spread(self) -> bool:
        """Whether members differ as much as the answer is uncertain."""
        ...

    @property
    def method(self) -> Method:
        """How it is named in its results."""
        ...

    def __call__(self, prior: Prior, casts: Casts) -> Draw:
        """The sampler of members given the casts."""
        ...


@dataclass(frozen=True, kw_only=True)
class MomentMatching:
    """MMPS: every noise level is corrected by a Kalman update at the true positions.

    Args:
        steps: Noise levels.
        iterations: Of conjugate gradients at each.
        low: Last noise level above 0, standard deviations.
        high: First one; well above the deviation of the ocean's strongest mode.
    """

    steps: int = 16
    iterations: int = 2
    low: float = 0.02
    high: float = 80.0

    @property
    def knows_spread(self) -> bool:
        """Members are draws of the posterior."""
        return True

    @property
    def method(self) -> Method:
        """How it is named in its results."""
        return Method(
            name="diffusion prior guided by moment matching (MMPS)",
            summary="Members drawn from a diffusion prior of ocean anomalies given the profiles "
            "at their positions, by moment matching; errors scaled by left-out boxes.",
            references="Rozet et al. 2024, arXiv 2405.13712; ReconMOST 2025",
            short="mmps",
        )

    def __call__(self, prior: Prior, casts: Casts) -> Draw:
        """The second-order path of the conditioned prior: the right spread in few steps."""
        conditioned = MMPS(prior, [observation(casts)], self.iterations)
        return Multistep(conditioned, karras(self.steps, self.low, self.high))


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """ReconMOST: the noise-free chain is pulled towards the means of the observed cells.

    Args:
        steps: Of the chain, 21 or more.
        gradient: Which way and how strongly it is pulled; 3.5 was the best strength for 50 steps
            on validation oceans, where the published 4 is near the edge of what is stable.
    """

    steps: int = 50
    gradient: Gradient = field(default_factory=lambda: Fixed(3.5))

    @property
    def knows_spread(self) -> bool:
        """Members differ by where they start and all end near the mean."""
        return False

    @property
    def method(self) -> Method:
        """How it is named in its results."""
        return Method(
            name="diffusion prior guided by observed cells (ReconMOST)",
            summary="Mean of noise-free denoising chains of a diffusion prior of ocean anomalies, "
            "pulled towards the means of the observed cells; errors learned from left-out boxes.",
            references="ReconMOST 2025; Ho et al. 2020, arXiv 2006.11239",
            short="reconmost",
        )

    def __call__(self, prior: Prior, casts: Casts) -> Draw:
        """The chain on super-observations."""
        cells, seen = cell_means(casts)
        return ReconMOST(prior, cells, seen, gradient=self.gradient, steps=self.steps)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Settings of a reconstruction with a trained prior.

    Args:
        guide: How the prior is made to agree with the profiles.
        fold_guide: The same, cheaper, where errors are learned from boxes that are left out.
        members: Draws; mean and spread are theirs.
        fold_members: Draws of each fold.
        folds: Parts of the boxes that are left out in turn.
        batch: Members computed at once, which bounds the memory.
        representativeness: Standard deviation of what a cell of the prior cannot show of a cast,
            as a share of the cell's own.
        memory_days: Time in which an anomaly's correlation with itself falls to 1/e; what this
            leaves unknown adds to the error of casts from other days.
        window_days: Profiles up to this many days before and after the month are used.
        reach_km: Distance at which a cast counts for 1/e in `observations_nearby`, and the
            farthest at which it counts at all.
        box_deg: Side of the boxes that are left out together.
        error_counts: Numbers of nearest residuals averaged by the error model.
        fewest_values: A level with fewer values than this in the window is left out.
        buddy_deviations: A value whose left-out error is this many predicted scales is refused,
            if it is also wrong by `buddy_floor`.
        buddy_floor: Kelvin.
    """

    guide: Guide = field(default_factory=MomentMatching)
    fold_guide: Guide = field(default_factory=lambda: MomentMatching(steps=10, iterations=1))
    members: int = 16
    fold_members: int = 4
    folds: int = 3
    batch: int = 4
    representativeness: float = 0.5
    memory_days: float = 60.0
    window_days: float = 31.0
    reach_km: float = 300.0
    box_deg: float = 1.0
    error_counts: tuple[int, ...] = (10, 30, 80, 200)
    fewest_values: int = 5
    buddy_deviations: float = 20.0
    buddy_floor: float = 5.0


mmps = Sampling()
published = Sampling(
    guide=Pulled(), fold_guide=Pulled(steps=25), members=4, fold_members=2, window_days=0.0
)
rough = replace(
    mmps,
    guide=MomentMatching(steps=3, iterations=1),
    fold_guide=MomentMatching(steps=2, iterations=1),
    members=2,
    fold_members=2,
    folds=2,
)
