"""Parts of the twin experiments whose answer is known in closed form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from isopleth.core.errors import InputError
from isopleth.dynamics import T21, load_world
from isopleth.inference.kalman import ETKF, Located
from isopleth.inference.variational import SampleCovariance, StaticOI
from isopleth.observe.composed import ComposedOperator
from isopleth.studies.twin import (
    Climate,
    Network,
    NetworkRecipe,
    TwinRecipe,
    localised,
    square_error,
)
from isopleth.studies.twin.oneshot import Hybrid
from isopleth.studies.twin.statistics import Statistics

SD = torch.tensor([7e6, 5e6, 4e6])


class World:
    """What `Statistics` asks of a frozen world, without one."""

    def __init__(self, climate: Climate, errors: SampleCovariance) -> None:
        self.climate, self.errors, self.recipe = climate, errors, TwinRecipe()


@pytest.fixture(scope="module")
def climate() -> Climate:
    world = load_world(T21)
    return Climate(world, torch.zeros(3, 32, 64), SD)


def smooth(climate: Climate, count: int, seed: int) -> Tensor:
    """Random anomalies that the truncation holds, (count, 3, 32, 64)."""
    stream = torch.Generator().manual_seed(seed)
    c = torch.randn(count, 3, 484, generator=stream) / (1.0 + climate.world.sphere.degree)
    return climate.world.sphere.synthesis(c)


@pytest.fixture(scope="module")
def stats(climate: Climate) -> Statistics:
    errors = SampleCovariance.fit(smooth(climate, 40, 1))
    return Statistics(World(climate, errors))  # type: ignore[arg-type]


def network(climate: Climate, percent: float = 1.0, **what: Any) -> Network:
    recipe = NetworkRecipe(name="n", percent=percent, **what)
    sd = torch.tensor([8.0, 5.0, 4.0, 7.0, 5.0, 3.0])
    return Network(recipe, climate, sd, torch.tensor([9.0, 6.0, 5.0]))


def test_the_error_of_a_constant_is_its_square(climate: Climate) -> None:
    x = torch.zeros(2, 3, 32, 64)
    assert torch.allclose(square_error(climate, x + 0.3, x), torch.full((2,), 0.09))


def test_the_climates_covariance_is_that_of_its_states(climate: Climate) -> None:
    x = smooth(climate, 30, 0)
    c = climate.coefficients(x)
    B = climate.covariance(c.T @ c / len(c))
    assert torch.allclose(B.variance, x.square().mean(0), rtol=1e-3, atol=1e-4)
    v = smooth(climate, 1, 5)[0]
    direct = torch.einsum("nlij,lij->n", x, v)[:, None, None, None] * x / len(x)
    assert torch.allclose(B.product(v), direct.sum(0), rtol=1e-3, atol=1.0)


def test_a_network_depends_on_its_key_alone(climate: Climate) -> None:
    truth = smooth(climate, 2, 2)
    seen = network(climate)
    first = seen(truth[0], "case", 3)
    seen(truth[1], "case", 4)
    again = seen(truth[0], "case", 3)
    assert torch.equal(first.values, again.values)
    assert len(first.values) == 61
    assert not torch.equal(first.values, seen(truth[0], "case", 5).values)


def test_errors_have_the_size_they_are_said_to_have(climate: Climate) -> None:
    truth = smooth(climate, 1, 2)[0]
    seen = network(climate, 60.0)(truth, 0)
    error = seen.values - seen.operator(truth)
    assert float(error.std()) == pytest.approx(0.1, rel=0.05)
    assert torch.allclose(seen.variance.sqrt(), torch.tensor(0.1))


def test_readings_of_winds_have_an_adjoint(climate: Climate) -> None:
    seen = network(climate, quantity="wind")(smooth(climate, 1, 3)[0], 0)
    operator = seen.operator
    assert isinstance(operator, ComposedOperator)
    x, y = smooth(climate, 2, 4), torch.randn(2, len(seen.values))
    forward = (operator(x) * y).sum()
    assert float(forward) == pytest.approx(float((x * operator.adjoint(y)).sum()), rel=1e-3)


def test_a_column_reads_all_levels_at_one_place(climate: Climate) -> None:
    seen = network(climate, columns=True)(smooth(climate, 1, 3)[0], 0)
    assert len(seen.values) == 3 * 20
    place = np.asarray(seen.position).reshape(20, 3, 2)
    assert (place == place[:, :1]).all()


def test_speeds_are_those_of_the_whole_wind(climate: Climate) -> None:
    truth = smooth(climate, 1, 3)[0]
    seen = network(climate, quantity="speed", error=1e-6)(truth, 0)
    climate_wind = replace(climate, mean=2.0 * truth * SD[:, None, None])
    shifted = network(climate_wind, quantity="speed", error=1e-6)(truth - 2.0 * truth, 0)
    assert len(seen.values) == 61
    assert torch.allclose(seen.values, shifted.values, atol=1e-2)
    assert bool((seen.values >= 0.0).all())


def test_the_error_of_a_speed_is_a_share_of_its_spread(climate: Climate) -> None:
    seen = network(climate, quantity="speed", columns=True)(smooth(climate, 1, 3)[0], 0)
    assert torch.allclose(seen.variance.view(-1, 3).sqrt()[0], torch.tensor([0.9, 0.6, 0.5]))


def test_stations_crowd_on_land_and_leave_the_ice_alone(climate: Climate) -> None:
    seen = network(climate, 10.0, columns=True, stations=True)(smooth(climate, 1, 3)[0], 0)
    place = np.asarray(seen.position).reshape(-1, 3, 2)[:, 0]
    assert len(place) == 205
    assert (place[:, 0] > 0.0).mean() > 0.6
    assert (place[:, 0] < -60.0).mean() < 0.1


def hybrid(stats: Statistics, members: Tensor, seen: Located, **settings: float) -> Tensor:
    return Hybrid(**settings).around(members.mean(0), stats, stats.errors, members, [seen])


@pytest.mark.parametrize("quantity", ["streamfunction", "wind"])
def test_a_hybrid_without_ensemble_is_three_d_var(
    stats: Statistics, climate: Climate, quantity: str
) -> None:
    members, truth = smooth(climate, 6, 7), smooth(climate, 1, 8)[0]
    seen = network(climate, quantity=quantity)(truth, 0)
    exact = StaticOI(covariance=stats.errors)(members.mean(0), [seen]).state
    assert torch.allclose(hybrid(stats, members, seen, share=0.0), exact, atol=1e-3)


def test_a_hybrid_of_speeds_without_ensemble_is_iterated_three_d_var(
    stats: Statistics, climate: Climate
) -> None:
    members, truth = smooth(climate, 6, 7), smooth(climate, 1, 8)[0]
    seen = network(climate, quantity="speed")(truth, 0)
    exact = StaticOI(covariance=stats.errors, outer=4)(members.mean(0), [seen]).state
    assert torch.allclose(hybrid(stats, members, seen, share=0.0), exact, atol=1e-2)


def test_a_hybrid_of_the_whole_ensemble_alone_is_the_etkf(
    stats: Statistics, climate: Climate, monkeypatch: pytest.MonkeyPatch
) -> None:
    members, truth = smooth(climate, 6, 7), smooth(climate, 1, 8)[0]
    seen = network(climate)(truth, 0)
    exact = ETKF()(members, [seen]).mean(0)
    tapered = hybrid(stats, members, seen, share=1.0, radius=3000.0)
    assert not torch.allclose(tapered, exact, atol=1e-2)
    monkeypatch.setattr(localised, "GaspariCohn", lambda: np.ones_like)
    assert torch.allclose(hybrid(stats, members, seen, share=1.0), exact, atol=1e-4)


def test_a_recipe_whose_trajectories_do_not_share_evenly_is_refused() -> None:
    with pytest.raises(InputError, match="cannot share 16 networks"):
        replace(TwinRecipe(), train=100)


def test_an_error_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="observation error of 0"):
        NetworkRecipe(name="n", percent=1.0, error=0.0)
