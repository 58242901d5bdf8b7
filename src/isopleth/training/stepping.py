"""Learning a step: stretches of a run, and the error of steps in a row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from isopleth.core.errors import InputError

__all__ = ["RolloutLoss", "Segments", "Stepping"]


class Stepping(Protocol):
    """A network that steps fields (..., channel, lat, lon); a module."""

    residual_sd: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """The fields a step later, shape of x."""
        ...


class Segments:
    """Stretches of runs on disk: batches are a function of their number.

    Args:
        path: An array `.npy`, (member, time, *state), float16 or float32.
        batch: Stretches in a batch.
        steps: In a stretch; it has one state more.
        seed: Of which stretches come.

    Raises:
        InputError: If the run is shorter than a stretch.
    """

    def __init__(self, path: Path, batch: int, steps: int = 1, seed: int = 0) -> None:
        self.states: NDArray[np.floating] = np.load(path, mmap_mode="r", allow_pickle=False)
        self.batch, self.steps, self.seed = batch, steps, seed
        if self.states.shape[1] <= steps:
            raise InputError(
                f"a run of {self.states.shape[1]} states has no stretch of {steps} steps: make "
                "it longer."
            )

    def __call__(self, number: int) -> Tensor:
        """Batch `number`, float32, (B, steps + 1, *state)."""
        stream = np.random.default_rng((self.seed, number))
        member = stream.integers(self.states.shape[0], size=self.batch)
        start = stream.integers(self.states.shape[1] - self.steps, size=self.batch)
        pairs = zip(member, start, strict=True)
        found = np.stack([self.states[m, k : k + self.steps + 1] for m, k in pairs])
        return torch.from_numpy(found.astype(np.float32, copy=False))


class RolloutLoss(nn.Module):
    """Mean over n steps, channels and area of `((x_k - x_k,true) / s_r)^2`.

    1 is the error of a forecast of no change one step ahead.

    Args:
        emulator: That is trained, a module; brings s_r, (channel, 1, 1).
        area: Share of the sphere of every cell, (lat, 1).
        fields: From what batches hold to fields (..., channel, lat, lon); None = they are those.
        mixed: Whether the network computes in bfloat16. Fabric's own mixed precision would round
            the batch, and a step changes a field little.
    """

    area: Tensor

    def __init__(
        self,
        emulator: Stepping,
        area: Tensor,
        fields: Callable[[Tensor], Tensor] | None = None,
        *,
        mixed: bool = False,
    ) -> None:
        super().__init__()
        self.emulator, self.mixed = emulator, mixed
        self._fields = (fields,)  # a tuple: its tables are no part of a checkpoint
        self.register_buffer("area", area, persistent=False)

    def forward(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """From stretches (B, n + 1, ...) to a number; nothing is random."""
        fields = self._fields[0]
        truth = batch if fields is None else fields(batch)
        x, total = truth[:, 0], truth.new_zeros(())
        for after in truth[:, 1:].unbind(1):
            with torch.autocast(batch.device.type, torch.bfloat16, enabled=self.mixed):
                x = self.emulator(x)
            error = (x - after) / self.emulator.residual_sd
            total = total + (self.area * error.square()).sum((-2, -1)).mean()
        return total / (truth.shape[1] - 1)
