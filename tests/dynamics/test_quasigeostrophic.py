"""The quasi-geostrophic world against pyshqg, conservation laws and exact solutions."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.qg3_recipe import T21, T42, QG3Recipe
from isopleth.dynamics.qg3_surface import Surface, load_forcing, load_initial, load_surface
from isopleth.dynamics.quasigeostrophic import QuasiGeostrophic
from isopleth.dynamics.rollout import Repeated, final

GOLDEN = Path(__file__).parent / "golden" / "qg3_pyshqg.npz"
"""Fields of pyshqg 1.0.1 in double precision, by `benchmarks/qg3_speed_pyshqg.py golden`."""
NEVER = {"ekman_seconds": math.inf, "thermal_seconds": math.inf, "selective_seconds": math.inf}
DAY = 86_400.0


@functools.cache
def world(recipe: QG3Recipe = T21, dtype: torch.dtype = torch.float64) -> QuasiGeostrophic:
    return QuasiGeostrophic(recipe, load_surface(recipe.grid), load_forcing(recipe.grid), dtype)


@functools.cache
def free(**changes: float) -> QuasiGeostrophic:
    """Real mountains, nothing that forces; what damps is named."""
    recipe = replace(T21, **(NEVER | changes))
    return QuasiGeostrophic(
        recipe, load_surface(recipe.grid), torch.zeros(3, 32, 64), torch.float64
    )


def flat(**changes: float) -> QuasiGeostrophic:
    recipe = replace(T21, **(NEVER | changes))
    return QuasiGeostrophic(
        recipe, Surface.flat(recipe.grid), torch.zeros(3, 32, 64), torch.float64
    )


def start(model: QuasiGeostrophic | None = None) -> Tensor:
    model = model or world()
    return model.from_vorticity(torch.from_numpy(load_initial(model.recipe.grid)))


def ensemble(n: int, seed: int = 0) -> Tensor:
    """States near the shipped one, different at all scales."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, 3, 484, generator=generator, dtype=torch.float64)
    return start() * (1.0 + 0.1 * noise)


def distance(found: Tensor, wanted: np.ndarray | Tensor) -> float:
    """Relative root mean square difference."""
    other = torch.as_tensor(wanted, dtype=torch.float64)
    return float((found.double() - other).square().mean().sqrt() / other.square().mean().sqrt())


def test_tendency_and_a_day_are_those_of_pyshqg() -> None:
    model, z = world(), start()
    with np.load(GOLDEN, allow_pickle=False) as golden:
        assert distance(model.streamfunction(z), golden["streamfunction"]) < 1e-12
        assert distance(model.vorticity(model.tendency(z)), golden["tendency"]) < 1e-11
        after = final(model.step, z, 48)
        assert distance(model.vorticity(after), golden["after_one_day"]) < 1e-12
        single = final(world(dtype=torch.float32).step, z.float(), 48)
        assert distance(model.vorticity(single.double()), golden["after_one_day"]) < 1e-5
        assert distance(model.vorticity(z), golden["after_one_day"]) > 0.01


def test_energy_and_enstrophy_are_kept_without_forcing_and_damping() -> None:
    model, z = free(), start()
    after = final(model.step, z, 48)
    assert distance(after, z) > 0.01
    assert float(model.energy(after) / model.energy(z)) == pytest.approx(1.0, abs=1e-8)
    ratio = model.enstrophy(after) / model.enstrophy(z)
    assert ratio.tolist() == pytest.approx([1.0] * 3, abs=1e-8)


def test_energy_is_the_mean_square_wind_and_thickness() -> None:
    model, z = world(), ensemble(2)
    u, v = model.winds(z)
    psi = model.streamfunction(z)
    kinetic = (u.square() + v.square()).sum(1)
    upper, lower = 700e3**-2, 450e3**-2
    available = upper * (psi[:, 0] - psi[:, 1]) ** 2 + lower * (psi[:, 1] - psi[:, 2]) ** 2
    density = 0.5 * (kinetic + available).mean(-1) @ model.sphere.weights
    # The mean vorticity of a level has no streamfunction of its own in the first level.
    mean = model.invert(z)[..., 0] * (z - model._planetary.T)[..., 0]
    exact = model.energy(z) + 0.5 * mean.sum(-1)
    psi0 = model.invert(z)[..., 0]
    exact = exact + 0.5 * (upper * psi0[:, 1] ** 2 + lower * (psi0[:, 1] - psi0[:, 2]) ** 2)
    assert torch.allclose(density, exact, rtol=1e-12)


def test_scheme_is_of_fourth_order() -> None:
    z = start()

    def after_six_hours(seconds: float) -> Tensor:
        model = world(replace(T21, step_seconds=seconds))
        return final(model.step, z, round(21_600 / seconds))

    exact = after_six_hours(300.0)
    errors = [distance(after_six_hours(seconds), exact) for seconds in (7200.0, 3600.0, 1800.0)]
    orders = [math.log2(errors[i] / errors[i + 1]) for i in range(2)]
    assert orders == pytest.approx([4.0, 4.0], abs=0.35)


def test_vorticity_and_streamfunction_are_inverse() -> None:
    model, z = world(), ensemble(3)
    seen = model.sphere.degree > 0
    back = model.from_streamfunction(model.streamfunction(z))
    assert torch.allclose(back[..., seen], z[..., seen], rtol=0.0, atol=1e-16)
    psi = model.streamfunction(z)
    again = model.streamfunction(model.from_streamfunction(psi))
    assert distance(again, psi) < 1e-13
    assert (
        distance(model.vorticity(model.from_vorticity(model.vorticity(z))), model.vorticity(z))
        < 1e-13
    )


@pytest.mark.parametrize(("degree", "order"), [(2, 1), (4, 3), (21, 5)])
def test_rossby_haurwitz_wave_moves_west_unchanged(degree: int, order: int) -> None:
    # Equal psi at all levels: q = lap psi + f, J(psi, lap psi) = 0, so that
    # psi(lambda, t) = psi(lambda + 2 Omega t / (l (l + 1)), 0).
    model = flat()
    psi = torch.zeros(3, 484, dtype=torch.float64)
    psi[:, model.sphere.index(degree, order)] = 1e7
    z = model.from_streamfunction(model.sphere.synthesis(psi))
    after = model.invert(final(model.step, z, 48))
    angle = order * 2.0 * model.recipe.rotation * DAY / (degree * (degree + 1))
    wanted = torch.zeros(3, 484, dtype=torch.float64)
    wanted[:, model.sphere.index(degree, order)] = 1e7 * math.cos(angle)
    wanted[:, model.sphere.index(degree, order, sine=True)] = -1e7 * math.sin(angle)
    assert distance(after, wanted) < 1e-6


def test_winds_of_a_rotating_atmosphere() -> None:
    model = flat()
    phi = torch.from_numpy(np.radians(model.recipe.grid.latitude))[:, None]
    psi = (-30.0 * model.recipe.radius * phi.sin()).expand(3, 32, 64)
    u, v = model.winds(model.from_streamfunction(psi))
    assert torch.allclose(u, (30.0 * phi.cos()).expand(3, 32, 64), atol=1e-9)
    assert float(v.abs().max()) < 1e-9


def test_every_damping_term_has_its_closed_form() -> None:
    z, still = start(), flat()
    psi = still.invert(z)
    base = still.tendency(z)
    radius = still.recipe.radius
    ekman = torch.zeros_like(z)
    ekman[2] = -still.sphere.laplacian * psi[2] / radius**2 / (3.0 * DAY)
    upper, lower = (psi[1] - psi[0]) / 700e3**2, (psi[2] - psi[1]) / 450e3**2
    thermal = -torch.stack([upper, lower - upper, -lower]) / (25.0 * DAY)
    degree = still.sphere.degree.double()
    scale = (degree * (degree + 1) / (21 * 22)) ** 4 / (2.0 * DAY)
    selective = -scale * (z - still._planetary.T)
    wanted = {
        "ekman_seconds": (3.0 * DAY, ekman),
        "thermal_seconds": (25.0 * DAY, thermal),
        "selective_seconds": (2.0 * DAY, selective),
    }
    for name, (seconds, exact) in wanted.items():
        found = flat(**{name: seconds}).tendency(z) - base
        assert distance(found, exact) < 1e-9, name


def test_drag_is_stronger_over_land_and_mountains() -> None:
    grid = T21.grid
    recipe = replace(T21, **(NEVER | {"ekman_seconds": 3.0 * DAY}))
    land = Surface(np.ones(grid.shape), np.zeros(grid.shape))
    high = Surface(np.ones(grid.shape), np.full(grid.shape, 1000.0))
    model = flat(ekman_seconds=3.0 * DAY)
    psi = model.streamfunction(start())
    sea = _drag(model, psi)
    for surface, factor in ((land, 1.5), (high, 1.5 + 0.5 * (1.0 - math.exp(-1.0)))):
        other = QuasiGeostrophic(recipe, surface, torch.zeros(3, 32, 64), torch.float64)
        assert distance(_drag(other, psi), factor * sea) < 1e-12


def _drag(model: QuasiGeostrophic, psi: Tensor) -> Tensor:
    return model._drag @ model.sphere.analysis(psi[2])


def test_derivative_agrees_with_finite_differences_and_with_its_adjoint() -> None:
    model = world()
    z, v = ensemble(2)
    v = v - start()
    (w,) = ensemble(1, seed=3)
    value, pushed = torch.func.jvp(model.step, (z,), (v,))
    (pulled,) = torch.func.vjp(model.step, z)[1](w)
    assert float((w * pushed).sum()) == pytest.approx(float((pulled * v).sum()), rel=1e-11)
    assert distance(value, model.step(z)) == 0.0
    central = (model.step(z + 1e-3 * v) - model.step(z - 1e-3 * v)) / 2e-3
    assert distance(pushed, central) < 1e-7


def test_checkpoints_change_no_gradient() -> None:
    model, z = world(), ensemble(2).requires_grad_()
    gradients = []
    for every in (None, 1, 4):
        after = final(model.step, z, 6, checkpoint_every=every)
        gradients += torch.autograd.grad((after * 1e4).square().sum(), z)
    assert distance(gradients[1], gradients[0]) < 1e-13
    assert distance(gradients[2], gradients[0]) < 1e-13
    assert float(gradients[0].abs().max()) > 0.0


def test_members_do_not_see_one_another() -> None:
    model, z = world(), ensemble(6).reshape(2, 3, 3, 484)
    together = model.step(z)
    assert together.shape == z.shape
    assert distance(together[1, 2], model.step(z[1, 2])) < 1e-14
    spoiled = z.clone()
    spoiled[0, 0] = math.nan
    assert torch.equal(model.step(spoiled)[1], together[1])


def test_finer_world_steps_and_agrees_with_the_coarse_one_on_large_scales() -> None:
    fine, coarse = world(T42), world()
    large = torch.from_numpy(load_initial(T42.grid))
    assert fine.step(fine.from_vorticity(large)).shape == (3, 43**2)
    low = [fine.sphere.power(start(fine))[..., :6], coarse.sphere.power(start())[..., :6]]
    assert distance(low[1], low[0]) < 0.02


def test_longer_steps_are_repeated_short_ones() -> None:
    model, z = world(), start()
    six_hours = Repeated(model, seconds=21_600.0)
    assert six_hours.step_seconds == 21_600.0
    assert torch.equal(six_hours.step(z), final(model.step, z, 12))


def test_bad_input_is_named() -> None:
    grid = T21.grid
    with pytest.raises(InputError, match=r"a state of shape \(3, 483\) is not one"):
        world().step(torch.zeros(3, 483))
    with pytest.raises(InputError, match=r"forcing \(3, 64, 128\), but the recipe's grid"):
        QuasiGeostrophic(T21, load_surface(grid), load_forcing(T42.grid))
    with pytest.raises(InputError, match="forcing has a value that is not finite"):
        QuasiGeostrophic(T21, load_surface(grid), torch.full((3, 32, 64), math.nan))
    with pytest.raises(InputError, match="aliases products at truncation 30"):
        QuasiGeostrophic(replace(T21, truncation=30), load_surface(grid), load_forcing(grid))
    with pytest.raises(InputError, match=r"selective_seconds = -1\.0 is not positive"):
        replace(T21, selective_seconds=-1.0)
    with pytest.raises(InputError, match=r"shipped on the grid \(48, 96\)"):
        load_surface(replace(T21, nlat=48, nlon=96).grid)
    with pytest.raises(InputError, match="share of land runs from 0 to 2"):
        Surface(np.array([[0.0, 2.0]]), np.zeros((1, 2)))
    with pytest.raises(InputError, match=r"orography \(2, 1\)"):
        Surface(np.zeros((1, 2)), np.zeros((2, 1)))
