"""DAPS: the members are draws of the posterior where it is known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.lorenz import Components
from isopleth.inference.daps import DAPS
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational import ByCase, GaussNewton
from isopleth.inference.variational.readings import Readings
from isopleth.observe import Observation
from isopleth.priors import MemberNoise
from isopleth.priors.schedules import karras

K = 6
AT = ((0, 2, 3, 5), (1, 4))
LEVELS = karras(8, 0.1, 50.0)


def normal(*shape: int, seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


W = 0.7 * normal(K, K, seed=0)


def readings(cases: Sequence[int], *, told: bool = True, variance: float = 0.5) -> LatentReadings:
    seen = [
        [Observation(normal(len(AT[c]), seed=c), Components(AT[c], K), torch.tensor(variance))]
        for c in cases
    ]
    return LatentReadings(Readings(ByCase(seen), W), lambda z: z @ W, linear_decode=told)


def noise(rows: int, seed: int = 0) -> object:
    stream = torch.Generator().manual_seed(seed)

    def draw(shape: Sequence[int]) -> Tensor:
        return torch.randn(rows, *shape, generator=stream, dtype=torch.float64)

    return draw


def white(z: Tensor, sigma: Tensor) -> Tensor:
    return z / (1.0 + sigma**2)


def posterior(case: int, variance: float = 0.5) -> tuple[Tensor, Tensor]:
    """Mean and covariance given the observations of a case."""
    G = W[:, list(AT[case])].T / variance**0.5
    d = normal(len(AT[case]), seed=case) / variance**0.5
    covariance = torch.linalg.inv(torch.eye(K).double() + G.T @ G)
    return covariance @ G.T @ d, covariance


@pytest.mark.parametrize("told", [True, False])
def test_members_have_the_kalman_mean_and_covariance(told: bool) -> None:
    """Exactly drawn, and by randomised maximum likelihood."""
    members = 10000 if told else 3000
    solver = GaussNewton(outer=1, tolerance=1e-6)
    method = DAPS(white, LEVELS, readings([0, 1], told=told), solver=solver)
    z = method(noise(2 * members), (K,))
    for case in (0, 1):
        mean, covariance = posterior(case)
        close = 4.5 * (covariance.diagonal().max() / members).sqrt()
        assert torch.allclose(z[case::2].mean(0), mean, atol=float(close))
        spread = covariance.diagonal().sqrt()
        error = (z[case::2].T.cov() - covariance) / (spread[:, None] * spread)
        assert float(error.abs().max()) < 6.0 / members**0.5
        assert float((covariance - torch.eye(K)).abs().max()) > 0.3


@pytest.mark.parametrize("inner", [1, 3])
def test_without_information_the_prior_comes_back(inner: int) -> None:
    method = DAPS(white, LEVELS, readings([0], variance=1e8), inner=inner)
    z = method(noise(8000), (K,))
    assert float((z.T.cov() - torch.eye(K)).abs().max()) < 0.07
    assert float(z.mean(0).abs().max()) < 0.05


def test_more_inner_steps_give_the_observations_less_weight() -> None:
    fits = []
    for inner in (1, 2, 4):
        seen = readings([0])
        z = DAPS(white, LEVELS, seen, inner=inner)(noise(4000), (K,))
        fits.append(float(seen.misfit(z).mean()))
    assert fits == sorted(fits)
    assert fits[2] < 2.0 * fits[0]


@pytest.mark.parametrize("S", [0.3, 3.0])
def test_where_nothing_is_seen_the_spread_is_too_near_to_1(S: float) -> None:
    """What the docstring says it does not know."""

    def prior(z: Tensor, sigma: Tensor) -> Tensor:
        return S / (S + sigma**2) * z

    method = DAPS(prior, karras(20, 0.02, 50.0), readings([0], variance=1e8))
    variance = float(method(noise(8000), (K,)).var())
    assert min(1.0, S) * 1.05 < variance < max(1.0, S) * 0.95


def test_rho_widens_the_members() -> None:
    seen = readings([0], variance=1e8)
    wide, narrow = (
        float(DAPS(white, LEVELS, seen, rho=rho)(noise(4000), (K,)).var()) for rho in (1.5, 0.5)
    )
    assert narrow < 0.9 < 1.1 < wide


@pytest.mark.parametrize("told", [True, False])
def test_members_belong_to_themselves(told: bool) -> None:
    """Case 1 has fewer values than case 0."""
    solver = GaussNewton(outer=1, tolerance=1e-6)
    whole = DAPS(white, LEVELS, readings([0, 1], told=told), solver=solver)
    alone = DAPS(white, LEVELS, readings([1], told=told), solver=solver)
    together = whole(MemberNoise(0, range(6)), (K,))
    assert torch.allclose(together[1::2], alone(MemberNoise(0, [1, 3, 5]), (K,)), atol=1e-3)
    assert torch.equal(together, whole(MemberNoise(0, range(6)), (K,)))
    assert len(together.unique(dim=0)) == 6


def test_evaluations() -> None:
    calls = []

    def counted(z: Tensor, sigma: Tensor) -> Tensor:
        calls.append(float(sigma))
        return white(z, sigma)

    DAPS(counted, LEVELS, readings([0]), inner=2)(MemberNoise(0, range(2)), (K,))
    assert len(calls) == 2 * 8
    assert calls[1] == pytest.approx(50.0 / 8)


def test_bad_input() -> None:
    seen = readings([0, 1])
    for name in ("inner", "rho"):
        with pytest.raises(InputError, match=f"{name} is 0: give a positive number"):
            DAPS(white, LEVELS, seen, **{name: 0})
    with pytest.raises(InputError, match="do not decrease to 0"):
        DAPS(white, LEVELS[:-1], seen)
    with pytest.raises(InputError, match="there are 3 latents and observations of 2 cases"):
        DAPS(white, LEVELS, seen)(MemberNoise(0, range(3)), (K,))
    with pytest.raises(InputError, match="latent numbers are not finite"):
        DAPS(lambda z, sigma: z * torch.nan, LEVELS, seen)(MemberNoise(0, range(2)), (K,))
