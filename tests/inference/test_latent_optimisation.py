"""LO-SDA, where the posterior has a closed form, and where L3D-Var knows the minimum."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.lorenz import Components
from isopleth.inference.latent_optimisation import Finish, LatentOptimisation, without_noise
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational import (
    ByCase,
    GaussNewton,
    Latent,
    SampleCovariance,
    StaticOI,
    ThreeDVar,
)
from isopleth.inference.variational.readings import Readings
from isopleth.observe import Observation
from isopleth.priors.samplers import DDIM, Ancestral, Heun, Multistep, Sampler
from isopleth.priors.schedules import karras

C, K, SIZE = 3, 6, 8
AT = ((0, 2, 3, 5, 7), (1, 4), (6, 0, 1))
TIGHT = GaussNewton(outer=15, tolerance=1e-7)


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
SEEN = LatentReadings(
    Readings(OBSERVED, B), lambda z: B.repeat(len(z) // C, 1) + z @ W, linear_decode=True
)
OI = StaticOI(covariance=SampleCovariance(W))(B, OBSERVED).state


def white(z: Tensor, sigma: Tensor) -> Tensor:
    """The denoiser of N(0, I)."""
    return z / (1.0 + sigma.reshape(-1, 1) ** 2)


def posterior(case: int, precision: float = 1.0) -> Tensor:
    """Covariance given the observations of a case and N(., I / precision)."""
    G = W[:, list(AT[case])].T / 0.5**0.5
    return torch.linalg.inv(precision * torch.eye(K).double() + G.T @ G)


@pytest.mark.parametrize("spread", [1.0, 0.4])
@pytest.mark.parametrize("level", [0.1, 1.0, 20.0])
def test_one_call_is_the_posterior_mean_given_latent_and_observations(
    spread: float, level: float
) -> None:
    """Of the prior N(m, s0^2 I), in which the noisy latent is one more observation."""
    z, m = 2.0 * normal(C, K, seed=7), normal(K, seed=8)

    def prior(z: Tensor, sigma: Tensor) -> Tensor:
        return m + spread**2 / (spread**2 + sigma**2) * (z - m)

    found = LatentOptimisation(prior, SEEN, spread=spread)(z, torch.tensor(level))
    for case, at in enumerate(AT):
        G, d = W[:, list(at)].T / 0.5**0.5, SEEN.values[case, : len(at)]
        d = d - B[case, list(at)] / 0.5**0.5
        precision = 1.0 / spread**2 + 1.0 / level**2
        b = m / spread**2 + z[case] / level**2 + G.T @ d
        assert torch.allclose(found[case], posterior(case, precision) @ b, atol=1e-5)


SAMPLERS = [DDIM, Ancestral, Heun, Multistep, partial(Multistep, fresh=True)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_without_noise_every_sampler_ends_at_the_minimum_of_3d_var(
    sampler: Callable[..., Sampler],
) -> None:
    method = sampler(LatentOptimisation(white, SEEN), karras(16, 0.02, 1e4))
    z = method(without_noise(C, B), (K,))
    assert torch.allclose(B + z @ W, OI, atol=2e-3)
    fits = 2.0 * SEEN.misfit(z) <= SEEN.counts
    assert fits.tolist() == [False, True, True]
    finished = Finish(SEEN)(z)
    assert torch.equal(finished[1:], z[1:])  # it fits their errors no further
    assert 2.5 <= float(SEEN.misfit(finished)[0]) < float(SEEN.misfit(z)[0])


@pytest.mark.parametrize("sampler", [Heun, Multistep])
def test_members_have_the_kalman_covariance(sampler: Callable[..., Sampler]) -> None:
    """The path is affine in its start, so that unit vectors give a root of the covariance."""
    starts = torch.cat([torch.zeros(1, K), torch.eye(K)]).double().repeat_interleave(C, 0)
    method = sampler(LatentOptimisation(white, SEEN), karras(64, 0.01, 100.0))
    z = method(lambda _: starts, (K,)).unflatten(0, (-1, C))
    for case in range(C):
        root = z[1:, case] - z[0, case]
        assert torch.allclose(root.T @ root, posterior(case), atol=0.01)


class Bent:
    """A codec whose decoder is not linear."""

    def encode(self, x: Tensor) -> Tensor:
        return x[:, :K] * 0.5

    def decode(self, z: Tensor) -> Tensor:
        return (z + 0.4 * torch.tanh(2.0 * z)) @ W


@pytest.mark.parametrize("sampler", [DDIM, Multistep])
def test_a_gaussian_in_the_place_of_the_diffusion_is_l3d_var(
    sampler: Callable[..., Sampler],
) -> None:
    """`N(z_b, B_z)` in a bent latent space, whitened by its own mean and spread."""
    codec, variance = Bent(), torch.linspace(0.3, 2.0, K).double()
    expected = ThreeDVar(Latent(codec, variance, state_axes=1), TIGHT)(B, OBSERVED)
    assert bool(expected.converged.all())
    z_b = codec.encode(B)
    seen = LatentReadings(Readings(OBSERVED, B), lambda v: codec.decode(z_b + variance.sqrt() * v))
    prior = LatentOptimisation(white, seen, solver=TIGHT)
    v = sampler(prior, karras(4, 0.02, 1e4))(without_noise(C, B), (K,))
    assert torch.allclose(v, expected.control, atol=1e-3)
    assert float((expected.control - v.new_zeros(())).abs().max()) > 0.3


def test_finish_is_the_optimum_around_the_analysis() -> None:
    z = normal(2 * C, K, seed=9)
    found = Finish(SEEN, spread=0.3, morozov=False)(z)
    for row in range(2 * C):
        at = list(AT[row % C])
        G = W[:, at].T / 0.5**0.5
        d = SEEN.values[row % C, : len(at)] - B[row % C, at] / 0.5**0.5
        b = z[row] / 0.09 + G.T @ d
        assert torch.allclose(found[row], posterior(row % C, 1.0 / 0.09) @ b, atol=1e-6)
    stopped = Finish(SEEN, spread=3.0)(z)
    chi2, n = 2.0 * SEEN.misfit(stopped), SEEN.per_row(SEEN.counts, 2 * C).double()
    assert bool((chi2 >= n * (1 - 1e-9)).any())
    assert bool((chi2 <= 2.0 * SEEN.misfit(z)).all())


def test_settings_do_what_they_say() -> None:
    z, sigma = normal(2 * C, K, seed=7), torch.tensor([0.5] * C + [2.0] * C).double()
    prior = white(z, sigma)
    some = LatentOptimisation(white, SEEN, below=1.0)(z, sigma)
    assert torch.equal(some[C:], prior[C:])
    assert torch.allclose(some[:C], LatentOptimisation(white, SEEN)(z[:C], torch.tensor(0.5)))
    assert torch.equal(LatentOptimisation(white, SEEN, below=0.1)(z, sigma), prior)
    misfits = [
        float(SEEN.misfit(LatentOptimisation(white, SEEN, rho=rho)(z, sigma)).sum())
        for rho in (0.1, 1.0, 10.0)
    ]
    assert misfits == sorted(misfits, reverse=True)
    stopped = LatentOptimisation(white, SEEN, rho=10.0, morozov=True)(z, sigma)
    chi2, n = 2.0 * SEEN.misfit(stopped), SEEN.per_row(SEEN.counts, 2 * C).double()
    far = 2.0 * SEEN.misfit(prior) >= n
    assert bool(far.any())
    assert bool((chi2[far] >= n[far] * (1 - 1e-9)).all())


def test_the_prior_is_asked_once_and_rows_are_independent() -> None:
    calls = []

    def counted(z: Tensor, sigma: Tensor) -> Tensor:
        calls.append(len(z))
        return white(z, sigma)

    z = normal(2 * C, K, seed=7)
    method = LatentOptimisation(counted, SEEN)
    whole = method(z, torch.tensor(0.5))
    assert calls == [2 * C]
    assert torch.allclose(method(z[C:], torch.tensor(0.5)), whole[C:], atol=1e-10)
    assert not whole.requires_grad


def test_bad_input() -> None:
    def nothing(z: Tensor, sigma: Tensor) -> Tensor:
        return z * torch.nan

    for name in ("rho", "spread", "below"):
        with pytest.raises(InputError, match=f"{name} is 0.0: give a positive number"):
            LatentOptimisation(white, SEEN, **{name: 0.0})
    with pytest.raises(InputError, match="spread is -1"):
        Finish(SEEN, spread=-1)
    with pytest.raises(InputError, match="18 of 18 latent numbers are not finite"):
        LatentOptimisation(nothing, SEEN)(B[:, :K], torch.tensor(1.0))
    with pytest.raises(InputError, match=r"sigma has shape \(2,\)"):
        LatentOptimisation(white, SEEN)(B[:, :K], torch.ones(2))
    with pytest.raises(InputError, match="there are 4 latents"):
        LatentOptimisation(white, SEEN)(normal(4, K, seed=0), torch.tensor(1.0))
