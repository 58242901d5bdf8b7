"""The timed jobs of `qg3_speed.py`; each runs in a process of its own and prints JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from isopleth.core.grid import Grid
from isopleth.dynamics.qg3_recipe import T21
from isopleth.dynamics.qg3_surface import load_forcing, load_initial, load_surface
from isopleth.dynamics.quasigeostrophic import QuasiGeostrophic
from isopleth.dynamics.rollout import final
from isopleth.inference.kalman import LETKF, Located, Sphere
from isopleth.observe import observed
from isopleth.observe.networks import Percent, RandomPoints, Singles

DAY, WINDOW, EVERY = 48, 12, 4


def world(dtype: torch.dtype = torch.float32) -> tuple[QuasiGeostrophic, Tensor]:
    """The model and the shipped start."""
    model = QuasiGeostrophic(T21, load_surface(T21.grid), load_forcing(T21.grid), dtype)
    field = torch.from_numpy(load_initial(T21.grid)).to(dtype)
    return model, model.from_vorticity(field)


def seconds(job: Callable[[], object], clock: Callable[[], float]) -> float:
    """Of one call."""
    start = clock()
    job()
    return clock() - start


def measure(batch: int, steps: int) -> dict[str, list[float]]:
    """CPU seconds of `steps` steps, of their gradient, and of that with a checkpoint every 4."""
    torch.set_num_threads(1)
    model, z = world()
    x = z.expand(batch, *z.shape).clone()

    def forward() -> None:
        with torch.no_grad():
            final(model.step, x, steps)

    def gradient(every: int | None = None) -> None:
        # Windows of 6 hours, as an analysis has: a day's inner values of 64 members fill 8 GB.
        left = steps
        while left:
            count = min(left, WINDOW)
            start = x.clone().requires_grad_()
            after = final(model.step, start, count, checkpoint_every=every)
            torch.autograd.grad(after.square().sum(), start)
            left -= count

    jobs = {
        "forward": forward,
        "gradient": gradient,
        "checkpointed gradient": lambda: gradient(EVERY),
    }
    start = x.clone().requires_grad_()  # the first window loads code and claims its memory
    torch.autograd.grad(final(model.step, start, WINDOW).sum(), start)
    torch.autograd.grad(final(model.step, start, 1, checkpoint_every=1).sum(), start)
    return {name: [seconds(job, time.process_time)] for name, job in jobs.items()}


def compare(path: str) -> dict[str, list[float]]:
    """Relative rms difference from the fields of pyshqg a day after the start."""
    differences = {}
    with np.load(path, allow_pickle=False) as golden:
        exact = torch.from_numpy(golden["after_one_day"])
    for name, dtype in (("double", torch.float64), ("single", torch.float32)):
        model, z = world(dtype)
        error = model.vorticity(final(model.step, z, DAY)).double() - exact
        differences[name] = [float((error.square().mean() / exact.square().mean()).sqrt())]
    return differences


def letkf(radius: int, repeats: int) -> dict[str, list[float]]:
    """Seconds of the wall clock of an analysis of 32 members, 5 % of the cells seen, 2 threads."""
    torch.set_num_threads(2)
    grid = Grid(T21.grid.latitude, T21.grid.longitude, np.arange(3.0), np.ones((3, 32, 64), bool))
    stream = torch.Generator().manual_seed(0)
    at = RandomPoints(Percent(5.0), Singles())(grid, stream)
    members = torch.randn(32, *grid.shape, generator=stream)
    values = observed(at.operator(grid), members[0], 0.01, stream)
    seen = Located.on_sphere(values, at.latitude, at.longitude)
    method = LETKF(geometry=Sphere.of(grid), radius=float(radius))
    method(members, [seen])
    analyses = [
        seconds(lambda: method(members, [seen]), time.perf_counter) for _ in range(repeats)
    ]
    return {"seconds": analyses, "observations": [float(len(at))]}


def accelerated(batch: int, steps: int) -> dict[str, list[float]]:
    """Seconds of the wall clock on a GPU; nothing without one."""
    if not torch.cuda.is_available():
        return {}
    model, z = world()
    model, x = model.cuda(), z.cuda().expand(batch, *z.shape).clone()

    def forward() -> None:
        with torch.no_grad():
            final(model.step, x, steps)
        torch.cuda.synchronize()

    forward()
    return {"forward": [seconds(forward, time.perf_counter) for _ in range(3)]}


if __name__ == "__main__":
    if sys.argv[1] == "compare":
        print(json.dumps(compare(sys.argv[2])))
    else:
        jobs = {"time": measure, "cuda": accelerated, "letkf": letkf}
        print(json.dumps(jobs[sys.argv[1]](*map(int, sys.argv[2:]))))
