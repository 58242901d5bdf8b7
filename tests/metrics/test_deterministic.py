from __future__ import annotations

import numpy as np
import pytest
import scores.continuous
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from isopleth.core.errors import InputError
from isopleth.metrics import bias, correlation, mse, mse_gridmean, rmse, weighted_mean

FORECAST = np.array([1.0, 2.0, 3.0, np.nan, 5.0])
TRUTH = np.array([0.0, 2.0, 5.0, 4.0, np.nan])


def test_by_hand_a_pair_with_nan_is_left_out() -> None:
    # Pairs left: errors 1, 0, -2.
    assert bias(FORECAST, TRUTH) == pytest.approx(-1 / 3)
    assert mse(FORECAST, TRUTH) == pytest.approx(5 / 3)
    assert rmse(FORECAST, TRUTH) == pytest.approx(np.sqrt(5 / 3))


def test_by_hand_weights_and_mask() -> None:
    weights = [3.0, 1.0, 1.0, 9.0, 9.0]
    assert mse(FORECAST, TRUTH, weights=weights) == pytest.approx((3 * 1 + 0 + 4) / 5)
    assert mse(FORECAST, TRUTH, mask=[True, True, False, True, True]) == pytest.approx(0.5)


def test_axis_pools_over_the_named_axes_only() -> None:
    error = np.array([[1.0, 1.0], [3.0, np.nan]])
    np.testing.assert_allclose(rmse(error, 0.0, axis=1), [1.0, 3.0])
    # The pooled score is not the mean of the rows' scores.
    assert rmse(error, 0.0) == pytest.approx(np.sqrt(11 / 3))


def test_nothing_left_is_nan_not_zero() -> None:
    nothing = [np.nan, 1.0]
    for metric in (bias, mse, rmse, correlation):
        assert np.isnan(metric(nothing, [1.0, np.nan]))
        assert np.isnan(metric([1.0, 2.0], [1.0, 3.0], mask=False))
        assert np.isnan(metric([1.0, 2.0], [1.0, 3.0], weights=0.0))
    np.testing.assert_array_equal(weighted_mean([[np.nan], [2.0]], axis=1), [np.nan, 2.0])


def test_infinity_is_not_missing() -> None:
    assert rmse([np.inf, 1.0], [0.0, 1.0]) == np.inf
    assert rmse([np.inf, 1.0], [0.0, 1.0], mask=[False, True]) == 0.0


def test_correlation_by_hand_and_of_a_constant() -> None:
    assert correlation([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]) == pytest.approx(1.0)
    assert correlation([1.0, 2.0, 3.0], [1.0, -2.0, 1.0]) == pytest.approx(0.0, abs=1e-15)
    assert np.isnan(correlation([0.1, 0.1, 0.1], [1.0, 2.0, 4.0]))


def test_correlation_with_whole_weights_is_that_of_repeated_pairs(
    rng: np.random.Generator,
) -> None:
    forecast, truth = rng.normal(size=(2, 30))
    times = rng.integers(0, 4, 30)
    repeated = np.corrcoef(np.repeat(forecast, times), np.repeat(truth, times))[0, 1]
    assert correlation(forecast, truth, weights=times) == pytest.approx(repeated)


def test_gridmean_divides_by_every_cell() -> None:
    forecast, truth = np.full((2, 2), 2.0), np.array([[0.0, 7.0], [1.0, np.nan]])
    mask = [[True, False], [True, True]]
    assert mse_gridmean(forecast, truth, mask=mask) == pytest.approx((4 + 0 + 1 + 0) / 4)
    assert mse(forecast, truth, mask=mask) == pytest.approx((4 + 1) / 2)


def test_against_scores(rng: np.random.Generator) -> None:
    forecast, truth = rng.normal(size=(2, 6, 8))
    forecast[0, 0], truth[3, 4] = np.nan, np.nan
    weights = rng.uniform(size=(6, 8))
    f, y, w = (xr.DataArray(values, dims=("lat", "lon")) for values in (forecast, truth, weights))
    with_weights = {"weights": weights}
    assert mse(forecast, truth, **with_weights) == pytest.approx(
        float(scores.continuous.mse(f, y, weights=w))
    )
    assert rmse(forecast, truth) == pytest.approx(float(scores.continuous.rmse(f, y)))
    assert bias(forecast, truth, **with_weights) == pytest.approx(
        float(scores.continuous.additive_bias(f, y, weights=w))
    )
    np.testing.assert_allclose(
        rmse(forecast, truth, axis=1),
        scores.continuous.rmse(f, y, preserve_dims=["lat"]),
    )
    assert correlation(forecast, truth) == pytest.approx(
        float(scores.continuous.correlation.pearsonr(f, y))
    )


@settings(deadline=None, max_examples=60)
@given(arrays(np.float64, (2, 12), elements=st.floats(-1e3, 1e3)))
def test_mean_square_is_variance_plus_squared_bias(pair: np.ndarray) -> None:
    error = pair[0] - pair[1]
    assert mse(*pair) == pytest.approx(error.var() + bias(*pair) ** 2, abs=1e-6)
    assert rmse(*pair) >= abs(bias(*pair)) - 1e-9
    value = correlation(*pair)
    assert np.isnan(value) or -1 <= value <= 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"weights": [-1.0, 1.0]}, "weights contain -1.0"),
        ({"weights": [np.nan, 1.0]}, "weights contain nan"),
        ({"weights": [1.0, 1.0, 1.0]}, r"weights of shape \(3,\)"),
        ({"mask": [[True, True]]}, r"mask of shape \(1, 2\)"),
    ],
)
def test_bad_weights_are_named(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        rmse([1.0, 2.0], [1.0, 2.0], **arguments)


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(InputError, match=r"truth of shape \(3,\)"):
        rmse([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match=r"truth of shape \(3,\)"):
        correlation([1.0, 2.0], [1.0, 2.0, 3.0])
