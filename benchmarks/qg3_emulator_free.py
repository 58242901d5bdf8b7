"""Free runs of the emulators and the time they take, for `qg3_emulator.py`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from isopleth.core.sphere import Sphere
from isopleth.dynamics import T21, Emulator, final, load_world
from isopleth.studies.rows import Row
from isopleth.systems.forecast import Emulated, energy_spectrum

DAY = 4
FREE, SPEED = "T21, second half of the free run", "T21, batch 64, one thread"
BANDS = {"degrees 1-5": (1, 6), "degrees 6-12": (6, 13), "degrees 13-21": (13, 22)}
BATCH, REPEATS = 64, 5


def drift(emulators: dict[str, Emulator], truth: Tensor) -> list[Row]:
    """Energy by scale after ten days, and the climate of a long free run, over the world's own.

    Args:
        emulators: By method.
        truth: Coefficients of the test run, (member, time, 3, 484); a state every six hours.
    """
    sphere = Sphere(T21.truncation, T21.grid)
    steps = truth.shape[1] - 1
    leads = [10 * DAY, *range(steps // 2, steps + 1, DAY)]
    rows = []
    for method, emulator in emulators.items():
        run = Emulated(emulator, sphere)(truth[:, 0], sorted(set(leads)))
        at = {lead: k for k, lead in enumerate(sorted(set(leads)))}
        ratio = _energy(run[at[10 * DAY]], sphere) / _energy(truth[:, 10 * DAY], sphere)
        long = range(steps // 2, steps + 1, DAY)
        free = torch.stack([run[at[lead]] for lead in long])
        own = truth[:, list(long)].transpose(0, 1)
        rows += [
            Row(method=method, setting=f"T21, 10 d, {band}", metric="energy_ratio", unit="1",
                value=float(ratio[k]), ci95=None)
            for k, band in enumerate(BANDS)
        ]  # fmt: skip
        values = {
            "sd_ratio": _spread(free) / _spread(own),
            "mean_error": _distance(free, own) / _spread(own),
            "largest_anomaly_ratio": float((free - own.mean((0, 1))).norm(dim=-1).max())
            / float((own - own.mean((0, 1))).norm(dim=-1).max()),
        }
        rows += [
            Row(method=method, setting=FREE, metric=name, unit="1", value=value)
            for name, value in values.items()
        ]
    return rows


def speeds(emulators: dict[str, Emulator]) -> list[Row]:
    """CPU milliseconds a member-day of each emulator and of the world, one thread, batch 64."""
    world = load_world()
    z = torch.zeros(BATCH, 3, 484) + world.from_streamfunction(torch.zeros(3, *T21.grid.shape))
    jobs: dict[str, Callable[[], object]] = {
        method: lambda emulator=emulator: final(
            emulator.step, emulator.mean.expand(BATCH, *emulator.mean.shape), DAY
        )
        for method, emulator in emulators.items()
    }
    jobs["QG3"] = lambda: final(world.step, z, round(86_400 / world.step_seconds))
    rows = []
    with torch.no_grad():
        for method, job in jobs.items():
            job()
            taken = [_milliseconds(job) / BATCH for _ in range(REPEATS)]
            rows.append(
                Row(method=method, setting=SPEED, metric="forward",
                    unit="ms/member-day", value=float(np.median(taken)),
                    ci95=(min(taken), max(taken)), n=REPEATS)
            )  # fmt: skip
    return rows


def _milliseconds(job: Callable[[], object]) -> float:
    start = time.process_time()
    job()
    return 1000.0 * (time.process_time() - start)


def _energy(z: Tensor, sphere: Sphere) -> Tensor:
    """Of each band, mean over members and sum over levels."""
    spectrum = energy_spectrum(z, sphere).mean(0).sum(0)
    return torch.stack([spectrum[low:high].sum() for low, high in BANDS.values()])


def _spread(states: Tensor) -> float:
    """Standard deviation over time and members, each level in turn, (time, member, 3, 484)."""
    anomaly = states - states.mean((0, 1))
    return float(anomaly.square().sum(-1).mean((0, 1)).sqrt().mean())


def _distance(free: Tensor, own: Tensor) -> float:
    """Of the two time means, root mean square over the sphere."""
    return float((free.mean((0, 1)) - own.mean((0, 1))).square().sum(-1).sqrt().mean())
