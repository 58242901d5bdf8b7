"""The kriging system on data as they come: missing levels, poor instruments, errors, few casts.

The worlds are synthetic, see conftest.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from isopleth.data import Profiles
from isopleth.inference.interpolation.local_fit import LocalFit, ScaleField
from isopleth.systems.kriging import FittedKriging, OceanKriging, Recipe
from isopleth.systems.kriging.system import middle

MONTH, MEAN, NAME = "2016-01", 15.0, "temperature"
LEVELS = [0.0, 100.0, 300.0]


def without(profiles: Profiles, hidden: np.ndarray) -> Profiles:
    return replace(profiles, value=np.where(hidden, np.nan, profiles.value))


def test_levels_without_data_are_left_out(lab: Any, system: OceanKriging, case: Any) -> None:
    hidden = np.zeros(case.profiles.value.shape, bool)
    hidden[:, 1] = True
    hidden[4:, 2] = True  # four values are fewer than the recipe asks for
    found = system.run(without(case.profiles, hidden), month=MONTH, grid=lab.grid, members=1)
    np.testing.assert_array_equal(found["depth"], [0.0])
    np.testing.assert_array_equal(np.isfinite(found[NAME][0]), lab.grid.mask[0])


@pytest.mark.parametrize("complete", [True, False])
def test_a_mostly_missing_level_is_mapped(
    lab: Any, system: OceanKriging, case: Any, complete: bool
) -> None:
    hidden = np.zeros(case.profiles.value.shape, bool)
    hidden[10:, 2] = True
    part = replace(system, recipe=replace(system.recipe, complete_levels=complete))
    found = part.run(without(case.profiles, hidden), month=MONTH, grid=lab.grid, members=2)
    for name in (NAME, f"{NAME}_standard_error", f"{NAME}_members"):
        assert np.isfinite(found[name].values[..., lab.grid.mask]).all(), name
    error = found[f"{NAME}_standard_error"].mean(("lat", "lon"))
    if not complete:
        assert error[2] > 1.1 * error[1], "less is known where less was measured"


def test_missing_levels_profit_from_those_seen(lab: Any, system: OceanKriging) -> None:
    drawn = lab.world(300, seed=4)
    hidden = np.zeros(drawn.profiles.value.shape, bool)
    hidden[np.arange(300) % 3 > 0, 1] = True
    errors = []
    for complete in (True, False):
        part = replace(system, recipe=replace(system.recipe, complete_levels=complete))
        found = part.run(without(drawn.profiles, hidden), month=MONTH, grid=lab.grid, members=0)
        errors.append(np.nanmean((found[NAME].values - drawn.truth)[1] ** 2))
    assert errors[0] < 0.97 * errors[1]


def test_fill_finds_the_missing_level_of_a_profile(lab: Any, system: OceanKriging) -> None:
    profiles = lab.world(300, seed=5).profiles
    profiles = profiles.select(~lab.uncovered(profiles))
    fitted = system.fit(profiles.select(np.arange(0, 230)))
    rest = profiles.select(np.arange(230, len(profiles)))
    hidden = np.zeros(rest.value.shape, bool)
    hidden[:, 1] = True
    filled, plain = fitted.fill(without(rest, hidden)), fitted.predict(rest)
    truth = rest.value[:, 1]
    error = [np.sqrt(np.mean((d["mean"].values[:, 1] - truth) ** 2)) for d in (filled, plain)]
    assert error[0] < 0.8 * error[1]
    spread = filled["standard_deviation"].values
    assert (spread[:, 1] < plain["standard_deviation"].values[:, 1]).all()
    assert np.mean(np.abs(filled["mean"].values[:, 1] - truth) < 1.645 * spread[:, 1]) > 0.8
    np.testing.assert_allclose(filled["mean"].values[:, 0], rest.value[:, 0])
    np.testing.assert_array_equal(spread[:, [0, 2]], 0.0)


def test_predictions_are_of_observations(lab: Any, system: OceanKriging) -> None:
    profiles = lab.world(300, seed=6).profiles
    profiles = profiles.select(~lab.uncovered(profiles))
    fitted = system.fit(profiles.select(np.arange(0, 210)))
    rest = profiles.select(np.arange(210, len(profiles)))
    found = fitted.predict(rest)
    assert dict(found.sizes) == {"profile": len(rest), "depth": 3}
    np.testing.assert_array_equal(found["observed"], rest.value)
    np.testing.assert_array_equal(found["platform"], rest.platform)
    z = (found["mean"] - rest.value) / found["standard_deviation"]
    assert float(np.sqrt((z**2).mean())) == pytest.approx(1.0, abs=0.2)
    poor = fitted.predict(replace(rest, error=np.full(rest.value.shape, 1.0)))
    assert (poor["standard_deviation"] > 1.05 * found["standard_deviation"]).all()
    np.testing.assert_array_equal(poor["mean"], found["mean"])


def test_poor_instruments_make_the_map_less_certain(
    lab: Any, system: OceanKriging, case: Any
) -> None:
    """Noise of 1.5 K in the west, stated, not stated, or not there."""
    p = case.profiles
    west = p.longitude < 217.0
    noise = 1.5 * np.random.default_rng(1).standard_normal(p.value.shape)
    noisy = replace(p, value=p.value + west[:, None] * noise)
    told = replace(noisy, error=np.where(west[:, None], 1.5, np.full(p.value.shape, np.nan)))
    error, off = {}, {}
    for name, data in (("clean", p), ("told", told), ("untold", noisy)):
        found = system.run(data, month=MONTH, grid=lab.grid, members=0)
        there = found.sel(lon=slice(210, 216))
        error[name] = float(there[f"{NAME}_standard_error"].mean())
        wrong = (found[NAME].values - case.truth)[:, :, lab.grid.longitude < 216.0]
        off[name] = np.sqrt(np.nanmean(wrong**2))
    assert error["told"] > 1.1 * error["clean"]
    assert error["untold"] > error["told"]
    assert off["told"] < off["untold"]


def test_impossible_values_are_refused_and_teach_nothing(
    lab: Any, system: OceanKriging, case: Any, fitted: FittedKriging
) -> None:
    """Nor do their neighbours suffer, whose predictions they spoiled at first."""
    bad = case.profiles.value.copy()
    bad[7, 1] = 44.0
    found = system.fit(replace(case.profiles, value=bad))
    assert (fitted.refused, found.refused) == (0, 1)
    assert np.nanmin(found.observed.value[:, 1]) > -5.0
    assert np.nanmax(found.observed.value[:, 1]) < 5.0
    assert np.nanmax(np.abs(found.vertical.residual)) < 6.0
    clean = fitted.map(lab.grid, middle(MONTH), members=0)
    other = found.map(lab.grid, middle(MONTH), members=0)
    assert other.attrs["values_refused_by_buddy_check"] == 1
    assert float(np.abs(other[NAME] - clean[NAME]).max()) < 0.6
    error = f"{NAME}_standard_error"
    np.testing.assert_allclose(other[error].mean(), clean[error].mean(), rtol=0.05)


def test_duplicated_profiles_do_no_harm(lab: Any, system: OceanKriging, case: Any) -> None:
    index = np.r_[np.arange(150), np.arange(40), np.arange(40)]
    found = system.run(case.profiles.select(index), month=MONTH, grid=lab.grid, members=1)
    once = system.run(case.profiles, month=MONTH, grid=lab.grid, members=1)
    assert np.isfinite(found[NAME].values[lab.grid.mask]).all()
    assert float(np.abs(found[NAME] - once[NAME]).max()) < 1.0


def test_a_season_without_anomalies_is_the_climatology(
    lab: Any, system: OceanKriging, case: Any
) -> None:
    calm = replace(case.profiles, value=np.full(case.profiles.value.shape, MEAN))
    found = system.run(calm, month=MONTH, grid=lab.grid, members=2)
    np.testing.assert_allclose(found[NAME].values[lab.grid.mask], MEAN)
    error = found[f"{NAME}_standard_error"].values[lab.grid.mask]
    assert ((error > 0.0) & (error < 0.01)).all()


@pytest.mark.parametrize("count", [1, 2, 6])
def test_a_handful_of_profiles_is_enough(
    lab: Any, system: OceanKriging, case: Any, count: int
) -> None:
    lenient = replace(system, recipe=replace(system.recipe, fewest_values=1))
    found = lenient.run(
        case.profiles.select(np.arange(count)), month=MONTH, grid=lab.grid, members=2
    )
    for name in (NAME, f"{NAME}_standard_error", f"{NAME}_members", "error_of_prior"):
        values = found[name].values[..., lab.grid.mask]
        assert np.isfinite(values).all(), name
    assert (found[f"{NAME}_standard_error"].values[lab.grid.mask] > 0.0).all()


def test_a_scarce_level_is_among_the_validated(system: OceanKriging, case: Any) -> None:
    """Only some of many profiles are predicted; no level may be without a residual."""
    hidden = np.zeros(case.profiles.value.shape, bool)
    hidden[:, 2] = True
    hidden[[3, 50, 77, 101, 140], 2] = False
    few = replace(system, recipe=replace(system.recipe, most_validated=12))
    found = few.fit(without(case.profiles, hidden))
    np.testing.assert_array_equal(found.depth, LEVELS)
    assert np.isfinite(found.errors.standardised[:, 2]).sum() == 5
    assert len(found.errors.standardised) <= 12 + 3 * system.recipe.fewest_values


def test_the_local_fit_is_used(lab: Any, system: OceanKriging, case: Any) -> None:
    told: list[tuple[str, float]] = []
    recipe: Recipe = replace(
        system.recipe, local_fit=LocalFit(fewest=50, averaged=40, rounds=1, neighbours=10)
    )
    found = replace(system, recipe=recipe).run(
        case.profiles, month=MONTH, grid=lab.grid, members=1,
        progress=lambda step, done: told.append((step, done)),
    )  # fmt: skip
    steps = list(dict.fromkeys(step for step, _ in told))
    assert steps == [
        "fitting local scales", "learning the errors", "kriging the grid", "preparing members",
    ]  # fmt: skip
    assert all(0.0 < done <= 1.0 for _, done in told)
    fitted = replace(system, recipe=recipe).fit(case.profiles)
    assert isinstance(fitted.kriging.scales, ScaleField)
    assert np.isfinite(found[NAME].values[lab.grid.mask]).all()
