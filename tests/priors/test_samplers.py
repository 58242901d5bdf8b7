from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.priors.gaussian import EofGaussian
from isopleth.priors.noise import MemberNoise
from isopleth.priors.samplers import DDIM, Ancestral, Heun, Multistep, Sampler
from isopleth.priors.schedules import karras

VARIANCE = torch.tensor([0.04, 0.5, 1.0, 3.0], dtype=torch.float64).reshape(1, 1, 4)
HIGH, LOW = 80.0, 1e-3
ALL = {
    "ddim": DDIM,
    "ancestral": Ancestral,
    "heun": Heun,
    "multistep": Multistep,
    "fresh": lambda prior, sigmas: Multistep(prior, sigmas, fresh=True),
}


def independent(x: Tensor, sigma: Tensor) -> Tensor:
    """The denoiser of four cells without correlation."""
    return x * (VARIANCE / (VARIANCE + sigma.square()))


def ones(shape: Sequence[int]) -> Tensor:
    return torch.ones(1, *shape, dtype=torch.float64)


def path_error(sampler: type[Sampler], steps: int) -> Tensor:
    """Relative error of the path from 1 * HIGH, whose end is known, the largest of four cells."""
    end = HIGH * (VARIANCE / (VARIANCE + HIGH**2)).sqrt()
    x = sampler(independent, karras(steps, LOW, HIGH))(ones, (1, 1, 4))
    return ((x - end) / end).abs().max()


@pytest.mark.parametrize(
    ("sampler", "order", "error"),
    [(DDIM, 1.0, 0.0514), (Heun, 2.0, 0.0050), (Multistep, 2.0, 0.0053)],
)
def test_the_order_of_the_deterministic_path(
    sampler: type[Sampler], order: float, error: float
) -> None:
    coarse, fine = path_error(sampler, 64), path_error(sampler, 128)
    assert float(coarse) == pytest.approx(error, rel=0.02)
    assert float((coarse / fine).log2()) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize(
    ("name", "steps", "error"), [("ancestral", 150, 0.12), ("fresh", 60, 0.06)]
)
def test_drawn_paths_have_the_covariance_of_the_prior(
    gaussian: EofGaussian, covariance: Tensor, name: str, steps: int, error: float
) -> None:
    noise = torch.Generator().manual_seed(0)

    def draw(shape: Sequence[int]) -> Tensor:
        return torch.randn(2000, *shape, generator=noise)

    x = ALL[name](gaussian.float(), karras(steps, 1e-2, 100.0))(draw, gaussian.mask.shape)
    found = torch.cov(x[:, gaussian.mask].T).double()
    scale = covariance.diagonal().sqrt()
    difference = (found - covariance) / torch.outer(scale, scale)
    assert difference.abs().max() < error + 3.0 * 2**0.5 / 2000**0.5
    assert difference.diagonal().mean().abs() < error


@pytest.mark.parametrize("name", ALL)
def test_a_member_does_not_depend_on_its_batch(gaussian: EofGaussian, name: str) -> None:
    sampler = ALL[name](gaussian.float(), karras(12, 0.01, 40.0))
    whole = sampler(MemberNoise(5, range(7)), (2, 4, 5))
    part = sampler(MemberNoise(5, [6, 2]), (2, 4, 5))
    torch.testing.assert_close(part, whole[[6, 2]], rtol=1e-4, atol=1e-5)
    assert whole[0].sub(whole[1]).abs().max() > 0.1
    assert not whole.requires_grad


@pytest.mark.parametrize("name", ALL)
def test_the_same_sampler_twice(name: str) -> None:
    sampler = ALL[name](independent, karras(6, 0.01, 40.0))
    first, second = (sampler(MemberNoise(0, [3]), (1, 1, 4)) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("name", "count"),
    [("ddim", 9), ("ancestral", 9), ("heun", 17), ("multistep", 9), ("fresh", 9)],
)
def test_evaluations_levels_and_progress(name: str, count: int) -> None:
    asked: list[float] = []
    done: list[float] = []

    def prior(x: Tensor, sigma: Tensor) -> Tensor:
        asked.append(float(sigma))
        return independent(x, sigma)

    sigmas = karras(9, 0.01, 40.0)
    ALL[name](prior, sigmas)(ones, (1, 1, 4), progress=done.append)
    assert len(asked) == count
    assert sorted(set(asked), reverse=True) == pytest.approx(sigmas[:-1].tolist())
    assert done == pytest.approx([(i + 1) / 9 for i in range(9)])


@pytest.mark.parametrize("name", ALL)
def test_a_prior_that_knows_the_answer_gives_it(name: str) -> None:
    answer = torch.linspace(-1.0, 2.0, 4).reshape(1, 1, 1, 4)
    sampler = ALL[name](lambda x, sigma: answer.expand_as(x), karras(5, 0.01, 40.0))
    drawn = sampler(MemberNoise(0, range(3)), (1, 1, 4))
    torch.testing.assert_close(drawn, answer.expand(3, 1, 1, 4))


def test_the_first_multistep_is_one_of_ddim() -> None:
    levels = karras(4, 0.1, 10.0)
    x, step = torch.randn(1, 1, 1, 4).double(), (levels[0], levels[1], ones)
    many = Multistep(independent, levels)
    assert torch.equal(many.step(x, *step), DDIM(independent, levels).step(x, *step))
    begun = many.begin()
    begun(x, *step)
    assert not torch.equal(begun(x, *step), many.step(x, *step))


@pytest.mark.parametrize("levels", [[1.0], [1.0, 0.5], [1.0, 1.0, 0.0], [0.5, 1.0, 0.0]])
def test_levels_that_are_no_schedule(levels: list[float]) -> None:
    with pytest.raises(InputError, match="do not decrease to 0"):
        DDIM(independent, torch.tensor(levels))
