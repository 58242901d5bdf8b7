"""Emulators: the residual form in closed form, truncation, gradients, the way round through q."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from isopleth.core.errors import DataMissingError, InputError
from isopleth.core.sphere import Sphere
from isopleth.data.cards import open_asset
from isopleth.dynamics import (
    T21,
    Dynamics,
    EmulatedWorld,
    Emulator,
    QuasiGeostrophic,
    load_emulator,
    load_forcing,
    load_surface,
    load_world,
)
from isopleth.dynamics.rollout import final

GRID = T21.grid
MEAN, SD, CHANGE = 3e7, torch.tensor([4e7, 2e7, 1e7]), torch.tensor([3e6, 2e6, 1e6])


class Scaled(nn.Module):
    """net(x, static) = factor x + static."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor, static: Tensor) -> Tensor:
        return self.factor * x + static


class Constant(nn.Module):
    """net(x, static) = a field, whatever the state is."""

    def __init__(self, field: Tensor) -> None:
        super().__init__()
        self.register_buffer("field", field)

    def forward(self, x: Tensor, static: Tensor) -> Tensor:
        field = self.get_buffer("field")
        return field.expand(x.shape)


@pytest.fixture(scope="module")
def sphere() -> Sphere:
    return Sphere(T21.truncation, GRID, torch.float64)


def emulator(net: nn.Module) -> Emulator:
    static = torch.zeros(3, *GRID.shape)
    return Emulator(net, torch.full((3, *GRID.shape), MEAN), SD, CHANGE, static).double()


def smooth(sphere: Sphere, *shape: int, seed: int = 0) -> Tensor:
    """Fields of degree 1 to 21."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(*shape, sphere.size, generator=generator, dtype=torch.float64)
    return sphere.synthesis(z * (sphere.degree > 0))


def test_the_residual_form_in_closed_form(sphere: Sphere) -> None:
    anomaly = smooth(sphere, 4, 2, 3) * SD[:, None, None]
    after = emulator(Scaled(0.5)).step(MEAN + anomaly)
    expected = MEAN + anomaly * (1.0 + 0.5 * (CHANGE / SD)[:, None, None])
    torch.testing.assert_close(after, expected, rtol=1e-6, atol=10.0)


def test_what_the_world_cannot_hold_is_taken_out(sphere: Sphere) -> None:
    rough = torch.randn(3, *GRID.shape, generator=torch.Generator().manual_seed(1)).double()
    model = emulator(Constant(rough))
    change = model.change(torch.zeros(2, 3, *GRID.shape, dtype=torch.float64))[0]
    kept = sphere.analysis(rough)
    kept[0, sphere.index(0, 0)] = 0.0
    torch.testing.assert_close(change, sphere.synthesis(kept), rtol=0, atol=1e-5)


def test_leading_axes_are_members_that_do_not_see_one_another(sphere: Sphere) -> None:
    psi = MEAN + smooth(sphere, 2, 3, 3) * SD[:, None, None]
    model = emulator(Scaled(-0.3))
    torch.testing.assert_close(model.step(psi)[1, 2], model.step(psi[1, 2]))


def test_the_precision_of_the_state_is_kept() -> None:
    model = emulator(Scaled(0.1)).float()
    psi = torch.zeros(3, *GRID.shape)
    assert model.step(psi.double()).dtype == torch.float64
    assert model.step(psi).dtype == torch.float32


def test_the_gradient_is_that_of_the_closed_form(sphere: Sphere) -> None:
    model = emulator(Scaled(0.5))
    psi = (MEAN + smooth(sphere, 3) * SD[:, None, None]).requires_grad_()
    probe = smooth(sphere, 3, seed=2)
    (slope,) = torch.autograd.grad((model.step(psi) * probe).sum(), psi)
    direction = smooth(sphere, 3, seed=3)
    along = direction * (1.0 + 0.5 * (CHANGE / SD)[:, None, None])
    expected = (along * probe).sum()
    torch.testing.assert_close((slope * direction).sum(), expected, rtol=1e-5, atol=0.0)


def test_it_is_a_dynamics() -> None:
    model = emulator(Scaled(0.0))
    assert isinstance(model, Dynamics)
    assert model.step_seconds == 21600.0


def test_a_world_whose_emulator_changes_nothing_stands_still() -> None:
    world = QuasiGeostrophic(T21, load_surface(GRID), load_forcing(GRID), torch.float64)
    z = torch.randn(2, 3, 484, generator=torch.Generator().manual_seed(0)).double() * 1e-6
    z = world.from_streamfunction(world.streamfunction(z))
    still = EmulatedWorld(emulator(Scaled(0.0)), world)
    torch.testing.assert_close(still.step(z), z, rtol=0, atol=1e-15)
    assert still.step_seconds == 21600.0


def test_the_emulated_world_is_differentiable() -> None:
    world = load_world()
    stepped = EmulatedWorld(emulator(Scaled(0.2)).float(), world)
    z = torch.zeros(3, 484).requires_grad_()
    (slope,) = torch.autograd.grad(final(stepped.step, z, 2).square().sum(), z)
    assert bool(torch.isfinite(slope).all())
    assert bool((slope != 0).any())


@pytest.fixture(scope="module")
def later() -> Tensor:
    """States of the world's climate that no training has seen, (2, 3, (T + 1)^2)."""
    world = load_world()
    with np.load(open_asset("qg3_climate"), allow_pickle=False) as file:
        psi = world.sphere.synthesis(torch.from_numpy(file["states_T21"][:2]).float())
    with torch.no_grad():
        return final(world.step, world.from_streamfunction(psi), 48 * 45)


@pytest.mark.parametrize(("name", "share"), [("qg3_unet", 0.06), ("qg3_vit", 0.2)])
def test_the_shipped_emulators_forecast(name: str, share: float, later: Tensor) -> None:
    """Against the world itself, six hours after a state of its climate."""
    world, model = load_world(), load_emulator(name)
    truth = final(world.step, later, 12)
    psi, after = world.streamfunction(later), world.streamfunction(truth)
    with torch.no_grad():
        error = (model.step(psi) - after).square().mean((-2, -1))
        moved = (psi - after).square().mean((-2, -1))
    assert bool((error < share * moved).all())
    assert not any(p.requires_grad for p in model.parameters())


def test_bad_input_is_refused(tmp_path: Path) -> None:
    model = emulator(Scaled(0.1))
    with pytest.raises(InputError, match="its last axes must be"):
        model.step(torch.zeros(3, 16, 32))
    with pytest.raises(InputError, match="3 positive ones"):
        Emulator(Scaled(0.1), torch.zeros(3, 32, 64), SD, 0 * CHANGE, torch.zeros(1, 32, 64))
    with pytest.raises(InputError, match="give \\(3, nlat, nlon\\)"):
        Emulator(Scaled(0.1), torch.zeros(3, 32, 64), SD, CHANGE, torch.zeros(1, 16, 64))
    small = Emulator(Scaled(0.1), torch.zeros(3, 24, 48), SD, CHANGE, torch.zeros(1, 24, 48))
    with pytest.raises(InputError, match="load the world"):
        EmulatedWorld(small, load_world())
    with pytest.raises(DataMissingError, match="no emulator 'qg4'"):
        load_emulator("qg4")
    with pytest.raises(DataMissingError, match="no card"):
        load_emulator("qg3_unet", tmp_path)
