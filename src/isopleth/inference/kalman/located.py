"""Located: an observation that knows where it was made, for methods that localise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.protocols import Observed, Operator
from isopleth.observe.counted import counted

__all__ = ["Located", "Placed", "positions"]

Floats = npt.NDArray[np.float64]


@runtime_checkable
class Placed(Protocol):
    """An observation with a position for each value."""

    @property
    def position(self) -> npt.ArrayLike:
        """Shape `(*obs, d)`: one coordinate on a line, latitude and longitude on a sphere."""
        ...


@dataclass(frozen=True, eq=False)
class Located:
    """An observation and where its values belong; everything else is the observation's.

    Args:
        observation: `y`, `A` and `R`.
        position: Shape `(*obs, d)`, or one that broadcasts to it; d = 1 on a line (a coordinate),
            2 on a sphere (degrees north, degrees east). A value that averages over a region is put
            at its middle.

    Raises:
        InputError: If there is not one position for every value.

    >>> import torch
    >>> from isopleth.dynamics.lorenz import Components
    >>> from isopleth.observe import Observation
    >>> seen = Observation(torch.zeros(2), Components((0, 5), 40), torch.tensor(1.0))
    >>> Located(seen, [[0.0], [5.0]]).position.shape
    (2, 1)
    """

    observation: Observed
    position: npt.ArrayLike

    def __post_init__(self) -> None:
        """Check the shape."""
        shape = tuple(self.observation.values.shape)
        place = np.asarray(self.position, np.float64)
        try:
            whole = np.broadcast_to(place, (*shape, *place.shape[-1:]))
        except ValueError as error:
            raise InputError(
                f"positions of shape {place.shape} do not belong to values of shape {shape}: "
                "give one for every value, its coordinates on the last axis."
            ) from error
        object.__setattr__(self, "position", whole)

    @classmethod
    def on_sphere(
        cls, observation: Observed, latitude: npt.ArrayLike, longitude: npt.ArrayLike
    ) -> Located:
        """At degrees north and east: one pair a value, or one for each row of values."""
        place = np.stack([np.asarray(latitude), np.asarray(longitude)], -1).astype(np.float64)
        more = observation.values.ndim - (place.ndim - 1)
        return cls(observation, place.reshape(*place.shape[:-1], *[1] * more, 2))

    @property
    def values(self) -> Tensor:
        """`y`."""
        return self.observation.values

    @property
    def variance(self) -> Tensor:
        """Diagonal of `R`."""
        return self.observation.variance

    @property
    def operator(self) -> Operator:
        """`A`."""
        return self.observation.operator

    def log_likelihood(self, x: Tensor) -> Tensor:
        """`log p(y | x)`."""
        return self.observation.log_likelihood(x)


def positions(observations: Sequence[Observed]) -> Floats:
    """Where the values that count were seen, in the order of `Predicted`, shape (p, d).

    Raises:
        InputError: If an observation has no position.
    """
    rows = []
    for seen in observations:
        if not isinstance(seen, Placed):
            raise InputError(
                f"{type(seen).__name__} has no position: wrap it in "
                "Located(observation, position)."
            )
        place = np.asarray(seen.position, np.float64)
        flat = place.reshape(math.prod(seen.values.shape), place.shape[-1])
        rows.append(flat[counted(seen).cpu().numpy()])
    return np.concatenate(rows)
