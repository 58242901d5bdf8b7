"""A twin experiment in a moist atmosphere, with a SYNTHETIC STAND-IN for the nature runs.

The stand-in is smooth red noise with the names, axes and units of a SPEEDY run; it is no
atmosphere and obeys no equation. The tests are about the machinery.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from torch import Tensor

from isopleth.core.errors import DataMissingError, InputError, IntegrityError
from isopleth.core.gaussian_grid import GaussianGrid
from isopleth.core.sphere import Sphere
from isopleth.data.speedy import NatureRun, NatureStore
from isopleth.inference.variational import SpectralCovariance
from isopleth.observe.networks import Percent, RandomPoints, Singles
from isopleth.studies.twin import NetworkRecipe, square_error
from isopleth.studies.twin.oneshot import Background, Local, Spectral
from isopleth.studies.twin.pairs import write_pairs
from isopleth.studies.twin.speedy import RECIPES, Nature, Run, SpeedyNetwork, prepare
from isopleth.studies.twin.speedy import emulator as learning
from isopleth.studies.twin.speedy.balance import Balanced, Winds, fitted, packed, unpacked
from isopleth.studies.twin.speedy.climate import SpeedyClimate, Store
from isopleth.studies.twin.speedy.contenders import (
    LocalisedHybrid,
    LocalisedRegressed,
    LocalisedStatic,
)
from isopleth.studies.twin.speedy.making import starts
from isopleth.studies.twin.speedy.world import Sources, SpeedyWorld
from isopleth.studies.twin.statistics import Statistics
from isopleth.studies.twin.variations import Variations

SMOKE = RECIPES["smoke"]
GRID, SPHERE = GaussianGrid(nlat=8, nlon=16), Sphere(5, GaussianGrid(nlat=8, nlon=16))
SIGMA = (0.2, 0.34, 0.835)
ABOUT: dict[str, object] = {
    "model": "SYNTHETIC STAND-IN: smooth red noise, no atmosphere",
    "versions": {"jcm": "none"},
    "resolution": "T5",
    "time_step_minutes": 30,
    "boundary_data": "none",
    "device": "none",
}


def red_noise(count: int, fields: int, stream: torch.Generator, memory: float = 0.99) -> Tensor:
    """Smooth fields of variance about 1 with a memory of weeks, (count, fields, 8, 16)."""
    size = 1.0 / (1.0 + SPHERE.degree.float())
    z, found = torch.randn(fields, SPHERE.size, generator=stream), []
    for _ in range(count):
        z = memory * z + (1.0 - memory**2) ** 0.5 * torch.randn(z.shape, generator=stream)
        found.append(SPHERE.synthesis(size * z))
    return torch.stack(found)


def write_run(folder: Path, run: Run) -> Path:
    """The stand-in for `isopleth prepare speedy`."""
    draws, n = torch.Generator().manual_seed(run.seed), len(SIGMA)
    g = red_noise(4 * run.days, 5 * n + 1, draws)
    psi, chi, heat, wet = (g[:, k * n : (k + 1) * n] for k in range(4))
    (a, b), (c, d) = (SPHERE.gradient(SPHERE.analysis(f)) for f in (8.0 * psi, 2.0 * chi))
    fields = {
        "ua": 5.0 + c - b,
        "va": a + d,
        "ta": 270.0 + 3.0 * (heat + psi),
        "hus": 5e-3 * torch.exp(0.5 * wet),
        "zg": 1000.0 + g[:, 4 * n : 5 * n],
        "ps": 1e5 + 500.0 * (g[:, -1] + psi[:, -1]),
        **dict.fromkeys(("pr", "clt", "rlut"), 1.0 + 0.0 * g[:, 0]),
    }
    land = (GRID.latitude[:, None] > 0.0) & (np.arange(16) < 8)
    fixed = {
        "lat": GRID.latitude,
        "lon": GRID.longitude,
        "sigma": np.array(SIGMA),
        "orog": 500.0 * land,
        "land": 1.0 * land,
    }
    nature = NatureRun(days=run.days, seed=run.seed)
    store = NatureStore.create(folder / f"{run.name}.zarr", nature, fixed, ABOUT)
    store.append({name: value.numpy() for name, value in fields.items()}, 360)
    return store.path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("speedy")
    for run in SMOKE.runs:
        write_run(made, run)
    return made


@pytest.fixture(scope="module")
def climate(folder: Path) -> SpeedyClimate:
    return prepare(SMOKE, folder, folder / "states")


@pytest.fixture(scope="module")
def world(folder: Path, climate: SpeedyClimate) -> SpeedyWorld:
    emulator = learning.train(SMOKE, climate, folder / "states", folder / "emulator")
    assert emulator is not None
    sources = Sources.of(SMOKE, folder / "states", climate, emulator)
    return SpeedyWorld.frozen(SMOKE, sources, folder / "worlds")


@pytest.fixture(scope="module")
def stats(world: SpeedyWorld) -> Statistics:
    return Statistics(world)


# --- nature runs and climate -----------------------------------------------------------------


def test_a_climate_is_that_of_the_states(folder: Path, climate: SpeedyClimate) -> None:
    store = Store(folder / "train.zarr", SMOKE.sigma)
    states = torch.cat([torch.from_numpy(part) for part in store.parts()]).double()
    assert states.shape == (96, 9, 8, 16)
    assert climate.channels == SMOKE.channels == 9
    torch.testing.assert_close(climate.mean.double(), states.mean(0), rtol=1e-5, atol=0.0)
    deviation = climate.size_of(states.float())
    torch.testing.assert_close(climate.sd, deviation, rtol=1e-2, atol=0.0)
    change = climate.size_of(states.diff(dim=0).float())
    torch.testing.assert_close(climate.change_sd * climate.sd, change, rtol=2e-2, atol=0.0)
    x = climate.standardised(states.float())
    torch.testing.assert_close(climate.units(x), states.float(), rtol=1e-4, atol=1e-6)


def test_the_seasons_are_no_part_of_the_deviation(tmp_path: Path) -> None:
    path = write_run(tmp_path, Run(name="year", seed=1, days=370))
    still = SpeedyClimate.of(Store(path, SMOKE.sigma), SMOKE.sigma, 5)
    group = zarr.open_group(path, mode="r+", zarr_format=2)
    hours = group["time"][...]
    season = 40.0 * np.cos(2.0 * np.pi * hours / (365.2425 * 24.0))
    group["ta"][...] = group["ta"][...] + season[:, None, None, None]
    turning = SpeedyClimate.of(Store(path, SMOKE.sigma), SMOKE.sigma, 5)
    torch.testing.assert_close(turning.sd, still.sd, rtol=2e-2, atol=0.0)


def test_states_by_number(folder: Path, climate: SpeedyClimate) -> None:
    nature = Nature.of((SMOKE.train_run, SMOKE.validation_run), folder / "states")
    assert nature.first == (0, 96, 152)
    found = climate.units(nature(torch.tensor([3, 96])))
    for number, name, state in ((0, "train", 3), (1, "validation", 0)):
        store = Store(folder / f"{name}.zarr", SMOKE.sigma)
        exact = torch.from_numpy(next(store.parts())[state]).float()
        error = (found[number] - exact) / climate.sd[:, None, None]
        assert float(error.abs().max()) < 5e-3, "half precision"
    assert nature.later(torch.tensor([93, 150]), 1).tolist() == [94, 151]
    with pytest.raises(InputError, match="a nature run ends within 3 steps"):
        nature.later(torch.tensor([93]), 3)
    with pytest.raises(InputError, match="are asked of 152"):
        nature(torch.tensor([152]))


def test_bad_stores(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataMissingError, match="isopleth prepare speedy"):
        Store(tmp_path / "none.zarr", SMOKE.sigma)
    with pytest.raises(InputError, match="choose among those"):
        Store(folder / "train.zarr", (0.5,))
    longer = replace(SMOKE, train_run=replace(SMOKE.train_run, days=99))
    with pytest.raises(InputError, match="96 states of the 396"):
        prepare(longer, folder, tmp_path)
    other = replace(SMOKE, sigma=(0.2, 0.835))
    with pytest.raises(IntegrityError, match="name another folder"):
        prepare(other, folder, folder / "states")


def test_trajectories_stay_in_their_runs(folder: Path) -> None:
    runs = (SMOKE.train_run, SMOKE.validation_run, *SMOKE.test_runs)
    nature = Nature.of(runs, folder / "states")
    number = starts(SMOKE, nature)
    assert len(number) == SMOKE.trajectories
    span = SMOKE.steps * 7 + 4 * 2
    assert int(number[-1]) + span < nature.first[3]
    assert int(number[SMOKE.train - 1]) + SMOKE.steps * 11 < nature.first[1]
    with pytest.raises(InputError, match="make it longer"):
        starts(replace(SMOKE, cycles=60), nature)


# --- covariances -----------------------------------------------------------------------------


def test_winds_are_those_of_streamfunction_and_potential(climate: SpeedyClimate) -> None:
    winds, stream = Winds(climate), torch.Generator().manual_seed(0)
    w = red_noise(3, 9, stream)
    w[:, :4] -= (w[:, :4] * (SPHERE.weights[:, None] / 16)).sum((-2, -1), keepdim=True)
    x = winds.to_winds(w)
    torch.testing.assert_close(winds.from_winds(x), w, rtol=0.0, atol=1e-4)
    east, north = SPHERE.gradient(SPHERE.analysis(w[:, :2]))
    turned = winds.to_winds(torch.cat([w[:, :2], torch.zeros_like(w[:, 2:])], 1))
    sd = climate.sd[:4, None, None]
    torch.testing.assert_close(turned[:, :4] * sd, torch.cat([-north, east], 1))
    y = red_noise(3, 9, stream)
    torch.testing.assert_close((winds.to_winds(w) * y).sum(), (w * winds.adjoint(y)).sum())


def test_a_balanced_covariance_is_symmetric_and_seen_as_it_is(climate: SpeedyClimate) -> None:
    stream = torch.Generator().manual_seed(1)
    winds = Winds(climate)
    errors = winds.to_winds(red_noise(40, 9, stream, memory=0.0))
    statistics = fitted(errors, climate)
    B = Balanced(SpectralCovariance(statistics), winds)
    x, y = red_noise(2, 9, stream)
    torch.testing.assert_close((x * B.product(y)).sum(), (B.product(x) * y).sum(), rtol=1e-3,
                               atol=1e-3)  # fmt: skip
    at = RandomPoints(Percent(1.0), Singles())(climate.grid, stream).operator(climate.grid)
    crossed = B.cross(at, x)
    one = torch.eye(len(crossed.HBH))
    torch.testing.assert_close(crossed.HBH, at(B.product(at.adjoint(one))), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(at(crossed.increment(one)), crossed.HBH, rtol=1e-3, atol=1e-4)
    again = unpacked(packed(statistics, "b"), "b", climate)
    torch.testing.assert_close(Balanced(SpectralCovariance(again), winds).product(x), B.product(x))


# --- networks --------------------------------------------------------------------------------


def _network(climate: SpeedyClimate, quantity: Any, percent: float, **what: Any) -> SpeedyNetwork:
    recipe = NetworkRecipe(name="n", percent=percent, quantity=quantity, **what)
    return SpeedyNetwork(recipe, climate)


@pytest.mark.parametrize(
    ("quantity", "values"),
    [("state", 9), ("wind", 4), ("speed", 2), ("log humidity", 1), ("surface", 5)],
)
def test_a_column_reads_every_value_of_its_quantity(
    climate: SpeedyClimate, quantity: str, values: int
) -> None:
    truth = red_noise(1, 9, torch.Generator().manual_seed(4))[0]
    network = _network(climate, quantity, 5.0, columns=True, cells=True, error=1e-4)
    seen = network(truth, "case")
    assert len(seen.values) == 6 * values
    assert torch.equal(seen.values, network(truth, "case").values)
    place = np.asarray(seen.position)
    assert len(np.unique(place, axis=0)) == 6
    x = climate.units(truth)
    row = [int(np.abs(GRID.latitude - lat).argmin()) for lat in place[:, 0]]
    column = [int(lon / 22.5) for lon in place[:, 1]]
    at = x[:, row, column]  # (channel, observation)
    first = {
        "state": truth[:, row, column][0],
        "wind": truth[:, row, column][0],
        "speed": torch.hypot(at[0], at[2]),
        "log humidity": torch.log(at[7] + 5e-5),
        "surface": truth[:, row, column][1],
    }[quantity]
    torch.testing.assert_close(seen.values[0], first[0], rtol=1e-3, atol=2e-3)


def test_stations_lie_on_land(climate: SpeedyClimate) -> None:
    truth = red_noise(1, 9, torch.Generator().manual_seed(4))[0]
    seen = _network(climate, "surface", 30.0, stations=True)(truth, 0)
    place = np.asarray(seen.position)
    assert len(place) == 5 * 38
    assert (place[:, 0] > -5.0).mean() > 0.8


def test_a_quantity_of_the_other_world_is_refused(climate: SpeedyClimate) -> None:
    with pytest.raises(InputError, match="'streamfunction' is not read"):
        _network(climate, "streamfunction", 5.0)


# --- the frozen world ------------------------------------------------------------------------


def test_a_world_is_made_once_and_read_again(world: SpeedyWorld, folder: Path) -> None:
    cases = world.cases("test")
    assert len(cases) == SMOKE.cases == 4
    assert cases.truth.shape == (4, 2, 9, 8, 16)
    assert cases.members.shape == (4, 5, 9, 8, 16)
    plain = replace(world.climate, model=None)
    sources = Sources.of(SMOKE, folder / "states", plain, _model(world))
    again = SpeedyWorld.frozen(SMOKE, sources, folder / "worlds")
    assert again.sha256 == world.sha256
    assert len(list((folder / "worlds").glob("*.safetensors"))) == 1
    with pytest.raises(InputError, match="no truth of day 7"):
        world.later(cases, (7,))
    with pytest.raises(InputError, match="windows and cycling need a perfect model"):
        Statistics(world).lagged  # noqa: B018


def _model(world: SpeedyWorld) -> Any:
    return world.climate.model


def test_backgrounds_are_forecasts_from_analyses(world: SpeedyWorld, folder: Path) -> None:
    """Their errors lie between none and those of a truth of another time; so do the spreads."""
    cases = world.cases("test")
    error = float((cases.truth[:, 0] - cases.background).square().mean())
    older = float((cases.truth[:, 0] - cases.older).square().mean())
    assert 0.01 < error < 0.8
    assert older > error
    kept = float(world.errors.variance.mean())
    assert 0.4 < kept / error < 2.5
    assert 0.1 < float(cases.members.var(1).mean()) / error < 3.0


def test_the_truth_of_a_case_is_that_of_the_run(world: SpeedyWorld, folder: Path) -> None:
    nature = Nature.of(SMOKE.test_runs, folder / "states")
    every = nature(torch.arange(nature.first[-1]))
    for truth in world.cases("test").truth:
        apart = (every - truth[0]).square().flatten(1).sum(1)
        at = int(apart.argmin())
        assert float(apart[at]) == 0.0
        assert torch.equal(every[at + 8], truth[1]), "two days later"


def test_a_regression_that_is_all_ridge_says_the_background(world: SpeedyWorld) -> None:
    x = world.cases("test").background
    estimate, B = world.regression(1e9)
    shift = estimate(x) - x
    torch.testing.assert_close(shift, shift[:1].expand_as(shift), rtol=0.0, atol=1e-4)
    torch.testing.assert_close(shift[0], world.sample.mean(0), rtol=0.0, atol=1e-3)
    assert float(B.variance.mean()) == pytest.approx(float(world.errors.variance.mean()), rel=0.2)


def test_pairs_go_on_from_the_world(world: SpeedyWorld, tmp_path: Path) -> None:
    place = write_pairs(world, "train", 2, tmp_path / "pairs")
    truth, known = (np.load(place / f"{name}.npy") for name in ("truth", "known"))
    assert truth.shape == (2 * SMOKE.train, 9, 8, 16)
    assert known.shape == (2 * SMOKE.train, 18, 8, 16)
    error = float(np.square(truth - known[:, :9], dtype=np.float32).mean())
    assert error == pytest.approx(float(world.errors.variance.mean()), rel=0.6)
    with pytest.raises(InputError, match="run fewer cycles"):
        write_pairs(world, "train", 90, tmp_path / "more")


def test_contenders_of_both_worlds_meet_every_quantity(stats: Statistics, tmp_path: Path) -> None:
    networks = list(SMOKE.networks)
    networks += [
        NetworkRecipe(name=q, percent=10.0, quantity=q, columns=True)
        for q in ("speed", "log humidity")
    ]
    study = Variations(stats, "code", tmp_path, trials=1, networks=networks, days=(2,),
                       say=lambda _: None)  # fmt: skip
    methods = [
        Background(), Spectral(), LocalisedStatic(radius=6000.0),
        LocalisedRegressed(radius=6000.0), Local(), LocalisedHybrid(radius=6000.0),
    ]  # fmt: skip
    found = list(study(methods))
    error = {(m.method, m.network): float(m.scores["square_error"].mean()) for m in found}
    first, none = networks[0].name, error["background", networks[0].name]
    for method in ("3D-Var", "3D-Var, spectral B", "hybrid EnVar"):
        assert error[method, first] < 0.95 * none, method
    cases = stats.world.cases("test")
    estimate = stats.world.regression(1.0)[0](cases.background)
    guess = float(square_error(stats.world.climate, estimate, cases.truth[:, 0]).mean())
    assert error["3D-Var around regression", first] < 0.95 * guess
    assert error["3D-Var", "speed"] < none
    assert error["3D-Var", "log humidity"] < none
    assert found[0].scores["square_error_by_level"].shape == (4, 9)
    assert all(np.isfinite(m.scores["forecast_square_error"]).all() for m in found)


# --- the emulator ----------------------------------------------------------------------------


def test_an_emulator_is_kept_and_read_again(
    world: SpeedyWorld, climate: SpeedyClimate, folder: Path, tmp_path: Path
) -> None:
    facts = {
        "data": [{"name": "stand-in", "sha256": "0" * 64}],
        "seed": 0,
        "commit": "abc",
        "device": "cpu",
        "wall_time_s": 1.0,
        "metrics": [
            {"name": "e", "unit": "1", "value": 1.0, "baseline": "b", "baseline_value": 2.0}
        ],
    }
    emulator = _model(world)
    again = learning.load(learning.keep(emulator, SMOKE, tmp_path, facts))
    x = red_noise(2, 9, torch.Generator().manual_seed(5))
    assert torch.equal(again.step(x), emulator.step(x))
    assert not torch.equal(emulator.step(x), x)
    blank = learning.build(SMOKE, climate)
    ours, still = learning.forecast_errors(
        blank, climate, SMOKE.validation_run, folder / "states", steps=2, starts=5
    )
    torch.testing.assert_close(ours, still)
    assert bool((still[1] > still[0]).all())
    with pytest.raises(InputError, match="are not those of this emulator"):
        emulator.step(x[:, :3])


def test_a_recipe_that_cannot_be() -> None:
    with pytest.raises(InputError, match="every run its own seed"):
        replace(SMOKE, cycle_hours=5)
    with pytest.raises(InputError, match="give 1 case or more"):
        replace(SMOKE, dates=9)
