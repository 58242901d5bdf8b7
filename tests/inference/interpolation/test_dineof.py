"""DINEOF: exact cases, the filter by hand, and real sea-surface temperatures under clouds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from isopleth.core.errors import InputError
from isopleth.data.cards import open_grid
from isopleth.inference.interpolation.dineof import Dineof, borrowed_gaps, truncated
from isopleth.inference.interpolation.temporal_filter import TemporalFilter


def low_rank(seed: int = 0) -> np.ndarray:
    """Two modes without noise about a mean of 15, 40 maps of 60 places."""
    rng = np.random.default_rng(seed)
    return 15.0 + rng.standard_normal((40, 2)) @ (rng.standard_normal((2, 60)) * [[3.0], [1.0]])


def with_gaps(stack: np.ndarray, share: float = 0.3) -> np.ndarray:
    return np.where(np.random.default_rng(1).random(stack.shape) < share, np.nan, stack)


def test_an_exact_low_rank_is_found() -> None:
    truth = low_rank()
    result = Dineof(tolerance=1e-9, iterations=3000, max_modes=6)(with_gaps(truth))
    # Two modes, and one more because the mean of what is seen is not that of all.
    assert result.modes >= 3
    assert result.curve[2] > 1e-2 > 1e-6 > result.curve[3]
    np.testing.assert_allclose(result.filled, truth, atol=1e-6)


@pytest.mark.parametrize("shape", [(12, 50), (50, 12)])
def test_truncation_is_that_of_the_singular_values(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(2).standard_normal(shape)
    U, S, V = np.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(truncated(x, 4), (U[:, :4] * S[:4]) @ V[:4], atol=1e-12)
    np.testing.assert_allclose(truncated(x, 12), x, atol=1e-12)
    assert (truncated(x, 0) == 0.0).all()


def test_known_values_stay_and_land_stays_empty() -> None:
    stack = with_gaps(low_rank())
    stack[:, 7] = np.nan
    stack[5] = np.nan
    result = Dineof(max_modes=4)(stack)
    known = np.isfinite(stack)
    np.testing.assert_array_equal(result.filled[known], stack[known])
    assert np.isnan(result.filled[:, 7]).all()
    assert np.isnan(result.error[:, 7]).all()
    sea = np.delete(np.arange(60), 7)
    assert np.isfinite(result.filled[:, sea]).all()
    assert (result.error[:, sea] > 0.0).all()
    np.testing.assert_allclose(result.filled[5, sea], np.nanmean(stack))


def test_the_gaps_hold_what_the_modes_of_all_the_data_say() -> None:
    stack = with_gaps(low_rank() + np.random.default_rng(4).standard_normal((40, 60)))
    result = Dineof(tolerance=1e-9, iterations=3000, max_modes=4, share=0.2)(stack)
    anomaly = result.filled - np.nanmean(stack)
    gap = np.isnan(stack)
    np.testing.assert_allclose(truncated(anomaly, result.modes)[gap], anomaly[gap], atol=1e-6)


def test_noise_has_no_modes() -> None:
    noise = np.random.default_rng(3).standard_normal((40, 60))
    result = Dineof(share=0.1)(with_gaps(noise))
    assert result.modes == 0
    assert result.curve.argmin() == 0
    np.testing.assert_allclose(np.nanmean(result.error), 1.0, atol=0.1)


def test_the_error_is_that_of_an_optimal_interpolation() -> None:
    """Up to one factor: `diag(B - B H' (H B H' + R)^-1 H B) + R` with `B` from the EOFs."""
    rng = np.random.default_rng(4)
    stack = with_gaps(low_rank() + rng.standard_normal((40, 60)))
    present = np.isfinite(stack)
    result = Dineof(max_modes=4)(stack)
    fitted = result.smooth - np.nanmean(stack)
    B = fitted.T @ fitted / len(fitted)
    square = np.where(present, stack - result.smooth, 0.0) ** 2
    seen = present.sum(axis=0)
    R = (square.sum(axis=0) + 5.0 * square.sum() / seen.sum()) / (seen + 5.0)
    ratio = []
    for t, here in enumerate(present):
        G = B[np.ix_(here, here)] + np.diag(R[here])
        expected = np.diag(B - B[:, here] @ np.linalg.solve(G, B[here])) + R
        ratio.append(result.error[t] ** 2 / expected)
    np.testing.assert_allclose(np.array(ratio), np.mean(ratio), rtol=1e-6)


def test_the_same_seed_gives_the_same_map_and_progress_ends_at_one() -> None:
    told: list[float] = []
    stack = with_gaps(low_rank())
    first = Dineof(seed=5)(stack, progress=told.append)
    np.testing.assert_array_equal(first.filled, Dineof(seed=5)(stack).filled)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_one_step_of_the_filter_by_hand() -> None:
    F = TemporalFilter(alpha=0.1, steps=1).matrix(np.array([0.0, 1.0, 3.0]))
    west, east = 0.1 / 1.5 / 1.0, 0.1 / 1.5 / 2.0
    np.testing.assert_allclose(F[1], [west, 1.0 - west - east, east])
    np.testing.assert_allclose(F[0], [0.8, 0.2, 0.0])
    np.testing.assert_allclose(F.sum(axis=1), 1.0)


def test_the_filter_damps_a_wave_as_diffusion_does() -> None:
    day = np.arange(201.0)
    wave = np.cos(2 * np.pi * day / 20.0)
    damped = TemporalFilter(alpha=0.2, steps=5).matrix(day) @ wave
    factor = (1.0 - 0.2 * (2.0 - 2.0 * np.cos(2 * np.pi / 20.0))) ** 5
    np.testing.assert_allclose(damped[10:-10], factor * wave[10:-10], atol=1e-12)


@pytest.mark.parametrize("alpha", [-0.1, 0.6])
def test_an_unstable_filter(alpha: float) -> None:
    with pytest.raises(InputError, match=f"alpha is {alpha}.*from 0 to 0.5"):
        TemporalFilter(alpha=alpha).matrix(np.arange(9.0))


def test_borrowed_gaps_are_known_values_of_whole_gaps() -> None:
    present = np.isfinite(with_gaps(np.zeros((50, 200)), 0.4))
    held = borrowed_gaps(present, 0.1, seed=1)
    assert 0.1 * present.sum() <= held.sum() <= 0.15 * present.sum()
    assert not (held & ~present).any()
    lent = [row[here] for row, here in zip(held, present, strict=True) if row.any()]
    assert all(0.2 < row.mean() < 0.5 for row in lent)
    present[10:] = False
    assert borrowed_gaps(present, 0.5).sum(axis=1).max() <= 0.5 * 200


@pytest.mark.parametrize("wrong", [{"share": 0.5}, {"max_modes": 0}, {"tolerance": -1.0}])
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    (name, value), *_ = wrong.items()
    with pytest.raises(InputError, match=f"{name} is {value}: give"):
        Dineof(**wrong)


def test_wrong_stacks() -> None:
    with pytest.raises(InputError, match=r"shape \(3, 4, 5\)"):
        Dineof()(np.zeros((3, 4, 5)))
    with pytest.raises(InputError, match="12 finite values"):
        Dineof()(np.zeros((3, 4)))
    with pytest.raises(InputError, match="hide nothing known"):
        Dineof()(low_rank(), hidden=np.zeros((40, 60), bool))
    with pytest.raises(InputError, match="do not increase"):
        Dineof(smoothing=TemporalFilter(0.1))(low_rank(), day=np.zeros(40))


def under_clouds() -> tuple[np.ndarray, np.ndarray]:
    """Ten years of real monthly anomalies, and 30 % of the Earth under smooth random clouds."""
    sea = open_grid("sst_anomaly_1979_2013")["sst_anomaly"].to_numpy()[-120:]
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(sea.shape)
    smooth = np.stack([gaussian_filter(n, (2.5, 4.0), mode=("nearest", "wrap")) for n in noise])
    cloud = smooth > np.quantile(smooth, 0.7, axis=(1, 2), keepdims=True)
    return sea.reshape(len(sea), -1), cloud.reshape(len(sea), -1)


def test_real_sea_surface_temperature_under_clouds() -> None:
    truth, cloud = under_clouds()
    stack = np.where(cloud, np.nan, truth)
    method = Dineof(max_modes=20, smoothing=TemporalFilter(alpha=0.25, steps=3))
    result = method(stack, hidden=borrowed_gaps(np.isfinite(stack)))
    scored = cloud & np.isfinite(truth)
    assert 0.25 < scored.sum() / np.isfinite(truth).sum() < 0.35
    error = (result.filled - truth)[scored]
    seen = np.isfinite(stack)
    mean = np.where(seen, stack, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    rmse, zero, time_mean = (
        np.sqrt(np.mean(e**2)) for e in (error, truth[scored], (truth - mean)[scored])
    )
    assert rmse < 0.70 * zero  # 0.67 measured
    assert rmse < 0.76 * time_mean  # 0.73 measured
    scaled = error / result.error[scored]
    assert 0.9 < np.sqrt(np.mean(scaled**2)) < 1.1
    assert np.corrcoef(np.abs(error), result.error[scored])[0, 1] > 0.3
