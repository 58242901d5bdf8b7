"""The diffusion system on a network that was not trained, which is an exact prior: white noise.

So every answer of a guided prior is known in closed form. The ocean is a toy of 10-degree cells.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from isopleth.core import DataMissingError, Grid, InputError, IntegrityError, Region
from isopleth.core.variables import lookup
from isopleth.data import Climatology, Profiles, load_climatology
from isopleth.data.preparation import middle
from isopleth.systems import reconmost
from isopleth.systems.reconmost import MomentMatching, Ocean, OceanDiffusion, Pulled, Sampling
from isopleth.systems.reconmost import shipped as weights
from isopleth.systems.reconmost.observed import Casts, cell_means, nearby, observation, read_at
from isopleth.systems.reconmost.states import ocean_grid

MONTH, NAME, SPREAD = "2016-01", "temperature", 2.0
LEVELS = (0.0, 100.0, 300.0)
TIME = middle(MONTH)
TOY = replace(reconmost.smoke, ocean=replace(reconmost.smoke.ocean, levels=LEVELS), patch=6)
QUICK = replace(
    reconmost.rough,
    members=8,
    fold_members=4,
    guide=MomentMatching(steps=8),
    fold_guide=MomentMatching(steps=8),
    batch=8,
    memory_days=1e9,
    reach_km=1000.0,
)


def make_climatology(variable: str = NAME, degrees: float = 10.0) -> Climatology:
    grid = Grid.regular(degrees, levels=[*LEVELS, 500.0])
    values = np.full((12, *grid.shape), 15.0)
    values[:, :, 4, 7] = np.nan
    values[:, 3:, :, 20:] = np.nan
    return Climatology(grid, values, "a constant", lookup(variable))


def make_profiles(
    lat: np.ndarray, lon: np.ndarray, value: np.ndarray, day: float = 15.5
) -> Profiles:
    n = len(lat)
    time = np.full(n, np.datetime64(f"{MONTH}-01", "ns")) + np.timedelta64(round(day * 24), "h")
    return Profiles(
        time, np.asarray(lat, float), np.asarray(lon, float), np.array(LEVELS),
        np.asarray(value, float), np.full((n, 3), np.nan), np.arange(n).astype(str),
    )  # fmt: skip


def make_casts(
    lat: list[float], lon: list[float], anomaly: list[float], **numbers: float
) -> Casts:
    value = 15.0 + np.repeat(np.array(anomaly)[:, None], 3, axis=1)
    day = numbers.pop("day", 15.5)
    profiles = make_profiles(np.array(lat), np.array(lon), value, day)
    recipe = replace(Sampling(fewest_values=1), **numbers)
    return Casts.of(profiles, make_climatology(), OCEAN, TIME, recipe)


GRID = ocean_grid(make_climatology(), LEVELS)
OCEAN = Ocean(GRID, torch.full(GRID.shape, SPREAD))


@pytest.fixture(scope="module")
def system() -> OceanDiffusion:
    torch.manual_seed(0)
    denoiser = reconmost.build(TOY, make_climatology(), OCEAN.spread).eval().requires_grad_(False)
    return OceanDiffusion(QUICK, make_climatology(), denoiser, OCEAN)


@pytest.fixture(scope="module")
def profiles() -> Profiles:
    """A warm sea north of the equator and a cold one south of it, in noise."""
    rng = np.random.default_rng(0)
    lat, lon = rng.uniform(-40, 40, 150), rng.uniform(100, 200, 150)
    warm = 1.5 * np.sign(lat)[:, None] * np.array([1.0, 0.8, 0.5])
    return make_profiles(lat, lon, 15.0 + warm + 0.3 * rng.standard_normal((150, 3)))


@pytest.fixture(scope="module")
def fitted(system: OceanDiffusion, profiles: Profiles) -> reconmost.FittedDiffusion:
    return system.fit(profiles, month=MONTH)


@pytest.fixture(scope="module")
def analysis(fitted: reconmost.FittedDiffusion) -> xr.Dataset:
    return fitted.map(GRID, TIME, members=4)


# --- what the prior is shown -----------------------------------------------------------------


def test_an_observation_is_where_it_is_and_as_wrong_as_it_is() -> None:
    seen = observation(make_casts([5.0], [5.0], [3.0], representativeness=0.5))
    assert seen.values.tolist() == [[3.0, 3.0, 3.0]]
    np.testing.assert_allclose(seen.variance, 0.25 * SPREAD**2, rtol=1e-6)
    z = torch.randn(GRID.shape, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(seen.operator(z), SPREAD * z[None, :, 8, 0], rtol=1e-6)


def test_another_day_says_less() -> None:
    days = 10.0
    seen = observation(make_casts([5.0], [5.0], [3.0], memory_days=20.0, day=15.5 + days))
    c = np.exp(-days / 20.0)
    np.testing.assert_allclose(seen.values, 3.0 / c, rtol=1e-6)
    expected = (0.25 + 1.0 - c**2) * SPREAD**2 / c**2
    np.testing.assert_allclose(seen.variance, expected, rtol=1e-6)


def test_an_instrument_adds_its_error() -> None:
    given = make_profiles(np.array([5.0]), np.array([5.0]), np.full((1, 3), 16.0))
    given = replace(given, error=np.array([[0.5, np.nan, 0.0]]))
    casts = Casts.of(given, make_climatology(), OCEAN, TIME, Sampling(fewest_values=1))
    np.testing.assert_allclose(casts.noise, [[1.25, 1.0, 1.0]])


def test_cells_hold_the_mean_of_their_casts() -> None:
    casts = make_casts([5.0, 1.0, 5.0, 45.0], [5.0, 9.9, 359.9, 75.0], [1.0, 2.0, 4.0, 9.0])
    cells, seen = cell_means(casts)
    assert seen.sum() == 6, "two cells of three levels; the fourth cast lies on the island"
    np.testing.assert_allclose(cells[:, 8, 0], 1.5 / SPREAD, rtol=1e-6)
    np.testing.assert_allclose(cells[:, 8, -1], 4.0 / SPREAD, rtol=1e-6)


def test_reading_is_exact_at_centres_and_silent_on_land() -> None:
    fields = torch.randn(2, *GRID.shape, generator=torch.Generator().manual_seed(1))
    values = read_at(GRID, fields, np.array([5.0, -35.0]), np.array([5.0, 355.0]))
    np.testing.assert_allclose(values[:, 0], fields[:, :, 8, 0], rtol=1e-6)
    np.testing.assert_allclose(values[:, 1], fields[:, :, 12, 35], rtol=1e-6)
    dry = GRID.with_mask(np.arange(18)[:, None] + np.zeros(36) > 14)
    assert np.isnan(read_at(dry, fields, np.array([5.0]), np.array([5.0]))).all()


def test_what_is_near_counts_and_what_is_far_does_not() -> None:
    casts = make_casts([0.0, 0.0, 3.0], [5.0, 5.0, 5.0], [1.0] * 3, memory_days=1e9)
    points = casts.points.select(np.array([0, 2]))
    here, there = nearby(casts, points, 300.0)
    np.testing.assert_allclose(here, 2.0, rtol=1e-6)
    np.testing.assert_allclose(there, 1.0, rtol=1e-6)
    reach = nearby(casts, points, 400.0)
    km = np.pi / 180.0 * 3.0 * 6371.0
    np.testing.assert_allclose(reach[0], 2.0 + np.exp(-km / 400.0), rtol=2e-3)


# --- the answer in closed form ---------------------------------------------------------------


def drawn(system: OceanDiffusion, recipe: Sampling, casts: Casts, count: int) -> torch.Tensor:
    return replace(system, recipe=recipe).draw(casts, TIME, range(count), seed=0)


def test_members_are_draws_of_the_posterior(system: OceanDiffusion) -> None:
    """White prior of variance s^2, R = s^2 / 4: the mean is 4/5 of y, the variance s^2 / 5."""
    casts = make_casts([5.0], [5.0], [3.0])
    recipe = replace(QUICK, guide=MomentMatching(steps=16), batch=128)
    x = drawn(system, recipe, casts, 128)
    assert x.shape == (128, *GRID.shape)
    assert (x[:, ~torch.tensor(GRID.mask)] == 0).all()
    there = x[:, :, 8, 0]
    np.testing.assert_allclose(there.mean(0), 0.8 * 3.0, atol=4 * SPREAD / 5**0.5 / 128**0.5)
    np.testing.assert_allclose(there.std(), SPREAD / 5**0.5, rtol=0.1)
    far = x[:, :, 12, :20]
    np.testing.assert_allclose(far.std(), SPREAD, rtol=0.07)
    assert abs(far.mean()) < 0.1


def test_a_member_is_the_same_in_any_batch(system: OceanDiffusion) -> None:
    casts = make_casts([5.0, 25.0], [5.0, 95.0], [3.0, -1.0])
    for guide in (MomentMatching(steps=4), Pulled(steps=21)):
        one = drawn(system, replace(QUICK, guide=guide, batch=1), casts, 3)
        three = drawn(system, replace(QUICK, guide=guide, batch=3), casts, 3)
        torch.testing.assert_close(one, three, rtol=1e-4, atol=1e-4)


def test_the_chain_ends_at_the_cells(system: OceanDiffusion) -> None:
    casts = make_casts([5.0], [5.0], [3.0])
    x = drawn(system, replace(QUICK, guide=Pulled(steps=50)), casts, 4)
    np.testing.assert_allclose(x[:, :, 8, 0], 3.0, atol=0.1)
    assert x.std(0).max() < 0.2, "members know no spread"


# --- what comes out --------------------------------------------------------------------------


def test_the_layout_is_that_of_kriging(analysis: xr.Dataset, profiles: Profiles) -> None:
    names = {NAME, f"{NAME}_standard_error", f"{NAME}_members", "climatology", "error_of_prior",
             "observations_nearby", "mask", "observation_error"}  # fmt: skip
    assert set(analysis.data_vars) == names
    assert dict(analysis.sizes) == {"depth": 3, "lat": 18, "lon": 36, "realization": 4}
    for name in names - {"mask", "observation_error"}:
        finite = np.isfinite(analysis[name].values)
        np.testing.assert_array_equal(finite, np.broadcast_to(GRID.mask, finite.shape), name)
    np.testing.assert_array_equal(analysis["mask"], GRID.mask)
    assert analysis["time"].values == TIME
    assert "MMPS" in analysis.attrs["method"]
    assert f"{len(profiles)} profiles" in analysis.attrs["title"]
    assert json.loads(analysis.attrs["recipe"])["guide"]["steps"] == 8


def test_the_map_follows_the_profiles(analysis: xr.Dataset) -> None:
    anomaly = analysis[NAME] - analysis["climatology"]
    seen = anomaly.sel(lon=slice(110, 190))
    assert float(seen.sel(lat=slice(35, 5)).mean()) > 0.5
    assert float(seen.sel(lat=slice(-5, -35)).mean()) < -0.5
    error = (analysis[f"{NAME}_standard_error"] / analysis["error_of_prior"]).sel(depth=0)
    assert float(error.sel(lat=slice(30, -30), lon=slice(110, 190)).mean()) < 0.8
    assert float(error.sel(lat=slice(-50, -80)).mean()) == pytest.approx(1.0, abs=0.2)


def test_members_scatter_by_the_standard_error(fitted: reconmost.FittedDiffusion) -> None:
    found = fitted.map(GRID, TIME)
    members, error = found[f"{NAME}_members"], found[f"{NAME}_standard_error"]
    ocean = GRID.mask
    np.testing.assert_allclose(
        members.std("realization", ddof=1).values[ocean], error.values[ocean], rtol=1e-3
    )
    np.testing.assert_allclose(
        members.mean("realization").values[ocean], found[NAME].values[ocean], atol=1e-3
    )


def test_members_depend_on_seed_and_number_only(fitted: reconmost.FittedDiffusion) -> None:
    small = Grid.regular(10.0, levels=[100.0], region=Region.parse("20S:20N,120E:160E"))
    few, more = (fitted.map(small, TIME, members=n)[f"{NAME}_members"] for n in (2, 10))
    assert more.sizes["realization"] == 10
    np.testing.assert_array_equal(few, more[:2])
    other = fitted.map(small, TIME, members=2, seed=1)[f"{NAME}_members"]
    assert not np.allclose(other, few)
    assert f"{NAME}_members" not in fitted.map(small, TIME, members=0)


def test_predictions_are_honest(fitted: reconmost.FittedDiffusion, profiles: Profiles) -> None:
    """New casts of the same sea: about 90 % inside the 90 % interval, and better than 15 degC."""
    rng = np.random.default_rng(7)
    lat, lon = rng.uniform(-40, 40, 200), rng.uniform(100, 200, 200)
    warm = 1.5 * np.sign(lat)[:, None] * np.array([1.0, 0.8, 0.5])
    fresh = make_profiles(lat, lon, 15.0 + warm + 0.3 * rng.standard_normal((200, 3)))
    found = fitted.predict(fresh)
    error = (found["observed"] - found["mean"]).values
    assert np.sqrt(np.mean(error**2)) < 0.75 * np.sqrt(np.mean((fresh.value - 15.0) ** 2))
    inside = np.abs(error) < 1.645 * found["standard_deviation"].values
    assert 0.82 < inside.mean() < 0.97


def test_the_published_guidance_gets_its_error_from_what_is_hidden(
    system: OceanDiffusion, profiles: Profiles
) -> None:
    recipe = replace(
        QUICK, guide=Pulled(steps=21), fold_guide=Pulled(steps=21), members=2, fold_members=2
    )
    found = replace(system, recipe=recipe).run(profiles, month=MONTH)
    assert "ReconMOST" in found.attrs["method"]
    error = found[f"{NAME}_standard_error"].sel(depth=0)
    near = float(error.sel(lat=slice(30, -30), lon=slice(110, 190)).mean())
    assert 0.1 < near < 0.8 * float(error.sel(lat=slice(-50, -80)).mean())


# --- what must not matter, and what is refused ------------------------------------------------


def test_a_gross_error_is_refused(system: OceanDiffusion, profiles: Profiles) -> None:
    value = profiles.value.copy()
    value[10, 1] = 40.0
    recipe = replace(QUICK, buddy_deviations=8.0)
    found = replace(system, recipe=recipe).fit(replace(profiles, value=value), month=MONTH)
    assert found.refused == 1
    assert np.isnan(found.casts.value).sum() == 1


def test_levels_that_the_prior_does_not_know_change_nothing(
    system: OceanDiffusion, profiles: Profiles
) -> None:
    depth = np.array([0.0, 50.0, 100.0, 300.0])
    value = np.insert(profiles.value, 1, 44.0, axis=1)
    more = replace(profiles, depth=depth, value=value, error=np.full(value.shape, np.nan))
    one, two = (
        Casts.of(p, system.climatology, OCEAN, TIME, system.recipe) for p in (profiles, more)
    )
    np.testing.assert_array_equal(one.value, two.value)


def test_the_usual_month_is_that_with_most_profiles(
    system: OceanDiffusion, profiles: Profiles
) -> None:
    later = replace(profiles.select(slice(40)), time=profiles.time[:40] + np.timedelta64(31, "D"))
    assert system.fit(Profiles.concat([profiles, later])).time == TIME


def test_what_the_prior_cannot_do_is_refused(
    system: OceanDiffusion, fitted: reconmost.FittedDiffusion, profiles: Profiles
) -> None:
    with pytest.raises(InputError, match="no level at 50 m: choose among 0, 100, 300 m"):
        fitted.map(Grid.regular(10.0, levels=[0.0, 50.0]), TIME)
    with pytest.raises(InputError, match="guided to 2016-01-16, not to 2016-02"):
        fitted.map(GRID, middle("2016-02"))
    with pytest.raises(InputError, match="trained on temperature, not on salinity"):
        system.fit(replace(profiles, variable="salinity"))
    with pytest.raises(InputError, match="trained on temperature, not on salinity"):
        replace(system, climatology=make_climatology("salinity"))
    with pytest.raises(InputError, match="trained about the shipped climatology"):
        replace(system, climatology=make_climatology(degrees=5.0))
    deep = replace(profiles, depth=np.array([10.0, 20.0, 30.0]))
    with pytest.raises(InputError, match="put them on levels of the prior"):
        system.fit(deep)


# --- weights ---------------------------------------------------------------------------------


@pytest.fixture
def card(tmp_path: Path) -> Path:
    states = tmp_path / "states.zarr"
    ocean = replace(reconmost.smoke.ocean, states=2)
    atlas = load_climatology()
    reconmost.prepare(ocean, atlas, tmp_path)
    spread = torch.ones(ocean_grid(atlas, ocean.levels).shape)
    torch.manual_seed(3)
    denoiser = reconmost.build(reconmost.smoke, atlas, spread)
    metric = {"name": "e", "unit": "1", "value": 1.0, "baseline": "w", "baseline_value": 1.0}
    facts = {"seed": 0, "commit": "c", "device": "d", "wall_time_s": 1.0, "metrics": [metric]}
    return reconmost.keep(denoiser, states, reconmost.smoke, tmp_path / "tiny", facts)


def test_weights_come_back_as_they_were_kept(card: Path) -> None:
    denoiser, spread, grid = reconmost.load_denoiser(card)
    assert grid.levels.tolist() == [0.0, 100.0, 200.0]
    assert spread.shape == grid.shape
    assert (spread > 0).all()
    again, *_ = reconmost.load_denoiser(card.with_suffix(".safetensors"))
    pairs = zip(denoiser.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(a, b) and not a.requires_grad for a, b in pairs)


def test_a_spread_of_another_training_is_refused(card: Path) -> None:
    path = card.with_name("tiny_spread.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(IntegrityError, match="not the file that its card promises"):
        reconmost.load_denoiser(card)
    path.unlink()
    with pytest.raises(DataMissingError, match="train the weights again"):
        reconmost.load_denoiser(card)


def test_weights_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(weights, "SHIPPED", tmp_path / "none.json")
    with pytest.raises(DataMissingError, match="isopleth train reconmost small"):
        reconmost.load()
