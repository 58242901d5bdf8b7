"""RePaint: seen cells come out exactly, and resampling brings the rest into harmony."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.inference.repaint import RePaint
from isopleth.priors import MemberNoise
from isopleth.priors.samplers import DDIM, Ancestral, Multistep
from isopleth.priors.schedules import karras

if TYPE_CHECKING:
    from conftest import GaussianOcean

SIGMAS = karras(24, 0.02, 20.0)


def target(ocean: GaussianOcean, share: float = 0.1) -> tuple[Tensor, Tensor]:
    draw = torch.rand(ocean.shape, generator=torch.Generator().manual_seed(3))
    seen = ocean.prior.mask & (draw < share)
    return torch.where(seen, ocean.truth, torch.nan), seen


@pytest.mark.parametrize("kind", [DDIM, Ancestral, Multistep])
def test_seen_cells_come_out_as_given(ocean: GaussianOcean, kind: type[DDIM]) -> None:
    cells, seen = target(ocean)
    method = RePaint(kind(ocean.prior, SIGMAS), cells, seen, resampling=3)
    found = method(MemberNoise(0, range(2)), ocean.shape)
    assert torch.equal(found[:, seen], cells[seen].expand(2, -1))
    assert bool(torch.isfinite(found).all())
    assert bool((found[:, ~ocean.prior.mask] == 0).all())


def test_resampling_approaches_the_exact_posterior(ocean: GaussianOcean) -> None:
    cells, seen = target(ocean)
    observation = ocean.seen_cells(seen)
    mean, variance = ocean.prior.posterior([observation])

    def distance(resampling: int) -> float:
        method = RePaint(Ancestral(ocean.prior, SIGMAS), cells, seen, resampling=resampling)
        members = method(MemberNoise(1, range(64)), ocean.shape)
        return float((members.mean(0) - mean).square().mean() / variance.mean())

    one, ten = distance(1), distance(10)
    assert ten < 0.5 * one
    assert ten < 0.35


def test_where_nothing_is_seen_it_is_the_sampler(ocean: GaussianOcean) -> None:
    sampler = DDIM(ocean.prior, SIGMAS)
    nothing = torch.zeros(ocean.shape), torch.zeros(ocean.shape, dtype=torch.bool)
    found = RePaint(sampler, *nothing, resampling=1)(MemberNoise(0, [0]), ocean.shape)
    assert torch.equal(found, sampler(MemberNoise(0, [0]), ocean.shape))


def test_the_prior_is_always_asked_at_the_noise_level_of_its_input(ocean: GaussianOcean) -> None:
    """Of a field that is 0 for certain, x is noise: its spread has to be sigma on every turn."""
    spread = []

    def zero(x: Tensor, sigma: Tensor) -> Tensor:
        spread.append(float(x.std() / sigma))
        return torch.zeros_like(x)

    nothing = torch.zeros(ocean.shape), torch.zeros(ocean.shape, dtype=torch.bool)
    seen = torch.rand(ocean.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    for flags, jump in ((nothing[1], 1), (seen, 1), (seen, 5)):
        RePaint(DDIM(zero, SIGMAS), nothing[0], flags, resampling=4, jump=jump)(
            MemberNoise(0, range(16)), ocean.shape
        )
    assert spread == pytest.approx([1.0] * len(spread), abs=0.06)


def test_evaluations_and_members(ocean: GaussianOcean) -> None:
    count = 0

    def counted(x: Tensor, sigma: Tensor) -> Tensor:
        nonlocal count
        count += 1
        return ocean.prior(x, sigma)

    method = RePaint(Ancestral(counted, SIGMAS), *target(ocean), resampling=4)
    together = method(MemberNoise(0, range(3)), ocean.shape)
    assert count == 4 * 23 + 1
    alone = method(MemberNoise(0, [1]), ocean.shape)
    assert torch.allclose(together[1], alone[0], atol=1e-4)


@pytest.mark.parametrize(("jump", "stretches"), [(4, 5), (7, 2), (24, 0), (30, 0)])
def test_jumps_of_several_steps(ocean: GaussianOcean, jump: int, stretches: int) -> None:
    """24 steps; stretches end `jump`, 2 `jump` .. steps before the end and are whole."""
    levels = []

    def asked(x: Tensor, sigma: Tensor) -> Tensor:
        levels.append(float(sigma))
        return ocean.prior(x, sigma)

    method = RePaint(DDIM(asked, SIGMAS), *target(ocean), resampling=3, jump=jump)
    method(MemberNoise(0, [0]), ocean.shape)
    assert len(levels) == 24 + 2 * stretches * jump
    number = [int((SIGMAS.float() - level).abs().argmin()) for level in levels]
    moves = [after - before for before, after in pairwise(number)]
    assert moves.count(1 - jump) == 2 * stretches
    assert set(moves) <= {1, 1 - jump}
    if stretches:
        assert moves.index(1 - jump) + 1 == 24 - jump * stretches


def test_settings_are_checked(ocean: GaussianOcean) -> None:
    cells, seen = target(ocean)
    sampler = DDIM(ocean.prior, SIGMAS)
    with pytest.raises(InputError, match="resampling is 0"):
        RePaint(sampler, cells, seen, resampling=0)
    with pytest.raises(InputError, match="a jump has 0 steps"):
        RePaint(sampler, cells, seen, jump=0)
    with pytest.raises(InputError, match="one flag for every cell"):
        RePaint(sampler, cells, seen[0])
    with pytest.raises(InputError, match="no finite value"):
        RePaint(sampler, cells, ~seen)
