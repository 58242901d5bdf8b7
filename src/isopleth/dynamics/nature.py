"""Nature runs: the quasi-geostrophic world after its spin-up, as a source of truth."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.qg3_recipe import T21, QG3Recipe
from isopleth.dynamics.qg3_surface import load_forcing, load_initial, load_surface
from isopleth.dynamics.quasigeostrophic import QuasiGeostrophic
from isopleth.dynamics.rollout import final

__all__ = ["SPIN_UP_DAYS", "load_world", "nature_run", "spun_up"]

SPIN_UP_DAYS = 180
"""Until the shipped start and the noise on it have left the variance; see docs/worlds.md."""

_DAY = 86_400.0
_SPREAD = 0.3
"""Share of the start's own vorticity; members forget one another within weeks."""


def load_world(recipe: QG3Recipe = T21) -> QuasiGeostrophic:
    """The world on its shipped surface with its shipped forcing, in single precision.

    Raises:
        InputError: If nothing is shipped for the recipe's grid.
    """
    return QuasiGeostrophic(recipe, load_surface(recipe.grid), load_forcing(recipe.grid))


def spun_up(
    world: QuasiGeostrophic, members: int, generator: torch.Generator, days: float = SPIN_UP_DAYS
) -> Tensor:
    """Independent states of the world's climate, shape (members, 3, (T + 1)^2).

    Each starts from the shipped potential vorticity plus noise, a share of what it has above the
    planet's own at every degree, and runs for `days`. The first members do not depend on how many
    there are.

    Args:
        world: Whose climate it is.
        members: How many states, at least 1.
        generator: Of the noise, on the CPU.
        days: Length of the spin-up, `SPIN_UP_DAYS` unless there is a reason.

    Raises:
        InputError: If there is no member or the spin-up is no whole number of steps.
    """
    if members < 1:
        raise InputError(f"{members} members: ask for at least 1.")
    sphere = world.sphere
    start = sphere.analysis(torch.from_numpy(load_initial(sphere.grid)).to(sphere.values))
    planet = world.from_streamfunction(start.new_zeros(3, *sphere.grid.shape))
    power = sphere.power(start - planet) / (2 * torch.arange(sphere.truncation + 1) + 1)
    size = power.sqrt()
    each = [torch.randn(start.shape, generator=generator) for _ in range(members)]
    noise = torch.stack(each).to(start)
    z = start + _SPREAD * size[..., sphere.degree] * noise * (sphere.degree > 0)
    with torch.no_grad():
        return final(world.step, z, _steps(days * _DAY, world))


def nature_run(
    world: QuasiGeostrophic, z: Tensor, *, every_hours: float, days: float
) -> Iterator[Tensor]:
    """States of the world every so many hours, for so many days; the start is not among them.

    Args:
        world: Which runs.
        z: Start, shape (..., 3, (T + 1)^2): `spun_up`, say.
        every_hours: Between two states.
        days: Of the whole run.

    Yields:
        States of the shape of z.

    Raises:
        InputError: If a length is no whole number of steps.
    """
    stride = _steps(every_hours * 3600.0, world)
    times = _steps(days * _DAY, world) // stride
    with torch.no_grad():
        for _ in range(times):
            z = final(world.step, z, stride)
            yield z


def _steps(seconds: float, world: QuasiGeostrophic) -> int:
    steps = round(seconds / world.step_seconds)
    if steps < 1 or abs(steps * world.step_seconds - seconds) > 1e-6 * seconds:
        raise InputError(
            f"{seconds:g} s is no whole number of steps of {world.step_seconds:g} s: "
            f"give {max(steps, 1) * world.step_seconds:g} s, say."
        )
    return steps
