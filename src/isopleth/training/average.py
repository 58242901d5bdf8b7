"""The moving average of the weights: what is used after training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["MovingAverage"]


class MovingAverage:
    """`a <- d a + (1 - d) w` for every trained weight, after each update.

    The decay warms up, d_n = min(decay, (1 + n) / (10 + n)), so that the first weights are soon
    forgotten (as in Tensorflow's ExponentialMovingAverage). Buffers are not averaged.

    Args:
        module: Its parameters that ask for a gradient are followed; it is not copied.
        decay: d, in [0, 1).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        self._names = [name for name, _ in named]
        self._weights = [p for _, p in named]
        self._average = [p.detach().clone() for p in self._weights]

    @torch.no_grad()
    def update(self, updates: int) -> None:
        """Take in the weights after the update number `updates`, counted from 1."""
        decay = min(self.decay, (1 + updates) / (10 + updates))
        torch._foreach_lerp_(self._average, [p.detach() for p in self._weights], 1 - decay)

    @torch.no_grad()
    def write(self) -> None:
        """Put the average into the module."""
        for weight, average in zip(self._weights, self._average, strict=True):
            weight.copy_(average)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within this block the module has the averaged weights; afterwards its own again."""
        own = [p.detach().clone() for p in self._weights]
        self.write()
        try:
            yield
        finally:
            with torch.no_grad():
                for weight, value in zip(self._weights, own, strict=True):
                    weight.copy_(value)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by the names of their parameters."""
        return dict(zip(self._names, self._average, strict=True))

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from averages of the same names and shapes."""
        for name, average in zip(self._names, self._average, strict=True):
            average.copy_(state[name])
