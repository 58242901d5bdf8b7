"""The fixed point: optimal interpolation with nothing learnt, else its own closed form."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.lorenz import Components
from isopleth.inference.fixed_point import FixedPoint
from isopleth.inference.latent_proximal import Proximal
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational import (
    ByCase,
    GaussNewton,
    MatrixCovariance,
    SampleCovariance,
    StaticOI,
)
from isopleth.inference.variational.readings import Readings
from isopleth.observe import Observation
from isopleth.observe.nonlinear import Combined, speed

C, K, SIZE = 3, 6, 8
AT = ((0, 2, 3, 5, 7), (1, 4), (6, 0, 1))


def normal(*shape: int, seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


W, B = normal(K, SIZE, seed=0), normal(C, SIZE, seed=1)
OBSERVED = ByCase(
    [
        [Observation(normal(len(at), seed=case), Components(at, SIZE), torch.tensor(0.5))]
        for case, at in enumerate(AT)
    ]
)
ZEROS = torch.zeros(C, K).double()


def decode(z: Tensor) -> Tensor:
    return B.repeat(len(z) // C, 1) + z @ W


def states(z: Tensor) -> Tensor:
    return B + z @ W


SEEN = LatentReadings(Readings(OBSERVED, B), decode, linear_decode=True)
OI = StaticOI(covariance=SampleCovariance(W))(B, OBSERVED).state


def winds() -> LatentReadings:
    """Speeds of which the components are neighbours in the state."""
    cases = []
    for case, at in enumerate(AT):
        u, v = (Components([(i + step) % SIZE for i in at], SIZE) for step in (0, 1))
        values = 1.0 + normal(len(at), seed=case).abs()
        cases.append([Observation(values, Combined(speed, (u, v)), torch.tensor(0.5))])
    return LatentReadings(Readings(ByCase(cases), B), decode, linear_decode=True)


class Gaussian:
    """The denoiser of N(m, S), which counts how often it is asked."""

    def __init__(self, m: Tensor, S: Tensor) -> None:
        self.m, self.S, self.calls = m, S, 0

    def __call__(self, w: Tensor, sigma: Tensor) -> Tensor:
        self.calls += 1
        gain = self.S @ torch.linalg.inv(self.S + sigma**2 * torch.eye(K))
        return self.m + (w - self.m) @ gain


WHITE = Gaussian(torch.zeros(K).double(), torch.eye(K).double())


def learnt() -> Gaussian:
    V = torch.linalg.qr(normal(K, K, seed=4)).Q
    return Gaussian(normal(K, seed=5), V * torch.linspace(0.3, 2.0, K).double() @ V.T)


@pytest.mark.parametrize("prior", [WHITE, learnt()])
def test_lambda_0_is_optimal_interpolation(prior: Gaussian) -> None:
    prior.calls = 0
    w = FixedPoint(prior, SEEN, strength=0.0)(ZEROS)
    assert torch.allclose(states(w), OI, atol=1e-9)
    assert prior.calls == 0


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_with_nothing_learnt_it_is_optimal_interpolation(sigma: float) -> None:
    WHITE.calls = 0
    w = FixedPoint(WHITE, SEEN, sigma=sigma)(ZEROS)
    assert torch.allclose(states(w), OI, atol=1e-6)
    assert WHITE.calls == 5


@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_of_a_gaussian_prior_it_keeps_the_mean_and_smooths_the_covariance(sigma: float) -> None:
    prior = learnt()
    w = FixedPoint(prior, SEEN, sigma=sigma, iterations=200)(ZEROS)
    smooth = (prior.S + sigma**2 * torch.eye(K)) / (1.0 + sigma**2)
    B_x = MatrixCovariance(W.T @ smooth @ W, (SIZE,))
    expected = StaticOI(covariance=B_x)(B + prior.m @ W, OBSERVED).state
    assert torch.allclose(states(w), expected, atol=1e-5)
    assert not torch.allclose(expected, OI, atol=0.1)


def test_half_of_the_last_analysis_is_kept_from_the_second_iteration_on() -> None:
    """The recipe as it was found, for linear observations."""
    prior, s2 = learnt(), 0.25
    OI_of = Proximal(seen=SEEN)
    one = torch.tensor(1.0)
    w = OI_of(ZEROS, one)
    for iteration in range(5):
        p = 0.8 * ((1.0 + s2) * prior(w, torch.tensor(0.5)) - w) / s2
        new = OI_of(p, one)
        w = new if iteration == 0 else 0.5 * (w + new)
    assert torch.allclose(FixedPoint(prior, SEEN, strength=0.8)(ZEROS), w, atol=1e-6)


def test_the_amplitude_is_that_of_the_prior() -> None:
    w = FixedPoint(WHITE, SEEN, strength=0.0, amplitude=2.0)(ZEROS)
    wide = StaticOI(covariance=SampleCovariance(W, amplitude=2.0))(B, OBSERVED).state
    assert torch.allclose(states(w), wide, atol=1e-9)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_nonlinear_operators_end_at_the_most_probable_state(strength: float) -> None:
    seen = winds()
    w = FixedPoint(WHITE, seen, strength=strength, iterations=40)(ZEROS).requires_grad_()
    cost = seen.misfit(w).sum() + 0.5 * w.square().sum()
    assert float(torch.autograd.grad(cost, w)[0].abs().max()) < 1e-4
    problem = seen.problem(ZEROS, torch.tensor(1.0))
    found = GaussNewton(outer=6)(problem).control
    assert bool((problem.cost(w.detach()) <= problem.cost(found) + 1e-6).all())


def test_nonlinear_operators_with_a_learnt_prior_come_to_rest() -> None:
    seen, prior = winds(), learnt()
    w = FixedPoint(prior, seen, sigma=1.0, iterations=60)(ZEROS).requires_grad_()
    smooth = (prior.S + torch.eye(K)) / 2.0
    d = w - prior.m
    cost = seen.misfit(w).sum() + 0.5 * (d @ torch.linalg.inv(smooth) * d).sum()
    assert float(torch.autograd.grad(cost, w)[0].abs().max()) < 1e-3


@pytest.mark.parametrize("linear", [True, False])
def test_rows_do_not_know_of_one_another(linear: bool) -> None:
    seen = SEEN if linear else winds()
    start = 0.1 * normal(2 * C, K, seed=6)
    whole = FixedPoint(learnt(), seen, sigma=1.0)(start)
    part = FixedPoint(learnt(), seen, sigma=1.0)(start[C:])
    assert torch.allclose(whole[C:], part, atol=1e-6)


def test_bad_input() -> None:
    for name in ("sigma", "amplitude", "iterations"):
        with pytest.raises(InputError, match=f"{name} is 0: give a positive number"):
            FixedPoint(WHITE, SEEN, **{name: 0})
    with pytest.raises(InputError, match="strength is -1: give 0 or more"):
        FixedPoint(WHITE, SEEN, strength=-1)
    with pytest.raises(InputError, match="there are 2 latents and observations of 3 cases"):
        FixedPoint(WHITE, SEEN)(ZEROS[:2])
    with pytest.raises(InputError, match="latent numbers are not finite"):
        FixedPoint(lambda w, sigma: w * torch.nan, SEEN)(ZEROS)
    with pytest.raises(InputError, match="latent numbers are not finite: give a finite start"):
        FixedPoint(WHITE, winds())(ZEROS * torch.nan)
