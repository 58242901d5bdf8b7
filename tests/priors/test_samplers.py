from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.priors.gaussian import EofGaussian
from isopleth.priors.noise import MemberNoise
from isopleth.priors.samplers import (
    DDIM,
    Ancestral,
    Heun,
    Multistep,
    Noise,
    PredictorCorrector,
    Sampler,
)
from isopleth.priors.schedules import karras

VARIANCE = torch.tensor([0.04, 0.5, 1.0, 3.0], dtype=torch.float64).reshape(1, 1, 4)
HIGH, LOW = 80.0, 1e-3
ALL = {
    "ddim": DDIM,
    "ancestral": Ancestral,
    "heun": Heun,
    "multistep": Multistep,
    "fresh": lambda prior, sigmas: Multistep(prior, sigmas, fresh=True),
    "corrected": lambda prior, sigmas: PredictorCorrector(Multistep(prior, sigmas), tau=0.05),
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
    [
        ("ddim", 9),
        ("ancestral", 9),
        ("heun", 17),
        ("multistep", 9),
        ("fresh", 9),
        ("corrected", 17),
    ],
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


def stream(seed: int, rows: int) -> Noise:
    numbers = torch.Generator().manual_seed(seed)
    return lambda shape: torch.randn(rows, *shape, generator=numbers, dtype=torch.float64)


@pytest.mark.parametrize("tau", [0.1, 0.4])
def test_a_correction_leaves_a_gaussian_alone(tau: float) -> None:
    """`x ~ N(0, v + s^2)`: once, the variance grows by `tau^2`; it settles at `1 + tau / 2`."""
    v, sigma, size = 2.0, torch.tensor(0.7).double(), (1, 1, 20000)
    total, noise = v + float(sigma) ** 2, stream(3, 2)
    method = PredictorCorrector(
        DDIM(lambda x, s: x * (v / (v + s.square())), karras(2, 0.1, 1.0)), corrections=1, tau=tau
    )
    one = torch.ones(2).double()

    def variance(start: float, times: int) -> Tensor:
        x = (start * total) ** 0.5 * noise(size)
        for _ in range(times):  # a step from a level to itself leaves x to the corrector
            x = method.step(x, sigma, sigma, noise)
        assert x.mean().abs() < 0.05
        return x.flatten(1).var(1) / total

    torch.testing.assert_close(variance(1.0, 1), (1.0 + tau**2) * one, atol=0.04, rtol=0.0)
    for start in (0.3, 3.0):
        settled = variance(start, int(6.0 / tau))
        torch.testing.assert_close(settled, (1.0 + tau / 2.0) * one, atol=0.05, rtol=0.0)


def moments(corrections: int, tau: float, levels: Tensor) -> Tensor:
    """Variances that DDIM with corrections draws of many cells of `VARIANCE`, step by step."""
    v = VARIANCE.flatten()
    found = levels[0].square().expand(4)
    for sigma, below in pairwise(levels):
        gain = v / (v + sigma.square())
        found = found * (gain + below / sigma * (1.0 - gain)).square()
        slope = below.square() / (v + below.square())
        for _ in range(corrections if below > 0.0 else 0):
            delta = tau / (found * slope / (v + below.square())).mean()
            found = found * (1.0 - delta * slope).square() + 2.0 * delta * below.square()
    return found


def test_corrections_repair_a_coarse_path() -> None:
    """Twelve steps of DDIM draw too little variance; what corrections do to it is known."""
    plain = DDIM(independent, karras(12, 0.1, 80.0))
    corrected = PredictorCorrector(plain, corrections=4, tau=0.1)

    def error(sampler: Sampler) -> Tensor:
        x = sampler(stream(4, 20), (1, 500, 4))
        return x.flatten(0, 2).var(0) / VARIANCE.flatten() - 1.0

    for sampler, corrections in ((plain, 0), (corrected, 4)):
        expected = moments(corrections, 0.1, plain.sigmas) / VARIANCE.flatten() - 1.0
        torch.testing.assert_close(error(sampler), expected, atol=0.06, rtol=0.0)
    assert error(corrected).abs().max() < 0.5 * error(plain).abs().max()


@pytest.mark.parametrize("kind", [Heun, Multistep])
def test_without_corrections_it_is_the_predictor(kind: type[Sampler]) -> None:
    """With its memory."""
    plain = kind(independent, karras(8, 0.01, 40.0))
    method = PredictorCorrector(plain, corrections=0)
    found, expected = (s(stream(5, 3), (1, 1, 4)) for s in (method, plain))
    assert torch.equal(found, expected)


def test_another_prior_for_the_same_walk() -> None:
    def other(x: Tensor, sigma: Tensor) -> Tensor:
        return 0.0 * x

    levels = karras(4, 0.1, 10.0)
    plain = Multistep(independent, levels, fresh=True)
    for sampler in (plain, PredictorCorrector(plain, tau=0.05)):
        changed = sampler.asking(other)
        assert type(changed) is type(sampler)
        assert (changed.prior, changed.sigmas) == (other, levels)
        assert sampler.prior is independent
    assert changed.sampler.prior is other
    assert changed.tau == 0.05


@pytest.mark.parametrize("wrong", [{"corrections": -1}, {"tau": 0.0}, {"tau": 1.0}])
def test_corrections_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="length between 0 and 1"):
        PredictorCorrector(DDIM(independent, karras(4, 0.1, 10.0)), **wrong)


@pytest.mark.parametrize("levels", [[1.0], [1.0, 0.5], [1.0, 1.0, 0.0], [0.5, 1.0, 0.0]])
def test_levels_that_are_no_schedule(levels: list[float]) -> None:
    with pytest.raises(InputError, match="do not decrease to 0"):
        DDIM(independent, torch.tensor(levels))
