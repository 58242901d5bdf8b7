"""The numbers of a training: steps, learning rate, averaging, precision, how often to write."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

from isopleth.core.errors import InputError

__all__ = ["Precision", "TrainingRecipe"]

Precision = Literal["32-true", "bf16-mixed"]
_AT_LEAST_ONE = ("steps", "accumulate", "devices", "log_every")
_NOT_NEGATIVE = ("warmup", "weight_decay", "clip", "validate_every", "final_rate")


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """How a network is trained; everything but the network, the loss and the data.

    Args:
        steps: Updates of the weights in the whole training.
        seconds: Wall time of the whole training, over all its sittings; the learning rate
            reaches its end when either `steps` or `seconds` are used up. Finite seconds make the
            rate depend on the clock, so only `inf` gives the same numbers twice.
        rate: Peak learning rate of AdamW.
        warmup: Steps of linear warm-up.
        final_rate: Learning rate at the end, as a fraction of `rate`.
        betas: Decay of AdamW's two moments.
        weight_decay: AdamW's decoupled decay.
        clip: Largest norm of the gradient; 0 = leave it as it is.
        average: Decay of the moving average of the weights, warmed up as (1 + n) / (10 + n).
        accumulate: Batches in one update.
        seed: Of all randomness in training.
        precision: Of the arithmetic, in Lightning Fabric's words; weights stay in 32 bits in
            the mixed forms.
        accelerator: "auto", "cpu", "cuda" or another that Lightning Fabric knows.
        devices: How many of them; each has its own batch, and gradients are averaged.
        log_every: Steps between two lines of the log.
        validate_every: Steps between two calls of `validate`; 0 = at the end only.
        checkpoint_seconds: Wall time between two checkpoints.

    Raises:
        InputError: If a number is out of its range.
    """

    steps: int
    seconds: float = math.inf
    rate: float = 1e-3
    warmup: int = 200
    final_rate: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0
    average: float = 0.999
    accumulate: int = 1
    seed: int = 0
    precision: Precision = "32-true"
    accelerator: str = "auto"
    devices: int = 1
    log_every: int = 50
    validate_every: int = 0
    checkpoint_seconds: float = 300.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        wrong = [name for name in _AT_LEAST_ONE if getattr(self, name) < 1]
        wrong += [name for name in _NOT_NEGATIVE if getattr(self, name) < 0]
        wrong += [name for name in ("seconds", "rate") if not getattr(self, name) > 0]
        wrong += [] if 0 <= self.average < 1 else ["average"]
        if wrong:
            raise InputError(
                f"{wrong[0]} = {getattr(self, wrong[0])} cannot train: counts are at least 1, "
                "rates and times above 0, and the average's decay lies in [0, 1)."
            )

    def done(self, step: int, seconds: float) -> float:
        """The part of the training that lies behind, in [0, 1].

        >>> TrainingRecipe(steps=100, seconds=10.0).done(step=20, seconds=5.0)
        0.5
        """
        return min(max(step / self.steps, seconds / self.seconds), 1.0)

    def learning_rate(self, step: int, seconds: float = 0.0) -> float:
        """Linear warm-up times a half cosine, for the update after `step` updates.

        >>> recipe = TrainingRecipe(steps=100, rate=1.0, warmup=0)
        >>> [round(recipe.learning_rate(step), 3) for step in (0, 50, 100)]
        [1.0, 0.5, 0.0]
        """
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        cosine = 0.5 * (1 + math.cos(math.pi * self.done(step, seconds)))
        return self.rate * rise * (self.final_rate + (1 - self.final_rate) * cosine)

    def what_decides(self) -> dict[str, object]:
        """The settings that a training may not change on its way, by name.

        How long it runs, where, and how often it writes may change between two sittings.
        """
        free = {"steps", "seconds", "accelerator", "devices", "log_every"}
        free |= {"validate_every", "checkpoint_seconds"}
        return {k: v for k, v in dataclasses.asdict(self).items() if k not in free}
