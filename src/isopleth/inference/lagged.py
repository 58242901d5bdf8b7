"""LaggedOI: observations of a window combined by climatological covariances in time, no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.variational.covariance import SampleCovariance
from isopleth.inference.variational.readings import Observations, Window
from isopleth.inference.variational.result import Result
from isopleth.inference.variational.static_oi import StaticOI, condition

__all__ = ["LaggedOI"]


@dataclass(frozen=True, eq=False)
class LaggedOI:
    """4D-OI: the best linear estimate of a trajectory from samples of trajectories.

        x_a(t) = x_b(t) + sum_s C(t, s) H_s' w_s,   w = (H C H' + R)^-1 (y - H x_b)

    with `C(t, s)` the covariance of the states at lags t and s: how anomalies move and decay is
    in the statistics. Solved exactly, one Cholesky factor a case. With samples of background
    errors along a forecast, C is that of the errors and `x_b` the forecast; with samples of
    states, `x_b` is the climatology.
    Reference: Bretherton, Davis and Fandry (1976), Deep-Sea Res. 23, 559.

    Args:
        settings: Covariance of states `(time, *state)`, and how to solve.
        steps: What the time axis stands for, steps since the window's start, ascending.

    Raises:
        InputError: If there is not one step a time of the covariance, or they do not ascend.
    """

    settings: StaticOI
    steps: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the steps."""
        times = self.settings.covariance.state_shape[0]
        if len(self.steps) != times or list(self.steps) != sorted(set(self.steps)):
            raise InputError(
                f"the steps are {self.steps}, but the trajectories have {times} times: give one "
                "step a time, ascending."
            )

    @classmethod
    def fit(
        cls, trajectories: Tensor, steps: tuple[int, ...], *, modes: int | None = None
    ) -> LaggedOI:
        """The joint covariance of sampled trajectories about their mean.

        Args:
            trajectories: Shape (n, time, *state).
            steps: Of the times.
            modes: Keep the leading joint EOFs only; None = exact, at the size of all samples.

        Raises:
            InputError: As `SampleCovariance.fit`.
        """
        covariance = SampleCovariance.fit(trajectories, modes=modes)
        return cls(StaticOI(covariance=covariance), tuple(steps))

    def __call__(self, background: Tensor, observations: Mapping[int, Observations]) -> Result:
        """The trajectory of every case; `state` has the shape of the background.

        Args:
            background: `x_b`, shape `(*batch, time, *state)`.
            observations: By number of steps since the window's start.

        Raises:
            InputError: If a step is none of the trajectories'; as `StaticOI`.
        """
        wrong = [step for step in observations if step not in self.steps]
        if wrong:
            raise InputError(
                f"there are observations at step {wrong[0]}, but the trajectories have the steps "
                f"{self.steps}: sample longer ones, or leave the observations out."
            )
        window = Window(observations, background)
        return condition(self.settings, background, _Along(window, self.steps))


class _Along:
    """A window read from trajectories `(R, time, *state)`."""

    def __init__(self, window: Window, steps: tuple[int, ...]) -> None:
        self._window = window
        self._at = [steps.index(step) for step in window.steps]
        self.values, self.precision = window.values, window.precision
        self.counts = window.counts

    @property
    def linear(self) -> bool:
        return self._window.linear

    def __call__(self, x: Tensor) -> Tensor:
        return self._window(self._states(x)) if self._at else x.new_zeros(len(x), 0)

    def case(self, row: int) -> Callable[[Tensor], Tensor]:
        read = self._window.case(row)
        return lambda x: read(self._states(x)) if self._at else x.new_zeros(len(x), 0)

    def _states(self, x: Tensor) -> list[Tensor]:
        return [x[:, at] for at in self._at]
