"""How much of each scale a field holds: zonal spectra on a grid with land.

A spectrum of a whole row needs values on land, and filled land leaks into every scale. Here every
uninterrupted run of ocean of a given length is a sample, as in along-track altimetry.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.signal import periodogram

from isopleth.core.errors import InputError
from isopleth.metrics.deterministic import Floats

__all__ = ["Spectrum", "effective_resolution", "zonal_spectrum"]

KM_PER_DEGREE = 111.195  # at the equator of a sphere of radius 6371 km


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Power per wavenumber, averaged over the segments of a band of latitude.

    Attributes:
        wavenumber: (K,) cycles per degree of longitude, increasing, without 0.
        density: (K,) unit squared per cycle per degree; its integral is the variance.
        segments: Number of (overlapping) segments averaged.
        latitude: Their mean latitude, degrees north.
    """

    wavenumber: Floats
    density: Floats
    segments: int
    latitude: float

    @property
    def wavelength_km(self) -> Floats:
        """(K,) wavelength in km along the band's mean latitude, decreasing."""
        return KM_PER_DEGREE * np.cos(np.deg2rad(self.latitude)) / self.wavenumber


def zonal_spectrum(
    field: ArrayLike,
    latitude: ArrayLike,
    longitude: ArrayLike,
    *,
    band: tuple[float, float],
    length_deg: float,
    mask: ArrayLike | None = None,
) -> Spectrum:
    """Mean zonal power spectrum of the uninterrupted ocean segments in a band of latitude.

    Every stretch of `length_deg` without a gap, at every starting cell (across the seam too when
    the grid goes round the Earth, so rolling the field changes nothing), has its linear trend
    removed, is tapered with a Hann window, and gives a one-sided periodogram; the mean over
    segments, rows and leading axes is returned.
    Reference: Welch (1967), IEEE Trans. Audio Electroacoust. 15, 70; segments as in Ballarotta et
    al. (2019), Ocean Sci. 15, 1091.

    Args:
        field: (..., lat, lon), any unit; NaN is a gap.
        latitude: (lat,) degrees north.
        longitude: (lon,) degrees east, evenly spaced and increasing.
        band: (south, north) degrees north; keep it narrow, since km per degree varies inside it.
        length_deg: Length of a segment in degrees of longitude, at least 8 cells.
        mask: (lat, lon) or the field's shape, True on ocean.

    Raises:
        InputError: Longitudes are uneven, the length is too short or too long, or no segment
            exists.
    """
    values, lat = np.asarray(field, dtype=np.float64), np.asarray(latitude, dtype=np.float64)
    if mask is not None:
        values = np.where(np.asarray(mask, dtype=bool), values, np.nan)
    step, periodic = _spacing(np.asarray(longitude, dtype=np.float64))
    cells = _cells(length_deg, step, values.shape[-1])
    total, count, sum_lat = np.zeros(cells // 2 + 1), 0, 0.0
    for row in np.flatnonzero((lat >= band[0]) & (lat <= band[1])):
        segments = _segments(values[..., row, :], cells, periodic)
        if len(segments):
            _, power = periodogram(segments, 1 / step, window="hann", detrend="linear")
            total, count = total + power.sum(axis=0), count + len(segments)
            sum_lat += lat[row] * len(segments)
    if count == 0:
        raise InputError(
            f"no ocean segment of {length_deg} degrees without a gap lies between {band[0]} and "
            f"{band[1]} degrees north: shorten the segment or widen the band."
        )
    wavenumber = np.fft.rfftfreq(cells, step).astype(np.float64)
    return Spectrum(wavenumber[1:], total[1:] / count, count, sum_lat / count)


def effective_resolution(error: Spectrum, signal: Spectrum, *, threshold: float = 0.5) -> float:
    """Wavelength below which the error holds more than half of the signal's power, in km.

    From long to short waves, the first crossing of `density_error / density_signal = threshold`,
    linear in wavenumber. Reference: Ballarotta et al. (2019), Ocean Sci. 15, 1091, eq. 2.

    Args:
        error: Spectrum of forecast minus truth.
        signal: Spectrum of the truth, on the same segments.
        threshold: Largest ratio that counts as resolved.

    Returns:
        Kilometres: infinite if not even the longest wave is resolved, and the shortest wave of the
        grid, an upper bound, if all are.

    Raises:
        InputError: The two spectra have different wavenumbers.
    """
    if not np.array_equal(error.wavenumber, signal.wavenumber):
        raise InputError(
            f"the error has {len(error.wavenumber)} wavenumbers and the signal "
            f"{len(signal.wavenumber)} others: compute both with the same band and length_deg."
        )
    ratio, wavenumber = error.density / signal.density, signal.wavenumber
    above = np.flatnonzero(ratio > threshold)
    if len(above) == 0:
        return float(signal.wavelength_km[-1])
    if above[0] == 0:
        return float("inf")
    pair = slice(above[0] - 1, above[0] + 1)
    crossing = np.interp(threshold, ratio[pair], wavenumber[pair])
    return float(signal.wavelength_km[0] * wavenumber[0] / crossing)


def _spacing(longitude: Floats) -> tuple[float, bool]:
    """Spacing in degrees, and whether the cells go round the Earth."""
    gaps = np.diff(longitude)
    if len(gaps) == 0 or gaps[0] <= 0 or not np.allclose(gaps, gaps[0], rtol=1e-3):
        raise InputError(
            f"the {len(longitude)} longitudes are not evenly spaced and increasing: "
            "put the field on a regular grid first."
        )
    step = float(gaps.mean())
    return step, bool(np.isclose(step * len(longitude), 360.0))


def _cells(length_deg: float, step: float, width: int) -> int:
    """Number of cells in a segment."""
    cells = round(length_deg / step)
    if not 8 <= cells <= width:
        raise InputError(
            f"a segment of {length_deg} degrees is {cells} cells on this grid: "
            f"choose a length between {8 * step:g} and {width * step:g} degrees."
        )
    return cells


def _segments(row: Floats, cells: int, periodic: bool) -> Floats:
    """(segments, cells): every stretch of the row(s) (..., lon) that has no gap."""
    if periodic:
        row = np.concatenate([row, row[..., : cells - 1]], axis=-1)
    windows = sliding_window_view(row, cells, axis=-1)
    return windows[~np.isnan(windows).any(axis=-1)]
