"""Lorenz-63 and Lorenz-96: the small chaotic worlds that every assimilation method is tried on.

Both are stepped by the classical Runge-Kutta method of fourth order, batched over all leading
axes and differentiable. `Components` is what is seen of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isopleth.core.errors import InputError

__all__ = ["Components", "Lorenz63", "Lorenz96", "runge_kutta"]

_DAYS_A_UNIT = 5.0
"""Lorenz (1996) gives a time unit of his model 5 days: errors then grow as in the atmosphere."""


def runge_kutta(tendency: Callable[[Tensor], Tensor], x: Tensor, dt: float) -> Tensor:
    """One step of the classical fourth-order Runge-Kutta method for `dx/dt = tendency(x)`.

    Reference: Kutta (1901), Z. Math. Phys. 46, 435.

    >>> x = runge_kutta(lambda x: -x, torch.ones(1, dtype=torch.float64), 0.1)
    >>> f"{float(x) - math.exp(-0.1):.1e}"
    '8.2e-08'
    """
    a = tendency(x)
    b = tendency(x + 0.5 * dt * a)
    c = tendency(x + 0.5 * dt * b)
    d = tendency(x + dt * c)
    return x + dt / 6.0 * (a + 2.0 * (b + c) + d)


@dataclass(frozen=True, kw_only=True)
class Lorenz63:
    """Three modes of convection: `(..., 3)` to `(..., 3)`, a step of `dt` time units later.

        dx/dt = sigma (y - x),   dy/dt = x (rho - z) - y,   dz/dt = x y - beta z

    Reference: Lorenz (1963), J. Atmos. Sci. 20, 130.

    Args:
        sigma: Prandtl number.
        rho: Rayleigh number over its critical value.
        beta: Shape of the convection cells.
        dt: Step, time units.

    Raises:
        InputError: If `dt` is not positive.

    >>> Lorenz63().step(torch.zeros(3)).tolist()
    [0.0, 0.0, 0.0]
    """

    sigma: float = 10.0
    rho: float = 28.0
    beta: float = 8.0 / 3.0
    dt: float = 0.01

    def __post_init__(self) -> None:
        """Check the step."""
        _check_dt(self.dt)

    @property
    def step_seconds(self) -> float:
        """`dt`: the time unit of this model has no length in seconds and is called one."""
        return self.dt

    def tendency(self, x: Tensor) -> Tensor:
        """`dx/dt`, shape of x."""
        _check_size(x, 3, "Lorenz-63 has 3 variables")
        a, b, c = x.unbind(-1)
        parts = (self.sigma * (b - a), a * (self.rho - c) - b, a * b - self.beta * c)
        return torch.stack(parts, -1)

    def step(self, x: Tensor) -> Tensor:
        """The state `dt` later, shape of x."""
        return runge_kutta(self.tendency, x, self.dt)


@dataclass(frozen=True, kw_only=True)
class Lorenz96:
    """Waves on a circle of latitude: `(..., n)` to `(..., n)`, a step of `dt` time units later.

        dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F,   i periodic

    The quadratic part conserves `sum x^2`. A time unit stands for 5 days.
    Reference: Lorenz (1996), Proc. ECMWF Seminar on Predictability 1, 1; Lorenz and Emanuel
    (1998), J. Atmos. Sci. 55, 399.

    Args:
        forcing: `F`; chaotic at 8.
        dt: Step, time units; 0.05 is 6 hours.

    Raises:
        InputError: If `dt` is not positive.

    >>> world = Lorenz96()
    >>> world.step(torch.full((40,), 8.0))[:2].tolist(), world.step_seconds / 3600
    ([8.0, 8.0], 6.0)
    """

    forcing: float = 8.0
    dt: float = 0.05

    def __post_init__(self) -> None:
        """Check the step."""
        _check_dt(self.dt)

    @property
    def step_seconds(self) -> float:
        """Length of a step, s."""
        return self.dt * _DAYS_A_UNIT * 86_400.0

    def tendency(self, x: Tensor) -> Tensor:
        """`dx/dt`, shape of x; at least 4 variables."""
        if x.shape[-1] < 4:
            raise InputError(f"x has {x.shape[-1]} variables: Lorenz-96 needs at least 4.")
        ahead, before, second = x.roll(-1, -1), x.roll(1, -1), x.roll(2, -1)
        return (ahead - second) * before - x + self.forcing

    def step(self, x: Tensor) -> Tensor:
        """The state `dt` later, shape of x."""
        return runge_kutta(self.tendency, x, self.dt)


@dataclass(frozen=True)
class Components:
    """The operator that reads some of n variables: `(..., n)` to `(..., p)`.

    Args:
        index: Which ones, p of them.
        size: n.

    Raises:
        InputError: If an index is not within 0 and n - 1.

    >>> Components((0, 2), 4)(torch.tensor([5.0, 6.0, 7.0, 8.0])).tolist()
    [5.0, 7.0]
    """

    index: Sequence[int]
    size: int
    _at: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the indices."""
        wrong = [i for i in self.index if not 0 <= i < self.size]
        if wrong:
            raise InputError(
                f"variable {wrong[0]} does not exist: choose from 0 to {self.size - 1}."
            )
        object.__setattr__(self, "_at", torch.tensor(list(self.index), dtype=torch.long))

    @property
    def valid(self) -> Tensor:
        """All of them, shape (p,)."""
        return torch.ones(len(self._at), dtype=torch.bool)

    def __call__(self, x: Tensor) -> Tensor:
        """From `(..., n)` to `(..., p)`."""
        _check_size(x, self.size, f"the operator reads {self.size}")
        return x[..., self._at.to(x.device)]

    def adjoint(self, y: Tensor) -> Tensor:
        """From `(..., p)` to `(..., n)`, with `<A x, y> = <x, A' y>`."""
        _check_size(y, len(self._at), f"the operator gives {len(self._at)}")
        x = y.new_zeros(*y.shape[:-1], self.size)
        return x.index_add(-1, self._at.to(y.device), y)


def _check_dt(dt: float) -> None:
    if not (math.isfinite(dt) and dt > 0):
        raise InputError(f"dt is {dt}: give a positive number of time units.")


def _check_size(x: Tensor, size: int, wanted: str) -> None:
    if x.ndim == 0 or x.shape[-1] != size:
        raise InputError(f"x has shape {tuple(x.shape)}, but {wanted}: put them on the last axis.")
