"""Scores of analyses whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from isopleth.dynamics import T21, load_world
from isopleth.observe.networks import Percent, RandomPoints, Singles
from isopleth.observe.simulated import observed
from isopleth.studies.twin import Climate
from isopleth.studies.twin.scores import Truths, scores

CASES, MEMBERS = 6, 20


@pytest.fixture(scope="module")
def climate() -> Climate:
    return Climate(load_world(T21), torch.zeros(3, 32, 64), torch.tensor([7e6, 5e6, 4e6]))


def smooth(climate: Climate, *shape: int, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    c = torch.randn(*shape, 3, 484, generator=stream) / (1.0 + climate.world.sphere.degree)
    return climate.world.sphere.synthesis(c)


@pytest.fixture(scope="module")
def truths(climate: Climate) -> Truths:
    truth, draws = smooth(climate, CASES, seed=1), torch.Generator().manual_seed(2)
    seen = []
    for percent in (5.0, 10.0):
        points = RandomPoints(Percent(percent), Singles())(climate.grid, draws)
        operator = points.operator(climate.grid)
        seen.append([[observed(operator, x, 0.01, draws)] for x in truth])
    return Truths(climate, truth, seen[0], seen[1], torch.stack([truth, 2.0 * truth], 1))


def test_a_perfect_analysis(truths: Truths) -> None:
    found = scores(truths, truths.truth, truths.later, None)
    assert found.keys().isdisjoint({"crps", "variance", "ranks"})
    for name in ("square_error", "square_error_by_level", "forecast_square_error"):
        assert abs(found[name]).max() < 1e-10
    assert found["obs_chi2"].mean() == pytest.approx(1.0, abs=0.1)
    assert found["power"] == pytest.approx(1.0)


def test_an_error_of_known_size(truths: Truths) -> None:
    shift = torch.tensor([0.1, 0.2, 0.3])[:, None, None]
    found = scores(truths, truths.truth + shift, 0.0 * truths.later, None)
    assert found["square_error_by_level"][0] == pytest.approx([0.01, 0.04, 0.09], rel=1e-4)
    assert found["square_error"] == pytest.approx(0.14 / 3.0, rel=1e-4)
    assert found["withheld_chi2"].mean() == pytest.approx(1.0 + 14.0 / 3.0, rel=0.1)
    later = found["forecast_square_error"]
    assert later[:, 1] == pytest.approx(4.0 * later[:, 0], rel=1e-4)


def test_members_drawn_like_the_truth(truths: Truths, climate: Climate) -> None:
    centre = smooth(climate, CASES, seed=3)
    drawn = centre + smooth(climate, MEMBERS, CASES, seed=4)
    apart = replace(truths, truth=centre + smooth(climate, CASES, seed=5))
    found = scores(apart, drawn.mean(0), truths.later, drawn)
    assert found["variance"].mean() == pytest.approx(found["square_error"].mean(), rel=0.25)
    ranks = found["ranks"].sum(0)
    assert ranks.sum() == CASES * -(-3 * 32 * 64 // 211)
    assert ranks.max() < 4.0 * ranks.mean()
    assert (found["crps"] > 0.0).all()
