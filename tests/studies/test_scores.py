from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from isopleth.core.errors import InputError
from isopleth.studies import case_scores, score_table


def predictions(**changes: object) -> xr.Dataset:
    """Three profiles on two levels; the third has no observation at the second level."""
    both = ("profile", "depth")
    values = {
        "observed": [[10.0, 5.0], [12.0, 5.5], [11.0, np.nan]],
        "mean": [[10.5, 5.0], [11.0, 5.0], [11.0, 4.0]],
        "standard_deviation": np.full((3, 2), 1.0),
        "climatology": [[9.0, 6.0], [9.0, 6.0], [9.0, 6.0]],
    }
    data = {name: (both, np.asarray(v, float)) for name, v in (values | changes).items()}
    return xr.Dataset(data, {"depth": [0.0, 100.0]})


def test_scores_by_hand() -> None:
    table = score_table(predictions())
    assert table["depth"].tolist() == [0.0, 100.0]
    assert table["n"].tolist() == [3, 2]
    assert table["rmse"].to_numpy() == pytest.approx(np.sqrt([1.25 / 3, 0.125]))
    assert table["bias"].to_numpy() == pytest.approx([-0.5 / 3, -0.25])
    assert table["rmse_climatology"].to_numpy() == pytest.approx(np.sqrt([14 / 3, 0.625]))
    assert table["bias_climatology"].to_numpy() == pytest.approx([-2.0, 0.75])
    assert table["coverage90"].tolist() == [1.0, 1.0]


def test_a_climatology_without_a_spread_is_scored_by_its_absolute_error() -> None:
    assert score_table(predictions())["crps_climatology"].to_numpy() == pytest.approx([2.0, 0.75])
    wide = score_table(predictions(), climatology_spread=[2.0, 1.0])
    assert (wide["crps_climatology"] < score_table(predictions())["crps_climatology"]).all()


def test_analysis_and_climatology_meet_on_the_same_values() -> None:
    gap = np.full((3, 2), 9.0)
    gap[0, 0] = np.nan
    table = score_table(predictions(climatology=gap))
    assert table["n"].tolist() == [2, 2]
    assert table["rmse"][0] == pytest.approx(np.sqrt(0.5))


def test_a_level_without_a_value_has_no_score() -> None:
    empty = score_table(predictions(observed=np.full((3, 2), np.nan)))
    assert empty["n"].tolist() == [0, 0]
    assert empty.drop(columns=["depth", "n"]).isna().all(axis=None)


def test_the_stated_distribution_is_scored() -> None:
    rng = np.random.default_rng(0)
    shape = (4000, 2)
    truth = stats.t.rvs(3.0, size=shape, random_state=rng)
    zero, one = np.zeros(shape), np.ones(shape)
    both = ("profile", "depth")
    data = {"observed": truth, "mean": zero, "climatology": zero, "scale": one}
    data["standard_deviation"] = one * np.sqrt(3.0)
    heavy = xr.Dataset({k: (both, v) for k, v in data.items()}, {"depth": [0.0, 1.0]})
    stated = heavy.assign_attrs(distribution="student_t", degrees_of_freedom=3.0)
    assert score_table(stated)["coverage90"].to_numpy() == pytest.approx(0.9, abs=0.015)
    assert score_table(stated)["crps"].sum() < score_table(heavy)["crps"].sum()
    assert stats.kstest(case_scores(stated)["pit"].values.ravel(), "uniform").pvalue > 0.01


def test_the_order_of_dimensions_does_not_matter() -> None:
    turned = predictions().transpose("depth", "profile")
    assert score_table(turned).equals(score_table(predictions()))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InputError, match="no variable 'climatology'"):
        score_table(predictions().drop_vars("climatology"))
    with pytest.raises(InputError, match="one standard deviation a level"):
        score_table(predictions(), climatology_spread=[1.0])
