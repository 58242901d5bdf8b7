"""The band-pass filter against waves whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.metrics import band_pass, lanczos_weights

BAND = {"shortest": 5.0, "longest": 12.0}


def amplitude(period: float, half_width: int = 60) -> float:
    """What is left of a wave of amplitude 1."""
    time = np.arange(400)
    pair = np.stack([np.cos(2 * np.pi * time / period), np.sin(2 * np.pi * time / period)], 1)
    left = band_pass(pair, **BAND, half_width=half_width)
    return float(np.hypot(*left[37]))


def test_waves_inside_the_band_pass_and_others_do_not() -> None:
    assert amplitude(7.5) == pytest.approx(1.0, abs=0.02)
    assert amplitude(2.5) < 0.01
    assert amplitude(40.0) < 0.01


@pytest.mark.parametrize("period", [5.0, 12.0])
def test_half_of_the_amplitude_passes_at_the_edges(period: float) -> None:
    assert amplitude(period) == pytest.approx(0.5, abs=0.02)


def test_phase_is_kept_and_ends_are_cut() -> None:
    wave = np.cos(2 * np.pi * np.arange(300) / 7.5)
    left = band_pass(wave, **BAND, half_width=60)
    assert left.shape == (180,)
    np.testing.assert_allclose(left, wave[60:-60], atol=0.02)


def test_columns_do_not_mix_and_precision_is_kept() -> None:
    series = np.random.default_rng(0).normal(size=(120, 2, 3)).astype(np.float32)
    left = band_pass(series, **BAND, half_width=20)
    assert left.dtype == np.float32
    alone = band_pass(series[:, 1, 2].astype(np.float64), **BAND, half_width=20)
    direct = np.convolve(series[:, 1, 2], lanczos_weights(5.0, 12.0, 20), mode="valid")
    np.testing.assert_allclose(alone, direct, atol=1e-12)
    np.testing.assert_allclose(left[:, 1, 2], alone, atol=1e-5)


def test_a_high_pass_has_no_longest_period() -> None:
    weights = lanczos_weights(2.0, np.inf, 10)
    assert weights[10] == 1.0
    np.testing.assert_allclose(np.delete(weights, 10), 0.0, atol=1e-15)


@pytest.mark.parametrize(("shortest", "longest"), [(12.0, 5.0), (1.5, 5.0), (5.0, 5.0)])
def test_periods_that_are_no_band(shortest: float, longest: float) -> None:
    with pytest.raises(InputError, match="are no band"):
        lanczos_weights(shortest, longest, 20)


def test_too_short_a_filter_or_series() -> None:
    with pytest.raises(InputError, match="give at least 5"):
        lanczos_weights(5.0, 12.0, 4)
    with pytest.raises(InputError, match="shorter than a filter of 41 steps"):
        band_pass(np.zeros(40), **BAND, half_width=20)
    with pytest.raises(InputError, match="shorter than a filter"):
        band_pass(1.0, **BAND, half_width=20)
