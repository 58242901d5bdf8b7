"""Nature runs: how they begin, that members are independent, and that a seed makes them again."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.dynamics import (
    T21,
    QG3Recipe,
    QuasiGeostrophic,
    Repeated,
    final,
    load_initial,
    load_world,
    nature_run,
    spun_up,
)

STEP = T21.step_seconds / 86_400.0
"""The shortest spin-up, days."""
SECOND = 1.0 / 86_400.0
AT_ONCE = replace(T21, step_seconds=1.0)
"""A spin-up of a second shows how members begin."""
COARSE = replace(T21, truncation=9, step_seconds=7200.0)
"""The shipped surface and forcing on the shipped grid, but few harmonics: quick and as chaotic."""


@functools.cache
def world(recipe: QG3Recipe = T21) -> QuasiGeostrophic:
    return load_world(recipe)


def start(model: QuasiGeostrophic) -> Tensor:
    return model.from_vorticity(torch.from_numpy(load_initial(model.recipe.grid)).float())


def begun(members: int, seed: int = 0, days: float = STEP, recipe: QG3Recipe = T21) -> Tensor:
    return spun_up(world(recipe), members, torch.Generator().manual_seed(seed), days=days)


def patterns(model: QuasiGeostrophic, z: Tensor, mean: Tensor) -> Tensor:
    """Anomalies of the streamfunction at 500 hPa, each of length 1, (members, (T + 1)^2)."""
    anomaly = (model.invert(z) - mean)[:, 1]
    return anomaly / anomaly.square().sum(-1, keepdim=True).sqrt()


def test_members_begin_around_the_shipped_start_with_noise_of_its_spectrum() -> None:
    model = world(AT_ONCE)
    noise = begun(64, days=SECOND, recipe=AT_ONCE) - start(model)
    own = start(model) - model.from_streamfunction(torch.zeros(3, 32, 64))
    share = (model.sphere.power(noise).mean(0) / model.sphere.power(own)).sqrt()
    assert share[:, 0].max() < 1e-3  # the mean over the sphere is not touched
    torch.testing.assert_close(share[:, 1:], torch.full((3, 21), 0.3), rtol=0.15, atol=0.0)


def test_noise_is_independent_between_members() -> None:
    noise = begun(8, days=SECOND, recipe=AT_ONCE) - start(world(AT_ONCE))
    seen = world().sphere.degree > 0
    scaled = torch.nn.functional.normalize(noise[..., seen] / noise[..., seen].std(0), dim=-1)
    correlation = torch.einsum("ikn,jkn->ij", scaled, scaled) / 3.0
    assert correlation.diagonal().allclose(torch.ones(8))
    assert correlation.fill_diagonal_(0.0).abs().max() < 0.15


def test_members_forget_one_another_but_not_the_climate() -> None:
    model = world(COARSE)
    z = begun(8, days=80.0, recipe=COARSE)
    climate = list(nature_run(model, z, every_hours=48.0, days=60.0))
    mean = model.invert(torch.cat(climate)).mean(0)
    pattern = patterns(model, z, mean)
    correlation = (pattern @ pattern.T)[~torch.eye(8, dtype=torch.bool)]
    assert abs(float(correlation.mean())) < 0.2
    # As far from one another as states of the climate are: the variance is all between members.
    variance = (model.invert(torch.cat(climate)) - mean)[:, 1].square().sum(-1).mean()
    between = model.invert(z)[:, 1].var(0).sum()
    assert 0.5 < float(between / variance) < 2.0
    # Between runs with another seed as between members of one.
    other = patterns(model, begun(8, seed=1, days=80.0, recipe=COARSE), mean)
    assert abs(float((pattern @ other.T).mean())) < 0.2
    # Without the mean removed the climate is what all share: the test above could fail.
    raw = patterns(model, z, torch.zeros_like(mean))
    assert (raw @ raw.T).mean() > 0.9


def test_a_seed_makes_the_same_members_again() -> None:
    again = begun(3, seed=7, days=0.25)
    assert torch.equal(again, begun(3, seed=7, days=0.25))
    assert not torch.allclose(again, begun(3, seed=8, days=0.25), rtol=0.01)


def test_a_longer_spin_up_goes_on_from_a_shorter_one() -> None:
    short = begun(2, days=0.25)
    *_, longer = nature_run(world(), short, every_hours=6.0, days=0.5)
    assert torch.equal(longer, begun(2, days=0.75))


def test_a_member_does_not_depend_on_those_beside_it() -> None:
    z = begun(5)
    (alone,) = nature_run(world(), z[3], every_hours=24.0, days=1.0)
    (together,) = nature_run(world(), z, every_hours=24.0, days=1.0)
    assert alone.shape == (3, 484)
    scale = together[3].std()
    torch.testing.assert_close(alone / scale, together[3] / scale, rtol=0.0, atol=1e-4)
    # The first members of a larger ensemble are those of a smaller one.
    few, many = begun(4, days=0.25), begun(8, days=0.25)
    torch.testing.assert_close(many[:4] / scale, few / scale, rtol=0.0, atol=1e-4)


def test_a_run_is_the_world_stepped_and_leaves_its_start_alone() -> None:
    z = begun(2)
    before = z.clone()
    states = list(nature_run(world(), z, every_hours=6.0, days=1.0))
    assert len(states) == 4
    assert torch.equal(z, before)
    assert torch.equal(states[0], Repeated(world(), seconds=21_600.0).step(z))
    assert torch.equal(states[-1], final(world().step, z, 48))
    assert not any(state.requires_grad for state in states)


def test_a_run_is_made_as_it_is_asked_for() -> None:
    run = nature_run(world(), begun(1), every_hours=0.5, days=10_000.0)
    assert torch.isfinite(next(run)).all()


def test_no_member_and_no_whole_number_of_steps() -> None:
    with pytest.raises(InputError, match="0 members: ask for at least 1"):
        begun(0)
    with pytest.raises(InputError, match=r"1000 s is no whole number of steps of 1800 s"):
        begun(1, days=1000.0 / 86_400.0)
    with pytest.raises(InputError, match="give 1800 s, say"):
        begun(1, days=0.0)
    z = begun(1)
    with pytest.raises(InputError, match="no whole number of steps"):
        next(nature_run(world(), z, every_hours=0.7, days=1.0))
    with pytest.raises(InputError, match="no whole number of steps"):
        next(nature_run(world(), z, every_hours=6.0, days=-1.0))


def test_states_of_another_truncation_and_grids_without_a_surface() -> None:
    with pytest.raises(InputError, match="not one of truncation 21"):
        next(nature_run(world(), torch.zeros(3, 100), every_hours=6.0, days=1.0))
    odd = replace(T21, nlat=48, nlon=96)
    assert odd.grid == GaussianGrid(nlat=48, nlon=96)
    with pytest.raises(InputError, match="no boundary conditions are shipped"):
        load_world(odd)
