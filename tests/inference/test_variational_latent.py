"""Latent forms: with a linear codec they have closed forms, with a bent one a common minimum."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.lorenz import Components
from isopleth.inference.variational import (
    Codec,
    FourDVar,
    GaussNewton,
    Increment,
    Latent,
    LatentIncrement,
    PerturbedMembers,
    QuasiNewton,
    SampleCovariance,
    StaticOI,
    ThreeDVar,
    latent_variance,
)
from isopleth.observe import Observation

SIZE, LATENT = 8, 3


def draw(*shape: int, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


V = torch.linalg.qr(draw(SIZE, LATENT, seed=1)).Q.T
VARIANCE = torch.tensor([2.0, 0.5, 1.0]).double()


class Modes:
    """`z = V x`, `x = V' z`: principal components."""

    def encode(self, x: Tensor) -> Tensor:
        return x @ V.T

    def decode(self, z: Tensor) -> Tensor:
        return z @ V


class Bent(Modes):
    """A decoder that is not linear, and never differentiated at its encoder."""

    def encode(self, x: Tensor) -> Tensor:
        assert not x.requires_grad
        return super().encode(x)

    def decode(self, z: Tensor) -> Tensor:
        return super().decode(z + 0.3 * torch.tanh(z))


def seen(seed: int = 2) -> Observation:
    return Observation(draw(3, seed=seed), Components((0, 2, 5), SIZE), torch.tensor(0.2))


def latent(codec: Codec | None = None) -> Latent:
    return Latent(codec or Modes(), VARIANCE, state_axes=1)


ROOT = SampleCovariance(VARIANCE.sqrt()[:, None] * V)
TIGHT = GaussNewton(outer=1, inner=30, tolerance=1e-11)


@pytest.mark.parametrize("solver", [TIGHT, QuasiNewton(tolerance=1e-8)])
def test_l3d_var_with_principal_components(solver: GaussNewton | QuasiNewton) -> None:
    """OI with `B = V' diag(B_z) V` around the background that the codec can say."""
    x = draw(3, SIZE, seed=3)
    result = ThreeDVar(latent(), solver)(x, [seen()])
    expected = StaticOI(covariance=ROOT)(x @ V.T @ V, [seen()]).state
    assert torch.allclose(result.state, expected, atol=1e-6)
    assert bool(result.converged.all())


def test_a_decoder_of_errors_keeps_what_it_cannot_say() -> None:
    x = draw(3, SIZE, seed=3)
    control = LatentIncrement(Modes(), torch.tensor(0.7).double(), (LATENT,), state_axes=1)
    result = ThreeDVar(control, TIGHT)(x, [seen()])
    expected = ThreeDVar(Increment(SampleCovariance(0.7 * V)), TIGHT)(x, [seen()])
    assert torch.allclose(result.state, expected.state, atol=1e-9)


class Turn:
    step_seconds = 3600.0

    def step(self, x: Tensor) -> Tensor:
        return 0.9 * x.roll(1, -1)


def test_l4d_var_with_principal_components() -> None:
    x, window = draw(2, SIZE, seed=3), {0: [seen()], 2: [seen(4)]}
    made = [
        FourDVar(control=control, dynamics=Turn(), length=2, solver=TIGHT)
        for control in (latent(), Increment(ROOT))
    ]
    found, expected = made[0](x, window), made[1](x @ V.T @ V, window)
    assert torch.allclose(found.state, expected.state, atol=1e-9)
    assert torch.allclose(found.cost, expected.cost)
    last = list(made[0].trajectory(x, found))[2]
    assert torch.allclose(last, 0.81 * found.state.roll(2, -1))


def test_a_bent_decoder_has_one_minimum_for_both_solvers() -> None:
    x = draw(3, SIZE, seed=3)
    control = latent(Bent())
    loops = ThreeDVar(control, GaussNewton(outer=12, inner=30, tolerance=1e-7))(x, [seen()])
    newton = ThreeDVar(control, QuasiNewton(tolerance=1e-7))(x, [seen()])
    assert bool((loops.converged & newton.converged).all())
    assert torch.allclose(loops.state, newton.state, atol=1e-5)
    assert bool((loops.cost < loops.first_cost).all())
    straight = ThreeDVar(latent(), TIGHT)(x, [seen()])
    assert not torch.allclose(straight.state, loops.state, atol=1e-2)


def test_members_of_a_latent_analysis() -> None:
    x = draw(SIZE, seed=3)
    ensemble = PerturbedMembers(ThreeDVar(latent(), TIGHT), 3000, torch.Generator().manual_seed(0))
    found = ensemble(x, [seen()]).state
    exact = StaticOI(covariance=ROOT, spread=True)(V.T @ V @ x, [seen()])
    assert torch.allclose(found.mean(0), exact.state, atol=0.1)
    assert exact.variance is not None
    assert torch.allclose(found.var(0), exact.variance, atol=0.1)


def test_without_a_value_it_is_what_the_codec_can_say_of_the_background() -> None:
    x = draw(2, SIZE, seed=3)
    result = ThreeDVar(latent())(x, [])
    assert torch.allclose(result.state, x @ V.T @ V)
    assert result.observed.tolist() == [0, 0]


def test_the_latent_variance_is_that_of_pairs() -> None:
    truth = draw(500, SIZE, seed=5)
    errors = draw(500, LATENT, seed=6) * VARIANCE.sqrt()
    found = latent_variance(Modes(), truth + errors @ V, truth)
    assert torch.allclose(found, errors.square().mean(0))
    with pytest.raises(InputError, match="are no pairs"):
        latent_variance(Modes(), truth, truth[:3])


def test_bad_input() -> None:
    assert isinstance(Modes(), Codec)
    with pytest.raises(InputError, match=r"a latent variance is -2"):
        Latent(Modes(), -VARIANCE)
    with pytest.raises(InputError, match=r"latents of shape \(3,\), but there are variances"):
        ThreeDVar(Latent(Modes(), torch.ones(4), state_axes=1))(draw(SIZE), [seen()])
