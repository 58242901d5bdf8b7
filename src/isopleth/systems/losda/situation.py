"""Situation: what a prior says of one case, `x | x_b`, and the analysis of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Operator
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational.readings import Readings
from isopleth.observe.observation import Observation
from isopleth.priors.background_latent import ErrorsGiven
from isopleth.priors.conditional import ConditionalDenoiser, ConditionedPrior
from isopleth.systems.losda.observable import Observable
from isopleth.systems.losda.standard import Standard
from isopleth.systems.losda.ways import Way

__all__ = ["Analysed", "Situation"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Analysed:
    """An analysis of the whole state, with what follows from it.

    Args:
        mean: `x_a`, SI units, float64, shape (channel, lat, lon).
        spread: Standard deviation of its error as the way has it; None where not asked for.
        members: Shape (M, channel, lat, lon); None of a single analysis.
        chi_square: `d' (H C H' + R)^-1 d / n` of the departures from the regression's mean.
    """

    mean: Tensor
    spread: Tensor | None
    members: Tensor | None
    chi_square: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Situation:
    """`x = mean + sum_k z_k basis_k + e` with white z, and e that no latent describes.

    Args:
        background: `x_b` with what follows from it, SI units, float64, (channel, lat, lon).
        mean: Of the prior, the regression's.
        basis: (K, channel, lat, lon).
        doubt: Variance of e, (channel, lat, lon).
        prior: Of z.
    """

    background: Tensor
    mean: Tensor
    basis: Tensor
    doubt: Tensor
    prior: ConditionedPrior

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        denoiser: ConditionalDenoiser,
        standard: Standard,
        whole: Observable,
        background: Tensor,
        earlier: Tensor | None = None,
    ) -> Situation:
        """One background as the prior knows it.

        Args:
            denoiser: With latents of errors, which are linear.
            standard: Of its states.
            whole: What follows from them.
            background: `x_b`, SI units, (channel, lat, lon) of the standard.
            earlier: The forecast for the same time that was made a cycle before, likewise; for a
                prior that was trained to know it.

        Raises:
            InputError: If the prior has other latents, or wants or does not want `earlier`.
        """
        a = standard.anomaly(background)
        known = [a, *([] if earlier is None else [a - standard.anomaly(earlier)])]
        prior = denoiser.given(torch.cat(known)[None].float())
        given = prior.latents
        if not isinstance(given, ErrorsGiven):
            raise InputError(
                f"latents {type(given).__name__} are not linear: take weights whose latents are "
                "EOFs of errors."
            )
        modes = given.latents.latent_shape[0]

        def decoded(z: Tensor) -> Tensor:
            return whole.of(standard.state(given.decode(z)))

        mean = decoded(torch.zeros(1, modes))[0]
        scale = standard.sd.double()[:, None, None].square()
        return cls(
            background=whole.of(background),
            mean=mean,
            basis=decoded(torch.eye(modes)) - mean,
            doubt=whole.doubt(scale * given.unresolved[0].double()),
            prior=prior,
        )

    @property
    def deviation(self) -> Tensor:
        """`s_b`, root mean square of `x - x_b` as the prior has it, (channel, lat, lon)."""
        shift = (self.mean - self.background).square()
        return (self.basis.square().sum(0) + self.doubt + shift).sqrt()

    def at(self, operator: Operator) -> Tensor:
        """The same of what an operator reads, shape (n,)."""
        shift = operator(self.mean - self.background).square()
        return (operator(self.basis).square().sum(0) + self._unseen(operator) + shift).sqrt()

    @torch.no_grad()
    def analysed(
        self, way: Way, seen: Observation, *, seed: int = 0, errors: bool = True
    ) -> Analysed:
        """The analysis.

        Args:
            way: How.
            seen: Of the whole state; its operator is linear. What no latent describes is added to
                the variance of its errors.
            seed: Of what is drawn.
            errors: Whether the spread of a single analysis is wanted too.
        """
        seen = replace(seen, variance=seen.variance + self._unseen(seen.operator))
        readings = LatentReadings(
            Readings([seen], torch.zeros(1, dtype=torch.float64)), self._decoded,
            linear_decode=True,
        )  # fmt: skip
        z = way(self.prior, readings, len(self.basis), seed)
        x = self._decoded(z)
        gain = _Gain(self, seen)
        spread: Tensor | None = None
        if way.members > 1:
            spread = (x.var(0) + self.doubt).sqrt()
        elif errors:
            spread = (gain.variance + self.doubt).sqrt()
        members = x if way.members > 1 else None
        return Analysed(mean=x.mean(0), spread=spread, members=members, chi_square=gain.chi_square)

    def _decoded(self, z: Tensor) -> Tensor:
        return self.mean + torch.tensordot(z.to(self.basis), self.basis, 1)

    def _unseen(self, operator: Operator) -> Tensor:
        """Variance of `H e`, as if neighbouring cells were one: an upper bound."""
        return operator(self.doubt.sqrt()).square()


class _Gain:
    """The Gaussian posterior of white latents: `Cov[z | y] = (I + G' G)^-1`."""

    def __init__(self, situation: Situation, seen: Observation) -> None:
        valid = seen.valid
        sd = seen.variance[valid].sqrt()
        self._basis = situation.basis
        self._G = (seen.operator(situation.basis)[:, valid] / sd).T
        self._d = seen.residual(situation.mean)[valid] / sd
        information = self._G.T @ self._G
        self._root = torch.linalg.cholesky(
            information + torch.eye(len(information), dtype=information.dtype)
        )

    @property
    def chi_square(self) -> float:
        """`d' (G G' + I)^-1 d / n`, by way of the latents (Woodbury)."""
        back = torch.linalg.solve_triangular(
            self._root, (self._G.T @ self._d)[:, None], upper=False
        )
        return float((self._d.square().sum() - back.square().sum()) / len(self._d))

    @property
    def variance(self) -> Tensor:
        """`diag(basis' Cov basis)`, shape of a state."""
        rows = torch.linalg.solve_triangular(self._root, self._basis.flatten(1), upper=False)
        return rows.square().sum(0).reshape(self._basis.shape[1:])
