"""LearnedStatistics: what the contenders share, all of it from the same pairs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from isopleth.core.protocols import Codec
from isopleth.inference.variational import SampleCovariance
from isopleth.priors.conditional import ConditionalDenoiser
from isopleth.studies.twin.frozen import Cases, Linear
from isopleth.studies.twin.linear import Moments
from isopleth.studies.twin.statistics import Seen, Statistics
from isopleth.systems.losda.cases import Bound, CaseBatches

__all__ = ["LearnedStatistics"]

_KEPT = 2
"""Networks whose bound cases are kept."""


@dataclass(frozen=True, eq=False)
class LearnedStatistics(Statistics):
    """The world's statistics, and what was learned in it: everything from the same pairs.

    Args:
        denoiser: The prior.
        moments: Of the pairs that it was trained on: the baselines' covariances.
        older: Whether it is told the difference to the older forecast.
        codec: Autoencoder of the anomalies.
        latent_variance: Of the difference between a truth and its background in its latents.
    """

    denoiser: ConditionalDenoiser | None = None
    moments: Moments | None = None
    older: bool = False
    codec: Codec | None = None
    latent_variance: Tensor | None = None
    _bound: dict[tuple[int, bool], tuple[Seen, list[Bound]]] = field(
        default_factory=dict, repr=False
    )

    @cached_property
    def errors(self) -> SampleCovariance:
        """Of background errors."""
        if self.moments is None:
            return self.world.errors
        return self.quasigeostrophic.climate.covariance(self.moments.error)

    def regression(self, ridge: float) -> Linear:
        """The linear estimate from what the network is told too, and its error's covariance."""
        if self.moments is None:
            return super().regression(ridge)
        if ridge not in self._regressions:
            self._regressions[ridge] = self.moments.estimate(self.quasigeostrophic.climate, ridge)
        return self._regressions[ridge]

    def known(self, cases: Cases) -> Tensor:
        """The background, and its difference to the older forecast if the prior wants it."""
        more = [cases.background - cases.older] if self.older else []
        return torch.cat([cases.background, *more], 1)

    def bound(self, cases: Cases, seen: Seen, *, trained: bool) -> list[Bound]:
        """Parts of the cases, kept while the same observations are asked about."""
        assert self.denoiser is not None
        key = id(seen[0]), trained
        if key not in self._bound:
            while len(self._bound) >= 2 * _KEPT:
                self._bound.pop(next(iter(self._bound)))
            parts = list(CaseBatches(self.denoiser, trained)(self.known(cases), seen[0]))
            self._bound[key] = seen, parts
        return self._bound[key][1]
