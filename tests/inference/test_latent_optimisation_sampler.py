"""Moves of the noisy latent: downhill, no farther than chi2 = n, and the sampler's step after."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics.lorenz import Components
from isopleth.inference.latent_optimisation_sampler import LatentOptimisationSampler
from isopleth.inference.latent_readings import LatentReadings
from isopleth.inference.variational import ByCase
from isopleth.inference.variational.readings import Readings
from isopleth.observe import Observation
from isopleth.priors import MemberNoise
from isopleth.priors.samplers import DDIM, Ancestral, Multistep, Sampler
from isopleth.priors.schedules import karras

C, K = 2, 6
AT = ((0, 2, 3, 5), (1, 4))
SIGMAS = karras(12, 0.02, 20.0)


def normal(*shape: int, seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=stream, dtype=torch.float64)


W = normal(K, K, seed=0)


def readings(cases: list[int], *, variance: float = 0.05) -> LatentReadings:
    seen = [
        [Observation(normal(len(AT[c]), seed=c), Components(AT[c], K), torch.tensor(variance))]
        for c in cases
    ]
    return LatentReadings(Readings(ByCase(seen), W), lambda z: z @ W, linear_decode=True)


SEEN = readings([0, 1])
N = SEEN.per_row(SEEN.counts, 4).double()


def white(z: Tensor, sigma: Tensor) -> Tensor:
    return z / (1.0 + sigma.reshape(-1, 1) ** 2)


def around(sampler: Sampler, steps: int = 3) -> LatentOptimisationSampler:
    return LatentOptimisationSampler(sampler, SEEN, steps=steps)


@pytest.mark.parametrize("level", [0.05, 1.0, 5.0])
def test_moves_lead_downhill_to_the_size_of_the_errors(level: float) -> None:
    sigma = torch.tensor(level).double()
    z = level * 3.0 * normal(4, K, seed=2)
    chi2 = []
    for steps in (1, 2, 4, 16, 100):
        moved = around(DDIM(white, SIGMAS), steps).moved(z, sigma)
        chi2.append(2.0 * SEEN.misfit(white(moved, sigma)))
    history = torch.stack([2.0 * SEEN.misfit(white(z, sigma)), *chi2])
    assert bool((history.diff(dim=0) <= 0).all())
    far = history[0] > N
    assert int(far.sum()) >= 3
    assert torch.equal(history[:, ~far], history[:1, ~far].expand(6, -1))
    assert bool((history[:, far] >= N[far] * (1 - 1e-9)).all())
    assert bool((history[1, far] < history[0, far]).all())
    assert torch.allclose(history[-1, far], N[far], rtol=1e-6)


def test_a_move_is_no_longer_than_what_is_uncertain() -> None:
    sigma = torch.tensor(0.05).double()
    z = normal(4, K, seed=2)
    moved = around(DDIM(white, SIGMAS), 1).moved(z, sigma)
    length = (moved - z).square().mean(1).sqrt()
    assert bool((length <= 0.05 * (1 + 1e-9)).all())
    assert float(length.max()) > 0.0


@pytest.mark.parametrize("kind", [DDIM, Ancestral, Multistep])
def test_members_fit_better_and_belong_to_themselves(kind: type[Sampler]) -> None:
    plain = kind(white, SIGMAS)
    method = around(plain)
    guided = method(MemberNoise(0, range(4)), (K,))
    free = plain(MemberNoise(0, range(4)), (K,))
    fits = [SEEN.misfit(z.double()) / N for z in (free, guided)]
    assert bool((fits[1] < 0.5 * fits[0]).all())
    alone = LatentOptimisationSampler(plain, readings([1]))(MemberNoise(0, [1, 3]), (K,))
    assert torch.allclose(guided[1::2], alone, atol=1e-4)


@pytest.mark.parametrize("kind", [DDIM, Multistep])
def test_above_its_level_it_is_the_sampler(kind: type[Sampler]) -> None:
    """The memory of a multistep sampler included."""
    plain = kind(white, SIGMAS)
    method = LatentOptimisationSampler(plain, SEEN, below=1e-3)
    found = method(MemberNoise(0, range(4)), (K,))
    assert torch.equal(found, plain(MemberNoise(0, range(4)), (K,)))
    x = normal(4, K, seed=2)
    sigma, after = torch.tensor(1.0), torch.tensor(0.5)
    noise = MemberNoise(0, range(4))
    assert torch.equal(method.step(x, sigma, after, noise), plain.step(x, sigma, after, noise))


def test_evaluations() -> None:
    calls = []

    def counted(z: Tensor, sigma: Tensor) -> Tensor:
        calls.append(1)
        return white(z, sigma)

    LatentOptimisationSampler(DDIM(counted, SIGMAS), SEEN, steps=3)(MemberNoise(0, range(4)), (K,))
    assert len(calls) == 12 * (1 + 3 + 1)


def test_bad_input() -> None:
    plain = DDIM(white, SIGMAS)
    for settings in ({"steps": 0}, {"rate": 0.0}, {"rate": 1.5}, {"below": -1.0}):
        with pytest.raises(InputError, match="give at least 1, a rate above 0 and at most 1"):
            LatentOptimisationSampler(plain, SEEN, **settings)
    with pytest.raises(InputError, match="there are 3 latents"):
        LatentOptimisationSampler(plain, SEEN)(MemberNoise(0, range(3)), (K,))
