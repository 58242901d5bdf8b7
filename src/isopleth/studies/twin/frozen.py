"""What a contest asks of a world that is frozen, whichever world it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.core.sphere import Sphere
from isopleth.dynamics.rollout import Dynamics
from isopleth.inference.kalman import Located
from isopleth.inference.variational import RootedCovariance, SampleCovariance
from isopleth.studies.twin.recipe import NetworkRecipe

__all__ = ["Cases", "FrozenWorld", "Linear", "Observing", "Space"]

Linear = tuple[Callable[[Tensor], Tensor], SampleCovariance]
"""An estimate of the truth from a background, and the covariance of its error."""


@dataclass(frozen=True, eq=False)
class Cases:
    """Cases of the validation, or of all seeds of the test.

    Attributes:
        truth: Anomalies at the times of a window and later, shape (n, time, channel, nlat, nlon).
        background: At its start, (n, channel, nlat, nlon).
        older: The forecast for its start that was made one cycle earlier, same shape.
        members: At its start, (n, N, channel, nlat, nlon).
        trajectory: Of every case, which bootstrap blocks follow, shape (n,).
        names: What seeds the draws of each case.
    """

    truth: Tensor
    background: Tensor
    older: Tensor
    members: Tensor
    trajectory: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.background)

    def chosen(self, rows: list[int]) -> Cases:
        """Some of them."""
        return Cases(
            truth=self.truth[rows],
            background=self.background[rows],
            older=self.older[rows],
            members=self.members[rows],
            trajectory=self.trajectory[rows],
            names=tuple(self.names[row] for row in rows),
        )


class Space(Protocol):
    """Where anomalies live: standardised fields (channel, nlat, nlon) on a Gaussian grid."""

    @property
    def grid(self) -> Grid:
        """Its levels are the channels."""
        ...

    @property
    def sphere(self) -> Sphere:
        """Harmonics and areas of the grid."""
        ...

    @property
    def channels(self) -> int:
        """Of a state."""
        ...

    def dynamics(self, hours: float) -> Dynamics:
        """The model that forecasts are made with, in anomalies, with a step of so many hours."""
        ...


class Observing(Protocol):
    """A network with its errors."""

    def __call__(self, truth: Tensor, *key: object) -> Located:
        """Observations of one truth, drawn for this key."""
        ...


class FrozenWorld(Protocol):
    """Truths, backgrounds and what is known of their errors."""

    @property
    def climate(self) -> Space:
        """Of the anomalies."""
        ...

    @property
    def recipe(self) -> Any:
        """Every number; `window_hours` at least."""
        ...

    @property
    def withheld(self) -> NetworkRecipe:
        """What is not assimilated, to score analyses with."""
        ...

    @property
    def climatological(self) -> SampleCovariance:
        """Of states about the climate."""
        ...

    @property
    def errors(self) -> SampleCovariance:
        """Of background errors."""
        ...

    def modelled(self, amplitude: float, length: float) -> RootedCovariance:
        """Of background errors, as a control-variable transform with these two factors."""
        ...

    def regression(self, ridge: float) -> Linear:
        """The linear estimate from a background, with the covariance of its error."""
        ...

    def cases(self, kind: str) -> Cases:
        """Of "validation" or "test"."""
        ...

    def later(self, cases: Cases, days: Sequence[int]) -> Tensor | None:
        """Truths so many days later, (n, day, *state); None = as the model forecasts them."""
        ...

    def network(self, recipe: NetworkRecipe) -> Observing:
        """Observations of this world's truths."""
        ...
