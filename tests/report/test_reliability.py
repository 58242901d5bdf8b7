from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from isopleth.report.reliability import (
    coverage,
    half_width,
    pit,
    rmse_intervals,
    sampling_band,
    spread_skill,
)


def test_calibrated_predictions_cover_what_they_say(withheld: xr.Dataset) -> None:
    nominal = np.array([0.5, 0.9])
    low, high = sampling_band(nominal, 449)
    found = coverage(withheld, nominal)
    assert np.all((found >= low) & (found <= high))
    assert stats.kstest(pit(withheld), "uniform").pvalue > 0.01


def test_too_wide_intervals_cover_more(withheld: xr.Dataset) -> None:
    wide = withheld.assign(standard_deviation=2.0 * withheld["standard_deviation"])
    assert coverage(wide, [0.5])[0] == pytest.approx(1 - 2 * stats.norm.sf(2 * 0.6745), abs=0.05)


def test_missing_values_are_left_out(withheld: xr.Dataset) -> None:
    assert pit(withheld).size == withheld["observed"].size - 1


@pytest.mark.parametrize("count", [1, 7, 400])
def test_the_band_is_binomial(count: int) -> None:
    shares = np.array([0.05, 0.5, 0.95])
    wanted = [stats.binom.ppf(q, count, shares) / count for q in (0.025, 0.975)]
    assert sampling_band(shares, count) == pytest.approx(np.array(wanted))


def test_spread_matches_skill_where_it_is_true(withheld: xr.Dataset) -> None:
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.1, 2.0, withheld["mean"].shape)
    observed = withheld["mean"] + spread * rng.standard_normal(spread.shape)
    true = withheld.assign(observed=observed, standard_deviation=(("profile", "depth"), spread))
    pair = spread_skill(true, bins=5)
    assert pair.spread.size == 5
    assert pair.skill == pytest.approx(pair.spread, rel=0.25)


def test_intervals_hold_the_score_and_repeat(withheld: xr.Dataset) -> None:
    low, high = rmse_intervals(withheld, "mean")
    rmse = np.sqrt(((withheld["observed"] - withheld["mean"]) ** 2).mean("profile")).values
    assert np.all((low < rmse) & (rmse < high))
    assert np.array_equal(rmse_intervals(withheld, "mean"), [low, high])


def test_a_level_without_values_has_no_interval(withheld: xr.Dataset) -> None:
    empty = withheld.assign(observed=withheld["observed"].where(withheld["depth"] > 0.0))
    assert np.isnan(rmse_intervals(empty, "mean")[:, 0]).all()


def test_half_width_is_gaussian_unless_another_distribution_is_stated(
    withheld: xr.Dataset,
) -> None:
    width = half_width(withheld, 0.6827)
    assert width.values == pytest.approx(withheld["standard_deviation"].values, abs=1e-4)
    heavy = student(withheld, degrees=3.0)
    assert half_width(heavy, 0.9).values == pytest.approx(0.5 * stats.t.ppf(0.95, 3.0))


def test_heavy_tails_are_calibrated_if_they_are_stated(withheld: xr.Dataset) -> None:
    draws = stats.t.rvs(3.0, size=withheld["mean"].shape, random_state=np.random.default_rng(4))
    heavy = student(withheld, degrees=3.0)
    heavy["observed"] = heavy["mean"] + 0.5 * draws
    assert stats.kstest(pit(heavy), "uniform").pvalue > 0.01
    gaussian = heavy.assign_attrs(distribution="normal")
    assert stats.kstest(pit(gaussian), "uniform").pvalue < 0.001


def student(withheld: xr.Dataset, *, degrees: float) -> xr.Dataset:
    """Predictions of scale 0.5 whose standard deviation is that of the Student t."""
    scale = xr.full_like(withheld["mean"], 0.5)
    sd = scale * np.sqrt(degrees / (degrees - 2.0))
    stated = {"distribution": "student_t", "degrees_of_freedom": degrees}
    return withheld.assign(scale=scale, standard_deviation=sd).assign_attrs(stated)
