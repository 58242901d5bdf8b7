"""GriddedWorld: a change of variables, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics import T21, load_world
from isopleth.dynamics.gridded import GriddedWorld
from isopleth.dynamics.quasigeostrophic import QuasiGeostrophic

MEAN = 1e7 * torch.from_numpy(T21.grid.sine).float()[:, None].expand(3, 32, 64)
SD = torch.tensor([7e6, 5e6, 4e6])


@pytest.fixture(scope="module")
def world() -> QuasiGeostrophic:
    return load_world(T21)


@pytest.fixture(scope="module")
def x(world: QuasiGeostrophic) -> Tensor:
    """Anomalies that the truncation holds, (2, 3, 32, 64)."""
    stream = torch.Generator().manual_seed(0)
    c = torch.randn(2, 3, 484, generator=stream) / (1.0 + world.sphere.degree)
    c[..., world.sphere.degree == 0] = 0.0  # a streamfunction's mean is no part of a state
    return world.sphere.synthesis(c)


def test_there_and_back(world: QuasiGeostrophic, x: Tensor) -> None:
    model = GriddedWorld(world, MEAN, SD)
    assert torch.allclose(model.from_state(model.to_state(x)), x, atol=1e-3)


def test_steps_are_the_worlds(world: QuasiGeostrophic, x: Tensor) -> None:
    model = GriddedWorld(world, MEAN, SD, seconds=3600.0)
    z = model.to_state(x)
    for _ in range(2):
        z = world.step(z)
    assert model.step_seconds == 3600.0
    assert torch.allclose(model.step(x), model.from_state(z), atol=1e-4)


def test_another_dynamics_may_stand_in(world: QuasiGeostrophic, x: Tensor) -> None:
    class Still:
        step_seconds = 1800.0

        def step(self, z: Tensor) -> Tensor:
            return z

    model = GriddedWorld(world, MEAN, SD, dynamics=Still())
    assert torch.allclose(model.step(x), model.from_state(model.to_state(x)), atol=1e-5)


def test_wind_anomalies_are_differences_of_winds(world: QuasiGeostrophic, x: Tensor) -> None:
    model = GriddedWorld(world, MEAN, SD)
    z, still = model.to_state(x), model.to_state(torch.zeros_like(x))
    u, v = (a - b for a, b in zip(*map(world.winds, (z, still)), strict=True))
    assert torch.allclose(model.wind_anomalies(x), torch.cat([u, v], -3), atol=1e-2)


@pytest.mark.parametrize("sd", [torch.tensor([1.0, 0.0, 1.0]), torch.ones(2)])
def test_a_size_that_is_none_is_refused(world: QuasiGeostrophic, sd: Tensor) -> None:
    with pytest.raises(InputError, match="one positive number a level"):
        GriddedWorld(world, MEAN, sd)


def test_a_step_that_is_no_multiple_is_refused(world: QuasiGeostrophic) -> None:
    with pytest.raises(InputError, match="no multiple"):
        GriddedWorld(world, MEAN, SD, seconds=1000.0)
