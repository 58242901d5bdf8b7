"""Forecasts without a network: what an emulator has to beat.

States are coefficients of the streamfunction, m2 s-1, (case, 3, (T + 1)^2), as `learn.prepare`
writes them: harmonics have mean square 1, so a sum of squares is a mean over the sphere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.priors.eof import leading_modes

__all__ = [
    "Climatology",
    "DampedPersistence",
    "Forecaster",
    "LinearInverse",
    "Persistence",
    "fit_damping",
    "fit_linear_inverse",
]


class Forecaster(Protocol):
    """From states now to states later; members do not see one another."""

    def __call__(self, start: Tensor, leads: Sequence[int]) -> Tensor:
        """(case, 3, n) to (lead, case, 3, n), leads in steps of 6 hours, increasing."""
        ...


class Persistence:
    """psi(t + lead) = psi(t)."""

    def __call__(self, start: Tensor, leads: Sequence[int]) -> Tensor:
        """See `Forecaster`."""
        return start.expand(len(leads), *start.shape)


@dataclass(frozen=True, eq=False)
class Climatology:
    """psi(t + lead) = mean.

    Args:
        mean: Of the climate, (3, n).
    """

    mean: Tensor

    def __call__(self, start: Tensor, leads: Sequence[int]) -> Tensor:
        """See `Forecaster`."""
        return self.mean.expand(len(leads), *start.shape)


@dataclass(frozen=True, eq=False)
class DampedPersistence:
    """psi(t + lead) = mean + a_lead (psi(t) - mean).

    Args:
        mean: Of the climate, (3, n).
        factors: Lead -> a_lead of each level, (3,).
    """

    mean: Tensor
    factors: Mapping[int, Tensor]

    def __call__(self, start: Tensor, leads: Sequence[int]) -> Tensor:
        """See `Forecaster`.

        Raises:
            InputError: If a lead was not fitted.
        """
        unknown = sorted(set(leads) - set(self.factors))
        if unknown:
            raise InputError(f"lead {unknown[0]} has no factor: fit it with the others.")
        factors = torch.stack([self.factors[lead] for lead in leads])
        return self.mean + factors[:, None, :, None] * (start - self.mean)


@dataclass(frozen=True, eq=False)
class LinearInverse:
    """Anomalies as V' c, c(t + n lag) = G^n c(t); what the modes leave out is 0.

    Reference: Penland and Sardeshmukh (1995), J. Climate 8, 1999, with G = C(lag) C(0)^-1.

    Args:
        mean: Of the climate, (3, n).
        scale: Standard deviation of each level, (3,).
        modes: V, orthonormal rows, of standardised anomalies, (k, 3 n).
        propagator: G, (k, k).
        lag: Steps that G makes.
    """

    mean: Tensor
    scale: Tensor
    modes: Tensor
    propagator: Tensor
    lag: int

    def __call__(self, start: Tensor, leads: Sequence[int]) -> Tensor:
        """See `Forecaster`.

        Raises:
            InputError: If a lead is no multiple of the lag.
        """
        odd = [lead for lead in leads if lead % self.lag]
        if odd:
            raise InputError(
                f"a lead of {odd[0]} steps is no multiple of the lag {self.lag}: fit another lag."
            )
        anomaly = (start - self.mean) / self.scale[:, None]
        c = anomaly.flatten(1) @ self.modes.T
        powers = [torch.linalg.matrix_power(self.propagator, lead // self.lag) for lead in leads]
        fields = torch.stack([c @ power.T @ self.modes for power in powers])
        return self.mean + self.scale[:, None] * fields.view(len(powers), *start.shape)


def fit_damping(states: Tensor, mean: Tensor, leads: Sequence[int]) -> DampedPersistence:
    """Least squares of each level: `a = <x(t + lead), x(t)> / <x(t), x(t)>`.

    Args:
        states: Trajectories, (member, time, 3, n).
        mean: Of the climate, (3, n).
        leads: In steps.

    Raises:
        InputError: If a lead is longer than the trajectories.
    """
    anomaly = states - mean
    if max(leads) >= states.shape[1]:
        raise InputError(
            f"trajectories of {states.shape[1]} states do not reach lead {max(leads)}: make "
            "them longer."
        )
    factors = {}
    for lead in leads:
        now, later = anomaly[:, : -lead or None], anomaly[:, lead:]
        factors[lead] = (now * later).sum((0, 1, 3)) / now.square().sum((0, 1, 3))
    return DampedPersistence(mean, factors)


def fit_linear_inverse(states: Tensor, mean: Tensor, modes: int, lag: int) -> LinearInverse:
    """Modes and propagator of trajectories (member, time, 3, n).

    Args:
        states: Trajectories.
        mean: Of the climate, (3, n).
        modes: k.
        lag: Steps between the two covariances.

    Raises:
        InputError: If `modes` is out of range or the lag longer than the trajectories.
    """
    if not 1 <= lag < states.shape[1]:
        raise InputError(
            f"a lag of {lag} steps does not fit into {states.shape[1]} states: take at least 1 "
            "and fewer than there are."
        )
    anomaly = states - mean
    scale = anomaly.square().sum(-1).mean((0, 1)).sqrt()
    x = (anomaly / scale[:, None]).flatten(2)
    flat = x.reshape(-1, x.shape[-1])
    V, _ = leading_modes(flat, modes, torch.ones(flat.shape[1]))
    c = x @ V.T
    now, later = c[:, :-lag].reshape(-1, modes).double(), c[:, lag:].reshape(-1, modes).double()
    G = torch.linalg.solve(now.T @ now, now.T @ later).T
    return LinearInverse(mean, scale, V, G.to(states), lag)
