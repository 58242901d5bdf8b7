"""Predicted: what every member would have read, beside what was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed
from isopleth.observe.counted import counted, counted_variance

__all__ = ["Predicted", "anything_seen", "check_members"]


@dataclass(frozen=True, eq=False)
class Predicted:
    """The members in the space of the p values that count, all observations in one vector.

    Operators may be nonlinear: a mean is that of the members' values, not the value of their mean.

    Args:
        members: `H(x_i)`, float64, shape (N, p).
        values: `y`, float64, shape (p,).
        variance: Diagonal of `R`, float64, shape (p,).
    """

    members: Tensor
    values: Tensor
    variance: Tensor

    @classmethod
    def of(cls, members: Tensor, observations: Sequence[Observed]) -> Predicted:
        """Read every member `(N, *state)`.

        Raises:
            InputError: If there are fewer than 2 members, a member or what it would have read is
                not finite, or a value has no positive variance.
        """
        check_members(members)
        kept = [counted(seen).to(members.device) for seen in observations]
        rows = list(zip(observations, kept, strict=True))
        none = members.new_zeros(len(members), 0, dtype=torch.float64)
        read = [_read(seen, members, at) for seen, at in rows]
        values = [seen.values.to(none).flatten()[at] for seen, at in rows]
        variance = [counted_variance(seen, at, none) for seen, at in rows]
        return cls(
            torch.cat([none, *read], 1),
            torch.cat([none[0], *values]),
            torch.cat([none[0], *variance]),
        )

    @property
    def innovation(self) -> Tensor:
        """`d = y - mean H(x)`, shape (p,)."""
        return self.values - self.members.mean(0)

    @property
    def spread(self) -> Tensor:
        """Standard deviation of `H(x_i)`, shape (p,)."""
        return self.members.std(0) if len(self.values) else self.values

    @property
    def scaled_anomalies(self) -> Tensor:
        """`S = R^-1/2 Y`, with `Y` the deviations of `H(x_i)` from their mean, shape (N, p)."""
        return (self.members - self.members.mean(0)) / self.variance.sqrt()

    @property
    def scaled_innovation(self) -> Tensor:
        """`z = R^-1/2 d`, shape (p,)."""
        return self.innovation / self.variance.sqrt()

    def chi_square(self) -> float:
        """`d' (Y Y' / (N - 1) + R)^-1 d / p`: 1 on average if consistent; NaN if p = 0.

        By the Woodbury identity in the space of the members. The sample covariance is not
        localised: with few members its noise makes the value smaller.
        Reference: Menard et al. (2000), Mon. Weather Rev. 128, 2654.
        """
        S, z = self.scaled_anomalies, self.scaled_innovation
        if not len(z):
            return float("nan")
        system = S @ S.T + (len(S) - 1) * torch.eye(len(S), dtype=S.dtype, device=S.device)
        b = S @ z
        return float((z @ z - b @ torch.linalg.solve(system, b)) / len(z))


def anything_seen(observations: Sequence[Observed]) -> bool:
    """Whether any value counts."""
    return any(len(counted(seen)) for seen in observations)


def check_members(members: Tensor) -> None:
    """Refuse an ensemble that has no covariance.

    Raises:
        InputError: If there are fewer than 2 members, or one is not finite.
    """
    if members.ndim < 2:
        raise InputError(f"the members have shape {tuple(members.shape)}: give (member, *state).")
    if len(members) < 2:
        raise InputError(
            f"the ensemble has {len(members)} member: a covariance needs at least 2, "
            "use a variational method with a static covariance."
        )
    bad = torch.nonzero(~torch.isfinite(members).flatten(1).all(1)).flatten().tolist()
    if bad:
        raise InputError(
            f"{len(bad)} of {len(members)} members are not finite, the first is number {bad[0]}: "
            "leave them out, or look for the step at which they diverged."
        )


def _read(seen: Observed, members: Tensor, at: Tensor) -> Tensor:
    """`H(x_i)` at the places that count, shape (N, p)."""
    whole = seen.operator(members)
    if whole.shape != (len(members), *seen.values.shape):
        raise InputError(
            f"{type(seen.operator).__name__} gives shape {tuple(whole.shape)} for {len(members)} "
            f"members and values of shape {tuple(seen.values.shape)}: analyse one case at a time."
        )
    read = whole.flatten(1)[:, at].double()
    bad = torch.nonzero(~torch.isfinite(read))
    if len(bad):
        member, value = bad[0].tolist()
        raise InputError(
            f"{type(seen.operator).__name__} gives {float(read[member, value])} for member "
            f"{member}: limit the state to what the operator can read."
        )
    return read
