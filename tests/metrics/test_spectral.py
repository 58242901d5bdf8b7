from __future__ import annotations

import numpy as np
import pytest

from isopleth.core.errors import InputError
from isopleth.metrics import Spectrum, effective_resolution, zonal_spectrum

LATITUDE = np.arange(45.5, 14.0, -1.0)
LONGITUDE = np.arange(0.5, 360.0)
BAND = (20.0, 40.0)


def _spectrum(field: np.ndarray, length_deg: float = 60.0, **arguments: object) -> Spectrum:
    return zonal_spectrum(
        field, LATITUDE, LONGITUDE, band=BAND, length_deg=length_deg, **arguments
    )


def test_a_wave_peaks_at_its_own_wavenumber_with_its_own_variance() -> None:
    wave = 3.0 * np.sin(2 * np.pi * LONGITUDE / 10) * np.ones((len(LATITUDE), 1))
    spectrum = _spectrum(wave)
    assert spectrum.wavenumber[spectrum.density.argmax()] == pytest.approx(0.1)
    assert spectrum.density.sum() * spectrum.wavenumber[0] == pytest.approx(4.5, rel=0.01)
    assert spectrum.latitude == pytest.approx(30.0)
    # 10 degrees at 30 degrees north.
    peak_km = spectrum.wavelength_km[spectrum.density.argmax()]
    assert peak_km == pytest.approx(1111.95 * np.cos(np.pi / 6))


def test_white_noise_is_flat_and_keeps_its_variance(rng: np.random.Generator) -> None:
    spectrum = _spectrum(2.0 * rng.normal(size=(5, len(LATITUDE), 360)))
    # Variance 4 spread evenly up to 1/2 cycle per degree; the trend takes the lowest ones.
    np.testing.assert_allclose(spectrum.density[3:-1], 8.0, rtol=0.15)


def test_rolling_the_field_changes_nothing(rng: np.random.Generator) -> None:
    field = rng.normal(size=(len(LATITUDE), 360))
    field[:, 100:140] = np.nan
    before, after = _spectrum(field), _spectrum(np.roll(field, 77, axis=1))
    assert before.segments == after.segments
    np.testing.assert_allclose(before.density, after.density)


def test_values_on_land_and_outside_the_band_change_nothing(rng: np.random.Generator) -> None:
    field = rng.normal(size=(len(LATITUDE), 360))
    ocean = np.ones(field.shape, dtype=bool)
    ocean[:, 50:90] = False
    spoiled = np.where(ocean, field, 1e6)
    spoiled[(LATITUDE > 40) | (LATITUDE < 20)] = np.nan
    np.testing.assert_array_equal(
        _spectrum(field, mask=ocean).density, _spectrum(spoiled, mask=ocean).density
    )
    assert _spectrum(field, mask=ocean).segments == 20 * (320 - 60 + 1)


def test_a_regional_grid_has_no_seam() -> None:
    field = np.zeros((len(LATITUDE), 100))
    spectrum = zonal_spectrum(field, LATITUDE, LONGITUDE[:100], band=BAND, length_deg=60)
    assert spectrum.segments == 20 * 41


def test_effective_resolution_is_where_error_reaches_half_of_the_signal() -> None:
    wavenumber = np.arange(1, 31) / 60
    signal = Spectrum(wavenumber, np.ones(30), 1, 0.0)
    error = Spectrum(wavenumber, 2 * wavenumber, 1, 0.0)
    # The ratio 2 k reaches 0.5 at k = 1/4 cycle per degree: 4 degrees at the equator.
    assert effective_resolution(error, signal) == pytest.approx(4 * 111.195)
    assert effective_resolution(error, signal, threshold=0.8) == pytest.approx(2.5 * 111.195)
    between = effective_resolution(error, signal, threshold=0.51)
    assert between == pytest.approx(111.195 / 0.255)


def test_effective_resolution_of_nothing_and_of_everything() -> None:
    wavenumber = np.arange(1, 31) / 60
    signal = Spectrum(wavenumber, np.ones(30), 1, 0.0)
    assert effective_resolution(signal, signal) == np.inf
    perfect = Spectrum(wavenumber, np.zeros(30), 1, 0.0)
    assert effective_resolution(perfect, signal) == pytest.approx(2 * 111.195)


def test_smoothing_over_a_wavelength_is_found(rng: np.random.Generator) -> None:
    truth = rng.normal(size=(8, len(LATITUDE), 360))
    wavenumber = np.fft.rfftfreq(360)
    smooth = np.fft.irfft(np.fft.rfft(truth) * (wavenumber < 0.2), n=360)
    resolution = effective_resolution(_spectrum(smooth - truth), _spectrum(truth))
    assert resolution == pytest.approx(5 * 111.195 * np.cos(np.deg2rad(30)), rel=0.06)


@pytest.mark.parametrize(
    ("longitude", "length", "sentence"),
    [
        (LONGITUDE, 60.0, "no ocean segment"),
        (LONGITUDE, 4.0, "is 4 cells"),
        (LONGITUDE, 400.0, "is 400 cells"),
        (LONGITUDE**2, 60.0, "not evenly spaced"),
        (LONGITUDE[::-1], 60.0, "not evenly spaced"),
    ],
)
def test_impossible_spectra_are_named(longitude: np.ndarray, length: float, sentence: str) -> None:
    field = np.zeros((len(LATITUDE), 360))
    field[:, ::40] = np.nan
    with pytest.raises(InputError, match=sentence):
        zonal_spectrum(field, LATITUDE, longitude, band=BAND, length_deg=length)


def test_spectra_of_different_segments_cannot_be_compared() -> None:
    field = np.zeros((len(LATITUDE), 360))
    with pytest.raises(InputError, match="30 wavenumbers and the signal 20"):
        effective_resolution(_spectrum(field), _spectrum(field, length_deg=40.0))
