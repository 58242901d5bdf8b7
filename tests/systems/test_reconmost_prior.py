"""The training states and the prior: seeded, resumable, blind to land, told of the season."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.data import load_climatology
from isopleth.systems.reconmost import build, smoke
from isopleth.systems.reconmost.learn import monthly_settings
from isopleth.systems.reconmost.prior import Setting, conditions
from isopleth.systems.reconmost.states import TrainingStates, ocean_grid, prepare, world

CLIMATOLOGY = load_climatology()
OCEAN = replace(smoke.ocean, states=3, models=("A", "C"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(OCEAN, CLIMATOLOGY, tmp_path_factory.mktemp("states"))


def test_states_are_the_perturbed_climatology(store: Path) -> None:
    states = TrainingStates(store, batch=2)
    grid = ocean_grid(CLIMATOLOGY, OCEAN.levels)
    source = world(CLIMATOLOGY, grid, "C")
    index = np.searchsorted(CLIMATOLOGY.grid.levels, grid.levels)
    anomaly = source.state(1, OCEAN.seed, 2).numpy() - CLIMATOLOGY.values[0][index]
    found = (states.rows(np.array([5])) * states.spread)[0].numpy()  # number 2 of model C
    assert found[grid.mask] == pytest.approx(anomaly[grid.mask], abs=6e-4)
    assert not found[~grid.mask].any()


def test_the_spread_is_that_of_the_states(store: Path) -> None:
    states = TrainingStates(store, batch=2)
    kelvin = states.anomaly.astype(float) * 1e-3
    assert states.spread.numpy() == pytest.approx(np.maximum(kelvin.std(0), 0.05), abs=2e-3)


def test_batches_are_a_function_of_their_number(store: Path) -> None:
    first, again = (TrainingStates(store, batch=2, seed=4) for _ in range(2))
    for number in (0, 2, 3, 11):
        for a, b in zip(first(number), again(number), strict=True):
            assert torch.equal(a, b)
    seen = torch.cat([first(number)[0].flatten(1).sum(1) for number in range(3)])
    assert len(torch.unique(seen)) == len(first), "an epoch shows every state once"


def test_states_are_made_once_and_not_mistaken(store: Path) -> None:
    before = store.stat().st_mtime_ns
    assert prepare(OCEAN, CLIMATOLOGY, store.parent) == store
    assert store.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="another recipe"):
        prepare(replace(OCEAN, seed=1), CLIMATOLOGY, store.parent)


def test_unknown_levels_and_models_are_named() -> None:
    with pytest.raises(InputError, match="123 m"):
        ocean_grid(CLIMATOLOGY, (0.0, 123.0))
    with pytest.raises(InputError, match="'Z'"):
        world(CLIMATOLOGY, ocean_grid(CLIMATOLOGY, (0.0,)), "Z")


def test_conditions_do_not_see_land(store: Path) -> None:
    grid = ocean_grid(CLIMATOLOGY, OCEAN.levels)
    spread = TrainingStates(store, batch=2).spread
    setting = monthly_settings(CLIMATOLOGY, grid)[6]
    changed = torch.where(torch.tensor(grid.mask), setting.climatology, 99.0)
    same = conditions(setting, grid, spread)
    assert torch.equal(same, conditions(Setting(changed, 7), grid, spread))
    assert not torch.equal(same, conditions(Setting(changed, 8), grid, spread))
    assert torch.isfinite(same).all()


def test_the_prior_masks_and_does_not_mix_rows(store: Path) -> None:
    states = TrainingStates(store, batch=2)
    torch.manual_seed(0)
    denoiser = build(replace(smoke, ocean=OCEAN), CLIMATOLOGY, states.spread).requires_grad_(False)
    for weight in denoiser.parameters():  # the last layer of an untrained network is zero
        torch.nn.init.normal_(weight, std=0.05)
    x = torch.randn(2, *denoiser.mask.shape)
    sigma = torch.tensor([0.5, 3.0])
    both = denoiser(x, sigma, torch.tensor([1, 7]))
    alone = denoiser(x[1:], sigma[1:], torch.tensor([7]))
    assert both[1:] == pytest.approx(alone, abs=1e-4)
    assert not both[:, ~denoiser.mask].any()
    land = torch.where(denoiser.mask, x, 50.0)
    assert torch.equal(denoiser(land, sigma, torch.tensor([1, 7])), both)
    assert not torch.allclose(denoiser(x, sigma, torch.tensor([2, 7]))[0], both[0])
