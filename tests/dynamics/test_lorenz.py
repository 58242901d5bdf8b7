"""The Lorenz worlds against their equations, an independent integrator and their invariants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.lorenz import Components, Lorenz63, Lorenz96, runge_kutta

WORLDS = {"63": (Lorenz63, 3), "96": (Lorenz96, 40)}


def start(size: int, rows: int = 1) -> Tensor:
    stream = torch.Generator().manual_seed(size)
    x = torch.randn(rows, size, generator=stream, dtype=torch.float64)
    return 2.0 * x + (20.0 * (torch.arange(3) == 2) if size == 3 else 2.0)


def run(step: Callable[[Tensor], Tensor], x: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        x = step(x)
    return x


def lorenz_96_by_hand(_: float, x: np.ndarray) -> np.ndarray:
    """Index by index, as printed in the paper."""
    n = len(x)
    return np.array([(x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + 8.0 for i in range(n)])


def lorenz_63_by_hand(_: float, x: np.ndarray) -> np.ndarray:
    return np.array([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])


@pytest.mark.parametrize("name", WORLDS)
def test_a_trajectory_of_an_independent_integrator(name: str) -> None:
    build, size = WORLDS[name]
    by_hand = {"63": lorenz_63_by_hand, "96": lorenz_96_by_hand}[name]
    x, world = start(size)[0], build(dt=0.001)
    found = run(world.step, x, 1000)
    reference = solve_ivp(by_hand, (0, 1), x.numpy(), method="DOP853", rtol=1e-12, atol=1e-12)
    assert np.allclose(found.numpy(), reference.y[:, -1], atol=1e-7)
    assert np.abs(found.numpy() - x.numpy()).max() > 1.0


@pytest.mark.parametrize("name", WORLDS)
def test_the_error_falls_with_the_fourth_power_of_the_step(name: str) -> None:
    build, size = WORLDS[name]
    x, dt = start(size), 0.02
    exact = run(build(dt=dt / 64).step, x, 64 * 10)
    error = [float((run(build(dt=dt / n).step, x, n * 10) - exact).norm()) for n in (1, 2, 4)]
    order = np.log2([error[0] / error[1], error[1] / error[2]])
    assert order == pytest.approx([4.0, 4.0], abs=0.25)


def test_the_quadratic_part_conserves_energy_and_the_rest_is_forcing_minus_damping() -> None:
    x = start(40, rows=5)
    power = (x * Lorenz96(forcing=3.0).tendency(x)).sum(-1)
    assert torch.allclose(power, 3.0 * x.sum(-1) - x.square().sum(-1))


def test_the_fixed_points_of_the_convection() -> None:
    for sign in (1.0, -1.0):
        wing = sign * (8.0 / 3.0 * 27.0) ** 0.5
        x = torch.tensor([wing, wing, 27.0], dtype=torch.float64)
        assert torch.allclose(Lorenz63().step(x), x, atol=1e-12)


@pytest.mark.parametrize("name", WORLDS)
def test_a_batch_is_its_rows_and_the_step_has_a_derivative(name: str) -> None:
    build, size = WORLDS[name]
    x, step = start(size, rows=6).reshape(2, 3, size), build().step
    assert torch.equal(step(x)[1, 2], step(x[1, 2]))
    jacobian = torch.func.jacrev(step)(x[0, 0])
    v = start(size)[0]
    difference = (step(x[0, 0] + 1e-6 * v) - step(x[0, 0] - 1e-6 * v)) / 2e-6
    assert torch.allclose(jacobian @ v, difference, atol=1e-6)


def test_it_is_chaotic_and_stays_on_its_attractor() -> None:
    """Errors double in about 2 days (Lorenz and Emanuel 1998): 0.42 units of time."""
    step = Lorenz96().step
    x = run(step, start(40, rows=16), 400)
    near = x + 1e-6 * start(40, rows=16)
    near = run(step, near, 100)
    base = run(step, x, 100)
    growth = (run(step, near, 100) - run(step, base, 100)).norm(dim=-1) / (near - base).norm(
        dim=-1
    )
    doubling = 5.0 * np.log(2.0) / float(growth.log().mean())
    assert 0.3 < doubling < 0.6
    climate = run(step, x, 200)
    assert 2.0 < float(climate.mean()) < 2.7
    assert 3.2 < float(climate.std()) < 4.0


def test_a_step_of_six_hours() -> None:
    assert Lorenz96().step_seconds == 21_600.0
    assert Lorenz63(dt=0.02).step_seconds == 0.02


def test_the_operator_has_its_adjoint() -> None:
    A = Components((3, 0, 3), 5)
    stream = torch.Generator().manual_seed(0)
    x = torch.randn(4, 5, generator=stream, dtype=torch.float64)
    y = torch.randn(4, 3, generator=stream, dtype=torch.float64)
    assert torch.allclose((A(x) * y).sum(-1), (x * A.adjoint(y)).sum(-1))
    assert A.valid.tolist() == [True] * 3


def test_bad_input() -> None:
    for build in (Lorenz63, Lorenz96):
        for dt in (0.0, float("nan")):
            with pytest.raises(InputError, match=f"dt is {dt}"):
                build(dt=dt)
    with pytest.raises(InputError, match="Lorenz-63 has 3 variables"):
        Lorenz63().step(torch.zeros(4))
    with pytest.raises(InputError, match="x has 3 variables: Lorenz-96 needs at least 4"):
        Lorenz96().step(torch.zeros(3))
    with pytest.raises(InputError, match="variable 5 does not exist: choose from 0 to 4"):
        Components((0, 5), 5)
    with pytest.raises(InputError, match="the operator reads 5"):
        Components((0,), 5)(torch.zeros(6))
    with pytest.raises(InputError, match="the operator gives 1"):
        Components((0,), 5).adjoint(torch.zeros(6))


def test_runge_kutta_is_exact_for_cubics_in_time() -> None:
    """With time as a variable: dx/dt = 3 t^2, so that x = t^3."""

    def tendency(state: Tensor) -> Tensor:
        return torch.stack([torch.ones_like(state[0]), 3.0 * state[0] ** 2])

    end = runge_kutta(tendency, torch.zeros(2, dtype=torch.float64), 0.7)
    assert torch.allclose(end, torch.tensor([0.7, 0.7**3], dtype=torch.float64))
