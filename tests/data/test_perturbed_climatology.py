"""The synthetic ocean: reproducible, physical, and the one that results were computed in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from isopleth.core.errors import InputError
from isopleth.core.grid import Grid
from isopleth.data import load_climatology
from isopleth.data.perturbed_climatology import (
    MODELS,
    OceanModel,
    OceanStatistics,
    PerturbedClimatology,
    unbiased,
)

CLIMATOLOGY = load_climatology()
LEVELS = [0.0, 100.0, 300.0, 1000.0]
INDEX = np.searchsorted(CLIMATOLOGY.grid.levels, LEVELS)
OCEAN = np.isfinite(CLIMATOLOGY.values).all(axis=0)[INDEX]
GRID = Grid(CLIMATOLOGY.grid.latitude, CLIMATOLOGY.grid.longitude, np.array(LEVELS), OCEAN)
STILL = OceanStatistics(heave_m=(0.0,) * 6, displacement_km=1e-9)
FROZEN = "194861353fbf1fffad9be746a713124ca27363e5ed103cbf50ab62b9b0e3c167"


def world(model: OceanModel = unbiased, **changes: object) -> PerturbedClimatology:
    statistics = replace(OceanStatistics(), **changes)
    return PerturbedClimatology(
        climatology=CLIMATOLOGY, grid=GRID, model=model, statistics=statistics
    )


def test_the_statistics_are_those_that_results_were_computed_with() -> None:
    assert OceanStatistics().sha256() == FROZEN, "a changed world asks for every result anew"


def test_an_unperturbed_ocean_is_the_climatology() -> None:
    still = PerturbedClimatology(
        climatology=CLIMATOLOGY,
        grid=GRID,
        model=replace(unbiased, warm=0.0),
        statistics=STILL,
    )
    state = still.state(4, 0, 0).numpy()[OCEAN]
    assert state == pytest.approx(CLIMATOLOGY.values[3][INDEX][OCEAN], abs=2e-3)


def test_states_depend_on_their_name_only() -> None:
    ocean = world()
    first = ocean.state(1, 0, 5)
    ocean.state(1, 0, 6)
    assert torch.equal(first, world().state(1, 0, 5))
    others = [ocean.state(2, 0, 5), ocean.state(1, 1, 5), ocean.state(1, 0, 4)]
    others.append(world(MODELS[0]).state(1, 0, 5))
    assert not any(torch.equal(first, other) for other in others)


def test_heave_moves_isotherms_down_and_not_the_surface() -> None:
    ocean = world(heave_m=(30.0,) * 6, displacement_km=1e-9)
    ocean = replace(ocean, model=replace(unbiased, warm=0.0))
    states = np.stack([ocean.state(1, 0, n).numpy() for n in range(12)])
    anomaly = np.where(OCEAN, states - CLIMATOLOGY.values[0][INDEX], np.nan)
    spread = np.nanstd(anomaly, axis=(0, 2, 3))
    assert spread[0] < 1e-3
    assert spread[1] > 3 * spread[3] > 0.0


def test_every_value_is_finite_and_possible() -> None:
    for model in (unbiased, *MODELS):
        state = world(model).state(7, 2, 0)
        assert torch.isfinite(state).all()
        assert -6.0 < state.min() < state.max() < 42.0


def test_a_bias_is_the_same_in_all_states_of_a_model() -> None:
    ocean = world(MODELS[2])
    assert torch.equal(ocean.bias, world(MODELS[2]).bias)
    assert 0.2 < ocean.bias[0].std() < 1.5
    assert world().bias.abs().max() == 0.0


def test_it_varies_as_argo_does() -> None:
    """Standard deviations at 100 m near 2 K by the equator, near 1 K at 30 degrees (Argo 2016)."""
    ocean = world()
    states = np.stack([ocean.state(1, 0, n)[1].numpy() for n in range(20)])
    anomaly = np.where(OCEAN[1], states - CLIMATOLOGY.values[0][INDEX[1]], np.nan)
    latitude = np.abs(GRID.latitude)
    assert 1.5 < np.nanstd(anomaly[:, latitude < 6]) < 3.0
    assert 0.6 < np.nanstd(anomaly[:, (latitude > 25) & (latitude < 35)]) < 1.4


def test_refuses_another_grid() -> None:
    with pytest.raises(InputError, match="own rows"):
        PerturbedClimatology(climatology=CLIMATOLOGY, grid=Grid.regular(4.0, levels=[0.0]))
    deep = Grid(GRID.latitude, GRID.longitude, np.array([0.0, 1500.0]), OCEAN[:2])
    with pytest.raises(InputError, match="1500"):
        PerturbedClimatology(climatology=CLIMATOLOGY, grid=deep)
