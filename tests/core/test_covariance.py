"""The covariance's parameters: what they are at a place, and which are refused."""

from __future__ import annotations

import numpy as np
import pytest

from isopleth.core.covariance import COLUMNS, SMOOTHNESS, LocalScales, SpaceTimeCovariance
from isopleth.core.errors import InputError

LATITUDE = np.array([-60.0, -5.0, 0.0, 5.0, 60.0])


def test_every_column_is_the_argument_of_its_name_far_from_the_equator() -> None:
    covariance = SpaceTimeCovariance(mean_variance=0.4, slope_variance=0.2)
    local = covariance.at(np.array([80.0]))
    assert len(local) == 1
    for name in COLUMNS:
        np.testing.assert_allclose(local.column(name), getattr(covariance, name), rtol=1e-12)


def test_equatorial_stretch_is_the_formula_of_the_text() -> None:
    covariance = SpaceTimeCovariance(
        equatorial_zonal=3.0, equatorial_meridional=0.5, equatorial_width_deg=10.0
    )
    local = covariance.at(LATITUDE)
    bump = np.exp(-((LATITUDE / 10.0) ** 2))
    np.testing.assert_allclose(local.column("zonal_km"), 160.0 * (1.0 + 3.0 * bump))
    np.testing.assert_allclose(local.column("meridional_km"), 160.0 * (1.0 + 0.5 * bump))
    np.testing.assert_allclose(local.column("broad_zonal_km"), 2500.0 * (1.0 + 3.0 * bump))
    for name in set(COLUMNS) - {"zonal_km", "meridional_km", "broad_zonal_km"}:
        assert np.ptp(local.column(name)) == 0.0, name


def test_the_longitude_is_not_used_and_hemispheres_are_alike() -> None:
    covariance = SpaceTimeCovariance()
    here, there = covariance.at(LATITUDE, LATITUDE * 3.0), covariance.at(-LATITUDE)
    np.testing.assert_array_equal(here.values, covariance.at(LATITUDE).values)
    np.testing.assert_array_equal(here.values, there.values)


def test_signal_variance_is_what_the_field_varies_by() -> None:
    local = SpaceTimeCovariance(broad_share=0.3, mean_variance=2.0, nugget=0.5).at(LATITUDE)
    np.testing.assert_allclose(local.signal_variance, 3.3)


def test_scaled_multiplies_the_named_parameters_only() -> None:
    local = SpaceTimeCovariance(smoothness=1.5).at(LATITUDE)
    factor = np.log(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    moved = local.scaled({"days": factor, "nugget": -factor})
    np.testing.assert_allclose(moved.column("days") / local.column("days"), np.exp(factor))
    np.testing.assert_allclose(moved.column("nugget") / local.column("nugget"), np.exp(-factor))
    kept = [k for k, name in enumerate(COLUMNS) if name not in ("days", "nugget")]
    np.testing.assert_array_equal(moved.values[:, kept], local.values[:, kept])
    assert moved.smoothness == 1.5
    assert np.ptp(local.column("days")) == 0.0, "the original must not change"


@pytest.mark.parametrize("index", [np.array([3, 1]), np.array([False, True, False, True, True])])
def test_select_takes_rows(index: np.ndarray) -> None:
    local = SpaceTimeCovariance(smoothness=2.5).at(LATITUDE)
    chosen = local.select(index)
    np.testing.assert_array_equal(chosen.values, local.values[index])
    assert isinstance(chosen, LocalScales)
    assert chosen.smoothness == 2.5


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"zonal_km": 0.0}, r"zonal_km is 0.0; give a positive number"),
        ({"broad_days": -1.0}, r"broad_days is -1.0; give a positive number"),
        ({"equatorial_width_deg": 0.0}, r"equatorial_width_deg is 0.0; give a positive number"),
        ({"nugget": -0.1}, r"nugget is -0.1; give a non-negative number"),
        ({"broad_share": float("nan")}, r"broad_share is nan; give a non-negative number"),
        ({"days": float("inf")}, r"days is inf; give a positive number"),
        ({"smoothness": 1.0}, r"smoothness is 1.0; compiled are 0.5, 1.5, 2.5"),
    ],
)
def test_impossible_parameter_is_refused(setting: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SpaceTimeCovariance(**setting)


@pytest.mark.parametrize("smoothness", SMOOTHNESS)
def test_variances_may_vanish(smoothness: float) -> None:
    local = SpaceTimeCovariance(nugget=0.0, broad_share=0.0, smoothness=smoothness).at(LATITUDE)
    np.testing.assert_array_equal(local.signal_variance, 1.0)
