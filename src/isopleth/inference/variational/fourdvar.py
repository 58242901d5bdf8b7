"""FourDVar: observations of a whole window, tied together by a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.rollout import Dynamics, final
from isopleth.inference.variational.analyse import analyse, pose
from isopleth.inference.variational.control import Control
from isopleth.inference.variational.gauss_newton import GaussNewton
from isopleth.inference.variational.model_error import ModelError
from isopleth.inference.variational.problem import Problem, Solver
from isopleth.inference.variational.readings import Observations, Window
from isopleth.inference.variational.result import Result

__all__ = ["FourDVar"]


@dataclass(frozen=True, eq=False, kw_only=True)
class FourDVar:
    """The trajectory that fits the background at its start and all observations of a window best.

        J(v, w) = 1/2 |v|^2 + 1/2 sum_j |w_j|^2 + 1/2 sum_k (y_k - H_k x_k)' R_k^-1 (y_k - H_k x_k)
        x_0 = x_b + U v,   x_k = M(x_{k-1}) + (q U_q w_j at step k = k_j of the model errors)

    Strong constraint without model errors; `length = 0` is 3D-Var. The solver `GaussNewton` is
    incremental (outer loops, tangent-linear model by forward mode, adjoint by autograd), and
    multi-incremental if `inner` names cheaper models for its inner loops; `QuasiNewton` sees the
    full nonlinear cost only. With a latent control it is L4D-Var.
    Reference: Le Dimet and Talagrand (1986), Tellus A 38, 97; Courtier, Thepaut and Hollingsworth
    (1994), Q. J. R. Meteorol. Soc. 120, 1367; Tremolet (2006), Q. J. R. Meteorol. Soc. 132, 2483;
    several inner models, Veerse and Thepaut (1998), Q. J. R. Meteorol. Soc. 124, 1889.

    Args:
        control: Brings the covariance of the background's error at the window's start.
        dynamics: `M`: a simulator or an emulator, differentiable.
        length: Of the window, steps of the dynamics.
        solver: Finds the minimum.
        model_error: None = the model is taken as perfect.
        checkpoint_every: Steps between the states that are kept for the adjoint, None = all.
        inner: Models of the same states and step for the inner loops, one an outer loop and the
            last for all that follow: from coarse to fine (`dynamics.Truncated`), or an emulator.

    Raises:
        InputError: If the length is negative, a model error lies outside the window or an inner
            model has another step.
    """

    control: Control
    dynamics: Dynamics
    length: int
    solver: Solver = field(default_factory=GaussNewton)
    model_error: ModelError | None = None
    checkpoint_every: int | None = None
    inner: tuple[Dynamics, ...] = ()

    def __post_init__(self) -> None:
        """Check the window."""
        if self.length < 0:
            raise InputError(f"the window has {self.length} steps: give at least 0.")
        odd = [m.step_seconds for m in self.inner if m.step_seconds != self.dynamics.step_seconds]
        if odd:
            raise InputError(
                f"an inner model has a step of {odd[0]:g} s and the model one of "
                f"{self.dynamics.step_seconds:g} s: bring both to one with dynamics.Repeated."
            )
        late = [k for k in self._error_steps if not 1 <= k <= self.length]
        if late:
            raise InputError(
                f"a model error at step {late[0]} lies outside the window of {self.length} "
                "steps: give steps from 1 to its length."
            )

    def __call__(self, background: Tensor, observations: Mapping[int, Observations]) -> Result:
        """The analysis at the window's start, of every background.

        Args:
            background: `x_b` at the start, shape `(*batch, *state)`.
            observations: By number of steps since the start; `by_step` makes it from times.

        Raises:
            InputError: If a step lies outside the window; as `analyse`.
        """
        return analyse(self, background, observations)

    def problem(
        self, background: Tensor, observations: Mapping[int, Observations]
    ) -> tuple[Problem, Tensor]:
        """The cost of rows `(R, *state)`, and how many values count in each."""
        wrong = [k for k in observations if not 0 <= k <= self.length]
        if wrong:
            raise InputError(
                f"there are observations at step {wrong[0]}, outside the window of "
                f"{self.length} steps: lengthen the window or leave them out."
            )
        seen = Window(observations, background)

        def through(model: Dynamics) -> Callable[[Tensor], Callable[[Tensor], list[Tensor]]]:
            return lambda rows: self._path(rows, seen.steps, model)

        simplified = [through(model) for model in self.inner]
        return pose(background, seen, self._size, through(self.dynamics), simplified)

    def trajectory(self, background: Tensor, result: Result) -> Iterator[Tensor]:
        """States at steps 0, 1, ... `length`, model errors included, `(*batch, *state)` each."""
        assert result.control is not None
        batch = result.state.shape[: result.state.ndim - self.control.state_axes]
        rows = background.reshape(-1, *background.shape[len(batch) :])
        with torch.no_grad():
            steps = tuple(range(self.length + 1))
            path = self._path(rows, steps, self.dynamics)
            states = path(result.control.reshape(len(rows), -1))
        return (x.reshape(*batch, *x.shape[1:]) for x in states)

    @property
    def _error_steps(self) -> tuple[int, ...]:
        return () if self.model_error is None else self.model_error.steps

    @property
    def _size(self) -> int:
        errors = 0 if self.model_error is None else self.model_error.size
        return math.prod(self.control.shape) + errors

    def _path(
        self, rows: Tensor, steps: tuple[int, ...], model: Dynamics
    ) -> Callable[[Tensor], list[Tensor]]:
        """From the control variable (R, m) to the states at these ascending steps."""
        start, shape = self.control.around(rows), self.control.shape
        split = math.prod(shape)

        def states(v: Tensor) -> list[Tensor]:
            x = start(v[:, :split].unflatten(1, shape))
            errors = {} if self.model_error is None else self.model_error.fields(v[:, split:])
            return list(self._states(x, errors, steps, model))

        return states

    def _states(
        self, x: Tensor, errors: Mapping[int, Tensor], steps: tuple[int, ...], model: Dynamics
    ) -> Iterator[Tensor]:
        now = 0
        for event in sorted({*steps, *errors}):
            # A forward-mode derivative keeps nothing, and checkpoints cannot be combined with it.
            every = self.checkpoint_every if x.requires_grad else None
            x = final(model.step, x, event - now, checkpoint_every=every)
            if event in errors:
                x = x + errors[event]
            if event in steps:
                yield x
            now = event
