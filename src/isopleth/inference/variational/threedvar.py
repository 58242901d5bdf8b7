"""ThreeDVar: background and observations of one time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from isopleth.inference.variational.analyse import analyse, pose
from isopleth.inference.variational.control import Control
from isopleth.inference.variational.gauss_newton import GaussNewton
from isopleth.inference.variational.problem import Problem, Solver
from isopleth.inference.variational.readings import Observations, Readings
from isopleth.inference.variational.result import Result

__all__ = ["ThreeDVar"]


@dataclass(frozen=True, eq=False)
class ThreeDVar:
    """The state that fits background and observations best, in the space of a white control.

        J(v) = 1/2 |v|^2 + 1/2 (y - H x)' R^-1 (y - H x),   x = x_b + U v

    With another control, `x = D(E(x_b) + B_z^1/2 v)`, it is L3D-Var. For a linear `H` and
    `Increment` the minimum is the optimal interpolation with `B = U U'`.
    Reference: Parrish and Derber (1992), Mon. Weather Rev. 120, 1747; Lorenc (1986), Q. J. R.
    Meteorol. Soc. 112, 1177.

    Args:
        control: Brings the covariance of the background's error.
        solver: `GaussNewton(outer=1)` is enough for a linear `H`.

    >>> import torch
    >>> from isopleth.dynamics.lorenz import Components
    >>> from isopleth.inference.variational import Increment, SampleCovariance
    >>> from isopleth.observe import Observation
    >>> B = SampleCovariance(torch.tensor([[1.0, 0.5]]))
    >>> seen = Observation(torch.tensor([2.0]), Components((0,), 2), torch.tensor(1.0))
    >>> ThreeDVar(Increment(B))(torch.zeros(2), [seen]).state
    tensor([1.0000, 0.5000])
    """

    control: Control
    solver: Solver = field(default_factory=GaussNewton)

    def __call__(self, background: Tensor, observations: Observations) -> Result:
        """The analysis of every background.

        Args:
            background: `x_b`, shape `(*batch, *state)`; its precision is that of the search.
            observations: One sequence for all, or `ByCase`.

        Raises:
            InputError: As `analyse`.
        """
        return analyse(self, background, observations)

    def problem(self, background: Tensor, observations: Observations) -> tuple[Problem, Tensor]:
        """The cost of rows `(R, *state)`, and how many values count in each."""
        shape = self.control.shape

        def path(rows: Tensor) -> Callable[[Tensor], Tensor]:
            state = self.control.around(rows)
            return lambda v: state(v.unflatten(1, shape))

        return pose(background, Readings(observations, background), math.prod(shape), path)
