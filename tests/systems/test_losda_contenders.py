"""Contenders with the learned prior: before training they are optimal interpolation."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from isopleth.dynamics import T21, load_world
from isopleth.inference.variational import ByCase, SampleCovariance, StaticOI
from isopleth.inference.variational.readings import Readings
from isopleth.priors.background_latent import ErrorLatents
from isopleth.priors.eof_codec import EofCodec
from isopleth.studies.twin import Cases, Climate, Network, NetworkRecipe
from isopleth.systems.losda.contenders import (
    CONTROLS,
    LEARNED,
    Consistent,
    FixedPoints,
    Interpolated,
    Repainted,
    Sampled,
    Unconditioned,
    Uninformed,
    UntrainedSampling,
)
from isopleth.systems.losda.learn import sine_of_latitude
from isopleth.systems.losda.learned import LearnedStatistics
from isopleth.systems.losda.prior import build_denoiser, build_regression
from isopleth.systems.losda.recipe import smoke
from isopleth.systems.losda.windowed import FixedPointsInWindow, UninformedInWindow

CASES, MODES = 3, 24
Seen = dict[int, list[list[Any]]]


@pytest.fixture(scope="module")
def climate() -> Climate:
    return Climate(load_world(T21), torch.zeros(3, 32, 64), torch.tensor([7e6, 5e6, 4e6]))


def smooth(climate: Climate, count: int, seed: int) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    c = torch.randn(count, 3, 484, generator=stream) / (1.0 + climate.world.sphere.degree)
    return climate.world.sphere.synthesis(c)


@pytest.fixture(scope="module")
def stats(climate: Climate) -> LearnedStatistics:
    spread = torch.tensor([0.5, 0.8, 1.2])[:, None, None].expand(3, 32, 64)
    latitude = torch.as_tensor(climate.grid.latitude.copy())
    regression = build_regression(smoke, spread, sine_of_latitude(latitude, 64))
    codec = EofCodec.fit(smooth(climate, 200, 1), torch.ones(32, 64), MODES)
    codec = EofCodec(
        torch.zeros_like(codec.mean), codec.modes, codec.variances, codec.weights,
        left=codec.left, total=codec.total,
    )  # fmt: skip
    latents = ErrorLatents(regression, codec, torch.zeros(3, 32, 64))
    denoiser = build_denoiser(smoke, latents).eval().requires_grad_(False)
    world: Any = SimpleNamespace(climate=climate, recipe=SimpleNamespace(window_hours=(0, 6)))
    return LearnedStatistics(world, denoiser=denoiser)


@pytest.fixture(scope="module")
def cases(climate: Climate, stats: LearnedStatistics) -> Cases:
    background = smooth(climate, CASES, 2)
    codec = stats.denoiser.latents.codec  # type: ignore[union-attr]
    z = torch.randn(CASES, MODES, generator=torch.Generator().manual_seed(3))
    spread = stats.denoiser.latents.regression(background).spread  # type: ignore[union-attr]
    truth = background + spread * codec.decode(z)
    return Cases(
        truth=truth[:, None], background=background, older=background,
        members=background[:, None], trajectory=torch.arange(CASES), names=("a", "b", "c"),
    )  # fmt: skip


def seen_of(climate: Climate, cases: Cases, **what: Any) -> Seen:
    recipe = NetworkRecipe(name="n", percent=0.5, columns=True, **({"error": 0.5} | what))
    network = Network(recipe, climate, torch.full((6,), 8.0), torch.full((3,), 8.0))
    pairs = zip(cases.truth[:, 0], cases.names, strict=True)
    return {0: [[network(truth, name)] for truth, name in pairs]}


@pytest.fixture(scope="module")
def seen(climate: Climate, cases: Cases) -> Seen:
    return seen_of(climate, cases, cells=True)


def rmse(found: Tensor, cases: Cases) -> float:
    return float((found - cases.truth[:, 0]).square().mean().sqrt())


@pytest.mark.parametrize("method", [Uninformed(), FixedPoints(strength=1.3)])
def test_an_untrained_fixed_point_is_optimal_interpolation(
    method: Sampled, stats: LearnedStatistics, cases: Cases, seen: Seen
) -> None:
    latents = stats.denoiser.latents  # type: ignore[union-attr]
    codec, spread = latents.codec, latents.regression(cases.background).spread[0]
    root = spread * codec.spread[:, None, None, None] * codec.modes
    exact = StaticOI(covariance=SampleCovariance(root))(cases.background, ByCase(seen[0])).state
    assert torch.allclose(method(stats, cases, seen)[:, 0], exact, atol=2e-3)


def test_untrained_sampling_is_its_own_control(
    stats: LearnedStatistics, cases: Cases, seen: Seen
) -> None:
    settings = {"members": 3, "steps": 5}
    trained, control = (
        kind(**settings).ensemble(stats, cases, seen) for kind in (Consistent, UntrainedSampling)
    )
    assert torch.allclose(trained, control, atol=1e-3)
    assert float(trained.std(0).mean()) > 0.01


def test_members_do_not_depend_on_their_number(
    stats: LearnedStatistics, cases: Cases, seen: Seen
) -> None:
    few, more = (Consistent(members=n, steps=4).ensemble(stats, cases, seen) for n in (2, 3))
    assert torch.allclose(few, more[:2], atol=1e-4)


@pytest.mark.parametrize("kind", [*LEARNED, *CONTROLS], ids=lambda kind: kind.name)
def test_every_contender_answers(
    kind: type[Sampled], stats: LearnedStatistics, cases: Cases, seen: Seen
) -> None:
    method = kind()
    method = replace(method, members=min(method.members, 2), **_short(method))
    members = method.ensemble(stats, cases, seen)
    assert members.shape == (method.members, CASES, 3, 32, 64)
    assert bool(torch.isfinite(members).all())
    assert set(kind.space) <= set(vars(method))
    if kind is not Unconditioned:
        bar = Unconditioned(members=method.members, steps=6)(stats, cases, seen)[:, 0]
        better = min(rmse(bar, cases), rmse(cases.background, cases))
        # Fusing lone cells spoils what is between them: RePaint promises no better field.
        promise = 2.0 if kind in (Repainted, Interpolated) else 1.0
        assert rmse(members.mean(0), cases) < promise * better


def _short(method: Sampled) -> dict[str, int]:
    return {"steps": 6} if hasattr(method, "steps") else {}


def test_speeds_are_fitted(climate: Climate, stats: LearnedStatistics, cases: Cases) -> None:
    near = replace(cases, truth=torch.lerp(cases.background[:, None], cases.truth, 0.1))
    speeds = seen_of(climate, near, quantity="speed")
    for method in (FixedPoints(), Consistent(members=2, steps=4)):
        assert chi2(method(stats, near, speeds)[:, 0], speeds) < chi2(near.background, speeds)


def test_a_window_of_one_time_is_one_analysis(
    stats: LearnedStatistics, cases: Cases, seen: Seen
) -> None:
    single = Uninformed()(stats, cases, seen)[:, 0]
    start = UninformedInWindow()(stats, cases, seen)[:, 0]
    assert torch.allclose(start, single, atol=0.05)
    assert rmse(start, cases) < rmse(cases.background, cases)


def test_a_window_tells_more_than_its_first_time(
    climate: Climate, stats: LearnedStatistics, cases: Cases, seen: Seen
) -> None:
    near = replace(cases, truth=torch.lerp(cases.background[:, None], cases.truth, 0.1))
    later = stats.trajectory(near.truth[:, 0], 2)[:, 1:]
    sharp: dict[str, Any] = {"cells": True, "error": 0.02}
    first = seen_of(climate, near, **sharp)
    window = first | {1: seen_of(climate, replace(near, truth=later), **sharp)[0]}
    method = FixedPointsInWindow(amplitude=0.1)
    few, more = (method(stats, near, each)[:, 0] for each in (first, window))
    assert rmse(more, near) < rmse(few, near) < rmse(near.background, near)


def chi2(x: Tensor, seen: Seen) -> float:
    read = Readings(ByCase(seen[0]), x)
    return float((read.precision * (read.values - read(x)).square()).sum())
