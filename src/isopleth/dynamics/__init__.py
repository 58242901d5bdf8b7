"""Dynamics: `x_k -> x_k+1`, differentiable and batched.

A dynamics has `step(x)` and `step_seconds`; `rollout` and `final` do the rest.
"""

from __future__ import annotations

from isopleth.dynamics.gridded import GriddedWorld
from isopleth.dynamics.learned import EmulatedWorld, Emulator, load_emulator
from isopleth.dynamics.lorenz import Lorenz63, Lorenz96
from isopleth.dynamics.nature import load_world, nature_run, spun_up
from isopleth.dynamics.qg3_recipe import T21, T42, QG3Recipe
from isopleth.dynamics.qg3_surface import Surface, load_forcing, load_initial, load_surface
from isopleth.dynamics.quasigeostrophic import QuasiGeostrophic
from isopleth.dynamics.rollout import Dynamics, Repeated, final, rollout
from isopleth.dynamics.truncated import Truncated

__all__ = [
    "T21",
    "T42",
    "Dynamics",
    "EmulatedWorld",
    "Emulator",
    "GriddedWorld",
    "Lorenz63",
    "Lorenz96",
    "QG3Recipe",
    "QuasiGeostrophic",
    "Repeated",
    "Surface",
    "Truncated",
    "final",
    "load_emulator",
    "load_forcing",
    "load_initial",
    "load_surface",
    "load_world",
    "nature_run",
    "rollout",
    "spun_up",
]
