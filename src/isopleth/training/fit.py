"""fit(objective, batches, recipe, folder): the one training loop, on Lightning Fabric."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer

from isopleth.core.errors import IsoplethError
from isopleth.training.average import MovingAverage
from isopleth.training.checkpoint import Counters, Trained, restore, store
from isopleth.training.log import TrainingLog
from isopleth.training.recipe import TrainingRecipe
from isopleth.training.stop import StopSignal

__all__ = ["CHECKPOINT", "LOG", "Batch", "Validate", "fit"]

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"

Batch = Tensor | tuple[Tensor, ...]
Validate = Callable[[nn.Module], Mapping[str, float]]


@dataclass
class _Run:
    """One sitting of a training; `clock` is the wall time that all processes agree on."""

    fabric: Fabric
    forward: Any
    optimizer: Optimizer
    trained: Trained
    recipe: TrainingRecipe
    counters: Counters
    path: Path
    log: TrainingLog
    offset: float
    clock: float
    saved: float
    losses: Tensor
    norm: Tensor
    validated: int = -1

    @property
    def seconds(self) -> float:
        """Wall time of the whole training until now, by this process's clock."""
        return time.monotonic() - self.offset

    def save(self) -> Path:
        """Write the checkpoint, from the first process only."""
        self.check()
        self.counters.loss_sum = self.losses.item()
        self.counters.seconds = self.saved = self.seconds
        if self.fabric.is_global_zero:
            store(self.path, self.trained, self.counters)
        return self.path

    def check(self) -> None:
        """Refuse to go on from weights that are not numbers."""
        if not bool(torch.isfinite(self.losses + self.norm)):
            raise IsoplethError(
                f"the loss or its gradient is not finite at step {self.counters.step}: lower "
                f"the rate of {self.recipe.rate:g}, or look for values that are not finite."
            )


def fit(
    objective: nn.Module,
    batches: Callable[[int], Batch],
    recipe: TrainingRecipe,
    folder: Path,
    *,
    progress: Callable[[float], None] | None = None,
    validate: Validate | None = None,
    sitting_seconds: float = math.inf,
) -> Path:
    """Train until the recipe is used up; go on from the checkpoint in `folder` if there is one.

    Minimises E[objective(batch, generator)] by AdamW with warm-up and a half cosine, clipped
    gradients and a moving average of the weights. Batches and randomness are functions of the
    draw's number only, so an interrupted training goes on exactly as if it had not been.
    SIGTERM and SIGINT are kept back until a checkpoint is written, then take their course.

    Args:
        objective: `objective(batch, generator)` is the loss to minimise, a scalar; all of its
            parameters that ask for a gradient are trained.
        batches: From the number of the draw, 0, 1, 2, ... to a tensor (B, ...) or a tuple of
            them. An update takes `accumulate * devices` draws.
        recipe: The numbers.
        folder: Gets `checkpoint.safetensors` and `log.jsonl`; made if it is not there.
        progress: Is told the part done, in [0, 1], after each update.
        validate: Is given `objective` with averaged weights in evaluation mode, without
            gradients, on the device of the training; what it returns is logged.
        sitting_seconds: Stop, to be continued by another call, after this wall time.

    Returns:
        Path of the checkpoint; `read_counters(path).finished` tells whether it is the last one.
        `objective` is left with the averaged weights, where it came from.

    Raises:
        InputError: If the folder holds the checkpoint of another recipe or network.
        IsoplethError: If the loss or its gradient is not finite; the checkpoint is from before.
    """
    fabric = Fabric(
        accelerator=recipe.accelerator, devices=recipe.devices, precision=recipe.precision
    )
    fabric.launch()
    home = next(objective.parameters()).device
    cuda = [fabric.device] if fabric.device.type == "cuda" else []
    with StopSignal() as stop, torch.random.fork_rng(devices=cuda):
        run = _begin(fabric, objective, recipe, Path(folder))
        deadline = run.clock + sitting_seconds
        while _goes_on(run, stop, deadline):
            _update(run, batches)
            _record(run)
            if recipe.validate_every and run.counters.step % recipe.validate_every == 0:
                _validate(run, validate)
            if progress is not None:
                progress(recipe.done(run.counters.step, run.clock))
        if run.counters.finished and run.validated != run.counters.step:
            _validate(run, validate)
        run.save()
        run.trained.average.write()
    objective.to(home)
    return run.path


def _begin(fabric: Fabric, objective: nn.Module, recipe: TrainingRecipe, folder: Path) -> _Run:
    """Set up devices, optimiser and average; load the checkpoint if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / CHECKPOINT, TrainingLog(folder / LOG)
    objective.train()
    fabric.to_device(objective)
    weights = [p for p in objective.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        weights, lr=recipe.rate, betas=recipe.betas, weight_decay=recipe.weight_decay
    )
    forward, step = fabric.setup(objective, optimizer)
    trained = Trained(objective, optimizer, MovingAverage(objective, recipe.average))
    counters = Counters(recipe=recipe.what_decides())
    if path.is_file():
        counters = restore(path, trained, recipe.what_decides())
    if fabric.is_global_zero:
        log.rewind(counters.step)
    fabric.barrier()
    offset, clock = time.monotonic() - counters.seconds, counters.seconds
    losses = torch.tensor(counters.loss_sum, device=fabric.device)
    return _Run(
        fabric=fabric,
        forward=forward,
        optimizer=step,
        trained=trained,
        recipe=recipe,
        counters=counters,
        path=path,
        log=log,
        offset=offset,
        clock=clock,
        saved=clock,
        losses=losses,
        norm=torch.zeros_like(losses),
    )


def _goes_on(run: _Run, stop: StopSignal, deadline: float) -> bool:
    """Whether another update is due; all processes follow the first one's clock."""
    clock, asked = run.seconds, stop.asked
    if run.fabric.world_size > 1:
        clock, asked = run.fabric.broadcast((clock, asked))
    run.clock = clock
    run.counters.finished = run.recipe.done(run.counters.step, clock) >= 1
    return not (run.counters.finished or asked or clock >= deadline)


def _update(run: _Run, batches: Callable[[int], Batch]) -> None:
    """One step of AdamW on the mean loss over its draws."""
    fabric, recipe, step = run.fabric, run.recipe, run.counters.step
    optimizer = run.optimizer
    for group in optimizer.param_groups:
        group["lr"] = recipe.learning_rate(step, run.clock)
    optimizer.zero_grad(set_to_none=True)
    for part in range(recipe.accumulate):
        draw = (step * recipe.accumulate + part) * fabric.world_size + fabric.global_rank
        batch = fabric.to_device(batches(draw))
        generator = _randomness(recipe.seed, draw, fabric.device)
        partial = part + 1 < recipe.accumulate
        with fabric.no_backward_sync(run.forward, enabled=partial):
            loss = run.forward(batch, generator)
            fabric.backward(loss / recipe.accumulate)
        run.losses += loss.detach() / recipe.accumulate
        first = batch if isinstance(batch, Tensor) else batch[0]
        run.counters.samples += len(first) * fabric.world_size
    limit = recipe.clip or math.inf
    norm = fabric.clip_gradients(run.forward, optimizer, max_norm=limit, error_if_nonfinite=False)
    run.norm = run.norm if norm is None else norm
    optimizer.step()
    run.counters.step += 1
    run.counters.loss_count += 1
    run.trained.average.update(run.counters.step)


def _record(run: _Run) -> None:
    """A line of the log and a checkpoint, where they are due."""
    counters, recipe = run.counters, run.recipe
    if counters.step % recipe.log_every == 0:
        run.check()
        mean = cast(Tensor, run.fabric.all_reduce(run.losses))
        record = {
            "loss": float(mean) / counters.loss_count,
            "gradient_norm": run.norm.item(),
            "rate": run.optimizer.param_groups[0]["lr"],
            "seconds": round(run.seconds, 3),
            "samples": counters.samples,
        }
        counters.loss_count = 0
        run.losses.zero_()
        if run.fabric.is_global_zero:
            run.log.write(counters.step, record)
    if run.clock - run.saved >= recipe.checkpoint_seconds:
        run.save()


def _validate(run: _Run, validate: Validate | None) -> None:
    """Log what `validate` says of the averaged weights; the first process asks."""
    run.validated = run.counters.step
    if validate is None or not run.fabric.is_global_zero:
        return
    objective = run.trained.module
    objective.eval()
    with run.trained.average.applied(), torch.no_grad():
        run.log.write(run.counters.step, {"validation": dict(validate(objective))})
    objective.train()


def _randomness(seed: int, draw: int, device: torch.device) -> torch.Generator:
    """A generator for one draw; dropout and its like, which ask torch itself, are seeded too."""
    number = int(np.random.SeedSequence([seed, draw]).generate_state(1, np.uint64)[0]) >> 1
    torch.manual_seed(number)
    return torch.Generator(device).manual_seed(number)
