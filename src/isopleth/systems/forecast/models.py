"""Models: what carries a streamfunction six hours on; one table from names to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics import T21, T42, Dynamics, QuasiGeostrophic, Repeated, load_world
from isopleth.dynamics.learned import load_emulator
from isopleth.systems.forecast.settings import STEP_HOURS

__all__ = ["MODELS", "Model", "OnStreamfunction", "emulator", "load_model", "quasi_geostrophic"]

_RECIPES = {21: T21, 42: T42}


class OnStreamfunction:
    """The quasi-geostrophic world as a dynamics of its streamfunction on the grid, 6 hours a step.

    A state of the streamfunction says all that the world's own state does, so a run may stop after
    any step and go on from what was written.

    Args:
        world: Which runs.
    """

    def __init__(self, world: QuasiGeostrophic) -> None:
        self._world = world
        self._six_hours = Repeated(world, seconds=STEP_HOURS * 3600.0)
        self.step_seconds = self._six_hours.step_seconds

    def step(self, psi: Tensor) -> Tensor:
        """Streamfunction 6 hours later, m2 s-1, shape (..., 3, nlat, nlon)."""
        z = self._world.from_streamfunction(psi)
        return self._world.streamfunction(self._six_hours.step(z))


@dataclass(frozen=True, eq=False, kw_only=True)
class Model:
    """What a forecast is made with.

    Args:
        name: On the command line.
        words: What it is, for reports.
        dynamics: Of the streamfunction, (..., 3, nlat, nlon), m2 s-1.
        world: Its grid, and what turns streamfunction into winds and energy.
    """

    name: str
    words: str
    dynamics: Dynamics
    world: QuasiGeostrophic

    def __post_init__(self) -> None:
        """Check the length of the step."""
        if abs(self.dynamics.step_seconds - STEP_HOURS * 3600.0) > 1.0:
            raise InputError(
                f"a step of {self.dynamics.step_seconds:g} s is not {STEP_HOURS} hours: wrap the "
                "dynamics in `isopleth.dynamics.Repeated`."
            )

    @property
    def truncation(self) -> int:
        """Largest degree of the streamfunction."""
        return self.world.recipe.truncation

    def winds(self, psi: Tensor) -> tuple[Tensor, Tensor]:
        """Eastward and northward wind, m s-1, of a streamfunction (..., nlat, nlon)."""
        sphere = self.world.sphere
        east, north = sphere.gradient(sphere.analysis(psi) / self.world.recipe.radius)
        return -north, east

    def relative_vorticity(self, psi: Tensor) -> Tensor:
        """`lap psi`, s^-1, shape of psi."""
        sphere = self.world.sphere
        laplacian = sphere.laplacian / self.world.recipe.radius**2
        return sphere.synthesis(laplacian * sphere.analysis(psi))

    def mean(self, g: Tensor) -> Tensor:
        """Mean over the sphere, `(..., nlat, nlon)` to `(...)`."""
        area = self.world.sphere.weights.to(g)[:, None] / self.world.sphere.grid.nlon
        return (g * area).sum((-2, -1))


def quasi_geostrophic(truncation: int = 21) -> Model:
    """The quasi-geostrophic model itself.

    Raises:
        InputError: If the truncation is neither 21 nor 42.
    """
    if truncation not in _RECIPES:
        raise InputError(f"there is no model of truncation {truncation}: take 21 or 42.")
    world = load_world(_RECIPES[truncation])
    words = (
        f"the quasi-geostrophic model of Marshall and Molteni (1993) at T{truncation}, three "
        "levels, dry, perpetual winter"
    )
    return Model(name="qg3", words=words, dynamics=OnStreamfunction(world), world=world)


def emulator(name: str, weights: str) -> Model:
    """A learned emulator of the model at T21.

    Args:
        name: On the command line.
        weights: Name of the shipped weights.

    Raises:
        IsoplethError: If its weights are not there or damaged.
    """
    words = f"a learned emulator ({weights}) of the quasi-geostrophic model at T21, 6 hours a step"
    return Model(name=name, words=words, dynamics=load_emulator(weights), world=load_world(T21))


def _learned(name: str, weights: str) -> Callable[[int], Model]:
    def make(truncation: int) -> Model:
        if truncation != T21.truncation:
            raise InputError(
                f"the emulator {name!r} has no truncation {truncation}: leave it out, or take "
                "the model qg3."
            )
        return emulator(name, weights)

    return make


MODELS: dict[str, Callable[[int], Model]] = {
    "qg3": quasi_geostrophic,
    "unet": _learned("unet", "qg3_unet"),
    "vit": _learned("vit", "qg3_vit"),
}
"""Name -> model, from the truncation: the only place where a word selects one."""


def load_model(name: str, truncation: int = 21) -> Model:
    """The model of a name.

    Raises:
        InputError: If there is none, or not at that truncation.
    """
    if name not in MODELS:
        raise InputError(f"there is no model {name!r}: take one of {', '.join(MODELS)}.")
    with torch.no_grad():
        return MODELS[name](truncation)
