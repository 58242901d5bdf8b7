"""ModelError: what a weak constraint lets the model be wrong by."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.variational.covariance import RootedCovariance, check_amplitude

__all__ = ["ModelError"]


@dataclass(frozen=True, eq=False)
class ModelError:
    """Errors `eta_j ~ N(0, q^2 U_q U_q')` added to the state at chosen steps.

    Args:
        covariance: `U_q`, often that of the background with a small amplitude.
        steps: After which steps of the model, ascending, from 1.
        amplitude: `q`, factor of the standard deviation.

    Raises:
        InputError: If there is no step, the steps do not ascend, or the amplitude is not positive.
    """

    covariance: RootedCovariance
    steps: tuple[int, ...]
    amplitude: float = 1.0

    def __post_init__(self) -> None:
        """Check the settings."""
        check_amplitude(self.amplitude)
        if not self.steps or list(self.steps) != sorted(set(self.steps)):
            raise InputError(
                f"the model errors' steps are {self.steps}: give at least one, ascending."
            )

    @property
    def size(self) -> int:
        """Numbers in the control variable."""
        return len(self.steps) * math.prod(self.covariance.control_shape)

    def fields(self, w: Tensor) -> dict[int, Tensor]:
        """By step, `q U_q w_j`, shape (R, *state).

        Args:
            w: Shape (R, size).
        """
        each = w.unflatten(1, (len(self.steps), *self.covariance.control_shape))
        errors = self.amplitude * self.covariance.sqrt(each)
        return {step: errors[:, j] for j, step in enumerate(self.steps)}
