"""Dynamics: `x_k -> x_k+1`, differentiable and batched.

A dynamics has `step(x)` and `step_seconds`; `rollout` and `final` do the rest.
"""

from __future__ import annotations

from isopleth.dynamics.lorenz import Lorenz63, Lorenz96
from isopleth.dynamics.nature import load_world, nature_run, spun_up
from isopleth.dynamics.qg3_recipe import T21, T42, QG3Recipe
from isopleth.dynamics.qg3_surface import Surface, load_forcing, load_initial, load_surface
from isopleth.dynamics.quasigeostrophic import QuasiGeostrophic
from isopleth.dynamics.rollout import Dynamics, Repeated, final, rollout

__all__ = [
    "T21",
    "T42",
    "Dynamics",
    "Lorenz63",
    "Lorenz96",
    "QG3Recipe",
    "QuasiGeostrophic",
    "Repeated",
    "Surface",
    "final",
    "load_forcing",
    "load_initial",
    "load_surface",
    "load_world",
    "nature_run",
    "rollout",
    "spun_up",
]
